#include "measure/floors.hpp"

#include <immintrin.h>

namespace {

struct vec {
  __m512i v;

  static vec load(std::byte const* p) { return {_mm512_loadu_si512(p)}; }
  void store(std::byte* p) const { _mm512_storeu_si512(p, v); }
  void stream(std::byte* p) const { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), v); }
  vec operator^(vec o) const { return {_mm512_xor_si512(v, o.v)}; }
  void keep() const { asm volatile("" : : "v"(v)); }
};

void finish_streams() { _mm_sfence(); }

}  // namespace

#define RENORM_FLOORS avx512
#include "measure/floor_loops.inc"
