// One register of T for one instruction set. This file includes xsimd, and native_<set>.hpp and fold_avx.hpp name intrinsics: no others do.
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

}  // namespace
}  // namespace renorm

#  include "simd/native_generic.hpp"
#  if defined(__AVX512F__)
#    include "simd/native_avx512.hpp"
#  elif defined(__AVX2__)
#    include "simd/native_avx2.hpp"
#  elif defined(__aarch64__)
#    include "simd/native_neon.hpp"
#  endif

namespace renorm {
namespace {

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

RENORM_INLINE double fold(vec<double> a) { return fold_halves(static_cast<typename batch<double>::register_type>(a.v)); }
template <class M> RENORM_INLINE bool any(M m) { return xsimd::any(m); }

#endif

}  // namespace
}  // namespace renorm
