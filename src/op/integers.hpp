// Arithmetic of extents.
#pragma once

#include <cstddef>

namespace renorm {

inline std::size_t divide_up(std::size_t a, std::size_t b) { return a / b + (a % b != 0); }
inline std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }
inline std::size_t larger(std::size_t a, std::size_t b) { return a > b ? a : b; }

}  // namespace renorm
