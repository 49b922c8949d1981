// Per-channel algebra in double: what batch norm and batch renorm do between the reduction and the sweep.
#pragma once

#include "kernels/merge.hpp"

namespace renorm {
namespace {

// v < low ? low : high < v ? high : v, which lets NaN through.
RENORM_INLINE vec<double> clip(vec<double> v, double low, double high) {
  v = select(v < wide(low), wide(low), v);
  return select(wide(high) < v, wide(high), v);
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

// sqrt(m2/divisor + eps) of count values. A root instead of m2 is not squared alone, but in units of the larger term.
RENORM_INLINE vec<double> sigma_of(batch_spread const& s, vec<double> m2) {
  vec<double> const no = wide(0), sigma = sqrt(m2 / wide(s.divisor) + wide(s.eps));
  if (!s.carried || !any(m2 < no)) return sigma;
  vec<double> const root = root_of(m2) * sqrt(wide(s.count / s.divisor)), floor = sqrt(wide(s.eps));
  vec<double> const larger = select(root < floor, floor, root), smaller = select(root < floor, root, floor);
  vec<double> const ratio = select(no < larger, smaller / larger, no);
  return select(m2 < no, larger * sqrt(fma(ratio, ratio, wide(1))), sigma);
}
RENORM_INLINE vec<double> variance_of(batch_spread const& s, vec<double> m2) {
  vec<double> const var = m2 / wide(s.divisor), root = root_of(m2);
  return s.carried ? select(m2 < wide(0), root * root * wide(s.count / s.divisor), var) : var;
}

// sigma, and r and d against the running statistics, 1 and 0 without (paper, Algorithm 1), and where the bounds leave
// nothing else: a schedule begins there, with running statistics that hold anything.
void correction(std::size_t channels, batch_spread const& spread, double const* mean, double const* m2, statistics const* running,
                correction_bounds const& bounds, double* sigma, double* r, double* d) {
  bool const r_is_1 = running == nullptr || (bounds.rmin == 1 && bounds.rmax == 1), d_is_0 = running == nullptr || bounds.dmax == 0;
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const deviation = sigma_of(spread, load_wide(m2 + c, k));
    deviation.store(sigma + c, k);
    vec<double> ratio = wide(1), distance = wide(0);
    if (!r_is_1 || !d_is_0) {
      vec<double> const tracked = load_sigma(*running, c, k);
      vec<double> const reference = select(tracked < wide(bounds.sigma_floor), wide(bounds.sigma_floor), tracked);
      if (!r_is_1) ratio = clip(deviation / reference, bounds.rmin, bounds.rmax);
      vec<double> const difference = load_wide(mean + c, k) - load_typed(running->mean, c, k);
      if (!d_is_0) distance = clip(difference / reference, -bounds.dmax, bounds.dmax);
    }
    store_if(r, c, k, ratio);
    store_if(d, c, k, distance);
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

// 1 where the map of a group is.
template <class K> RENORM_INLINE vec<double> is_finite_map(affine_maps const& m, std::size_t group, std::size_t c, K k) {
  std::size_t const at = group * m.pitch + c;
  vec<double> const center = is_finite(load_wide(m.center + at, k), m.f64), scale = is_finite(load_wide(m.scale + at, k), m.f64);
  return center * scale * is_finite(load_wide(m.shift + at, k), m.f64);
}

// How many channels have a map that is not finite.
std::size_t count_nonfinite(std::size_t channels, affine_maps const& maps) {
  vec<double> found = wide(0);
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> ok = wide(1);
    for (std::size_t g = 0; g < maps.groups; ++g) ok = ok * is_finite_map(maps, g, c, k);
    found = found + used_lanes(wide(1) - ok, k);
  });
  return static_cast<std::size_t>(fold(found));
}

// 1 where double holds the m2 that a root stands for, or, with an eps beside which it does not show, has lost it to underflow.
RENORM_INLINE vec<double> is_held(batch_spread const& s, vec<double> m2) {
  vec<double> const no = wide(0), yes = wide(1), root = root_of(m2), spelt_out = wide(s.count) * (root * root);
  vec<double> const large_enough = select(no < root, select(spelt_out < wide(least_m2), no, yes), yes);
  return select(m2 < no, is_finite(spelt_out, true) * (s.eps < tiny_eps<double> ? large_enough : yes), yes);
}

struct batch_statistics {
  vec<double> mean, spread;
  vec<double> held;  // 1 where double holds the m2 of every group
};

// Of means the sums are added and divided once, so that the mean of exact data is exact. Beyond double's range means are averaged.
template <class K> RENORM_INLINE batch_statistics average_groups(running_update const& u, double total, double const* mean,
                                                                 double const* m2, std::size_t c, K k) {
  vec<double> sum = wide(0), average = wide(0), spread = wide(0), held = wide(1);
  for (std::size_t g = 0; g < u.groups.groups; ++g) {
    std::int64_t const count = u.groups.count[g];
    if (count == 0) continue;
    std::size_t const at = g * u.groups.pitch + c;
    vec<double> const values = wide(static_cast<double>(count)), share = values / wide(total);
    vec<double> const mu = load_wide(mean + at, k), q = load_wide(m2 + at, k);
    batch_spread const s = {static_cast<double>(count), divisor_of(count, u.bessel), u.eps, u.carried};
    if (u.groups.groups > 1) sum = sum + sum_of_mean(values, mu);
    average = fma(share, mu, average);
    spread = fma(share, u.track_sigma ? sigma_of(s, q) : variance_of(s, q), spread);
    if (u.carried) held = held * is_held(s, q);
  }
  if (u.groups.groups == 1 || total == 0) return {average, spread, held};
  return {select(wide(0) < is_finite(sum, true), sum / wide(total), average), spread, held};
}

// The running value after old and a batch's. Where the difference of two finite values is none, their products with the weights are. An
// old value that is not finite stays what it is until the weight, or skip_nonfinite, lets a finite one replace it.
RENORM_INLINE vec<double> next_running(running_update const& u, vec<double> old, vec<double> now) {
  if (u.weight == 0) return old;
  if (u.weight == 1) return now;
  vec<double> const no = wide(0), weight = wide(u.weight);
  vec<double> const moved = fma(weight, now - old, old), apart = fma(weight, now, wide(1 - u.weight) * old);
  vec<double> const between = select(no < is_finite(moved, true), moved, apart);
  vec<double> const from_number = select(no < is_finite(now, true), between, moved);
  vec<double> const from_other = select(no < is_finite(now, true), u.skip_nonfinite ? now : old, moved);
  return select(no < is_finite(old, true), from_number, from_other);
}

// Whether some values are finite after rounding to the types they are stored in: surely, or to be looked at one by one. What is not
// finite, or near the end of float, times 0 is NaN.
class surely_finite {
 public:
  RENORM_INLINE void add(vec<double> v, bool f64) { sum_ = fma(f64 ? v : v * wide(0x1.00001p896), wide(0), sum_); }
  RENORM_INLINE explicit operator bool() const { return !any(wide(0) < select(sum_ <= wide(0), wide(0), wide(1))); }

 private:
  vec<double> sum_ = wide(0);
};

// The ordinary case of one register of update_running: all is finite, and the weight neither 0 nor 1. False if it is not that.
template <class K> RENORM_INLINE bool update_finite(running_update const& u, batch_statistics const& batch, affine_maps const* maps,
                                                    typed_out running_mean, typed_out running_var, std::size_t c, K k) {
  surely_finite all;
  all.add(batch.mean, true);
  all.add(batch.spread, true);
  for (std::size_t g = 0; maps != nullptr && g < maps->groups; ++g) {
    std::size_t const at = g * maps->pitch + c;
    all.add(load_wide(maps->center + at, k), maps->f64);
    all.add(load_wide(maps->scale + at, k), maps->f64);
    all.add(load_wide(maps->shift + at, k), maps->f64);
  }
  if (u.carried && any(batch.held < wide(1))) return false;
  if (running_mean.data == nullptr) return static_cast<bool>(all);
  vec<double> const weight = wide(u.weight);
  vec<double> const old_mean = load_typed({running_mean.data, running_mean.f64}, c, k);
  vec<double> const old_var = load_typed({running_var.data, running_var.f64}, c, k);
  vec<double> const new_mean = fma(weight, batch.mean - old_mean, old_mean), new_var = fma(weight, batch.spread - old_var, old_var);
  all.add(new_mean, running_mean.f64);
  all.add(new_var, running_var.f64);
  if (u.weight == 0 || u.weight == 1 || !all) return false;
  store_typed(running_mean, c, k, new_mean);
  store_typed(running_var, c, k, new_var);
  return true;
}

// Moves running statistics, where they are given. Returns how many channels have batch statistics, a map, or new running statistics that
// are not finite. Groups without a value have no map.
std::size_t update_running(std::size_t channels, running_update const& u, double const* mean, double const* m2, affine_maps const* maps,
                           typed_out running_mean, typed_out running_var) {
  vec<double> nonfinite = wide(0);
  bool const track = running_mean.data != nullptr;
  double total = 0;
  for (std::size_t g = 0; g < u.groups.groups; ++g) total += static_cast<double>(u.groups.count[g]);
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    batch_statistics const batch = average_groups(u, total, mean, m2, c, k);
    if (update_finite(u, batch, maps, running_mean, running_var, c, k)) return;
    vec<double> ok = is_finite(batch.mean, true) * is_finite(batch.spread, true) * batch.held;
    for (std::size_t g = 0; maps != nullptr && g < maps->groups; ++g)
      if (u.groups.count[g] > 0) ok = ok * is_finite_map(*maps, g, c, k);
    if (track) {
      vec<double> const old_mean = load_typed({running_mean.data, running_mean.f64}, c, k);
      vec<double> const old_var = load_typed({running_var.data, running_var.f64}, c, k);
      vec<double> const new_mean = next_running(u, old_mean, batch.mean), new_var = next_running(u, old_var, batch.spread);
      vec<double> const stored = is_finite(new_mean, running_mean.f64) * is_finite(new_var, running_var.f64);
      vec<double> const update = u.skip_nonfinite ? stored : wide(1);
      store_typed(running_mean, c, k, select(wide(0) < update, new_mean, old_mean));
      store_typed(running_var, c, k, select(wide(0) < update, new_var, old_var));
      ok = ok * stored;
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
