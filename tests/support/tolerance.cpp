// The error analysis behind every comparison with the definition. u is the unit roundoff of the tensors, w that of double, in which
// all per-channel algebra is done; products of errors are left out. Single roundings count with their bound. Sums are different:
//
// Sums. A lane takes k additions. Where partial sums grow linearly, the worst case, the j-th addition is off by up to u*j*a, a being
// the size of terms. These roundings are independent; uniform in their bounds, they give a sum over m values a deviation of
// u*a*k*sqrt(m)/3. A rounding of each term before it is added gives u*a*sqrt(m/3). With six deviations of either, a mean of m terms
// is off by at most E*u*a, E = 2*(k + 2)/sqrt(m). A term b far above the others is in its lane's partial sums from its place on, at
// most k of them: six deviations of their roundings are 2*sqrt(3*k)*u*b. What follows the lanes is double. All of this is an upper bound of
// what the library does: it adds in levels (kernels/types.hpp), whose partial sums are smaller.
//
// Moments. Values are summed relative to a pivot K, the median of three values of their chunk: a = sqrt(q*var), where
// q = mean((x - K)^2)/var; q <= 10, as chunks with S*S/k > 0.9*Q are done again around their mean.
//   mean   off by u*E*sqrt(q*var)
//   var    mean((x - K)^2), off by (E + 3)*u relatively (3: the square of a rounded difference), less mean(x - K)^2, off by twice
//          the mean's error times sqrt(q*var): in sum at most q*(3*E + 3)*u*var. Of several chunks: and B, the variance of their means,
//          off by twice what each mean is off, times its distance. These are independent: 2*E*u*sqrt(q*var*B)
//          A value far from the others is one of those terms b: of m2, its square.
//          Squares lose 2^-150 each (double 2^-1075) to underflow, unless eps is so small that it shows.
// and a mean is a double: 16*w*max|x| covers that and the sums of chunks.
//
// What follows from them is written out in the functions below. Products are counted as rounded, although fused multiply-adds save
// that on most instruction sets.
#include "support/tolerance.hpp"

#include "support/chunking.hpp"
#include "support/reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace renorm_test {
namespace {

double const w = std::numeric_limits<double>::epsilon() / 2;

// Properties of the data of a channel that errors grow with.
struct magnitudes {
  double max_x = 0, max_y = 0;
  double mean_dy = 0, mean_dy_xhat = 0, max_dy = 0;  // of absolute values
  double max_dy_xhat = 0;
  double c1 = 0;              // |mean(dy)|
  double pivot_spread = 0;    // mean((x - K)^2)
  double pivot_distance = 0;  // largest |x - K|
  double chunk_spread = 0;    // variance of the means of chunks
};

class analysis {
 public:
  analysis(problem const& p, values const& want, double reference, values const& carried)
      : p_(p),
        want_(want),
        carried_(carried),
        total_(p.count(all_groups)),
        reference_(reference),
        u_(unit_roundoff(p.desc.dtype)),
        u_params_(unit_roundoff(dtype_or(p.desc.param_dtype, p.desc.dtype))),
        u_running_(unit_roundoff(dtype_or(p.desc.stats_dtype, p.desc.dtype))),
        tiny_(p.desc.dtype == RENORM_F64 ? std::numeric_limits<double>::denorm_min() : std::numeric_limits<float>::denorm_min()) {
    allowed_.y = allowed_.dx = array(p.x.size());
    allowed_.dz = array(want.dz.size());  // some of dy, unchanged
    allowed_.dgamma = allowed_.dbeta = array(p.c());
    if (want.running_mean.empty()) return;
    allowed_.running_mean = allowed_.running_var = array(p.c());
    for (std::size_t c = 0; c < p.c(); ++c) round_running(c);
  }

  values training();
  values inference();

 private:
  // A group with its statistics, and all samples in inference, whose statistics are given.
  struct population {
    std::size_t group;
    chunking chunks;
    double m, e;

    population(problem const& p, std::size_t g)
        : group(g), chunks(p, g), m(p.count(g)), e(m > 0 ? 2 * static_cast<double>(chunks.additions() + 2) / std::sqrt(m) : 0) {}
  };

  double pivot_of(std::vector<std::size_t> const& chunk) const;
  magnitudes measure(population const& of, std::size_t c, double mean, double sigma) const;
  void train(population const& of, std::size_t c);
  void infer(population const& of, std::size_t c);
  void round_running(std::size_t c);
  void update_running(population const& of, std::size_t c, magnitudes const& a, double mean_error, double var_error, double sigma_error);
  void parameter_gradients(population const& of, std::size_t c, magnitudes const& a, double xhat_error, double sigma_error, double r,
                           double r_error, double d, double d_error);
  // Of a sum with a term b far above the others.
  double outlier_error(population const& of, double b) const {
    return 2 * std::sqrt(3 * static_cast<double>(of.chunks.additions())) * u_ * b;
  }
  double underflow() const {
    bool const wide = p_.desc.dtype == RENORM_F64;
    return p_.desc.eps < (wide ? 0x1p-900 : 0x1p-90) ? 0 : wide ? std::numeric_limits<double>::denorm_min() : 0x1p-150;
  }
  double carried_mean(std::size_t c) const { return carried_.running_mean.empty() ? 0 : carried_.running_mean[c]; }
  double carried_sigma(std::size_t c) const;

  // What the roundings of y and of what it is the sum of grow with, v being at least the affine map's value: y alone shows nothing of
  // sums that ReLU or z take away.
  double size_of_sums(double v, std::size_t j) const {
    if (p_.desc.epilogue == RENORM_EPILOGUE_NONE) return std::abs(want_.y[j]);
    return p_.add() ? 2 * v + std::abs(p_.z[j]) : v;
  }

  template <class F> void for_channel(population const& of, std::size_t c, F const& f) const {
    for_each_position(p_, of.group, [&](std::size_t i, std::size_t k) { f(p_.at(i, c, k)); });
  }

  problem const& p_;
  values const& want_;
  values const& carried_;
  double total_;  // count of all groups
  double reference_;
  double u_, u_params_, u_running_;
  double tiny_;  // what an underflow may lose
  values allowed_;
};

double analysis::pivot_of(std::vector<std::size_t> const& chunk) const {
  std::array<std::size_t, 3> const at = samples_of(chunk);
  double const a = p_.x[at[0]], b = p_.x[at[1]], c = p_.x[at[2]];
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

magnitudes analysis::measure(population const& of, std::size_t c, double mean, double sigma) const {
  magnitudes a;
  double const m = of.m;
  of.chunks.for_each(c, [&](std::vector<std::size_t> const& chunk) {
    double const pivot = pivot_of(chunk);
    double sum = 0;
    for (std::size_t const j : chunk) {
      sum += p_.x[j] - mean;
      double const dy = std::abs(p_.dy[j]), from_pivot = p_.x[j] - pivot;
      a.max_x = std::max(a.max_x, std::abs(p_.x[j]));
      a.max_y = std::max(a.max_y, std::abs(want_.y[j]));
      a.max_dy = std::max(a.max_dy, dy);
      a.mean_dy += dy / m;
      a.c1 += p_.dy[j] / m;
      double const dy_xhat = dy * std::abs(p_.x[j] - mean) / sigma;
      a.mean_dy_xhat += dy_xhat / m;
      a.max_dy_xhat = std::max(a.max_dy_xhat, dy_xhat);
      a.pivot_spread += from_pivot * from_pivot / m;
      a.pivot_distance = std::max(a.pivot_distance, std::abs(from_pivot));
    }
    a.chunk_spread += sum * sum / static_cast<double>(chunk.size()) / m;
  });
  a.c1 = std::abs(a.c1);
  return a;
}

// The relative error of the running sigma that a step starts from.
double analysis::carried_sigma(std::size_t c) const {
  if (carried_.running_var.empty()) return 0;
  double const sigma = running_sigma(p_, c), error = carried_.running_var[c];
  return p_.has(RENORM_FLAG_TRACK_SIGMA) ? error / sigma : error / (2 * sigma * sigma);
}

void analysis::train(population const& of, std::size_t c) {
  std::size_t const at = of.group * p_.c() + c;
  double const mean = want_.mean[at], var = want_.var[at], sigma = want_.sigma[at], m = of.m, e = of.e;
  bool const renorm = p_.has(RENORM_FLAG_BATCH_RENORM);
  double const r = renorm ? want_.r[at] : 1, d = renorm ? want_.d[at] : 0;
  double const gamma = std::abs(p_.gamma_of(c)), shift = std::abs(p_.gamma_of(c) * d + p_.beta_of(c));
  double const bessel = m > 1 ? m / (m - 1) : 1, normaliser = p_.has(RENORM_FLAG_UNBIASED) ? bessel : 1;
  magnitudes const a = measure(of, c, mean, sigma);

  double const q = var > 0 ? std::min(a.pivot_spread / var, 10.0) : 10;
  double const mean_error = u_ * e * std::sqrt(q * var) + 16 * w * a.max_x;
  double const var_error = (q * (3 * e + 3) * var + 2 * e * std::sqrt(q * var * a.chunk_spread)) * u_ + 16 * w * var + underflow() +
                           (m > 0 ? outlier_error(of, a.pivot_distance * a.pivot_distance) / m : 0);
  double const sigma_error = normaliser * var_error / (2 * sigma * sigma) + 4 * w;  // relative, as the next two
  double const r_error = renorm ? sigma_error + carried_sigma(c) : 0;
  double const reference_sigma = renorm ? running_sigma(p_, c) : 1;
  double const d_error = renorm ? (mean_error + carried_mean(c)) / reference_sigma + std::abs(d) * carried_sigma(c) : 0;
  double const d_scale = renorm ? (a.max_x + std::abs(p_.running_mean[c])) / reference_sigma : 0;

  allowed_.mean.push_back(mean_error + reference_ * a.max_x);
  allowed_.var.push_back(var_error + reference_ * var);
  allowed_.sigma.push_back((sigma_error + reference_) * sigma);
  allowed_.r.push_back((r_error + reference_) * r);
  allowed_.d.push_back(d_error + reference_ * d_scale);
  if (m == 0) return;
  update_running(of, c, a, mean_error, var_error, sigma_error * sigma);

  // xhat = (x - mean)/sigma, h = |xhat|: wrong by xhat_error + h*sigma_error because of mean and sigma.
  double const xhat_error = mean_error / sigma;
  parameter_gradients(of, c, a, xhat_error, sigma_error, r, r_error, d, d_error);

  // y = scale*(x - center) + shift: x - center, scale, their product and shift are rounded, then the sum.
  for_channel(of, c, [&](std::size_t j) {
    double const h = std::abs(p_.x[j] - mean) / sigma, y = size_of_sums(gamma * r * h + shift, j);
    double const statistics = gamma * (r * (xhat_error + h * (sigma_error + r_error)) + d_error);
    allowed_.y[j] = statistics + u_ * (3 * gamma * r * h + shift + y) + reference_ * (y + a.max_y) + 2 * tiny_;
  });

  if (want_.dx.empty()) return;
  // dx = scale*((dy - c1) - xhat*c2), c1 = S1/m, c2 = S2/m (m - 1 if unbiased). A term of S2 has four roundings: x - center, inv and
  // two products; c1 and c2 are rounded once more. xhat = (x - center)*inv + off has four again. Its product with c2, the two
  // differences, scale and the product with it have one each.
  double const scale = gamma * r / sigma;
  double const c2 = normaliser * a.mean_dy_xhat;
  double const c1_error = u_ * (e * a.mean_dy + a.c1);
  double const c2_error = c2 * (u_ * (e + 5) + sigma_error) + xhat_error * normaliser * a.mean_dy;
  for_channel(of, c, [&](std::size_t j) {
    double const h = std::abs(p_.x[j] - mean) / sigma, dy = std::abs(p_.dy[j]);
    double const product_error = h * c2_error + c2 * (xhat_error + h * (sigma_error + 5 * u_));
    double const terms = dy + a.c1 + h * c2;
    allowed_.dx[j] = scale * (c1_error + product_error + terms * (4 * u_ + sigma_error + r_error)) +
                     reference_ * (std::abs(want_.dx[j]) + scale * a.max_dy) + 2 * tiny_ * (1 + scale);
  });
}

// What running statistics start with, and their rounding.
void analysis::round_running(std::size_t c) {
  double const mean = std::abs(want_.running_mean[c]), spread = want_.running_var[c];
  double const carried_spread = carried_.running_var.empty() ? 0 : carried_.running_var[c];
  allowed_.running_mean[c] = carried_mean(c) + (u_running_ + reference_) * mean;
  allowed_.running_var[c] = carried_spread + (u_running_ + reference_) * spread;
}

// A group's share in the average over the groups.
void analysis::update_running(population const& of, std::size_t c, magnitudes const& a, double mean_error, double var_error,
                              double sigma_error) {
  if (want_.running_mean.empty()) return;
  double const share = of.m / total_;
  double const bessel = of.m > 1 && p_.has(RENORM_FLAG_UNBIASED_RUNNING) ? of.m / (of.m - 1) : 1;
  double const spread_error = p_.has(RENORM_FLAG_TRACK_SIGMA) ? bessel * sigma_error : bessel * var_error;
  allowed_.running_mean[c] += share * (mean_error + reference_ * a.max_x);
  allowed_.running_var[c] += share * spread_error;
}

// dgamma = r*S2 + d*S1, dbeta = S1
void analysis::parameter_gradients(population const& of, std::size_t c, magnitudes const& a, double xhat_error, double sigma_error,
                                   double r, double r_error, double d, double d_error) {
  double const m = of.m, e = of.e;
  if (want_.dgamma.empty() && want_.dbeta.empty()) return;
  double const sum_dy = a.mean_dy * m, sum_dy_xhat = a.mean_dy_xhat * m;
  double const s1_error = u_ * e * sum_dy + m * tiny_;
  double const s2_error = sum_dy_xhat * (u_ * (e + 4) + sigma_error) + outlier_error(of, a.max_dy_xhat) + xhat_error * sum_dy + m * tiny_;
  double const scale = sum_dy_xhat * r + sum_dy * std::abs(d);
  double const rounding = u_params_ + 2 * reference_;
  allowed_.dgamma[c] += r * (s2_error + sum_dy_xhat * r_error) + std::abs(d) * s1_error + d_error * sum_dy + rounding * scale;
  allowed_.dbeta[c] += s1_error + rounding * sum_dy;
}

// Statistics are given: only xhat and the sums of the backward pass round.
void analysis::infer(population const& of, std::size_t c) {
  double const mean = p_.running_mean[c], sigma = running_sigma(p_, c), gamma = std::abs(p_.gamma_of(c)), beta = std::abs(p_.beta_of(c));
  magnitudes const a = measure(of, c, mean, sigma);
  double const xhat_error = carried_mean(c) / sigma, sigma_error = carried_sigma(c) + 4 * w;
  parameter_gradients(of, c, a, xhat_error, sigma_error, 1, 0, 0, 0);
  for_channel(of, c, [&](std::size_t j) {
    double const h = std::abs(p_.x[j] - mean) / sigma, y = size_of_sums(gamma * h + beta, j);
    allowed_.y[j] = gamma * (xhat_error + h * (sigma_error + 3 * u_)) + u_ * (beta + y) + reference_ * (y + a.max_y) + 2 * tiny_;
    double const dx = gamma / sigma * std::abs(p_.dy[j]);  // scale, product
    allowed_.dx[j] = dx * (2 * u_ + sigma_error + 2 * reference_) + 2 * tiny_;
  });
}

// An empty tensor has no statistics, and its sums are exactly 0.
values no_tolerance(values const& want) {
  values allowed = want;
  for_each_array([](char const*, array& a) { std::fill(a.begin(), a.end(), 0.0); }, allowed);
  return allowed;
}

values analysis::training() {
  for (std::size_t g = 0; g < p_.groups(); ++g) {
    population const of(p_, g);
    for (std::size_t c = 0; c < p_.c(); ++c) train(of, c);
  }
  return allowed_;
}

values analysis::inference() {
  population const of(p_, all_groups);
  for (std::size_t c = 0; c < p_.c() && of.m > 0; ++c) infer(of, c);
  return allowed_;
}

}  // namespace

double unit_roundoff(renorm_dtype dtype) { return dtype == RENORM_F64 ? w : std::numeric_limits<float>::epsilon() / 2; }

// The same with what is left of dy in its place.
static problem behind_activation(problem p, values const& want) {
  for (std::size_t j = 0; j < p.dy.size(); ++j) p.dy[j] = p.gradient(want.y[j], j);
  return p;
}

values training_tolerance(problem const& p, values const& want, double reference, values const& carried) {
  return p.per_channel() == 0 ? no_tolerance(want) : analysis(behind_activation(p, want), want, reference, carried).training();
}

values inference_tolerance(problem const& p, values const& want, double reference, values const& carried) {
  return p.per_channel() == 0 ? no_tolerance(want) : analysis(behind_activation(p, want), want, reference, carried).inference();
}

}  // namespace renorm_test
