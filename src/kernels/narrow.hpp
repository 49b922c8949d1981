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

// The units that types.hpp speaks of.
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

// 1/2 for centers to which the distance of a finite value may be none.
template <class T> RENORM_INLINE vec<double> half_for(vec<double> center) {
  return select(wide(range_of<T>::far) <= magnitude(center), wide(0.5), wide(1));
}

// Factors of differences in units of half become factors in units of their own, too.
template <class T, class K> RENORM_INLINE vec<double> choose_units(vec<double> half, vec<double> factor, T* unit, K k) {
  using range = range_of<T>;
  double factors[vec<double>::size], units[vec<double>::size], halves[vec<double>::size];
  factor.store(factors, whole_register<double>{});
  half.store(halves, whole_register<double>{});
  for (std::size_t i = 0; i < vec<double>::size; ++i) {
    double const size = __builtin_fabs(factors[i]) / halves[i];
    bool const plain = (range::least <= size && size < range::beyond) || size == 0 || !(size - size == 0);
    units[i] = plain ? 1 : unit_for<T>(factors[i]);
    factors[i] = factors[i] / units[i] / halves[i];
  }
  store_wide(vec<double>::load(units, whole_register<double>{}), unit, k);
  return vec<double>::load(factors, whole_register<double>{});
}

// What a center in units of half lost when it was rounded.
template <class T, class K> RENORM_INLINE vec<double> lost(vec<double> halved, vec<double> half, T const* rounded, K k) {
  vec<double> const at_half = rounding(halved, rounded, k);
  return select(half < wide(1), at_half + at_half, at_half);
}

// The ordinary case: all units are 1. They are not written, but it is noticed where others are wanted: where T does not hold a factor with
// all its digits, or the difference of a finite value to a center may be none. A factor of 0 is held, and what is no number stays none.
template <class T> class units_of_one {
 public:
  template <class K> RENORM_INLINE vec<double> narrow_factor(vec<double> factor, T* t_factor, T*, K k) {
    vec<double> const size = magnitude(factor), small = select(size < wide(range_of<T>::least), size, wide(0));
    wanted_ = wanted_ + small + select(wide(range_of<T>::beyond) <= size, wide(1), wide(0));
    store_wide(factor, t_factor, k);
    return factor;
  }
  // Returns what factor*center lost when center was rounded.
  template <class K> RENORM_INLINE vec<double> narrow(vec<double> center, vec<double> factor, T* t_center, T* t_factor, T*, T* unit, K k) {
    wanted_ = wanted_ + select(wide(range_of<T>::far) <= magnitude(center), wide(1), wide(0));
    store_wide(center, t_center, k);
    return narrow_factor(factor, t_factor, unit, k) * rounding(center, t_center, k);
  }
  RENORM_INLINE bool others_wanted() const { return any(wide(0) < wanted_); }

 private:
  vec<double> wanted_ = wide(0);  // above 0 where they are
};

// The same in units that are chosen.
template <class T> struct units_of_their_own {
  template <class K> RENORM_INLINE void narrow_factor(vec<double> factor, T* t_factor, T* unit, K k) const {
    store_wide(choose_units(wide(1), factor, unit, k), t_factor, k);
  }
  template <class K>
  RENORM_INLINE vec<double> narrow(vec<double> center, vec<double> factor, T* t_center, T* t_factor, T* half, T* unit, K k) const {
    vec<double> const h = half_for<T>(center), halved = center * h;
    store_wide(h, half, k);
    store_wide(halved, t_center, k);
    store_wide(choose_units(h, factor, unit, k), t_factor, k);
    return factor * lost(halved, h, t_center, k);
  }
};

// write(units), and once more where units are needed. Returns whether they are; else arrays of units are not written.
template <class T, class Write> RENORM_INLINE bool narrow_in_units(Write const& write) {
  units_of_one<T> ordinary;
  write(ordinary);
  if (!ordinary.others_wanted()) return false;
  units_of_their_own<T> chosen;
  write(chosen);
  return true;
}

template <class V, class T = typename V::value> bool narrow_affine(std::size_t channels, double const* center, double const* scale,
                                                                   double const* shift, T* t_center, T* t_scale, T* t_shift, T* t_half,
                                                                   T* t_unit) {
  return narrow_in_units<T>([&](auto& units) RENORM_LAMBDA {
    sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
      vec<double> const mu = load_wide(center + c, k), slope = load_wide(scale + c, k);
      vec<double> const rest = units.narrow(mu, slope, t_center + c, t_scale + c, t_half + c, t_unit + c, k);
      store_wide(load_wide(shift + c, k) - rest, t_shift + c, k);
    });
  });
}

template <class V, class T = typename V::value>
bool narrow_xhat(std::size_t channels, double const* mean, double const* sigma, T* center, T* inv, T* off, T* half, T* unit) {
  return narrow_in_units<T>([&](auto& units) RENORM_LAMBDA {
    sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
      vec<double> const mu = load_wide(mean + c, k), inverse = wide(1) / load_wide(sigma + c, k);
      store_wide(wide(0) - units.narrow(mu, inverse, center + c, inv + c, half + c, unit + c, k), off + c, k);
    });
  });
}

// scale = gamma*r/sigma, c1 = S1/count, c2 = S2/divisor.
template <class V, class T = typename V::value> bool narrow_grad(std::size_t channels, double count, double divisor, double const* sigma,
                                                                 typed_in gamma, double const* r, double const* sum_dy,
                                                                 double const* sum_dy_xhat, T* scale, T* c1, T* c2, T* dx_unit) {
  return narrow_in_units<T>([&](auto& units) RENORM_LAMBDA {
    sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
      units.narrow_factor(load_or(gamma, c, k, 1) * load_or(r, c, k, 1) / load_wide(sigma + c, k), scale + c, dx_unit + c, k);
      store_wide(load_wide(sum_dy + c, k) / wide(count), c1 + c, k);
      store_wide(load_wide(sum_dy_xhat + c, k) / wide(divisor), c2 + c, k);
    });
  });
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
