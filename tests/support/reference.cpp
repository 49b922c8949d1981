#include "support/reference.hpp"

#include <algorithm>
#include <cmath>

namespace renorm_test {
namespace {

// The values of a channel that have statistics in common, and where these are.
struct population {
  problem const& p;
  std::size_t group, channel, at;

  population(problem const& of, std::size_t g, std::size_t c) : p(of), group(g), channel(c), at(g == all_groups ? c : g * of.c() + c) {}

  template <class F> void for_each(F const& f) const {
    for_each_position(p, group, [&](std::size_t i, std::size_t k) { f(p.at(i, channel, k)); });
  }
  // What additions lose is added at the end (Knuth, volume 2, section 4.2.2, theorem B): long double is double on some platforms, and in
  // valgrind, and values that repeat are all rounded to the same side.
  template <class F> long double sum(F const& f) const {
    long double total = 0, lost = 0;
    for_each([&](std::size_t j) {
      long double const value = f(j), sum = total + value, of_value = sum - total;
      lost += (total - (sum - of_value)) + (value - of_value);
      total = sum;
    });
    return std::isfinite(lost) ? total + lost : total;
  }
};

double clip(double v, double low, double high) { return std::min(std::max(v, low), high); }

double bessel(double m) { return m > 1 ? m / (m - 1) : 1; }

void correction(population const& of, values& v) {
  problem const& p = of.p;
  if (!p.has(RENORM_FLAG_BATCH_RENORM)) return;
  double const sigma = running_sigma(p, of.channel), rmax = p.desc.rmax, dmax = p.desc.dmax;
  v.r[of.at] = clip(v.sigma[of.at] / sigma, p.has(RENORM_FLAG_RMIN) ? p.desc.rmin : 1 / rmax, rmax);
  v.d[of.at] = clip((v.mean[of.at] - p.running_mean[of.channel]) / sigma, -dmax, dmax);
}

// The average over the groups, weighted by their counts.
void update_running(problem const& p, std::size_t c, values& v) {
  double const weight = p.has(RENORM_FLAG_CUMULATIVE) ? 1 / (static_cast<double>(p.num_batches) + 1) : p.desc.momentum;
  double mean = 0, spread = 0, total = p.count(all_groups);
  for (std::size_t g = 0; g < p.groups(); ++g) {
    double const m = p.count(g), var = v.var[g * p.c() + c] * (p.has(RENORM_FLAG_UNBIASED_RUNNING) ? bessel(m) : 1);
    mean += m / total * v.mean[g * p.c() + c];
    spread += m / total * (p.has(RENORM_FLAG_TRACK_SIGMA) ? std::sqrt(var + p.desc.eps) : var);
  }
  // A weight of 1 replaces, exactly.
  v.running_mean[c] = weight == 1 ? mean : p.running_mean[c] + weight * (mean - p.running_mean[c]);
  v.running_var[c] = weight == 1 ? spread : p.running_var[c] + weight * (spread - p.running_var[c]);
}

void train(population const& of, double m, values& v) {
  problem const& p = of.p;
  double const gamma = p.gamma_of(of.channel), beta = p.beta_of(of.channel);
  long double const mean = m > 0 ? of.sum([&](std::size_t j) { return p.x[j]; }) / m : 0;
  auto const deviation = [&](std::size_t j) { return static_cast<double>(p.x[j] - mean); };
  double const factor = p.has(RENORM_FLAG_UNBIASED) ? bessel(m) : 1;
  double& sigma = v.sigma[of.at];
  v.mean[of.at] = static_cast<double>(mean);
  v.var[of.at] = m > 0 ? static_cast<double>(of.sum([&](std::size_t j) { return deviation(j) * deviation(j); }) / m) : 0;
  sigma = std::sqrt(v.var[of.at] * factor + p.desc.eps);
  correction(of, v);

  double const r = v.r[of.at], d = v.d[of.at];
  auto const xhat = [&](std::size_t j) { return deviation(j) / sigma; };
  auto const g = [&](std::size_t j) { return p.gradient(v.y[j], j); };
  of.for_each([&](std::size_t j) { v.y[j] = p.activated(gamma * (r * xhat(j) + d) + beta, j); });
  double const s1 = static_cast<double>(of.sum([&](std::size_t j) { return g(j); }));
  double const s2 = static_cast<double>(of.sum([&](std::size_t j) { return g(j) * xhat(j); }));
  v.dgamma[of.channel] += r * s2 + d * s1;
  v.dbeta[of.channel] += s1;
  of.for_each([&](std::size_t j) {
    if (p.add()) v.dz[j] = g(j);
    v.dx[j] = gamma * r / sigma * (g(j) - s1 / m - xhat(j) * s2 * factor / m);
  });
}

void infer(population const& of, values& v) {
  problem const& p = of.p;
  std::size_t const c = of.channel;
  double const sigma = running_sigma(p, c), gamma = p.gamma_of(c), beta = p.beta_of(c);
  auto const xhat = [&](std::size_t j) { return (p.x[j] - p.running_mean[c]) / sigma; };
  auto const g = [&](std::size_t j) { return p.gradient(v.y[j], j); };
  of.for_each([&](std::size_t j) { v.y[j] = p.activated(gamma * xhat(j) + beta, j); });
  v.dgamma[c] = static_cast<double>(of.sum([&](std::size_t j) { return g(j) * xhat(j); }));
  v.dbeta[c] = static_cast<double>(of.sum([&](std::size_t j) { return g(j); }));
  of.for_each([&](std::size_t j) {
    if (p.add()) v.dz[j] = g(j);
    v.dx[j] = gamma / sigma * g(j);
  });
}

}  // namespace

double running_sigma(problem const& p, std::size_t channel) {
  double const tracked = p.running_var[channel];
  return p.has(RENORM_FLAG_TRACK_SIGMA) ? tracked : std::sqrt(tracked + p.desc.eps);
}

values reference_training(problem const& p) {
  values v;
  v.y = v.dx = array(p.x.size());
  if (p.add()) v.dz = v.y;
  v.mean = v.var = v.sigma = v.d = array(p.statistics());
  v.r = array(p.statistics(), 1);
  v.dgamma = v.dbeta = array(p.c());
  v.running_mean = p.running_mean;
  v.running_var = p.running_var;
  if (p.per_channel() == 0) {  // no statistics, and nothing that follows from them
    v.mean = v.var = v.sigma = v.r = v.d = {};
    return v;
  }
  for (std::size_t g = 0; g < p.groups(); ++g) {
    double const m = p.count(g);
    for (std::size_t c = 0; c < p.c(); ++c) train({p, g, c}, m, v);
  }
  if (!p.running_mean.empty() && p.count(all_groups) > 0)
    for (std::size_t c = 0; c < p.c(); ++c) update_running(p, c, v);
  return v;
}

values reference_inference(problem const& p) {
  values v;
  v.y = v.dx = array(p.x.size());
  if (p.add()) v.dz = v.y;
  v.dgamma = v.dbeta = array(p.c());
  for (std::size_t c = 0; c < p.c(); ++c) infer({p, all_groups, c}, v);
  return v;
}

}  // namespace renorm_test
