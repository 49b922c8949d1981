// Float accuracy at means and scales where sums of squares fail, against the definition in double.
#include "support/chunking.hpp"
#include "support/executors.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"
#include "support/reduced.hpp"
#include "support/reference.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace renorm_test {
namespace {

// Largest errors, in the units of the bounds below.
struct errors {
  double y = 0, var = 0, dx = 0, dgamma = 0, dbeta = 0;
  std::size_t populations = 0;  // that were compared
};

struct bounds {
  double y = 2e-6, var = 1e-6, dx = 2e-6, dgamma = 1e-5, dbeta = 1e-5;
};

// Those of y, var and dgamma are 34, 17 and 168 roundings of float. Those of double are as many: a mean, which float is given to more
// digits than it has, is a double, rounded by one more where it is no larger than the deviation, and the reference by no more than 8.
double digits_of(renorm_desc const& desc) { return desc.dtype == RENORM_F64 ? 0x1p-29 : 1; }

// What squares lose to underflow does not show beside eps. Of double, what the library's lose and those of the reference, and the quotients
// by the count of either are rounded to denormals: 2^-1075 each.
double lost_to_underflow(problem const& p) {
  if (p.desc.dtype == RENORM_F64) return p.desc.eps < 0x1p-900 ? 0 : 0x1p-1073;
  return p.desc.eps < 0x1p-90 ? 0 : 0x1p-149;
}

// Keeps NaN.
void raise(double& worst, double error) {
  if (!(error <= worst)) worst = error;
}
void raise_share(double& worst, double error, double whole) { raise(worst, error == 0 ? 0 : error / whole); }

// Whether the reference has digits of sigma: without eps a constant channel has none, and doubles below the root of the smallest
// number, or beyond that of the largest, have lost theirs in its squares. (range_test.cpp is about those.)
bool has_deviation(problem const& p, double var) { return p.desc.eps > 0 ? std::isfinite(var) : std::isnormal(var); }

// Of the values of a group: y, dx, var, and what they add to what errors of dgamma and dbeta are a share of.
void measure_group(problem const& p, std::size_t g, std::size_t c, values const& got, values const& want, errors& worst, double& dgamma,
                   double& dbeta) {
  std::size_t const at = g * p.c() + c;
  double const r = want.r[at], slope = std::abs(p.gamma[c]) * r / want.sigma[at];
  double largest_dy = 0, sum_dy = 0, sum_dy_xhat = 0;
  for_each_position(p, g, [&](std::size_t i, std::size_t k) {
    std::size_t const j = p.at(i, c, k);
    largest_dy = std::max(largest_dy, std::abs(p.dy[j]));
    sum_dy += std::abs(p.dy[j]);
    sum_dy_xhat += std::abs(p.dy[j] * (p.x[j] - want.mean[at])) / want.sigma[at];
  });
  // dx is proportional to gamma*r/sigma: where that is small the bound goes with it, and where sigma is next to nothing, too; and with dy
  // where all of it is small.
  double const unit = (want.var[at] < 1e-5 ? slope : std::min(1.0, slope)) * std::min(1.0, largest_dy);
  for_each_position(p, g, [&](std::size_t i, std::size_t k) {
    std::size_t const j = p.at(i, c, k);
    raise(worst.y, std::abs(got.y[j] - want.y[j]) / std::max(1.0, std::abs(want.y[j])));
    raise(worst.dx, std::abs(got.dx[j] - want.dx[j]) / std::max(unit, std::abs(want.dx[j])));
  });
  raise_share(worst.var, std::max(0.0, std::abs(got.var[at] - want.var[at]) - lost_to_underflow(p)), want.var[at]);
  dgamma += r * sum_dy_xhat + std::abs(want.d[at]) * sum_dy;
  dbeta += sum_dy;
  ++worst.populations;
}

// Of groups without a value, and of those that has_deviation leaves out, nothing is compared.
void measure_channel(problem const& p, std::size_t c, values const& got, values const& want, errors& worst) {
  double dgamma = 0, dbeta = 0;
  bool all = true;
  for (std::size_t g = 0; g < p.groups(); ++g) {
    if (p.count(g) == 0) continue;
    bool const compared = has_deviation(p, want.var[g * p.c() + c]);
    if (compared) measure_group(p, g, c, got, want, worst, dgamma, dbeta);
    all = all && compared;
  }
  if (!all) return;
  raise_share(worst.dgamma, std::abs(got.dgamma[c] - want.dgamma[c]), dgamma);
  raise_share(worst.dbeta, std::abs(got.dbeta[c] - want.dbeta[c]), dbeta);
}

class AccuracyTest : public IsaTest {
 protected:
  // Of a call in parts by two threads, and of a whole call by one.
  static void measure(problem const& p, values const& want, std::int32_t threads, errors& worst) {
    executor pool(threads);
    way how;
    how.parts = threads > 1;
    how.parallel_for = fair_parallel_for;
    how.ctx = &pool;
    how.concurrency = threads;
    values const got = train(p, how);
    for (std::size_t c = 0; c < p.c(); ++c) measure_channel(p, c, got, want, worst);
  }

  static void expect_within_bounds(char const* name, renorm_desc const& desc, std::string const& what, errors const& worst,
                                   bounds const& most) {
    double const digits = digits_of(desc);
    std::printf("%-16s %s %s %s  y %.1e  dx %.1e  dgamma %.1e  dbeta %.1e  var %.1e\n", name, desc.layout == RENORM_NCHW ? "nchw" : "nhwc",
                desc.dtype == RENORM_F64 ? "f64" : "f32", what.c_str(), worst.y, worst.dx, worst.dgamma, worst.dbeta, worst.var);
    EXPECT_LE(worst.y, most.y * digits);
    EXPECT_LE(worst.var, most.var * digits);
    EXPECT_LE(worst.dx, most.dx * digits);
    EXPECT_LE(worst.dgamma, most.dgamma * digits);
    EXPECT_LE(worst.dbeta, most.dbeta * digits);
  }
};

template <class Param> std::string test_name(testing::TestParamInfo<Param> const& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

// ---------------------------------------------------------------- large tensors

struct scenario {
  char const* name;
  kind data;
  bounds most = {};
};

constexpr scenario scenarios[] = {
    {"large mean", kind::large_mean},
    {"outlier first", kind::outlier_first, {2e-6, 2e-6}},
    {"drifting", kind::drifting},
    {"huge", kind::huge},
    {"tiny", kind::tiny},
    {"denormal", kind::denormal},
};

class Accuracy : public AccuracyTest, public testing::WithParamInterface<scenario> {
 protected:
  void check(problem const& p, values const& want, std::int32_t threads) {
    errors worst;
    measure(p, want, threads, worst);
    std::string const what = p.has(RENORM_FLAG_BATCH_RENORM) ? "renorm     " : "batch norm ";
    expect_within_bounds(GetParam().name, p.desc, what + renorm_isa_name(renorm_active_isa()) + " t" + std::to_string(threads), worst,
                         GetParam().most);
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

INSTANTIATE_TEST_SUITE_P(Scenarios, Accuracy, testing::ValuesIn(scenarios), test_name<scenario>);

// ---------------------------------------------------------------- contents that are ordinary data, whatever they look like

// Channels of deviation 1, of means up to 1: images of s positions, as wide as high.
problem ordinary(renorm_desc const& desc) {
  problem p = random_problem(desc, 5);
  generator random(6);
  for (std::size_t c = 0; c < p.c(); ++c) {
    double const mean = 0.25 * static_cast<double>(c % 5);
    for_each_position(p, all_groups,
                      [&](std::size_t i, std::size_t k) { p.x[p.at(i, c, k)] = static_cast<float>(mean + random.normal()); });
    p.running_mean[c] = mean + 0.5;
    p.running_var[c] = 1.5;
  }
  return p;
}

struct place {
  std::size_t sample, channel, position;
};

// value(x, place)
template <class Value> void set_values(problem& p, Value const& value) {
  for_each_position(p, all_groups, [&](std::size_t i, std::size_t k) {
    for (std::size_t c = 0; c < p.c(); ++c) p.x[p.at(i, c, k)] = value(p.x[p.at(i, c, k)], place{i, c, k});
  });
}

std::size_t side_of(problem const& p) { return static_cast<std::size_t>(std::lround(std::sqrt(p.desc.s))); }

// So many rows at either end of an image.
void set_outer_rows(problem& p, std::size_t rows, double to) {
  std::size_t const side = side_of(p);
  set_values(p, [&](double x, place const& at) {
    std::size_t const row = at.position / side;
    return row < rows || row >= side - rows ? to : x;
  });
}

// Far by 16 deviations, and one of 576 values or three of a chunk. In a lane whose partial sum has j of its squares, additions are off by
// up to j/2 units in the last place of one: of the 18 to a lane after each of the first values of seven samples, a chunk of NCHW, that is
// a deviation of sqrt(18*(1 + 4 + ... + 49)/3) = 29 roundings of one square. Where a mask leaves a quarter of the rest the squares of a
// chunk add up to 11 times as much: six deviations are 16 roundings of the whole, below the 17 of var.
constexpr double far = 16;

// All three, so that the pivot is one of them. Of a hundred values or more it is so far that nearly all of Q cancels: the chunk is summed
// again, around its mean.
void set_sampled_values(problem& p) {
  for (std::size_t g = 0; g < p.groups(); ++g)
    for (std::size_t c = 0; c < p.c(); ++c)
      chunking(p, g).for_each(c, [&](std::vector<std::size_t> const& chunk) {
        for (std::size_t const j : samples_of(chunk)) p.x[j] = far;
      });
}

// In other units, which a deviation that is tracked has as well. Where nothing but the values keeps sigma from 0 dy is small, so that float
// holds a dx of denormals.
void scale(problem& p, int float_exponent, int double_exponent) {
  bool const wide = p.desc.dtype == RENORM_F64;
  auto const scaled = [&](double x) {
    double const y = std::ldexp(x, wide ? double_exponent : float_exponent);
    return wide ? y : static_cast<float>(y);
  };
  for (array* values : {&p.x, &p.running_mean, &p.running_var})
    for (double& x : *values) x = scaled(x);
  for (double& dy : p.dy) dy = std::ldexp(dy, p.desc.eps > 0 ? 0 : -20);
}

struct content {
  char const* name;
  void (*set)(problem&);
};

// Tiny: squares are denormals (double: smaller than those that are trusted with eps = 0). Overflow and underflow: they are none. What
// double has not got the squares of is left out by has_deviation.
content const contents[] = {
    {"zeros", [](problem& p) { set_values(p, [](double, place const&) { return 0.0; }); }},
    {"half zero", [](problem& p) { set_values(p, [](double x, place const& at) { return at.channel % 2 == 0 ? x : 0; }); }},
    {"dead relu", [](problem& p) { set_values(p, [](double x, place const& at) { return at.channel % 4 == 0 ? 0 : std::max(x, 0.0); }); }},
    {"outer rows", [](problem& p) { set_outer_rows(p, 1, 2.5); }},
    {"letterbox", [](problem& p) { set_outer_rows(p, side_of(p) / 4, 0); }},
    {"odd samples zero", [](problem& p) { set_values(p, [](double x, place const& at) { return at.sample % 2 == 0 ? x : 0; }); }},
    {"odd samples mean", [](problem& p) { set_values(p, [](double x, place const& at) { return at.sample % 2 == 0 ? x : -2.1179f; }); }},
    {"even places mean", [](problem& p) { set_values(p, [](double x, place const& at) { return at.position % 2 == 0 ? 0.4581f : x; }); }},
    {"first values", [](problem& p) { set_values(p, [](double x, place const& at) { return at.position == 0 ? far : x; }); }},
    {"sampled values", set_sampled_values},
    {"tiny", [](problem& p) { scale(p, -70, -490); }},
    {"denormal", [](problem& p) { scale(p, -133, -1030); }},
    {"overflow", [](problem& p) { scale(p, 100, 600); }},
    {"underflow", [](problem& p) { scale(p, -100, -700); }},
    {"sampled huge", [](problem& p) { set_sampled_values(p), scale(p, 100, 600); }},
    {"sampled tiny", [](problem& p) { set_sampled_values(p), scale(p, -100, -700); }},
};

// With a content, of what a mask leaves valid.
problem filled(content const& with, renorm_desc const& desc, renorm_mask_kind mask) {
  problem p = ordinary(desc);
  if (mask != RENORM_MASK_NONE) p = masked(p, mask, 3);
  with.set(p);
  return p;
}

struct division {
  renorm_mask_kind mask;
  std::int64_t groups;
  renorm_group_order order;
  std::uint32_t flags;
};

constexpr division divisions[] = {
    {RENORM_MASK_NONE, 1, RENORM_GROUPS_CONTIGUOUS, 0},
    {RENORM_MASK_BYTES, 2, RENORM_GROUPS_CONTIGUOUS, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA},
    {RENORM_MASK_LENGTHS, 3, RENORM_GROUPS_INTERLEAVED, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA},
};

class Contents : public AccuracyTest, public testing::WithParamInterface<content> {
 protected:
  void measure_isas(problem const& p, errors& worst) {
    values const want = reference_training(p);
    for_each_isa([&] {
      measure(p, want, 2, worst);
      if (renorm_active_isa() == renorm_best_isa()) measure(p, want, 1, worst);
    });
  }
};

TEST_P(Contents, WithinBounds) {
  renorm_desc desc = reduced() ? make_desc(12, 2, 12 * 12) : make_desc(16, 6, 24 * 24);
  for (renorm_dtype const dtype : {RENORM_F32, RENORM_F64})
    for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC})
      for (double const eps : {1e-5, 0.0}) {
        desc.dtype = dtype, desc.layout = layout, desc.eps = eps;
        errors worst;
        for (division const& d : divisions) {
          desc.groups = d.groups, desc.group_order = d.order, desc.flags = d.flags;
          measure_isas(filled(GetParam(), desc, d.mask), worst);
        }
        EXPECT_TRUE(worst.populations > 0 || dtype == RENORM_F64 || eps == 0);
        if (worst.populations > 0) expect_within_bounds(GetParam().name, desc, eps > 0 ? "eps 1e-5" : "eps 0   ", worst, bounds{});
      }
}

INSTANTIATE_TEST_SUITE_P(All, Contents, testing::ValuesIn(contents), test_name<content>);

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
