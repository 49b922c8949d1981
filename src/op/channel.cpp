// The parts that see no tensor.
#include "op/channel.hpp"
#include "op/op.hpp"

namespace renorm::op {
namespace {

// Means become sums and meet as in a reduction.
void merge_block(call const& on, std::size_t channels, double count, double other_count, double* mean, double* m2, double const* other_mean,
                 double const* other_m2) {
  double sum[block_channels], other_sum[block_channels], other_carried[block_channels];
  on.code.channel.carry_means(channels, count, mean, m2, sum, m2);
  on.code.channel.carry_means(channels, other_count, other_mean, other_m2, other_sum, other_carried);
  on.code.channel.merge(channels, false, true, count, other_count, sum, m2, other_sum, other_carried);
  on.code.channel.means_of_sums(channels, count + other_count, sum, m2, mean);
  on.code.channel.spell_out_m2(channels, count + other_count, m2);
}

void merge_group(problem const& p, renorm_merge_args const& a, call const& on, std::size_t g) {
  std::int64_t const count = a.count[g], other = a.other_count[g];
  std::size_t const c = p.shape.c, at = g * c;
  if (other == 0) return;
  a.count[g] = count + other;
  if (count == 0) {
    copy(a.other_mean + at, c, a.mean + at);
    copy(a.other_m2 + at, c, a.m2 + at);
    return;
  }
  for (std::size_t first = 0; first < c; first += block_channels) {
    std::size_t const i = at + first;
    merge_block(on, smaller(block_channels, c - first), static_cast<double>(count), static_cast<double>(other), a.mean + i, a.m2 + i,
                a.other_mean + i, a.other_m2 + i);
  }
}

}  // namespace

void merge(problem const& p, renorm_merge_args const& a, call const& on) {
  for (std::size_t g = 0; g < p.shape.groups; ++g) merge_group(p, a, on, g);
}

void update_running(problem const& p, renorm_update_running_args const& a, call const& on) {
  follow(p, on.code, a.count, a.mean, a.m2, nullptr, {a.running_mean, a.running_var, a.num_batches}, a.nonfinite);
}

// Here and below the groups of no channels are not visited: there may be any number of them.
void correction(problem const& p, renorm_correction_args const& a, call const& on) {
  if (p.shape.c == 0) return;
  for (std::size_t g = 0; g < p.shape.groups; ++g)
    correct(p, on.code, {p.shape, g}, a.count[g], false, a.mean, a.m2, p.running_statistics(a.running_mean, a.running_var), a.sigma_floor,
            {a.sigma, a.r, a.d});
}

void coefficients(problem const& p, renorm_coefficients_args const& a, call const& on) {
  if (p.shape.c == 0) {
    report(0, a.nonfinite);
    return;
  }
  double const *mean = a.mean, *sigma = a.sigma;
  if (mean == nullptr) {
    // The outputs hold mean and sigma on the way: each is read before its place is written.
    for (std::size_t g = 0; g < p.shape.groups; ++g)
      on.code.channel.deviation(p.shape.c, p.running_statistics(a.running_mean, a.running_var), a.center + g * p.shape.c,
                                a.scale + g * p.shape.c);
    mean = a.center;
    sigma = a.scale;
  }
  for (std::size_t g = 0; g < p.shape.groups; ++g)
    map_forward(p, on.code, {p.shape, g}, mean, sigma, a.r, a.d, a.gamma, a.beta, {a.center, a.scale, a.shift});
  if (a.nonfinite != nullptr)
    report(on.code.channel.count_nonfinite(p.shape.c, maps_of(p, p.shape.groups, {a.center, a.scale, a.shift})), a.nonfinite);
}

}  // namespace renorm::op
