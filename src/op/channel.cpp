// The parts that see no tensor.
#include "op/channel.hpp"
#include "op/op.hpp"
#include "op/scratch.hpp"

namespace renorm::op {

void merge(problem const& p, renorm_merge_args const& a, call const& on) {
  std::int64_t const count = *a.count, other = *a.other_count;
  if (other == 0) return;
  if (count == 0) {
    copy(a.other_mean, p.shape.c, a.mean);
    copy(a.other_m2, p.shape.c, a.m2);
  } else {
    on.code.channel.merge(p.shape.c, static_cast<double>(count), static_cast<double>(other), a.mean, a.m2, a.other_mean, a.other_m2);
  }
  *a.count = count + other;
}

void update_running(problem const& p, renorm_update_running_args const& a, call const& on) {
  bool const update = *a.count > 0 && !p.keep_running;
  std::int64_t const nonfinite = follow(p, on.code, {0, p.shape.c}, *a.count, update ? batch_weight(p, a.num_batches) : 0, a.mean, a.m2,
                                        update ? a.running_mean : nullptr, update ? a.running_var : nullptr);
  if (update && a.num_batches != nullptr) ++*a.num_batches;
  if (a.nonfinite != nullptr) *a.nonfinite = nonfinite;
}

void correction(problem const& p, renorm_correction_args const& a, call const& on) {
  correct(p, on.code, {0, p.shape.c}, *a.count, a.mean, a.m2, p.running_statistics(a.running_mean, a.running_var), a.sigma_floor,
          {a.sigma, a.r, a.d});
}

void coefficients(problem const& p, renorm_coefficients_args const& a, call const& on) {
  channels const all = {0, p.shape.c};
  double const *mean = a.mean, *sigma = a.sigma;
  if (mean == nullptr) {
    // The outputs hold mean and sigma on the way: each is read before its place is written.
    on.code.channel.deviation(p.shape.c, p.running_statistics(a.running_mean, a.running_var), a.center, a.scale);
    mean = a.center;
    sigma = a.scale;
  }
  map_forward(p, on.code, all, mean, sigma, a.r, a.d, a.gamma, a.beta, {a.center, a.scale, a.shift});
}

}  // namespace renorm::op
