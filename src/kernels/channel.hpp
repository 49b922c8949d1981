// Per-channel algebra in double: what batch norm and batch renorm do between the reduction and the sweep.
#pragma once

#include "kernels/arrays.hpp"

namespace renorm {
namespace {

// v < low ? low : high < v ? high : v, which lets NaN through.
RENORM_INLINE vec<double> clip(vec<double> v, double low, double high) {
  v = select(v < wide(low), wide(low), v);
  return select(wide(high) < v, wide(high), v);
}

// Moments of two disjoint sets of values (Chan, Golub, LeVeque 1979, equations 2.1). Both counts > 0.
void merge(std::size_t channels, double count, double other_count, double* mean, double* m2, double const* other_mean,
           double const* other_m2) {
  double const share = other_count / (count + other_count);
  vec<double> const weight = wide(share), spread = wide(count * share);
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const mu = load_wide(mean + c, k), delta = load_wide(other_mean + c, k) - mu;
    vec<double> const within = load_wide(m2 + c, k) + load_wide(other_m2 + c, k);
    fma(delta, weight, mu).store(mean + c, k);
    fma(delta * delta, spread, within).store(m2 + c, k);
  });
}

void accumulate(std::size_t channels, double* sum, double const* other) {
  sweep<vec<double>>(channels,
                     [&](std::size_t c, auto k) RENORM_LAMBDA { (load_wide(sum + c, k) + load_wide(other + c, k)).store(sum + c, k); });
}

// Statistics of any dtype as mean and sigma in double.
void deviation(std::size_t channels, statistics const& s, double* mean, double* sigma) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    load_typed(s.mean, c, k).store(mean + c, k);
    load_sigma(s, c, k).store(sigma + c, k);
  });
}

// sigma = sqrt(m2/divisor + eps); r and d against the running statistics, 1 and 0 without (paper, Algorithm 1).
void correction(std::size_t channels, double divisor, double eps, double const* mean, double const* m2, statistics const* running,
                correction_bounds const& bounds, double* sigma, double* r, double* d) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const deviation = sqrt(load_wide(m2 + c, k) / wide(divisor) + wide(eps));
    deviation.store(sigma + c, k);
    if (running == nullptr) {
      store_if(r, c, k, wide(1));
      store_if(d, c, k, wide(0));
      return;
    }
    vec<double> const tracked = load_sigma(*running, c, k);
    vec<double> const reference = select(tracked < wide(bounds.sigma_floor), wide(bounds.sigma_floor), tracked);
    vec<double> const distance = load_wide(mean + c, k) - load_typed(running->mean, c, k);
    store_if(r, c, k, clip(deviation / reference, bounds.rmin, bounds.rmax));
    store_if(d, c, k, clip(distance / reference, -bounds.dmax, bounds.dmax));
  });
}

// center = mean, scale = gamma*r/sigma, shift = gamma*d + beta.
void coefficients(std::size_t channels, double const* mean, double const* sigma, double const* r, double const* d, typed_in gamma,
                  typed_in beta, double* center, double* scale, double* shift) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const weight = load_or(gamma, c, k, 1);
    load_wide(mean + c, k).store(center + c, k);
    (weight * load_or(r, c, k, 1) / load_wide(sigma + c, k)).store(scale + c, k);
    fma(weight, load_or(d, c, k, 0), load_or(beta, c, k, 0)).store(shift + c, k);
  });
}

// 1 where v is finite after rounding to the type it is stored in, else 0: from half a unit above the largest float on, a value
// rounds to infinity.
RENORM_INLINE vec<double> is_finite(vec<double> v, bool f64) {
  vec<double> const bound = wide(f64 ? __builtin_inf() : 0x1.ffffffp127), no = wide(0);
  return select(v < bound, select(wide(0) - bound < v, wide(1), no), no);
}

struct batch_statistics {
  vec<double> mean, spread;
};

template <class K> RENORM_INLINE batch_statistics average_groups(running_update const& u, double total, double const* mean,
                                                                 double const* m2, std::size_t c, K k) {
  batch_statistics batch = {wide(0), wide(0)};
  for (std::size_t g = 0; g < u.groups.groups; ++g) {
    std::int64_t const count = u.groups.count[g];
    if (count == 0) continue;
    std::size_t const at = g * u.groups.pitch + c;
    vec<double> const share = wide(static_cast<double>(count) / total);
    vec<double> const var = load_wide(m2 + at, k) / wide(divisor_of(count, u.bessel));
    batch.mean = fma(share, load_wide(mean + at, k), batch.mean);
    batch.spread = fma(share, u.track_sigma ? sqrt(var + wide(u.eps)) : var, batch.spread);
  }
  return batch;
}

// running += weight*(batch - running), where running arrays are given. Returns how many channels have batch statistics or new
// running statistics that are not finite.
std::size_t update_running(std::size_t channels, running_update const& u, double const* mean, double const* m2, typed_out running_mean,
                           typed_out running_var) {
  vec<double> nonfinite = wide(0);
  bool const track = running_mean.data != nullptr;
  double total = 0;
  for (std::size_t g = 0; g < u.groups.groups; ++g) total += static_cast<double>(u.groups.count[g]);
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    batch_statistics const batch = average_groups(u, total, mean, m2, c, k);
    vec<double> ok = is_finite(batch.mean, true) * is_finite(batch.spread, true);
    if (track) {
      auto const blend = [&](vec<double> old, vec<double> now) RENORM_LAMBDA { return fma(wide(u.weight), now - old, old); };
      vec<double> const old_mean = load_typed({running_mean.data, running_mean.f64}, c, k);
      vec<double> const old_var = load_typed({running_var.data, running_var.f64}, c, k);
      vec<double> const new_mean = blend(old_mean, batch.mean);
      vec<double> const new_var = blend(old_var, batch.spread);
      ok = ok * is_finite(new_mean, running_mean.f64) * is_finite(new_var, running_var.f64);
      vec<double> const update = u.skip_nonfinite ? ok : wide(1);
      store_typed(running_mean, c, k, select(wide(0) < update, new_mean, old_mean));
      store_typed(running_var, c, k, select(wide(0) < update, new_var, old_var));
    }
    nonfinite = nonfinite + used_lanes(wide(1) - ok, k);
  });
  return static_cast<std::size_t>(fold(nonfinite));
}

// dgamma = r*S2 + d*S1, dbeta = S1, each where wanted, summed over groups at a distance of pitch.
void grad_parameters(std::size_t channels, std::size_t groups, std::size_t pitch, double const* r, double const* d, double const* sum_dy,
                     double const* sum_dy_xhat, typed_out dgamma, typed_out dbeta) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    auto const of_gamma = [&](std::size_t at) RENORM_LAMBDA {
      return fma(load_or(r, at, k, 1), load_wide(sum_dy_xhat + at, k), load_or(d, at, k, 0) * load_wide(sum_dy + at, k));
    };
    vec<double> gamma = of_gamma(c), beta = load_wide(sum_dy + c, k);
    for (std::size_t g = 1; g < groups; ++g) {
      gamma = gamma + of_gamma(g * pitch + c);
      beta = beta + load_wide(sum_dy + g * pitch + c, k);
    }
    if (dgamma.data != nullptr) store_typed(dgamma, c, k, gamma);
    if (dbeta.data != nullptr) store_typed(dbeta, c, k, beta);
  });
}

}  // namespace
}  // namespace renorm
