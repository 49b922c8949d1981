// What holds for batch norm and batch renorm on any data, checked on the digits.
#pragma once

#include "layer.hpp"

namespace demo {

struct finding {
  char const* claim;
  double error;  // the largest, in parts of what rounding explains

  bool holds() const { return error <= 1; }
};

// Runs every check on one view of the images; the claims are the same for all.
std::vector<finding> check_view(view const& v, tensor const& images);

}  // namespace demo
