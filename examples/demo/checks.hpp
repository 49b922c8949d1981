// What holds for batch norm and batch renorm on any data, checked on the digits.
#pragma once

#include "layer.hpp"

namespace demo {

// Runs every check on one view of the images, printing a line for each. Returns whether all held.
bool check_view(view const& v, tensor const& images);

}  // namespace demo
