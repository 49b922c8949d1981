// x - center of one register, in the units of its channels.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

template <class V> struct plain_deviation {
  V center;

  RENORM_INLINE V of(V x) const { return x - center; }
  RENORM_INLINE V in_units(V deviation) const { return deviation; }
  RENORM_INLINE V filler() const { return center; }  // for lanes that are not there: its deviation is 0
};

template <class V> struct scaled_deviation {
  V less, half, unit, center;

  RENORM_INLINE V of(V x) const { return fma(x, half, less); }
  RENORM_INLINE V in_units(V deviation) const { return deviation * unit; }
  RENORM_INLINE V filler() const { return center; }
};

// Of affine_coefficients or xhat_coefficients; load(array) is a register's part of one of their arrays.
struct plain {
  template <class V> using deviation = plain_deviation<V>;

  template <class V, class K, class Load> RENORM_INLINE static plain_deviation<V> load(K const& k, Load const& load) {
    return {load(k.center)};
  }
};
struct scaled {
  template <class V> using deviation = scaled_deviation<V>;

  template <class V, class K, class Load> RENORM_INLINE static scaled_deviation<V> load(K const& k, Load const& load) {
    V const center = load(k.center), half = load(k.half);
    return {V::set(typename V::value(0)) - center, half, load(k.unit), center / half};
  }
};

}  // namespace
}  // namespace renorm
