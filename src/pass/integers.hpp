// Arithmetic of extents.
#pragma once

#include <cstddef>

namespace renorm {

// Most that a small call asks for is 0 or 1, and a division takes longer than all else around it.
inline std::size_t divide_up(std::size_t a, std::size_t b) {
  if (a <= b) return a > 0;
  return a / b + (a % b != 0);
}
inline std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }
inline std::size_t larger(std::size_t a, std::size_t b) { return a > b ? a : b; }

// Where the k-th of equal parts of total begins.
inline std::size_t border(std::size_t total, std::size_t parts, std::size_t k) { return total / parts * k + smaller(k, total % parts); }

}  // namespace renorm
