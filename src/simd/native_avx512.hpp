// What AVX-512 does better than native_generic.hpp.
#pragma once

#include "simd/fold_avx.hpp"

namespace renorm {
namespace {

RENORM_INLINE double fold_halves(__m512d v) { return fold_halves(_mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1))); }

RENORM_INLINE batch<double> widen(float const* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
RENORM_INLINE void narrow(batch<double> v, float* p) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(v)); }

template <> struct native<float> {
  static RENORM_INLINE __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static RENORM_INLINE batch<float> load(float const* p, std::size_t n, batch<float> rest) {
    return _mm512_mask_loadu_ps(rest, first(n), p);
  }
  static RENORM_INLINE void store(float* p, std::size_t n, batch<float> v) { _mm512_mask_storeu_ps(p, first(n), v); }
  static RENORM_INLINE void stream(float* p, batch<float> v) { _mm512_stream_ps(p, v); }
  static RENORM_INLINE batch<float> fma(batch<float> a, batch<float> b, batch<float> c) { return _mm512_fmadd_ps(a, b, c); }
};
template <> struct native<double> {
  static RENORM_INLINE __mmask8 first(std::size_t n) { return static_cast<__mmask8>((1u << n) - 1); }
  static RENORM_INLINE batch<double> load(double const* p, std::size_t n, batch<double> rest) {
    return _mm512_mask_loadu_pd(rest, first(n), p);
  }
  static RENORM_INLINE void store(double* p, std::size_t n, batch<double> v) { _mm512_mask_storeu_pd(p, first(n), v); }
  static RENORM_INLINE void stream(double* p, batch<double> v) { _mm512_stream_pd(p, v); }
  static RENORM_INLINE batch<double> fma(batch<double> a, batch<double> b, batch<double> c) { return _mm512_fmadd_pd(a, b, c); }
};

}  // namespace
}  // namespace renorm
