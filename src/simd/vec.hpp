// One register of T for one instruction set: the only file that includes xsimd or names an intrinsic.
//
// Included once by each ISA's translation unit, which defines RENORM_ARCH (none: plain C++). Everything is in an unnamed namespace
// and xsimd itself is renamed per ISA, so that no function compiled with ISA flags can be picked up by code of another ISA: a
// linker keeps one copy of equal inline functions, and the copy it keeps may hold instructions the CPU does not have.
#pragma once

#include <cstddef>
#include <cstdint>

#define RENORM_CONCAT_(a, b) a##b
#define RENORM_CONCAT(a, b) RENORM_CONCAT_(a, b)

#ifdef RENORM_ARCH
#  define xsimd RENORM_CONCAT(renorm_xsimd_, RENORM_ISA)
#  if defined(__GNUC__) && !defined(__clang__)
#    pragma GCC diagnostic ignored "-Wuninitialized"  // g++ 12's own AVX-512 headers, inlined here
#    pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#  endif
#  include <xsimd/xsimd.hpp>
#endif

#define RENORM_INLINE inline __attribute__((always_inline))
#define RENORM_LAMBDA __attribute__((always_inline))  // after the parameters of a lambda: a call for each register is slow

// Before a loop over the few registers of an array: unrolled, or the array would live in memory.
#define RENORM_UNROLL _Pragma("GCC unroll 16")

namespace renorm {
namespace {

// Starts to load the line at any address into the L2 cache.
RENORM_INLINE void prefetch(std::uintptr_t address) { __builtin_prefetch(reinterpret_cast<void const*>(address), 0, 2); }

// The number of values of a full register, as a type: load(p, whole<N>{}) and load(p, n) are one expression in a kernel.
template <std::size_t N> struct whole {
  RENORM_INLINE constexpr operator std::size_t() const { return N; }
};

#ifndef RENORM_ARCH

template <class T> struct vec {
  using value = T;
  static constexpr std::size_t size = 1;
  T v;

  static RENORM_INLINE vec set(T x) { return {x}; }
  static RENORM_INLINE vec load(T const* p, whole<1>, vec = {}) { return {*p}; }
  static RENORM_INLINE vec load(T const*, std::size_t, vec rest) { return rest; }  // n < 1
  template <class U> static RENORM_INLINE vec load_as(U const* p) { return {static_cast<T>(*p)}; }
  RENORM_INLINE void store(T* p, whole<1>) const { *p = v; }
  RENORM_INLINE void store(T*, std::size_t) const {}
  template <class U> RENORM_INLINE void store_as(U* p) const { *p = static_cast<U>(v); }
  RENORM_INLINE void stream(T* p) const { *p = v; }
  RENORM_INLINE vec held() const { return *this; }

  friend RENORM_INLINE vec operator+(vec a, vec b) { return {a.v + b.v}; }
  friend RENORM_INLINE vec operator-(vec a, vec b) { return {a.v - b.v}; }
  friend RENORM_INLINE vec operator*(vec a, vec b) { return {a.v * b.v}; }
  friend RENORM_INLINE vec operator/(vec a, vec b) { return {a.v / b.v}; }
  friend RENORM_INLINE bool operator<(vec a, vec b) { return a.v < b.v; }
  friend RENORM_INLINE bool operator<=(vec a, vec b) { return a.v <= b.v; }
  friend RENORM_INLINE vec select(bool m, vec a, vec b) { return m ? a : b; }
};

RENORM_INLINE bool any(bool m) { return m; }
RENORM_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) { return {__builtin_fmaf(a.v, b.v, c.v)}; }
RENORM_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) { return {__builtin_fma(a.v, b.v, c.v)}; }
RENORM_INLINE vec<double> sqrt(vec<double> a) { return {__builtin_sqrt(a.v)}; }
RENORM_INLINE double fold(vec<double> a) { return a.v; }

#else

template <class T> using batch = xsimd::batch<T, RENORM_ARCH>;

// What xsimd 8.1 lacks or does through memory: the first n values of a register, streaming stores, a fused fma on AVX-512, and
// conversion between float and double registers. The general case goes one value at a time.
template <class T> struct native {
  static constexpr std::size_t size = batch<T>::size;

  static RENORM_INLINE batch<T> load(T const* p, std::size_t n, batch<T> rest) {
    T lanes[size];
    rest.store_unaligned(lanes);
    for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
    return batch<T>::load_unaligned(lanes);
  }
  static RENORM_INLINE void store(T* p, std::size_t n, batch<T> v) {
    T lanes[size];
    v.store_unaligned(lanes);
    for (std::size_t i = 0; i < n; ++i) p[i] = lanes[i];
  }
  static RENORM_INLINE void stream(T* p, batch<T> v) { v.store_aligned(p); }
  static RENORM_INLINE batch<T> fma(batch<T> a, batch<T> b, batch<T> c) { return xsimd::fma(a, b, c); }
};

RENORM_INLINE batch<double> widen(double const* p) { return batch<double>::load_unaligned(p); }
RENORM_INLINE void narrow(batch<double> v, double* p) { v.store_unaligned(p); }

// Sum of a register: value i + value (i + half), halving.
#  if defined(__AVX2__)
RENORM_INLINE double fold_halves(__m128d v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
RENORM_INLINE double fold_halves(__m256d v) { return fold_halves(_mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1))); }
#  else
RENORM_INLINE double fold_halves(batch<double> v) {
  double lanes[2];
  static_assert(sizeof(lanes) == sizeof(v));
  v.store_unaligned(lanes);
  return lanes[0] + lanes[1];
}
#  endif

#  if defined(__AVX512F__)

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

#  elif defined(__AVX2__)

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

#  else

RENORM_INLINE batch<double> widen(float const* p) {
  double lanes[batch<double>::size];
  for (std::size_t i = 0; i < batch<double>::size; ++i) lanes[i] = p[i];
  return batch<double>::load_unaligned(lanes);
}
RENORM_INLINE void narrow(batch<double> v, float* p) {
  double lanes[batch<double>::size];
  v.store_unaligned(lanes);
  for (std::size_t i = 0; i < batch<double>::size; ++i) p[i] = static_cast<float>(lanes[i]);
}

#  endif

template <class T> struct vec {
  using value = T;
  static constexpr std::size_t size = batch<T>::size;
  using mask = decltype(batch<T>(T(0)) < batch<T>(T(0)));
  batch<T> v;

  static RENORM_INLINE vec set(T x) { return {batch<T>(x)}; }
  static RENORM_INLINE vec load(T const* p, whole<size>, vec = {}) { return {batch<T>::load_unaligned(p)}; }
  static RENORM_INLINE vec load(T const* p, std::size_t n, vec rest) { return {native<T>::load(p, n, rest.v)}; }
  template <class U> static RENORM_INLINE vec load_as(U const* p) { return {widen(p)}; }
  RENORM_INLINE void store(T* p, whole<size>) const { v.store_unaligned(p); }
  RENORM_INLINE void store(T* p, std::size_t n) const { native<T>::store(p, n, v); }
  template <class U> RENORM_INLINE void store_as(U* p) const { narrow(v, p); }
  RENORM_INLINE void stream(T* p) const { native<T>::stream(p, v); }
  // For a load that is used twice: gcc would make it part of both instructions, and read it twice.
  RENORM_INLINE vec held() const {
#  if defined(__AVX2__)
    typename batch<T>::register_type r = v;
    __asm__("" : "+v"(r));
    return {batch<T>(r)};
#  else
    return *this;
#  endif
  }

  friend RENORM_INLINE vec operator+(vec a, vec b) { return {a.v + b.v}; }
  friend RENORM_INLINE vec operator-(vec a, vec b) { return {a.v - b.v}; }
  friend RENORM_INLINE vec operator*(vec a, vec b) { return {a.v * b.v}; }
  friend RENORM_INLINE vec operator/(vec a, vec b) { return {a.v / b.v}; }
  friend RENORM_INLINE mask operator<(vec a, vec b) { return a.v < b.v; }
  friend RENORM_INLINE mask operator<=(vec a, vec b) { return a.v <= b.v; }
  friend RENORM_INLINE vec fma(vec a, vec b, vec c) { return {native<T>::fma(a.v, b.v, c.v)}; }
  friend RENORM_INLINE vec sqrt(vec a) { return {xsimd::sqrt(a.v)}; }
  friend RENORM_INLINE vec select(mask m, vec a, vec b) { return {xsimd::select(m, a.v, b.v)}; }
};

RENORM_INLINE double fold(vec<double> a) { return fold_halves(a.v); }
template <class M> RENORM_INLINE bool any(M m) { return xsimd::any(m); }

#endif

}  // namespace
}  // namespace renorm
