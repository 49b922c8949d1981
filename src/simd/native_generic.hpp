// What every instruction set has through xsimd, one value at a time where xsimd 8.1 has nothing. native_<set>.hpp has better for some.
#pragma once

#include <cstddef>

namespace renorm {
namespace {

template <class T> using batch = xsimd::batch<T, RENORM_ARCH>;

// The first n values of a register, streaming stores, and the fma, which xsimd 8.1 does not fuse on AVX-512.
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

// Between double registers and arrays of double, or of another type. Those of native_<set>.hpp are no templates, and go first.
RENORM_INLINE batch<double> widen(double const* p) { return batch<double>::load_unaligned(p); }
RENORM_INLINE void narrow(batch<double> v, double* p) { v.store_unaligned(p); }
template <class U> RENORM_INLINE batch<double> widen(U const* p) {
  double lanes[batch<double>::size];
  for (std::size_t i = 0; i < batch<double>::size; ++i) lanes[i] = p[i];
  return batch<double>::load_unaligned(lanes);
}
template <class U> RENORM_INLINE void narrow(batch<double> v, U* p) {
  double lanes[batch<double>::size];
  v.store_unaligned(lanes);
  for (std::size_t i = 0; i < batch<double>::size; ++i) p[i] = static_cast<U>(lanes[i]);
}

// Sum of a register: value i + value (i + half), halving.
template <class Register> RENORM_INLINE double fold_halves(Register v) {
  double lanes[2];
  static_assert(sizeof(lanes) == sizeof(v));
  batch<double>(v).store_unaligned(lanes);
  return lanes[0] + lanes[1];
}

}  // namespace
}  // namespace renorm
