// What is fused behind the affine map, and in front of its gradient.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

// Which epilogue as a type, so that a kernel without one has nothing of it.
template <bool Relu, bool Add> struct fused { static constexpr bool relu = Relu, add = Add; };

// The same as a value, where the other types would be many for what is rare.
struct any_fused {
  bool relu, add;
};

// body(fused) for an epilogue or grad_epilogue.
template <class E, class Body> RENORM_INLINE void with_epilogue(E const& e, Body const& body) {
  if (e.relu && e.add) body(fused<true, true>{});
  else if (e.relu) body(fused<true, false>{});
  else if (e.add) body(fused<false, true>{});
  else body(fused<false, false>{});
}

// The same for sums of the gradient, to which an addition without relu makes no difference.
template <class E, class Body> RENORM_INLINE void with_gate(E const& e, Body const& body) {
  if (e.relu && e.add) body(fused<true, true>{});
  else if (e.relu) body(fused<true, false>{});
  else body(fused<false, false>{});
}

// NaN is not below 0, and stays.
template <class Fused, class V, class T, class K> RENORM_INLINE V finish(Fused f, V v, T const* z, std::size_t at, K k) {
  V const zero = V::set(T(0));
  if (f.add) v = v + V::load(z + at, k, zero);
  if (f.relu) v = select(v < zero, zero, v);
  return v;
}

// dy where the argument of relu, but for what is added, is v.
template <class Fused, class V, class T, class K> RENORM_INLINE V behind_relu(Fused f, V dy, V v, T const* z, std::size_t at, K k) {
  V const zero = V::set(T(0));
  if (f.add) v = v + V::load(z + at, k, zero);
  return select(v <= zero, zero, dy);
}

// The part of dy that comes from before the epilogue, for the channels of one register: as few of these as there can be, or the compiler
// keeps them in memory. load(array) is the register's part of an array of coefficients.
template <class Fused, class V> struct gate;
template <bool Add, class V> struct gate<fused<false, Add>, V> {
  template <class F, class T, class Load> RENORM_INLINE static gate load(F, grad_epilogue<T> const&, Load const&) { return {}; }
  template <class F, class T, class K> RENORM_INLINE V open(F, V dy, V, T const*, std::size_t, K) const { return dy; }
};
template <bool Add, class V> struct gate<fused<true, Add>, V> {
  V scale, shift;

  template <class F, class T, class Load> RENORM_INLINE static gate load(F, grad_epilogue<T> const& e, Load const& load) {
    return {load(e.scale), load(e.shift)};
  }
  template <class F, class T, class K> RENORM_INLINE V open(F f, V dy, V deviation, T const* z, std::size_t at, K k) const {
    return behind_relu(f, dy, fma(scale, deviation, shift), z, at, k);
  }
};
template <class V> struct gate<any_fused, V> {
  V scale, shift, unit;

  template <class T, class Load> RENORM_INLINE static gate load(any_fused f, grad_epilogue<T> const& e, Load const& load) {
    V const one = V::set(T(1));
    if (!f.relu) return {one, one, one};
    return {load(e.scale), load(e.shift), load(e.unit)};
  }
  template <class T, class K> RENORM_INLINE V open(any_fused f, V dy, V deviation, T const* z, std::size_t at, K k) const {
    return f.relu ? behind_relu(f, dy, fma(scale, deviation * unit, shift), z, at, k) : dy;
  }
};

}  // namespace
}  // namespace renorm
