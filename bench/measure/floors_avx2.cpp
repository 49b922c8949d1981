#include "measure/floors.hpp"

#include <immintrin.h>

namespace {

struct vec {
  __m256i v;

  static vec load(std::byte const* p) { return {_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p))}; }
  void store(std::byte* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  void stream(std::byte* p) const { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), v); }
  vec operator^(vec o) const { return {_mm256_xor_si256(v, o.v)}; }
  void keep() const { asm volatile("" : : "x"(v)); }
};

void finish_streams() { _mm_sfence(); }

}  // namespace

#define RENORM_FLOORS avx2
#include "measure/floor_loops.inc"
