#include "layer.hpp"

#include "check.hpp"

#include <utility>

namespace digits {
namespace {

// A cleared struct that knows its size, as every call wants it.
template <class Args> Args cleared() {
  Args args = {};
  args.struct_size = sizeof args;
  return args;
}

struct moments {
  explicit moments(std::int64_t channels) : mean(static_cast<std::size_t>(channels)), m2(mean) {}

  std::int64_t count = 0;
  std::vector<double> mean, m2;
};

moments moments_of(renorm_desc const& desc, matrix const& x) {
  moments of(desc.c);
  auto args = cleared<renorm_moments_args>();
  args.x = x.data();
  args.count = &of.count;
  args.mean = of.mean.data();
  args.m2 = of.m2.data();
  check(renorm_moments(&desc, &args, nullptr));
  return of;
}

void merge(renorm_desc const& desc, moments& all, moments const& more) {
  auto args = cleared<renorm_merge_args>();
  args.count = &all.count;
  args.mean = all.mean.data();
  args.m2 = all.m2.data();
  args.other_count = &more.count;
  args.other_mean = more.mean.data();
  args.other_m2 = more.m2.data();
  check(renorm_merge(&desc, &args, nullptr));
}

}  // namespace

layer::layer(Eigen::Index channels, normalization const& how) : beta(matrix::Zero(1, channels)), how_(how) {
  check(renorm_desc_init(&desc_, sizeof desc_));
  desc_.layout = RENORM_NHWC;
  desc_.flags = how.flags;
  desc_.stats_dtype = RENORM_F64;
  desc_.c = channels;
  desc_.s = 1;
  desc_.momentum = 0.01;
  desc_.eps = 1e-3;  // that of Inception v3, which the paper trains
  set_limits({});

  auto const c = static_cast<std::size_t>(channels), groups = static_cast<std::size_t>(how.groups);
  running_mean_.assign(c, 0);
  running_var_.assign(c, 1);
  for (auto* const saved : {&mean_, &sigma_, &r_, &d_}) saved->resize(groups * c);
  count_.resize(groups);
}

void layer::set_limits(limits const& l) {
  desc_.rmax = l.rmax;
  desc_.dmax = l.dmax;
}

renorm_desc layer::describe(matrix const& x) const {
  renorm_desc desc = desc_;
  desc.n = x.rows();
  return desc;
}

renorm_desc layer::describe_training(matrix const& x) const {
  renorm_desc desc = describe(x);
  desc.groups = how_.groups;
  desc.group_order = how_.group_order;
  return desc;
}

matrix layer::train(matrix x) {
  x_ = std::move(x);
  matrix y(x_.rows(), x_.cols());
  renorm_desc const desc = describe_training(x_);
  auto args = cleared<renorm_train_args>();
  args.x = x_.data();
  args.beta = beta.value.data();
  args.running_mean = running_mean_.data();
  args.running_var = running_var_.data();
  args.y = y.data();
  args.mean = mean_.data();
  args.sigma = sigma_.data();
  args.r = r_.data();
  args.d = d_.data();
  args.count = count_.data();
  check(renorm_train(&desc, &args, nullptr));
  return y;
}

matrix layer::backward(matrix dy) {
  renorm_desc const desc = describe_training(x_);
  auto args = cleared<renorm_backward_args>();
  args.x = x_.data();
  args.dy = dy.data();
  args.mean = mean_.data();
  args.sigma = sigma_.data();
  args.r = r_.data();
  args.d = d_.data();
  args.count = count_.data();
  args.dx = dy.data();  // in place
  args.dbeta = beta.gradient.data();
  check(renorm_backward(&desc, &args, nullptr));
  return dy;
}

matrix layer::infer(matrix x) const {
  renorm_desc const desc = describe(x);
  auto args = cleared<renorm_inference_args>();
  args.x = x.data();
  args.beta = beta.value.data();
  args.running_mean = running_mean_.data();
  args.running_var = running_var_.data();
  args.y = x.data();  // in place
  check(renorm_inference(&desc, &args, nullptr));
  return x;
}

// Batch norm needs no running statistics.
matrix layer::infer_with_batch_statistics(matrix x) const {
  renorm_desc desc = describe(x);
  desc.flags &= ~RENORM_FLAG_BATCH_RENORM;
  auto args = cleared<renorm_train_args>();
  args.x = x.data();
  args.beta = beta.value.data();
  args.y = x.data();  // in place
  check(renorm_train(&desc, &args, nullptr));
  return x;
}

void layer::set_statistics(std::vector<matrix> const& batches) {
  moments all(desc_.c);
  for (matrix const& x : batches) merge(desc_, all, moments_of(describe(x), x));
  renorm_desc desc = desc_;
  desc.momentum = 1;  // all of the new, nothing of the old
  auto args = cleared<renorm_update_running_args>();
  args.count = &all.count;
  args.mean = all.mean.data();
  args.m2 = all.m2.data();
  args.running_mean = running_mean_.data();
  args.running_var = running_var_.data();
  check(renorm_update_running(&desc, &args, nullptr));
}

}  // namespace digits
