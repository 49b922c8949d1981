// Float accuracy at means and scales where sums of squares fail, against the definition in double.
#include "support/executors.hpp"
#include "support/isas.hpp"
#include "support/reduced.hpp"
#include "support/reference.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace renorm_test {
namespace {

// Largest errors, in the units of the bounds below.
struct errors {
  double y = 0, var = 0, dx = 0, dgamma = 0, dbeta = 0;
};

struct scenario {
  char const* name;
  kind data;
  double var_bound;
};

constexpr double y_bound = 2e-6, dx_bound = 2e-6, sum_bound = 1e-5;

constexpr scenario scenarios[] = {
    {"large mean", kind::large_mean, 1e-6},
    {"outlier first", kind::outlier_first, 2e-6},
    {"drifting", kind::drifting, 1e-6},
    {"huge", kind::huge, 1e-6},
    {"tiny", kind::tiny, 1e-6},
    {"denormal", kind::denormal, 1e-6},
};

// Keeps NaN.
void raise(double& worst, double error) {
  if (!(error <= worst)) worst = error;
}

void measure_channel(problem const& p, std::size_t c, values const& got, values const& want, errors& worst) {
  // dx is proportional to gamma*r/sigma: where that is small the bound goes with it, and where nothing but eps keeps sigma from 0, too.
  double const r = want.r[c], slope = std::abs(p.gamma[c]) * r / want.sigma[c];
  double const unit = want.var[c] < p.desc.eps ? slope : std::min(1.0, slope);
  double sum_dy = 0, sum_dy_xhat = 0;
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 0; k < p.s(); ++k) {
      std::size_t const j = p.at(i, c, k);
      sum_dy += std::abs(p.dy[j]);
      sum_dy_xhat += std::abs(p.dy[j] * (p.x[j] - want.mean[c])) / want.sigma[c];
      raise(worst.y, std::abs(got.y[j] - want.y[j]) / std::max(1.0, std::abs(want.y[j])));
      raise(worst.dx, std::abs(got.dx[j] - want.dx[j]) / std::max(unit, std::abs(want.dx[j])));
    }
  // What squares of floats lose to underflow does not show beside eps.
  double const underflow = p.desc.eps < 0x1p-90 ? 0 : 0x1p-149;
  if (!got.var.empty()) raise(worst.var, (std::abs(got.var[c] - want.var[c]) - underflow) / want.var[c]);
  raise(worst.dgamma, std::abs(got.dgamma[c] - want.dgamma[c]) / (r * sum_dy_xhat + std::abs(want.d[c]) * sum_dy));
  raise(worst.dbeta, std::abs(got.dbeta[c] - want.dbeta[c]) / sum_dy);
}

class Accuracy : public IsaTest, public testing::WithParamInterface<scenario> {
 protected:
  void check(problem const& p, values const& want, std::int32_t threads) {
    executor pool(threads);
    way how;
    how.parts = threads > 1;  // they show the variance
    how.parallel_for = fair_parallel_for;
    how.ctx = &pool;
    how.concurrency = threads;
    values const got = train(p, how);
    errors worst;
    for (std::size_t c = 0; c < p.c(); ++c) measure_channel(p, c, got, want, worst);
    std::printf("%-13s %s %-10s %-6s t%d  y %.1e  dx %.1e  dgamma %.1e  dbeta %.1e", GetParam().name,
                p.desc.layout == RENORM_NCHW ? "nchw" : "nhwc", p.has(RENORM_FLAG_BATCH_RENORM) ? "renorm" : "batch norm",
                renorm_isa_name(renorm_active_isa()), threads, worst.y, worst.dx, worst.dgamma, worst.dbeta);
    if (how.parts) std::printf("  var %.1e", worst.var);
    std::printf("\n");
    EXPECT_LE(worst.y, y_bound);
    EXPECT_LE(worst.var, GetParam().var_bound);
    EXPECT_LE(worst.dx, dx_bound);
    EXPECT_LE(worst.dgamma, sum_bound);
    EXPECT_LE(worst.dbeta, sum_bound);
  }
};

TEST_P(Accuracy, WithinBounds) {
  for (std::uint32_t flags : {0u, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA}) {
    renorm_desc desc = reduced() ? make_desc(2, 4, 56 * 56) : make_desc(32, 16, 56 * 56);
    desc.flags = flags;
    problem p = random_problem(desc, 5, GetParam().data);
    values const want = reference_training(p);
    for_each_isa([&] {
      for (renorm_layout layout : {RENORM_NCHW, RENORM_NHWC}) {
        p.desc.layout = layout;
        check(p, want, 2);
        if (renorm_active_isa() == renorm_best_isa()) check(p, want, 1);
      }
    });
  }
}

std::string test_name(testing::TestParamInfo<scenario> const& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Accuracy, testing::ValuesIn(scenarios), test_name);

// ---------------------------------------------------------------- what frameworks lose that save statistics as float

std::vector<float> as_float(array const& a) { return {a.begin(), a.end()}; }

array rounded_to_float(array const& a) {
  std::vector<float> const narrow = as_float(a);
  return {narrow.begin(), narrow.end()};
}

// The largest error of dx, with these saved statistics.
double error_of_dx(problem const& p, array const& mean, array const& sigma, array const& want) {
  std::vector<float> const x = as_float(p.x), dy = as_float(p.dy), gamma = as_float(p.gamma);
  std::vector<float> dx(x.size());
  renorm_backward_args args = {};
  args.struct_size = sizeof args;
  args.x = x.data();
  args.dy = dy.data();
  args.gamma = gamma.data();
  args.mean = mean.data();
  args.sigma = sigma.data();
  args.dx = dx.data();
  EXPECT_EQ(renorm_backward(&p.desc, &args, nullptr), RENORM_OK);
  double worst = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) raise(worst, std::abs(dx[i] - want[i]));
  return worst;
}

// The figure of docs/embedding.md: half a unit in the last place of 1e4 is 5e-4, by which xhat is off, and dx by that times gamma*S1/m.
TEST(SavedStatistics, AsFloatTheyCostAThousandthOfDxAtLargeMeans) {
  problem p = random_problem(make_desc(32, 64, 196), 5, kind::large_mean);
  for (double& dy : p.dy) dy = static_cast<float>(dy + 1);
  values const want = reference_training(p);
  double const exact = error_of_dx(p, want.mean, want.sigma, want.dx);
  double const rounded = error_of_dx(p, rounded_to_float(want.mean), rounded_to_float(want.sigma), want.dx);
  std::printf("saved statistics at mean 1e4: dx %.1e as double, %.1e as float\n", exact, rounded);
  EXPECT_LE(exact, 1e-5);
  EXPECT_GE(rounded, 2e-4);
  EXPECT_LE(rounded, 1e-2);
}

}  // namespace
}  // namespace renorm_test
