// From double statistics to coefficients of T. A mean of 1e4 rounds by up to 5e-4 in float: what is lost goes into the additive
// coefficient, so that the sweeps see the exact mean.
#pragma once

#include "kernels/arrays.hpp"

namespace renorm {
namespace {

// The part of center that T cannot hold.
template <class K> RENORM_INLINE vec<double> rounding(vec<double> center, float const* rounded, K k) {
  return center - load_wide(rounded, k);
}
template <class K> RENORM_INLINE vec<double> rounding(vec<double>, double const*, K) { return wide(0); }

template <class V, class T = typename V::value> void narrow_affine(std::size_t channels, double const* center, double const* scale,
                                                                   double const* shift, T* t_center, T* t_scale, T* t_shift) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const mu = load_wide(center + c, k), factor = load_wide(scale + c, k);
    store_wide(mu, t_center + c, k);
    store_wide(factor, t_scale + c, k);
    store_wide(load_wide(shift + c, k) - factor * rounding(mu, t_center + c, k), t_shift + c, k);
  });
}

template <class V, class T = typename V::value>
void narrow_xhat(std::size_t channels, double const* mean, double const* sigma, T* center, T* inv, T* off) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const mu = load_wide(mean + c, k), factor = wide(1) / load_wide(sigma + c, k);
    store_wide(mu, center + c, k);
    store_wide(factor, inv + c, k);
    store_wide(wide(0) - factor * rounding(mu, center + c, k), off + c, k);
  });
}

// scale = gamma*r/sigma, c1 = S1/count, c2 = S2/divisor.
template <class V, class T = typename V::value> void narrow_grad(std::size_t channels, double count, double divisor, double const* sigma,
                                                                 typed_in gamma, double const* r, double const* sum_dy,
                                                                 double const* sum_dy_xhat, T* scale, T* c1, T* c2) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    store_wide(load_or(gamma, c, k, 1) * load_or(r, c, k, 1) / load_wide(sigma + c, k), scale + c, k);
    store_wide(load_wide(sum_dy + c, k) / wide(count), c1 + c, k);
    store_wide(load_wide(sum_dy_xhat + c, k) / wide(divisor), c2 + c, k);
  });
}

// S2 was summed with xhat too large by what center lost: S2 -= lost*S1, lost = rounding(mean)/sigma.
template <class V, class T = typename V::value>
void settle_grad(std::size_t channels, double const* mean, double const* sigma, double const* sum_dy, double* sum_dy_xhat) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    T rounded[vec<double>::size];
    vec<double> const mu = load_wide(mean + c, k);
    store_wide(mu, rounded, whole_register<double>{});
    vec<double> const lost = rounding(mu, rounded, whole_register<double>{}) / load_wide(sigma + c, k);
    (load_wide(sum_dy_xhat + c, k) - lost * load_wide(sum_dy + c, k)).store(sum_dy_xhat + c, k);
  });
}

}  // namespace
}  // namespace renorm
