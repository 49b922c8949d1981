#include "support/reference.hpp"

#include <algorithm>
#include <cmath>

namespace renorm_test {
namespace {

// sum of f(index) over the values of a channel
template <class F> long double sum_over(problem const& p, std::size_t channel, F const& f) {
  long double sum = 0;
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 0; k < p.s(); ++k) sum += f(p.at(i, channel, k));
  return sum;
}

template <class F> void for_channel(problem const& p, std::size_t channel, F const& f) {
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 0; k < p.s(); ++k) f(p.at(i, channel, k));
}

double clip(double v, double low, double high) { return std::min(std::max(v, low), high); }

double bessel(double m) { return m > 1 ? m / (m - 1) : 1; }

void correction(problem const& p, std::size_t c, values& v) {
  v.r[c] = 1;
  v.d[c] = 0;
  if (!p.has(RENORM_FLAG_BATCH_RENORM)) return;
  double const sigma = running_sigma(p, c), rmax = p.desc.rmax, dmax = p.desc.dmax;
  v.r[c] = clip(v.sigma[c] / sigma, p.has(RENORM_FLAG_RMIN) ? p.desc.rmin : 1 / rmax, rmax);
  v.d[c] = clip((v.mean[c] - p.running_mean[c]) / sigma, -dmax, dmax);
}

void update_running(problem const& p, std::size_t c, double m, values& v) {
  double const weight = p.has(RENORM_FLAG_CUMULATIVE) ? 1 / (static_cast<double>(p.num_batches) + 1) : p.desc.momentum;
  double const var = v.var[c] * (p.has(RENORM_FLAG_UNBIASED_RUNNING) ? bessel(m) : 1);
  double const spread = p.has(RENORM_FLAG_TRACK_SIGMA) ? std::sqrt(var + p.desc.eps) : var;
  v.running_mean[c] = p.running_mean[c] + weight * (v.mean[c] - p.running_mean[c]);
  v.running_var[c] = p.running_var[c] + weight * (spread - p.running_var[c]);
}

void train_channel(problem const& p, std::size_t c, values& v) {
  double const m = static_cast<double>(p.per_channel()), gamma = p.gamma_of(c), beta = p.beta_of(c);
  long double const mean = sum_over(p, c, [&](std::size_t j) { return p.x[j]; }) / m;
  auto const deviation = [&](std::size_t j) { return static_cast<double>(p.x[j] - mean); };
  double const factor = p.has(RENORM_FLAG_UNBIASED) ? bessel(m) : 1;
  v.mean[c] = static_cast<double>(mean);
  v.var[c] = static_cast<double>(sum_over(p, c, [&](std::size_t j) { return deviation(j) * deviation(j); }) / m);
  v.sigma[c] = std::sqrt(v.var[c] * factor + p.desc.eps);
  correction(p, c, v);
  if (!p.running_mean.empty()) update_running(p, c, m, v);

  double const r = v.r[c], d = v.d[c];
  auto const xhat = [&](std::size_t j) { return deviation(j) / v.sigma[c]; };
  double const s1 = static_cast<double>(sum_over(p, c, [&](std::size_t j) { return p.dy[j]; }));
  double const s2 = static_cast<double>(sum_over(p, c, [&](std::size_t j) { return p.dy[j] * xhat(j); }));
  v.dgamma[c] = r * s2 + d * s1;
  v.dbeta[c] = s1;
  for_channel(p, c, [&](std::size_t j) {
    v.y[j] = gamma * (r * xhat(j) + d) + beta;
    v.dx[j] = gamma * r / v.sigma[c] * (p.dy[j] - s1 / m - xhat(j) * s2 * factor / m);
  });
}

void infer_channel(problem const& p, std::size_t c, values& v) {
  double const sigma = running_sigma(p, c), gamma = p.gamma_of(c), beta = p.beta_of(c);
  auto const xhat = [&](std::size_t j) { return (p.x[j] - p.running_mean[c]) / sigma; };
  v.dgamma[c] = static_cast<double>(sum_over(p, c, [&](std::size_t j) { return p.dy[j] * xhat(j); }));
  v.dbeta[c] = static_cast<double>(sum_over(p, c, [&](std::size_t j) { return p.dy[j]; }));
  for_channel(p, c, [&](std::size_t j) {
    v.y[j] = gamma * xhat(j) + beta;
    v.dx[j] = gamma / sigma * p.dy[j];
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
  v.mean = v.var = v.sigma = v.r = v.d = v.dgamma = v.dbeta = array(p.c());
  v.running_mean = p.running_mean;
  v.running_var = p.running_var;
  if (p.per_channel() == 0) {  // no statistics, and nothing that follows from them
    v.mean = v.var = v.sigma = v.r = v.d = {};
    return v;
  }
  for (std::size_t c = 0; c < p.c(); ++c) train_channel(p, c, v);
  return v;
}

values reference_inference(problem const& p) {
  values v;
  v.y = v.dx = array(p.x.size());
  v.dgamma = v.dbeta = array(p.c());
  for (std::size_t c = 0; c < p.c(); ++c) infer_channel(p, c, v);
  return v;
}

}  // namespace renorm_test
