// The bytes of a fuzzer's input as choices; after its end they are 0.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace fuzz {

class choices {
 public:
  choices(std::uint8_t const* data, std::size_t size) : next_(data), left_(size) {}

  bool more() const { return left_ > 0; }
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *next_++;
  }
  std::uint16_t word() {
    unsigned const low = byte();
    return static_cast<std::uint16_t>(low | unsigned(byte()) << 8);
  }
  std::size_t below(std::size_t n) { return byte() % n; }
  template <class T, std::size_t N> T const& pick(T const (&from)[N]) { return from[below(N)]; }

 private:
  std::uint8_t const* next_;
  std::size_t left_;
};

// A power of two up to 2^62, one less, one more, or nothing: what hides in products.
inline std::int64_t near_power(choices& in) {
  std::size_t const exponent = in.below(64);
  return exponent == 63 ? 0 : (std::int64_t{1} << exponent) + static_cast<std::int64_t>(in.below(3)) - 1;
}

// Whether this byte of an input asks for what takes long: one in 32 does.
inline bool rare(std::uint8_t byte) { return byte >= 248; }

// Calls of parallel_for so far: small calls make none.
inline std::atomic<long long> lent_calls{0};

// Ends the program, which the fuzzer takes for a find.
inline void require(bool kept, char const* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace fuzz
