// Images of handwritten digits; examples/data/README.md names their source.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace demo {

inline constexpr std::size_t pixels_per_image = 64;  // 8x8, row by row, whole numbers from 0 to 16

// The images of a file, one after the other; empty if it cannot be read or holds anything else.
std::vector<float> read_digits(std::string const& path);

}  // namespace demo
