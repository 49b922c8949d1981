// What parts are for and whole calls do not do, and options that the golden cases leave out.
#include "support/compare.hpp"
#include "support/isas.hpp"
#include "support/reference.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"
#include "support/tolerance.hpp"

#include <algorithm>
#include <functional>
#include <tuple>

namespace renorm_test {
namespace {

template <class Args> Args make_args() {
  Args a{};
  a.struct_size = sizeof a;
  return a;
}

problem make_problem(std::int64_t n, std::int64_t c, std::int64_t s, renorm_layout layout, std::uint32_t flags) {
  renorm_desc desc = make_desc(n, c, s);
  desc.dtype = RENORM_F64;
  desc.layout = layout;
  desc.flags = flags;
  desc.rmax = 1.5;
  desc.dmax = 0.5;
  return random_problem(desc, 11);
}

// ---------------------------------------------------------------- one batch on several machines

// Some of the samples of a batch. s = 1 keeps both layouts the same in memory.
struct shard {
  renorm_desc desc;
  array x, dy, y, dx;
  std::int64_t count = 0;
  array mean, m2, sum_dy, sum_dy_xhat;

  shard(problem const& p, std::size_t first, std::size_t last) : desc(p.desc) {
    auto const part = [&](array const& a) {
      return array(a.begin() + static_cast<std::ptrdiff_t>(first * p.c()), a.begin() + static_cast<std::ptrdiff_t>(last * p.c()));
    };
    desc.n = static_cast<std::int64_t>(last - first);
    x = part(p.x);
    dy = part(p.dy);
    y = dx = array(x.size());
    mean = m2 = sum_dy = sum_dy_xhat = array(p.c());
  }
};

// What all machines have after they have exchanged their moments.
struct batch_statistics {
  std::int64_t count = 0;
  array mean, m2, sigma, r, d;
};

void take_moments(shard& part) {
  auto a = make_args<renorm_moments_args>();
  a.x = part.x.data();
  a.count = &part.count;
  a.mean = part.mean.data();
  a.m2 = part.m2.data();
  ASSERT_EQ(renorm_moments(&part.desc, &a, nullptr), RENORM_OK);
}

void merge(renorm_desc const& desc, shard const& part, batch_statistics& all) {
  auto a = make_args<renorm_merge_args>();
  a.count = &all.count;
  a.mean = all.mean.data();
  a.m2 = all.m2.data();
  a.other_count = &part.count;
  a.other_mean = part.mean.data();
  a.other_m2 = part.m2.data();
  ASSERT_EQ(renorm_merge(&desc, &a, nullptr), RENORM_OK);
}

void correct(problem const& p, batch_statistics& all, double sigma_floor = 0) {
  auto a = make_args<renorm_correction_args>();
  a.count = &all.count;
  a.mean = all.mean.data();
  a.m2 = all.m2.data();
  a.running_mean = p.running_mean.data();
  a.running_var = p.running_var.data();
  a.sigma_floor = sigma_floor;
  a.sigma = all.sigma.data();
  a.r = all.r.data();
  a.d = all.d.data();
  ASSERT_EQ(renorm_correction(&p.desc, &a, nullptr), RENORM_OK);
}

void apply(problem const& p, batch_statistics const& all, shard& part) {
  array center(p.c()), scale(p.c()), shift(p.c());
  auto coefficients = make_args<renorm_coefficients_args>();
  coefficients.mean = all.mean.data();
  coefficients.sigma = all.sigma.data();
  coefficients.r = all.r.data();
  coefficients.d = all.d.data();
  coefficients.gamma = p.gamma.data();
  coefficients.beta = p.beta.data();
  coefficients.center = center.data();
  coefficients.scale = scale.data();
  coefficients.shift = shift.data();
  ASSERT_EQ(renorm_coefficients(&part.desc, &coefficients, nullptr), RENORM_OK);

  auto a = make_args<renorm_apply_args>();
  a.x = part.x.data();
  a.center = center.data();
  a.scale = scale.data();
  a.shift = shift.data();
  a.y = part.y.data();
  ASSERT_EQ(renorm_apply(&part.desc, &a, nullptr), RENORM_OK);
}

void update_running(renorm_desc const& desc, batch_statistics const& all, values& got) {
  auto a = make_args<renorm_update_running_args>();
  a.count = &all.count;
  a.mean = all.mean.data();
  a.m2 = all.m2.data();
  a.running_mean = got.running_mean.data();
  a.running_var = got.running_var.data();
  ASSERT_EQ(renorm_update_running(&desc, &a, nullptr), RENORM_OK);
}

void reduce_gradient(batch_statistics const& all, shard& part) {
  auto a = make_args<renorm_backward_reduce_args>();
  a.x = part.x.data();
  a.dy = part.dy.data();
  a.mean = all.mean.data();
  a.sigma = all.sigma.data();
  a.sum_dy = part.sum_dy.data();
  a.sum_dy_xhat = part.sum_dy_xhat.data();
  ASSERT_EQ(renorm_backward_reduce(&part.desc, &a, nullptr), RENORM_OK);
}

void apply_gradient(problem const& p, batch_statistics const& all, array const& sum_dy, array const& sum_dy_xhat, shard& part,
                    values& got) {
  auto a = make_args<renorm_backward_apply_args>();
  a.x = part.x.data();
  a.dy = part.dy.data();
  a.gamma = p.gamma.data();
  a.mean = all.mean.data();
  a.sigma = all.sigma.data();
  a.r = all.r.data();
  a.d = all.d.data();
  a.count = &all.count;
  a.sum_dy = sum_dy.data();
  a.sum_dy_xhat = sum_dy_xhat.data();
  a.dx = part.dx.data();
  a.dgamma = got.dgamma.data();
  a.dbeta = got.dbeta.data();
  ASSERT_EQ(renorm_backward_apply(&part.desc, &a, nullptr), RENORM_OK);
}

void append(array& to, array const& from) { to.insert(to.end(), from.begin(), from.end()); }

void add(array& to, array const& from) { std::transform(to.begin(), to.end(), from.begin(), to.begin(), std::plus<double>()); }

values train_in_shards(problem const& p, std::vector<std::size_t> const& borders) {
  std::vector<shard> shards;
  for (std::size_t i = 0; i + 1 < borders.size(); ++i) shards.emplace_back(p, borders[i], borders[i + 1]);

  array const zeros(p.c());
  batch_statistics all = {0, zeros, zeros, zeros, zeros, zeros};
  for (shard& part : shards) {
    take_moments(part);
    merge(p.desc, part, all);
  }
  EXPECT_EQ(all.count, p.desc.n);
  correct(p, all);

  values got;
  got.mean = all.mean;
  got.sigma = all.sigma;
  got.r = all.r;
  got.d = all.d;
  for (double m2 : all.m2) got.var.push_back(m2 / static_cast<double>(all.count));
  got.running_mean = p.running_mean;
  got.running_var = p.running_var;
  update_running(p.desc, all, got);

  array sum_dy = zeros, sum_dy_xhat = zeros;
  for (shard& part : shards) {
    apply(p, all, part);
    append(got.y, part.y);
    reduce_gradient(all, part);
    add(sum_dy, part.sum_dy);
    add(sum_dy_xhat, part.sum_dy_xhat);
  }
  got.dgamma = got.dbeta = zeros;
  for (shard& part : shards) {
    apply_gradient(p, all, sum_dy, sum_dy_xhat, part, got);
    append(got.dx, part.dx);
  }
  return got;
}

class Parts : public IsaTest {};

TEST_F(Parts, ShardsOfABatchGiveWhatTheBatchGives) {
  for (std::uint32_t flags : {0u, RENORM_FLAG_UNBIASED | RENORM_FLAG_UNBIASED_RUNNING, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA})
    for (renorm_layout layout : {RENORM_NCHW, RENORM_NHWC}) {
      problem const p = make_problem(23, 19, 1, layout, flags);
      values const want = reference_training(p), allowed = training_tolerance(p, want);
      for_each_isa([&] {
        expect_close(train_in_shards(p, {0, 23}), want, allowed);
        expect_close(train_in_shards(p, {0, 9, 23}), want, allowed);
        expect_close(train_in_shards(p, {0, 0, 1, 7, 7, 22, 23, 23}), want, allowed);
      });
    }
}

// ---------------------------------------------------------------- options

TEST_F(Parts, SigmaFloorBoundsTheRunningSigma) {
  double const floor = 1.75;
  problem p = make_problem(6, 19, 1, RENORM_NCHW, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA);
  problem raised = p;
  for (double& sigma : raised.running_var) sigma = std::max(sigma, floor);
  ASSERT_NE(raised.running_var, p.running_var);
  values const want = reference_training(raised), allowed = training_tolerance(raised, want);
  for_each_isa([&] {
    batch_statistics all;
    all.count = p.desc.n;
    all.mean = want.mean;
    for (double var : want.var) all.m2.push_back(var * static_cast<double>(all.count));
    all.sigma = all.r = all.d = array(p.c());
    correct(p, all, floor);
    values got, expected;
    std::tie(got.sigma, got.r, got.d) = std::tie(all.sigma, all.r, all.d);
    std::tie(expected.sigma, expected.r, expected.d) = std::tie(want.sigma, want.r, want.d);
    values limits;
    std::tie(limits.sigma, limits.r, limits.d) = std::tie(allowed.sigma, allowed.r, allowed.d);
    expect_close(got, expected, limits);
  });
}

TEST_F(Parts, RminIsIndependentOfRmax) {
  problem p = make_problem(6, 19, 5, RENORM_NHWC, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_RMIN);
  for (double rmin : {0.0, 0.9, 1.0}) {
    p.desc.rmin = rmin;
    values const want = reference_training(p), allowed = training_tolerance(p, want);
    for_each_isa([&] { expect_close(train(p, {true}), want, allowed); });
  }
}

TEST_F(Parts, KeepRunningChangesNothingElse) {
  for (std::uint32_t flags : {0u, RENORM_FLAG_BATCH_RENORM, RENORM_FLAG_CUMULATIVE}) {
    problem p = make_problem(6, 19, 5, RENORM_NCHW, flags);
    p.num_batches = 4;
    for_each_isa([&] {
      values want = train(p);
      want.running_mean = p.running_mean;
      want.running_var = p.running_var;
      problem kept = p;
      kept.desc.flags |= RENORM_FLAG_KEEP_RUNNING;
      expect_same_bits(train(kept), want);
    });
  }
}

}  // namespace
}  // namespace renorm_test
