// Exact where the data are: multiples of a unit u with |x - pivot| <= 2^17 u (double: 2^46 u) and sum|x| <= 2^50 u have the mean that is
// the quotient, rounded once, in both layouts, of groups, masks and shards, on every instruction set. So have sums of dy.
#include "support/executors.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"
#include "support/reduced.hpp"
#include "support/steps.hpp"

#include <cmath>
#include <functional>
#include <string>

namespace renorm_test {
namespace {

using draw = std::function<std::int64_t(generator&, std::size_t)>;  // a value in units, from its place in its channel

struct recipe {
  char const* name;
  renorm_dtype dtype;
  int unit;  // u is 2^unit
  draw value;
};

std::int64_t within(generator& random, std::int64_t most) {
  return static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(2 * most + 1)) - most;
}

std::int64_t const float_bound = std::int64_t{1} << 17, double_bound = std::int64_t{1} << 46;

std::vector<recipe> recipes() {
  auto const small = [](generator& random, std::size_t) { return within(random, 5); };
  // Those that are likely to be sampled for a pivot, and the first of them alone, are unlike the rest.
  auto const outliers = [](std::int64_t far) {
    return [far](generator& random, std::size_t i) { return i % 7 == 0 || i < 3 ? far - within(random, 2) : within(random, 2); };
  };
  auto const first = [](std::int64_t far) { return [far](generator& random, std::size_t i) { return i == 0 ? far : within(random, 1); }; };
  // All three that a chunk of one of the longer planes, or of rows of two channels, takes its pivot from.
  auto const sampled = [](std::int64_t far) {
    return [far](generator& random, std::size_t i) {
      bool const is_sample = i == 0 || i == 341 || i == 682 || i == 1365 || i == 2730;
      return is_sample ? far : within(random, 1);
    };
  };
  return {
      {"small integers", RENORM_F32, 0, small},
      {"small integers", RENORM_F64, 0, small},
      {"small units", RENORM_F32, -140, small},
      {"large units", RENORM_F32, 100, small},
      {"small units", RENORM_F64, -600, small},
      {"large units", RENORM_F64, 900, small},
      {"up to the bound", RENORM_F32, -3, [](generator& random, std::size_t) { return within(random, float_bound / 2); }},
      {"far from 0", RENORM_F32, 0, [](generator& random, std::size_t) { return float_bound * 100 + within(random, 1000); }},
      {"outliers", RENORM_F32, 0, outliers(float_bound - 2)},
      {"outliers", RENORM_F64, 0, outliers(double_bound / 1024)},
      {"an outlier", RENORM_F32, 0, first(float_bound - 1)},
      {"an outlier", RENORM_F64, 0, first(double_bound - 1)},
      {"sampled outliers", RENORM_F32, 0, sampled(float_bound - 1)},
      // Their differences to the pivot add up to more than 53 bits.
      {"sampled outliers", RENORM_F64, 0, sampled(double_bound - 3)},
  };
}

struct extents {
  std::int64_t n, c, s;
};

std::vector<extents> shapes() {
  if (reduced()) return {{3, 4, 49}, {70, 5, 1}, {1, 2, 4096}};
  return {{1, 1, 49}, {3, 4, 49}, {300, 5, 1}, {2, 3, 5000}, {40, 33, 7}, {9, 2, 700}, {130, 70, 3}, {1, 2, 4096}};
}

problem exact_problem(recipe const& from, extents const& e, renorm_layout layout, std::uint64_t seed) {
  problem p;
  p.desc = make_desc(e.n, e.c, e.s);
  p.desc.dtype = from.dtype;
  p.desc.layout = layout;
  p.desc.momentum = 1;
  p.desc.eps = 0;
  p.x = p.dy = array(p.n() * p.c() * p.s());
  generator random(seed);
  for (std::size_t channel = 0; channel < p.c(); ++channel)
    for (std::size_t i = 0; i < p.n(); ++i)
      for (std::size_t k = 0; k < p.s(); ++k) {
        std::size_t const at = p.at(i, channel, k);
        p.x[at] = std::ldexp(static_cast<double>(from.value(random, i * p.s() + k)), from.unit);
        p.dy[at] = p.x[at];
      }
  p.running_mean = array(p.c(), 1e17);
  p.running_var = array(p.c(), 1);
  return p;
}

double sum_of(problem const& p, array const& values, std::size_t group, std::size_t channel, int unit) {
  double sum = 0;
  for_each_position(p, group, [&](std::size_t i, std::size_t k) { sum += std::ldexp(values[p.at(i, channel, k)], -unit); });
  return sum;
}

// The quotient of sums that are integers of at most 53 bits is rounded once.
double quotient(problem const& p, array const& values, std::size_t group, std::size_t channel, int unit) {
  double const count = p.count(group);
  return count > 0 ? std::ldexp(sum_of(p, values, group, channel, unit) / count, unit) : 0;
}

class Exact : public IsaTest {
 protected:
  // However far the samples of a chunk are from the rest: what 128 additions to a lane may round.
  static void expect_variance(problem const& p, std::size_t group, std::size_t channel, double got) {
    long double mean = 0, squares = 0, count = p.count(group);
    if (count == 0) return;
    for_each_position(p, group, [&](std::size_t i, std::size_t k) { mean += p.x[p.at(i, channel, k)] / count; });
    for_each_position(p, group, [&](std::size_t i, std::size_t k) {
      long double const distance = p.x[p.at(i, channel, k)] - mean;
      squares += distance * distance / count;
    });
    double const want = static_cast<double>(squares);
    if (!std::isfinite(want) || want < 1e-290) return;  // see range_test.cpp
    EXPECT_NEAR(got / want, 1, 160 * (p.desc.dtype == RENORM_F32 ? 0x1p-24 : 0x1p-53)) << "variance of group " << group;
  }

  void check(recipe const& from, problem const& p) {
    SCOPED_TRACE(testing::Message() << from.name << " of dtype " << from.dtype << ", unit " << from.unit << ", " << p.n() << 'x' << p.c()
                                    << 'x' << p.s() << " layout " << p.desc.layout << " groups " << p.groups() << " order "
                                    << p.desc.group_order << " mask " << p.desc.mask_kind);
    for_each_isa([&] {
      for (bool const parts : {false, true}) {
        way how;
        how.parts = parts;
        values const got = train(p, how);
        for (std::size_t c = 0; c < p.c(); ++c) {
          for (std::size_t g = 0; g < p.groups(); ++g)
            EXPECT_EQ(got.mean[g * p.c() + c], quotient(p, p.x, g, c, from.unit)) << "group " << g << " channel " << c;
          for (std::size_t g = 0; g < p.groups(); ++g) expect_variance(p, g, c, got.var[g * p.c() + c]);
          double const all = quotient(p, p.x, all_groups, c, from.unit);
          EXPECT_EQ(got.running_mean[c], p.desc.dtype == RENORM_F32 ? static_cast<float>(all) : all) << "running, channel " << c;
        }
      }
    });
  }
};

problem taken_apart(problem p, std::int64_t groups, renorm_group_order order, renorm_mask_kind mask) {
  p.desc.groups = groups;
  p.desc.group_order = order;
  if (mask == RENORM_MASK_NONE) return p;
  p.desc.mask_kind = mask;
  generator random(7);
  for (std::size_t i = 0; i < p.n(); ++i) {
    std::size_t const length = static_cast<std::size_t>(random.next() % (p.s() + 1));
    for (std::size_t k = 0; k < p.s(); ++k)
      p.mask.push_back(mask == RENORM_MASK_LENGTHS ? k < length : static_cast<std::uint8_t>(random.next() % 2));
  }
  return p;
}

TEST_F(Exact, Means) {
  for (recipe const& from : recipes())
    for (extents const& e : shapes())
      for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC}) {
        problem const p = exact_problem(from, e, layout, 3);
        check(from, p);
        if (e.n > 1) check(from, taken_apart(p, 3, RENORM_GROUPS_CONTIGUOUS, RENORM_MASK_NONE));
        check(from, taken_apart(p, 2, RENORM_GROUPS_INTERLEAVED, RENORM_MASK_BYTES));
        check(from, taken_apart(p, 1, RENORM_GROUPS_CONTIGUOUS, RENORM_MASK_LENGTHS));
      }
}

// All three samples of a chunk are so far, and so odd, that lanes of differences round to the same side over and over: the mean of the
// sum around them is off by 6, more than what the sum around that mean may be.
TEST_F(Exact, SumsThatAreWrongAreReplaced) {
  problem p;
  p.desc = make_desc(1, 1, 4096);
  p.x = p.dy = array(4096);
  double const far = 14913096;
  for (std::size_t const i : {0, 1365, 2730}) p.x[i] = far;
  for_each_isa([&] { EXPECT_NEAR(train(p).mean[0], 3 * far / 4096, 4.5); });
}

// The second half of a chunk of 128 rows adds up by itself, by 8 rows, or of wide ones, and those that a mask cuts, by a level of their
// own: one by one, wide ones by four, its values would be lost behind a large one.
TEST_F(Exact, SmallRowsAddUpBehindALargeOne) {
  struct {
    std::size_t channels, apart;  // apart: of positions that count
  } const cases[] = {{32, 1}, {256, 1}, {32, 2}};
  for (auto const& rows : cases) {
    SCOPED_TRACE(testing::Message() << rows.channels << " channels, each row of " << rows.apart);
    problem p;
    p.desc = make_desc(128, rows.channels, 1);
    p.x = p.dy = array(128 * rows.channels);
    if (rows.apart > 1) p.desc.mask_kind = RENORM_MASK_BYTES;
    for (std::size_t i = 0; i < 128; ++i) p.mask.push_back(i % rows.apart == 0);
    for (std::size_t c = 0; c < rows.channels; ++c) {
      p.x[p.at(2, c, 0)] = 0x1p24;
      for (std::size_t i = 64; i < 128; ++i) p.x[p.at(i, c, 0)] = 0.25;
    }
    double const counted = 128. / static_cast<double>(rows.apart);
    for_each_isa([&] { EXPECT_EQ(train(p).mean[31], (0x1p24 + counted / 8) / counted); });
  }
}

// The same of planes: partial sums of 8 short ones, and of 16 values a lane of a long one.
TEST_F(Exact, SmallPlanesAddUpBehindALargeOne) {
  for (std::size_t const samples : {128, 1}) {
    SCOPED_TRACE(testing::Message() << samples << " samples");
    std::size_t const positions = 4096 / samples;
    problem p;
    p.desc = make_desc(samples, 2, positions);
    p.x = p.dy = array(8192);
    for (std::size_t c = 0; c < 2; ++c)
      for (std::size_t i = 0; i < 4096; i += 32) {  // those of the first lane
        double const value = i == 64 ? 0x1p24 : i >= 2048 ? 0.25 : 0;
        p.x[p.at(i / positions, c, i % positions)] = value;
      }
    for_each_isa([&] { EXPECT_EQ(train(p).mean[1], (0x1p24 + 16) / 4096); });
  }
}

// Of channels that share a register with no others 16 rows have lanes of their own, also where a chunk is summed again: squares of what is
// far from the mean cost the others in the same lane their digits, all to the same side: 5e-7 of the whole, 8e-6 if they shared one lane.
TEST_F(Exact, RowsThatAreSummedAgainKeepTheirLanes) {
  problem p;
  p.desc = make_desc(2048, 66, 1);
  p.x = p.dy = array(2048 * 66);
  double const far = 1051850;
  for (std::size_t const i : {0, 682, 1365})
    for (std::size_t c = 0; c < 66; ++c) p.x[p.at(i, c, 0)] = far;
  double const mean = 3 * far / 2048;
  for_each_isa([&] { EXPECT_NEAR(train(p).var[65] / (3 * far * far / 2048 - mean * mean), 1, 1e-6); });
}

// Sums of up to 2^50 units, in chunks that come from different machines.
TEST_F(Exact, MergedMeans) {
  generator random(5);
  for (int i = 0; i < 20000; ++i) {
    std::int64_t const count = 1 + static_cast<std::int64_t>(random.next() % 100000),
                       other_count = 1 + static_cast<std::int64_t>(random.next() % 1000);
    int const bits = static_cast<int>(random.next() % 50), unit = static_cast<int>(random.next() % 100) - 50;
    double const sum = static_cast<double>(within(random, (std::int64_t{1} << bits) / 2)),
                 other = static_cast<double>(within(random, 1 << 20));
    array mean = {std::ldexp(sum / static_cast<double>(count), unit)}, m2 = {1};
    std::int64_t merged = count;
    merge_moments(make_desc(1, 1, 1), merged, mean, m2, other_count, {std::ldexp(other / static_cast<double>(other_count), unit)}, {1});
    ASSERT_EQ(mean[0], std::ldexp((sum + other) / static_cast<double>(count + other_count), unit))
        << sum << '/' << count << " and " << other << '/' << other_count;
  }
}

TEST_F(Exact, ShardsOfABatch) {
  recipe const integers = recipes()[0];
  problem p = exact_problem(integers, {24, 5, 7}, RENORM_NCHW, 9);
  p.desc.eps = 1e-5;
  for_each_isa([&] {
    values const got = train_in_shards(p, {0, 5, 6, 24});
    for (std::size_t c = 0; c < p.c(); ++c) EXPECT_EQ(got.mean[c], quotient(p, p.x, 0, c, 0));
  });
}

// dbeta is the sum of dy, and S1/m one division. dy is not shifted: it is within the bound itself.
TEST_F(Exact, SumsOfGradients) {
  for (recipe const& from : recipes())
    for (extents const& e : shapes())
      for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC}) {
        if (from.unit != 0 || std::string(from.name) == "far from 0") continue;
        problem p = exact_problem(from, e, layout, 4);
        p.desc.param_dtype = RENORM_F64;
        for_each_isa([&] {
          values const got = train(p);
          for (std::size_t c = 0; c < p.c(); ++c) EXPECT_EQ(got.dbeta[c], sum_of(p, p.dy, 0, c, 0)) << from.name;
        });
      }
}

// Where the mean of a channel is 0 so is the argument of ReLU where x is, and its gate is shut there.
TEST_F(Exact, ZeroMeanKeepsTheGateOfReluShut) {
  problem p;
  p.desc = make_desc(1, 1, 49);
  p.desc.epilogue = RENORM_EPILOGUE_RELU;
  p.x = array(49);
  p.x[0] = -2, p.x[1] = 6, p.x[21] = 2, p.x[25] = -6, p.x[30] = -6, p.x[39] = 6;
  p.dy = array(49, 1);
  for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC})
    for (renorm_dtype const dtype : {RENORM_F32, RENORM_F64}) {
      p.desc.layout = layout;
      p.desc.dtype = dtype;
      for_each_isa([&] {
        values const got = train(p);
        EXPECT_EQ(got.mean[0], 0);
        EXPECT_EQ(got.var[0], 152.0 / 49);
        EXPECT_EQ(got.dbeta[0], 3);
      });
    }
}

}  // namespace
}  // namespace renorm_test
