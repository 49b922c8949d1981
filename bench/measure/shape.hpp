// The tensors that are measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct shape {
  char const* group;
  std::int64_t n, c, h, w;

  std::int64_t positions() const { return h * w; }  // of a sample
  std::size_t values() const { return static_cast<std::size_t>(n * c * positions()); }
};

std::vector<shape> const& shapes();
std::string name_of(shape const& s);  // NxCxHxW

}  // namespace bench
