// From double statistics to coefficients of T. A mean of 1e4 rounds by up to 5e-4 in float: what is lost goes into the additive
// coefficient, so that the sweeps see the exact mean.
#pragma once

#include "kernels/arrays.hpp"

#include <cstdint>

namespace renorm {
namespace {

// The part of center that T cannot hold.
template <class K> RENORM_INLINE vec<double> rounding(vec<double> center, float const* rounded, K k) {
  return center - load_wide(rounded, k);
}
template <class K> RENORM_INLINE vec<double> rounding(vec<double>, double const*, K) { return wide(0); }

// The units that types.hpp speaks of. Where neither a center nor a factor asks for others they are 1, for whole registers.
template <class T> struct range_of;
template <> struct range_of<float> {
  static constexpr double least = 0x1p-126, beyond = 0x1p127, least_power = 0x1p-126, most_power = 0x1p127;
  static constexpr double far = 0x1p103;  // from here on the difference to a finite value may be none
};
template <> struct range_of<double> {
  static constexpr double least = 0x1p-1022, beyond = 0x1p1023, least_power = 0x1p-1022, most_power = 0x1p1023;
  static constexpr double far = 0x1p970;
};

// The largest power of two that is not above |v|, as far as T has it.
template <class T> RENORM_INLINE double unit_for(double v) {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  bits &= 0x7ff0000000000000u;
  double power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return power < range_of<T>::least_power ? range_of<T>::least_power : range_of<T>::most_power < power ? range_of<T>::most_power : power;
}

RENORM_INLINE vec<double> magnitude(vec<double> v) { return select(v < wide(0), wide(0) - v, v); }

// 1 where T does not hold a factor with all its digits. 0 is one, and what is none stays none.
template <class T> RENORM_INLINE vec<double> leaves_range(vec<double> factor) {
  using range = range_of<T>;
  vec<double> const size = magnitude(factor), no = wide(0), yes = wide(1);
  vec<double> const small = select(size < wide(range::least), select(no < size, yes, no), no);
  return select(wide(range::beyond) <= size, yes, small);
}

// 1/2 for centers to which the distance of a finite value may be none.
template <class T> RENORM_INLINE vec<double> half_for(vec<double> center) {
  return select(wide(range_of<T>::far) <= magnitude(center), wide(0.5), wide(1));
}

// Factors of differences in units of half become factors in units of their own, too. Returns whether any unit or half is not 1.
template <class T, class K> RENORM_INLINE bool choose_units(vec<double> half, vec<double>& factor, T* unit, K k) {
  using range = range_of<T>;
  vec<double> const no = wide(0), yes = wide(1);
  if (!any(no < used_lanes(yes - half + leaves_range<T>(factor), k))) {
    store_wide(yes, unit, k);
    return false;
  }
  double factors[vec<double>::size], units[vec<double>::size], halves[vec<double>::size];
  factor.store(factors, whole_register<double>{});
  half.store(halves, whole_register<double>{});
  for (std::size_t i = 0; i < vec<double>::size; ++i) {
    double const size = __builtin_fabs(factors[i]) / halves[i];
    bool const plain = (range::least <= size && size < range::beyond) || size == 0 || !(size - size == 0);
    units[i] = plain ? 1 : unit_for<T>(factors[i]);
    factors[i] = factors[i] / units[i] / halves[i];
  }
  factor = vec<double>::load(factors, whole_register<double>{});
  store_wide(vec<double>::load(units, whole_register<double>{}), unit, k);
  return true;
}

// What a center in units of half lost when it was rounded.
template <class T, class K> RENORM_INLINE vec<double> lost(vec<double> halved, vec<double> half, T const* rounded, K k) {
  vec<double> const at_half = rounding(halved, rounded, k);
  return select(half < wide(1), at_half + at_half, at_half);
}

// Returns whether half and unit are needed.
template <class V, class T = typename V::value> bool narrow_affine(std::size_t channels, double const* center, double const* scale,
                                                                   double const* shift, T* t_center, T* t_scale, T* t_shift, T* t_half,
                                                                   T* t_unit) {
  bool needed = false;
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const mu = load_wide(center + c, k), slope = load_wide(scale + c, k);
    vec<double> const half = half_for<T>(mu), halved = mu * half;
    vec<double> factor = slope;
    needed |= choose_units(half, factor, t_unit + c, k);
    store_wide(half, t_half + c, k);
    store_wide(halved, t_center + c, k);
    store_wide(factor, t_scale + c, k);
    store_wide(load_wide(shift + c, k) - slope * lost(halved, half, t_center + c, k), t_shift + c, k);
  });
  return needed;
}

template <class V, class T = typename V::value>
bool narrow_xhat(std::size_t channels, double const* mean, double const* sigma, T* center, T* inv, T* off, T* half, T* unit) {
  bool needed = false;
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const mu = load_wide(mean + c, k), inverse = wide(1) / load_wide(sigma + c, k);
    vec<double> const h = half_for<T>(mu), halved = mu * h;
    vec<double> factor = inverse;
    needed |= choose_units(h, factor, unit + c, k);
    store_wide(h, half + c, k);
    store_wide(halved, center + c, k);
    store_wide(factor, inv + c, k);
    store_wide(wide(0) - inverse * lost(halved, h, center + c, k), off + c, k);
  });
  return needed;
}

// scale = gamma*r/sigma, c1 = S1/count, c2 = S2/divisor. Returns whether dx_unit is needed.
template <class V, class T = typename V::value> bool narrow_grad(std::size_t channels, double count, double divisor, double const* sigma,
                                                                 typed_in gamma, double const* r, double const* sum_dy,
                                                                 double const* sum_dy_xhat, T* scale, T* c1, T* c2, T* dx_unit) {
  bool needed = false;
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> factor = load_or(gamma, c, k, 1) * load_or(r, c, k, 1) / load_wide(sigma + c, k);
    needed |= choose_units(wide(1), factor, dx_unit + c, k);
    store_wide(factor, scale + c, k);
    store_wide(load_wide(sum_dy + c, k) / wide(count), c1 + c, k);
    store_wide(load_wide(sum_dy_xhat + c, k) / wide(divisor), c2 + c, k);
  });
  return needed;
}

// S2 was summed with xhat too large by what center lost: S2 -= lost*S1, lost = rounding(mean)/sigma.
template <class V, class T = typename V::value>
void settle_grad(std::size_t channels, double const* mean, double const* sigma, double const* sum_dy, double* sum_dy_xhat) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    T rounded[vec<double>::size];
    vec<double> const mu = load_wide(mean + c, k);
    store_wide(mu, rounded, whole_register<double>{});
    vec<double> const too_large = rounding(mu, rounded, whole_register<double>{}) / load_wide(sigma + c, k);
    (load_wide(sum_dy_xhat + c, k) - too_large * load_wide(sum_dy + c, k)).store(sum_dy_xhat + c, k);
  });
}

}  // namespace
}  // namespace renorm
