// Double registers from and to arrays of float or double: the per-channel algebra is double whatever the tensors are.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

template <class T> using whole_register = whole<vec<T>::size>;

RENORM_INLINE vec<double> wide(double x) { return vec<double>::set(x); }

// Unused lanes hold 1: no division by zero there.
template <class U> RENORM_INLINE vec<double> load_wide(U const* p, whole_register<double>) { return vec<double>::load_as(p); }
template <class U> RENORM_INLINE vec<double> load_wide(U const* p, std::size_t n) {
  U values[vec<double>::size];
  for (std::size_t i = 0; i < vec<double>::size; ++i) values[i] = i < n ? p[i] : U(1);
  return vec<double>::load_as(values);
}

// 0 in unused lanes.
RENORM_INLINE vec<double> used_lanes(vec<double> v, whole_register<double>) { return v; }
RENORM_INLINE vec<double> used_lanes(vec<double> v, std::size_t n) {
  double values[vec<double>::size];
  v.store(values, whole_register<double>{});
  return vec<double>::load(values, n, wide(0));
}

RENORM_INLINE void store_wide(vec<double> v, double* p, whole_register<double> k) { v.store(p, k); }
RENORM_INLINE void store_wide(vec<double> v, double* p, std::size_t n) { v.store(p, n); }
RENORM_INLINE void store_wide(vec<double> v, float* p, whole_register<double>) { v.store_as(p); }
RENORM_INLINE void store_wide(vec<double> v, float* p, std::size_t n) {
  float values[vec<double>::size];
  v.store_as(values);
  for (std::size_t i = 0; i < n; ++i) p[i] = values[i];
}

template <class K> RENORM_INLINE vec<double> load_typed(typed_in a, std::size_t i, K k) {
  return a.f64 ? load_wide(static_cast<double const*>(a.data) + i, k) : load_wide(static_cast<float const*>(a.data) + i, k);
}
template <class K> RENORM_INLINE void store_typed(typed_out a, std::size_t i, K k, vec<double> v) {
  if (a.f64) store_wide(v, static_cast<double*>(a.data) + i, k);
  else store_wide(v, static_cast<float*>(a.data) + i, k);
}

// An optional array and what its absence stands for.
template <class K> RENORM_INLINE vec<double> load_or(typed_in a, std::size_t i, K k, double absent) {
  return a.data == nullptr ? wide(absent) : load_typed(a, i, k);
}
template <class K> RENORM_INLINE vec<double> load_or(double const* a, std::size_t i, K k, double absent) {
  return a == nullptr ? wide(absent) : load_wide(a + i, k);
}
template <class K> RENORM_INLINE void store_if(double* a, std::size_t i, K k, vec<double> v) {
  if (a != nullptr) store_wide(v, a + i, k);
}

template <class K> RENORM_INLINE vec<double> load_sigma(statistics const& s, std::size_t i, K k) {
  vec<double> const spread = load_typed(s.spread, i, k);
  return s.is_var ? sqrt(spread + wide(s.eps)) : spread;
}

}  // namespace
}  // namespace renorm
