#pragma once

#include <cstdint>

namespace bench {

// Uniform in [-1.5, 2.5): a mean of 0.5, a deviation of 1.15. Floats hold these numbers exactly.
class random_values {
 public:
  explicit random_values(std::uint64_t seed) : state_(seed) {}

  double next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;  // D. Knuth's MMIX generator
    return static_cast<double>(state_ >> 40) * 0x1p-22 - 1.5;
  }

 private:
  std::uint64_t state_;
};

}  // namespace bench
