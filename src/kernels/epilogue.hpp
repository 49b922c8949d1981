// What is fused behind the affine map, and in front of its gradient.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

// Which epilogue as a type, so that a kernel without one has nothing of it.
template <bool Relu, bool Add> struct fused { static constexpr bool relu = Relu, add = Add; };

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
template <class Fused, class V, class T, class K> RENORM_INLINE V finish(V v, T const* z, std::size_t at, K k) {
  V const zero = V::set(T(0));
  if constexpr (Fused::add) v = v + V::load(z + at, k, zero);
  if constexpr (Fused::relu) v = select(v < zero, zero, v);
  return v;
}

// The part of dy that comes from before the epilogue, for the channels of one register.
template <class Fused, class V, bool relu = Fused::relu> struct gate {
  template <class T, class Load> RENORM_INLINE static gate load(grad_epilogue<T> const&, Load const&) { return {}; }
  template <class T, class K> RENORM_INLINE V open(V dy, V, T const*, std::size_t, K) const { return dy; }
};
template <class Fused, class V> struct gate<Fused, V, true> {
  V scale, shift;

  // load(array) is the register's part of an array of coefficients.
  template <class T, class Load> RENORM_INLINE static gate load(grad_epilogue<T> const& e, Load const& load) {
    return {load(e.scale), load(e.shift)};
  }
  template <class T, class K> RENORM_INLINE V open(V dy, V deviation, T const* z, std::size_t at, K k) const {
    V const zero = V::set(T(0));
    V argument = fma(scale, deviation, shift);
    if constexpr (Fused::add) argument = argument + V::load(z + at, k, zero);
    return select(argument <= zero, zero, dy);
  }
};

}  // namespace
}  // namespace renorm
