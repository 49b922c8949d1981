// Test data, the same on every machine: integers and exact conversions only.
#pragma once

#include <cstdint>

namespace renorm_test {

// splitmix64
class generator {
 public:
  explicit generator(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(static_cast<std::int64_t>(next()) >> 40) * 0x1p-23; }  // [-1, 1)

  // Near to a normal distribution of deviation 1, within +-3.5: the sum of four uniform numbers.
  double normal() {
    std::uint64_t const z = next();
    std::int64_t sum = -2 * 0xffff;
    for (int shift = 0; shift < 64; shift += 16) sum += static_cast<std::int64_t>(z >> shift & 0xffff);
    return static_cast<double>(sum) * (1.75 * 0x1p-16);
  }

 private:
  std::uint64_t state_;
};

}  // namespace renorm_test
