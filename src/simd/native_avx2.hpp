// What AVX2 does better than native_generic.hpp.
#pragma once

#include "simd/fold_avx.hpp"

namespace renorm {
namespace {

RENORM_INLINE batch<double> widen(float const* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
RENORM_INLINE void narrow(batch<double> v, float* p) { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }

// Lane i is active if i < n.
RENORM_INLINE __m256i first8(std::size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
RENORM_INLINE __m256i first4(std::size_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(n)), _mm256_setr_epi64x(0, 1, 2, 3));
}

template <> struct native<float> {
  static RENORM_INLINE batch<float> load(float const* p, std::size_t n, batch<float> rest) {
    __m256i const m = first8(n);
    return _mm256_blendv_ps(rest, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
  }
  static RENORM_INLINE void store(float* p, std::size_t n, batch<float> v) { _mm256_maskstore_ps(p, first8(n), v); }
  static RENORM_INLINE void stream(float* p, batch<float> v) { _mm256_stream_ps(p, v); }
  static RENORM_INLINE batch<float> fma(batch<float> a, batch<float> b, batch<float> c) { return _mm256_fmadd_ps(a, b, c); }
};
template <> struct native<double> {
  static RENORM_INLINE batch<double> load(double const* p, std::size_t n, batch<double> rest) {
    __m256i const m = first4(n);
    return _mm256_blendv_pd(rest, _mm256_maskload_pd(p, m), _mm256_castsi256_pd(m));
  }
  static RENORM_INLINE void store(double* p, std::size_t n, batch<double> v) { _mm256_maskstore_pd(p, first4(n), v); }
  static RENORM_INLINE void stream(double* p, batch<double> v) { _mm256_stream_pd(p, v); }
  static RENORM_INLINE batch<double> fma(batch<double> a, batch<double> b, batch<double> c) { return _mm256_fmadd_pd(a, b, c); }
};

}  // namespace
}  // namespace renorm
