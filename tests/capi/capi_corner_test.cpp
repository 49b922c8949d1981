// What is unusual and legal: empty and one-value batches, bounds at their ends, values that are not finite, what may be left out.
#include "capi/capi_call.hpp"
#include "support/isas.hpp"
#include "support/reduced.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <tuple>

#include <sys/mman.h>
#include <unistd.h>

namespace {

using capi::call;
using capi::extent;
using capi::field;
using capi::find_operation;
using capi::operation;
using capi::operations;
using capi::use;

double const nan = std::numeric_limits<double>::quiet_NaN();
double const inf = std::numeric_limits<double>::infinity();

void expect_ok(call const& c) { EXPECT_EQ(c.run(), RENORM_OK) << c.op.name << ": " << capi::last_error(); }

using variant = std::tuple<renorm_isa, renorm_layout, renorm_dtype>;

std::string name_of(testing::TestParamInfo<variant> const& info) {
  auto const [isa, layout, dtype] = info.param;
  return std::string(renorm_isa_name(isa)) + (layout == RENORM_NCHW ? "_nchw" : "_nhwc") + (dtype == RENORM_F32 ? "_f32" : "_f64");
}

class Corner : public testing::TestWithParam<variant> {
 protected:
  renorm_isa const before = renorm_active_isa();

  void SetUp() override {
    ASSERT_EQ(renorm_set_max_isa(std::get<0>(GetParam())), RENORM_OK);
    ASSERT_EQ(renorm_active_isa(), std::get<0>(GetParam()));
  }
  void TearDown() override { renorm_set_max_isa(before); }

  renorm_desc desc(int64_t n, int64_t c, int64_t s, uint32_t flags) const {
    renorm_desc d = capi::small_desc();
    d.layout = std::get<1>(GetParam());
    d.dtype = std::get<2>(GetParam());
    d.n = n;
    d.c = c;
    d.s = s;
    d.flags = flags;
    return d;
  }
  renorm_desc batch_norm(int64_t n = 3, int64_t c = 5, int64_t s = 7) const { return desc(n, c, s, 0); }
  renorm_desc batch_renorm(int64_t n = 3, int64_t c = 5, int64_t s = 7) const { return desc(n, c, s, RENORM_FLAG_BATCH_RENORM); }

  bool is_float() const { return std::get<2>(GetParam()) == RENORM_F32; }
  double as_tensor(double v) const { return is_float() ? static_cast<double>(static_cast<float>(v)) : v; }
};

INSTANTIATE_TEST_SUITE_P(, Corner,
                         testing::Combine(testing::ValuesIn(renorm_test::available_isas()), testing::Values(RENORM_NCHW, RENORM_NHWC),
                                          testing::Values(RENORM_F32, RENORM_F64)),
                         name_of);

operation const& train = find_operation(RENORM_OP_TRAIN);
operation const& backward = find_operation(RENORM_OP_BACKWARD);
operation const& inference = find_operation(RENORM_OP_INFERENCE);
operation const& inference_backward = find_operation(RENORM_OP_INFERENCE_BACKWARD);

void fill_channel(call& c, char const* tensor, int64_t channel, double value) {
  renorm_desc const& d = c.desc();
  for (int64_t i = 0; i < d.n; ++i)
    for (int64_t k = 0; k < d.s; ++k) c.set_value(tensor, c.index(i, channel, k), value);
}

template <class Predicate> bool all_of_channel(call& c, char const* tensor, int64_t channel, Predicate holds) {
  renorm_desc const& d = c.desc();
  for (int64_t i = 0; i < d.n; ++i)
    for (int64_t k = 0; k < d.s; ++k)
      if (!holds(c.value(tensor, c.index(i, channel, k)))) return false;
  return true;
}

bool not_finite(double v) { return !std::isfinite(v); }

// ---------------------------------------------------------------- empty batches

// A page that faults when it is touched.
void* untouchable() {
  static void* const page = mmap(nullptr, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page;
}

TEST_P(Corner, EmptyTensorsAreNotTouchedAndLeaveTheRunningStatistics) {
  struct {
    renorm_op op;
    std::vector<char const*> zero;
  } const cases[] = {
      {RENORM_OP_TRAIN, {"count", "nonfinite"}},
      {RENORM_OP_INFERENCE, {}},
      {RENORM_OP_BACKWARD, {"dgamma", "dbeta"}},
      {RENORM_OP_INFERENCE_BACKWARD, {"dgamma", "dbeta"}},
      {RENORM_OP_MOMENTS, {"count", "mean", "m2"}},
      {RENORM_OP_APPLY, {}},
      {RENORM_OP_BACKWARD_REDUCE, {"sum_dy", "sum_dy_xhat"}},
      {RENORM_OP_BACKWARD_APPLY, {}},
  };
  for (auto const& extents : {std::array<int64_t, 3>{0, 5, 7}, {3, 5, 0}, {3, 0, 7}, {0, 0, 0}})
    for (auto const& one : cases) {
      SCOPED_TRACE(std::string(find_operation(one.op).name) + " of " + testing::PrintToString(extents));
      call c(find_operation(one.op), batch_renorm(extents[0], extents[1], extents[2]));
      for (field const& f : c.op.fields)
        if (f.size == extent::tensor) c.point(f.name, untouchable());
      if (one.op == RENORM_OP_TRAIN) c.integer("num_batches") = 3;
      capi::results before = c.outputs();
      expect_ok(c);
      capi::results const after = c.outputs();
      for (field const& f : c.op.fields)
        if (f.how == use::updated) {
          EXPECT_EQ(before.at(f.name), after.at(f.name)) << f.name;
        }
      for (char const* const name : one.zero) {
        if (!c.op.find(name).integers())
          for (std::size_t i = 0; i < c.length(name); ++i) EXPECT_EQ(c.value(name, i), 0) << name;
        else EXPECT_EQ(c.integer(name), std::string(name) == "count" ? extents[0] * extents[2] : 0) << name;
      }
    }
}

// What an extent of 0 hides: neither a mask of more bytes than there are, nor loops over what is not there. These calls would take hours.
TEST_P(Corner, EmptyTensorsTakeNoTimeWhateverTheirOtherExtents) {
  int64_t const huge = int64_t{1} << 58, many = 560000000000000;
  struct {
    int64_t n, c, s, groups;
  } const all[] = {{huge, 0, 0, 1}, {huge, 5, 0, 1}, {huge, 0, 0, 7},     {huge, 5, 0, 7},
                   {0, 5, huge, 1}, {0, 0, huge, 3}, {1, 0, huge / 16, 1}};
  for (auto const& one : all)
    for (operation const& op : operations()) {
      renorm_desc d = batch_renorm(one.n, one.c, one.s);
      d.groups = one.groups;
      call c(op, d);
      expect_ok(c);
      EXPECT_EQ(c.exec().workspace_bytes, 0u) << op.name;
    }
  // Without a channel the counts of the groups are of nothing, and are not visited where they are not written.
  for (operation const& op : operations()) {
    if (op.id == RENORM_OP_MOMENTS || op.id == RENORM_OP_MERGE) continue;
    call c(op, batch_renorm(3, 0, 7));
    c.desc().groups = many;
    for (field const& f : op.fields)
      if (f.written() && f.integers()) c.point(f.name, nullptr);  // what is as long as the counts claim to be overlaps everything
    expect_ok(c);
  }
}

// Lengths are read, and say how many positions a group of no channels has.
TEST_P(Corner, GroupsOfNoChannelsHaveCounts) {
  for (renorm_op const op : {RENORM_OP_TRAIN, RENORM_OP_MOMENTS})
    for (int32_t const order : {RENORM_GROUPS_CONTIGUOUS, RENORM_GROUPS_INTERLEAVED})
      for (int32_t const kind : {RENORM_MASK_NONE, RENORM_MASK_BYTES, RENORM_MASK_LENGTHS}) {
        renorm_desc d = batch_norm(3, 0, 4);
        d.groups = 2;
        d.group_order = order;
        d.mask_kind = kind;
        call c(find_operation(op), d);
        std::uint8_t const bytes[12] = {1, 0, 1, 1, /**/ 0, 0, 0, 7, /**/ 1, 1, 0, 0};
        int64_t const lengths[3] = {3, 1, 2};
        if (kind != RENORM_MASK_NONE) c.point("mask", kind == RENORM_MASK_BYTES ? static_cast<void const*>(bytes) : lengths);
        expect_ok(c);
        int64_t const* const count = &c.integer("count");
        bool const interleaved = order == RENORM_GROUPS_INTERLEAVED, none = kind == RENORM_MASK_NONE;
        EXPECT_EQ(count[0], none ? 8 : interleaved ? 5 : 4);
        EXPECT_EQ(count[1], none ? 4 : interleaved ? 1 : 2);
      }
}

// Empty containers have no address.
TEST_P(Corner, ArraysOfNoBytesMayBeNull) {
  for (auto const& extents : {std::array<int64_t, 3>{0, 5, 7}, {3, 0, 7}})
    for (operation const& op : operations()) {
      call c(op, batch_renorm(extents[0], extents[1], extents[2]));
      for (field const& f : op.fields)
        if (c.size_in_bytes(f.name) == 0) c.point(f.name, nullptr);
      expect_ok(c);
    }
}

TEST_P(Corner, ArraysOfNoBytesOverlapNothing) {
  for (operation const& op : operations())
    for (field const& f : op.fields) {
      call c(op, batch_renorm(0, 5, 7));
      if (f.size != extent::tensor) continue;
      for (field const& other : op.fields) {
        if (other.size == extent::tensor || c.pointer(other.name) == nullptr) continue;
        c.point(f.name, static_cast<unsigned char*>(c.pointer(other.name)) + 4);
        expect_ok(c);
      }
    }
}

TEST_P(Corner, CountOfZeroLeavesTheRunningStatistics) {
  for (uint32_t const flags : {0u, RENORM_FLAG_CUMULATIVE}) {
    call c(find_operation(RENORM_OP_UPDATE_RUNNING), desc(3, 5, 7, flags));
    c.integer("count") = 0;
    capi::results const before = c.outputs();
    expect_ok(c);
    EXPECT_EQ(c.integer("nonfinite"), 0);
    for (char const* const name : {"running_mean", "running_var", "num_batches"}) EXPECT_EQ(before.at(name), c.outputs().at(name)) << name;
  }
}

TEST_P(Corner, MergeWithAnEmptyPart) {
  call right(find_operation(RENORM_OP_MERGE), batch_norm());
  right.integer("other_count") = 0;
  for (std::size_t i = 0; i < 5; ++i) right.set_value("other_mean", i, 0), right.set_value("other_m2", i, 0);
  capi::results const before = right.outputs();
  expect_ok(right);
  EXPECT_EQ(before, right.outputs());

  call left(find_operation(RENORM_OP_MERGE), batch_norm());
  left.integer("count") = 0;
  for (std::size_t i = 0; i < 5; ++i) left.set_value("mean", i, 0), left.set_value("m2", i, 0);
  expect_ok(left);
  EXPECT_EQ(left.integer("count"), left.integer("other_count"));
  EXPECT_EQ(std::memcmp(left.pointer("mean"), left.pointer("other_mean"), 5 * sizeof(double)), 0);
  EXPECT_EQ(std::memcmp(left.pointer("m2"), left.pointer("other_m2"), 5 * sizeof(double)), 0);
}

// ---------------------------------------------------------------- one value, no variance

TEST_P(Corner, OneValueHasNoVarianceAndBesselsFactorOne) {
  call plain(train, batch_norm(1, 5, 1));
  expect_ok(plain);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(plain.value("y", i), plain.value("beta", i));
  EXPECT_EQ(plain.integer("count"), 1);

  call bessel(train, desc(1, 5, 1, RENORM_FLAG_UNBIASED | RENORM_FLAG_UNBIASED_RUNNING));
  expect_ok(bessel);
  EXPECT_EQ(bessel.outputs(), plain.outputs());

  call gradient(backward, batch_norm(1, 5, 1));
  expect_ok(gradient);
  call bessel_gradient(backward, desc(1, 5, 1, RENORM_FLAG_UNBIASED));
  expect_ok(bessel_gradient);
  EXPECT_EQ(gradient.outputs(), bessel_gradient.outputs());
}

TEST_P(Corner, ConstantChannelWithoutEpsIsNaNAndAlone) {
  renorm_desc d = batch_norm();
  d.eps = 0;
  call usual(train, d), constant(train, d);
  fill_channel(constant, "x", 2, 1.5);
  expect_ok(usual);
  expect_ok(constant);
  EXPECT_TRUE(all_of_channel(constant, "y", 2, [](double v) { return std::isnan(v); }));
  EXPECT_EQ(constant.value("sigma", 2), 0);
  for (int64_t const channel : {0, 1, 3, 4}) {
    EXPECT_TRUE(all_of_channel(constant, "y", channel, [](double v) { return std::isfinite(v); }));
    EXPECT_EQ(constant.value("sigma", static_cast<std::size_t>(channel)), usual.value("sigma", static_cast<std::size_t>(channel)));
  }
}

TEST_P(Corner, ConstantChannelWithEpsIsBeta) {
  call c(train, batch_norm());
  fill_channel(c, "x", 2, 1.5);
  expect_ok(c);
  double const beta = c.value("beta", 2);
  EXPECT_TRUE(all_of_channel(c, "y", 2, [=](double v) { return v == beta; }));
  EXPECT_EQ(c.value("sigma", 2), std::sqrt(c.desc().eps));
}

// ---------------------------------------------------------------- bounds and weights at their ends

// With x of deviation near 0 or 1000 the quotient of the deviations leaves any usual bound.
void spread(call& c, double factor) {
  for (std::size_t i = 0; i < c.length("x"); ++i) c.set_value("x", i, factor * c.value("x", i));
}

double running_sigma(call const& c, double variance) { return std::sqrt(variance + const_cast<call&>(c).desc().eps); }

TEST_P(Corner, InfiniteBoundsClipNothing) {
  renorm_desc d = batch_renorm();
  d.rmax = d.dmax = inf;
  for (double const factor : {1e-3, 1e3}) {
    call c(train, d);
    spread(c, factor);
    std::vector<double> mean, variance;
    for (std::size_t i = 0; i < 5; ++i) mean.push_back(c.value("running_mean", i)), variance.push_back(c.value("running_var", i));
    expect_ok(c);
    // Quotients of doubles: a few roundings.
    double const tolerance = 8 * std::numeric_limits<double>::epsilon();
    for (std::size_t i = 0; i < 5; ++i) {
      double const sigma = running_sigma(c, variance[i]);
      double const r = c.value("sigma", i) / sigma, shift = (c.value("mean", i) - mean[i]) / sigma;
      EXPECT_NEAR(c.value("r", i), r, tolerance * r);
      EXPECT_NEAR(c.value("d", i), shift, tolerance * (std::fabs(c.value("mean", i)) + std::fabs(mean[i])) / sigma);
    }
  }
}

TEST_P(Corner, RIsBoundedByRmaxItsReciprocalAndRmin) {
  auto const r_of = [&](double factor, uint32_t more_flags, double rmin) {
    renorm_desc d = batch_renorm();
    d.flags |= more_flags;
    d.rmin = rmin;
    d.rmax = 4;
    call c(train, d);
    spread(c, factor);
    expect_ok(c);
    return c.value("r", 2);
  };
  EXPECT_EQ(r_of(1e3, 0, 0), 4);
  EXPECT_EQ(r_of(1e-3, 0, 0), 0.25);
  EXPECT_EQ(r_of(1e-3, 0, 0.875), 0.25) << "rmin counts with its flag only";
  EXPECT_EQ(r_of(1e-3, RENORM_FLAG_RMIN, 0.875), 0.875);
  EXPECT_EQ(r_of(1e3, RENORM_FLAG_RMIN, 0.875), 4);
  double const free = r_of(1e-3, RENORM_FLAG_RMIN, 0);
  EXPECT_GT(free, 0);
  EXPECT_LT(free, 0.25);
}

TEST_P(Corner, DmaxOfZeroAndRmaxOfOneAreBatchNorm) {
  renorm_desc d = batch_renorm();
  d.rmax = 1;
  d.dmax = 0;
  call renorm(train, d), plain(train, batch_norm());
  expect_ok(renorm);
  expect_ok(plain);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(renorm.value("r", i), 1);
    EXPECT_EQ(renorm.value("d", i), 0);
  }
  EXPECT_EQ(renorm.outputs().at("y"), plain.outputs().at("y"));
}

TEST_P(Corner, MomentumOfZeroKeepsAndOfOneReplaces) {
  renorm_desc d = batch_norm();
  d.momentum = 0;
  call keep(train, d);
  capi::results const before = keep.outputs();
  expect_ok(keep);
  EXPECT_EQ(keep.outputs().at("running_mean"), before.at("running_mean"));
  EXPECT_EQ(keep.outputs().at("running_var"), before.at("running_var"));
  EXPECT_EQ(keep.integer("num_batches"), 22) << "a batch of weight 0 is a batch";

  d.momentum = 1;
  call replace(train, d);
  expect_ok(replace);
  for (std::size_t i = 0; i < 5; ++i) {
    double const mean = replace.value("mean", i), variance = replace.value("m2", i) / 21;
    EXPECT_EQ(replace.value("running_mean", i), as_tensor(mean));
    EXPECT_EQ(replace.value("running_var", i), as_tensor(variance));
  }
}

// x = [1, 3] in each channel and group: mean 2, variance 1, and 2 with Bessel's factor.
TEST_P(Corner, WeightOfOneReplacesWhateverTheRunningStatisticsHold) {
  double const olds[] = {nan, inf, -inf, 1e17, 1e10};
  for (uint32_t const flags : {0u, RENORM_FLAG_CUMULATIVE, RENORM_FLAG_UNBIASED_RUNNING, RENORM_FLAG_SKIP_NONFINITE})
    for (int64_t const groups : {1, 2}) {
      renorm_desc d = desc(groups, 5, 2, flags);
      d.groups = groups;
      d.momentum = 1;
      call c(train, d);
      c.integer("num_batches") = 0;
      for (int64_t sample = 0; sample < groups; ++sample)
        for (int64_t channel = 0; channel < 5; ++channel) {
          c.set_value("x", c.index(sample, channel, 0), 1);
          c.set_value("x", c.index(sample, channel, 1), 3);
        }
      for (std::size_t i = 0; i < 5; ++i) c.set_value("running_mean", i, olds[i]), c.set_value("running_var", i, olds[i]);
      expect_ok(c);
      for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(c.value("running_mean", i), 2) << olds[i];
        EXPECT_EQ(c.value("running_var", i), flags == RENORM_FLAG_UNBIASED_RUNNING ? 2 : 1) << olds[i];
      }
      EXPECT_EQ(c.integer("nonfinite"), 0);
    }
}

// A variance that a float sum with the old one would lose.
TEST_P(Corner, WeightOfOneKeepsEveryDigitOfASmallVariance) {
  renorm_desc d = batch_norm();
  d.momentum = 1;
  call c(find_operation(RENORM_OP_UPDATE_RUNNING), d);
  for (std::size_t i = 0; i < 5; ++i) c.set_value("running_var", i, 1e10), c.set_value("m2", i, 21 * 9.84e-7);
  expect_ok(c);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(c.value("running_var", i), as_tensor(21 * 9.84e-7 / 21));
}

TEST_P(Corner, WeightOfZeroKeepsWhateverTheBatchHolds) {
  for (uint32_t const flags : {0u, RENORM_FLAG_SKIP_NONFINITE}) {
    renorm_desc d = desc(3, 5, 7, flags);
    d.momentum = 0;
    call c(train, d);
    c.set_value("x", c.index(1, 2, 3), nan);
    c.set_value("running_var", 4, inf);
    capi::results const before = c.outputs();
    expect_ok(c);
    EXPECT_EQ(c.outputs().at("running_mean"), before.at("running_mean"));
    EXPECT_EQ(c.outputs().at("running_var"), before.at("running_var"));
    EXPECT_EQ(c.integer("nonfinite"), 2);
  }
}

// Neither becomes NaN at the next batch nor stays for ever: it is replaced at weight 1, or by the next finite batch where that is asked
// for.
TEST_P(Corner, AnInfiniteRunningValueStaysInfiniteAndIsCounted) {
  for (renorm_op const op : {RENORM_OP_TRAIN, RENORM_OP_UPDATE_RUNNING})
    for (double const momentum : {0.1, 1.0})
      for (uint32_t const flags : {0u, RENORM_FLAG_SKIP_NONFINITE}) {
        renorm_desc d = desc(3, 5, 7, flags);
        d.momentum = momentum;
        call usual(find_operation(op), d), c(find_operation(op), d);
        c.set_value("running_var", 2, inf);
        c.set_value("running_mean", 3, -inf);
        c.set_value("running_mean", 4, nan);
        expect_ok(usual);
        expect_ok(c);
        d.momentum = 1;
        call replaced(find_operation(op), d);
        expect_ok(replaced);
        bool const replaces = momentum == 1 || flags != 0;
        EXPECT_EQ(c.value("running_var", 2), replaces ? replaced.value("running_var", 2) : inf);
        EXPECT_EQ(c.value("running_mean", 3), replaces ? replaced.value("running_mean", 3) : -inf);
        EXPECT_EQ(std::isnan(c.value("running_mean", 4)), !replaces);
        EXPECT_EQ(c.value("running_mean", 2), usual.value("running_mean", 2));
        EXPECT_EQ(c.value("running_var", 3), usual.value("running_var", 3));
        EXPECT_EQ(c.integer("nonfinite"), replaces ? 0 : 3);
      }
}

// The difference of running value and batch has no double, their weighted mean has.
TEST_P(Corner, RunningValuesAtBothEndsOfTheRangeMeet) {
  renorm_desc d = batch_norm();
  d.stats_dtype = RENORM_F64;
  d.momentum = 0.5;
  call c(find_operation(RENORM_OP_UPDATE_RUNNING), d);
  for (std::size_t i = 0; i < 5; ++i) c.set_value("running_mean", i, 1.5e308), c.set_value("mean", i, -1e308);
  expect_ok(c);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(c.value("running_mean", i), 0.25e308, 1e293);
  EXPECT_EQ(c.integer("nonfinite"), 0);
}

// A schedule begins with r = 1 and d = 0 over running statistics that hold anything, and has batch norm's bits there.
TEST_P(Corner, WarmUpIsBatchNormWhateverTheRunningStatisticsHold) {
  struct {
    double mean, var;
    uint32_t flags;
  } const starts[] = {{0, -1e-3, 0}, {nan, nan, 0}, {inf, inf, 0}, {1, 0, RENORM_FLAG_TRACK_SIGMA}, {1, -1, RENORM_FLAG_TRACK_SIGMA}};
  for (auto const& start : starts)
    for (uint32_t const rmin : {0u, RENORM_FLAG_RMIN}) {
      renorm_desc d = batch_renorm();
      d.flags |= start.flags | rmin;
      d.rmin = d.rmax = 1;
      d.dmax = 0;
      call renorm(train, d), plain(train, batch_norm());
      for (call* c : {&renorm, &plain})
        for (std::size_t i = 0; i < 5; ++i) c->set_value("running_mean", i, start.mean), c->set_value("running_var", i, start.var);
      expect_ok(renorm);
      expect_ok(plain);
      for (char const* const name : {"y", "r", "d", "mean", "sigma"})
        EXPECT_EQ(renorm.outputs().at(name), plain.outputs().at(name)) << name;
      call correction(find_operation(RENORM_OP_CORRECTION), d);
      for (std::size_t i = 0; i < 5; ++i)
        correction.set_value("running_mean", i, start.mean), correction.set_value("running_var", i, start.var);
      expect_ok(correction);
      for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(correction.value("r", i), 1);
        EXPECT_EQ(correction.value("d", i), 0);
      }
    }
}

// One of the two alone.
TEST_P(Corner, OneBoundThatLeavesNothingElseIsEnough) {
  renorm_desc d = batch_renorm();
  d.rmax = 1;
  d.dmax = inf;
  call r(train, d);
  r.set_value("running_var", 2, nan);
  expect_ok(r);
  EXPECT_EQ(r.value("r", 2), 1);
  EXPECT_TRUE(std::isnan(r.value("d", 2)));
  d.rmax = inf;
  d.dmax = 0;
  call shift(train, d);
  shift.set_value("running_mean", 2, nan);
  expect_ok(shift);
  EXPECT_TRUE(std::isfinite(shift.value("r", 2)));
  EXPECT_EQ(shift.value("d", 2), 0);
}

TEST_P(Corner, CumulativeWeightIsOneOverTheNumberOfBatches) {
  call first(train, desc(3, 5, 7, RENORM_FLAG_CUMULATIVE));
  first.integer("num_batches") = 0;
  renorm_desc replacing = batch_norm();
  replacing.momentum = 1;
  call weight_one(train, replacing);
  expect_ok(first);
  expect_ok(weight_one);
  EXPECT_EQ(first.integer("num_batches"), 1);
  EXPECT_EQ(first.outputs().at("running_mean"), weight_one.outputs().at("running_mean"));
  EXPECT_EQ(first.outputs().at("running_var"), weight_one.outputs().at("running_var"));

  call fourth(train, desc(3, 5, 7, RENORM_FLAG_CUMULATIVE));
  fourth.integer("num_batches") = 3;
  renorm_desc quarter = batch_norm();
  quarter.momentum = 0.25;
  call weight_quarter(train, quarter);
  expect_ok(fourth);
  expect_ok(weight_quarter);
  EXPECT_EQ(fourth.integer("num_batches"), 4);
  EXPECT_EQ(fourth.outputs().at("running_mean"), weight_quarter.outputs().at("running_mean"));
  EXPECT_EQ(fourth.outputs().at("running_var"), weight_quarter.outputs().at("running_var"));
}

TEST_P(Corner, KeepRunningReadsButDoesNotUpdate) {
  for (renorm_op const id : {RENORM_OP_TRAIN, RENORM_OP_UPDATE_RUNNING})
    for (uint32_t const method : {0u, RENORM_FLAG_BATCH_RENORM, RENORM_FLAG_CUMULATIVE}) {
      operation const& op = find_operation(id);
      call usual(op, desc(3, 5, 7, method)), keeping(op, desc(3, 5, 7, method | RENORM_FLAG_KEEP_RUNNING));
      capi::results const before = keeping.outputs();
      expect_ok(usual);
      expect_ok(keeping);
      capi::results const kept = keeping.outputs(), updated = usual.outputs();
      for (auto const& [name, contents] : kept) {
        bool const is_running = op.find(name).how == use::updated;
        EXPECT_EQ(contents, is_running ? before.at(name) : updated.at(name)) << name;
        if (is_running) {
          EXPECT_NE(contents, updated.at(name)) << name;
        }
      }
    }
}

TEST_P(Corner, BatchNormNeedsNoRunningStatistics) {
  call usual(train, batch_norm()), without(train, batch_norm());
  without.point("running_mean", nullptr);
  without.point("running_var", nullptr);
  capi::bytes const num_batches = usual.outputs().at("num_batches");
  expect_ok(usual);
  expect_ok(without);
  capi::results expected = usual.outputs();
  expected.erase("running_mean");
  expected.erase("running_var");
  expected["num_batches"] = num_batches;  // nothing was updated
  EXPECT_EQ(without.outputs(), expected);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(without.value("r", i), 1);
    EXPECT_EQ(without.value("d", i), 0);
  }
}

// ---------------------------------------------------------------- values that are not finite

// Bits of everything but one channel.
void expect_other_channels_equal(call& a, call& b, int64_t channel) {
  renorm_desc const& d = a.desc();
  for (field const& f : a.op.fields) {
    if (!f.written() || f.integers() || a.pointer(f.name) == nullptr) continue;
    std::size_t const size = a.size_in_bytes(f.name) / a.length(f.name);
    auto const* const left = static_cast<unsigned char const*>(a.pointer(f.name));
    auto const* const right = static_cast<unsigned char const*>(b.pointer(f.name));
    bool const tensor = f.size == extent::tensor;
    for (int64_t i = 0; i < (tensor ? d.n : 1); ++i)
      for (int64_t k = 0; k < (tensor ? d.s : 1); ++k)
        for (int64_t ch = 0; ch < d.c; ++ch) {
          std::size_t const at = size * (tensor ? a.index(i, ch, k) : static_cast<std::size_t>(ch));
          if (ch != channel) {
            ASSERT_EQ(std::memcmp(left + at, right + at, size), 0) << f.name << " of channel " << ch;
          }
        }
  }
}

std::vector<std::array<int64_t, 3>> bad_shapes() {
  if (renorm_test::reduced()) return {{3, 5, 7}, {150, 17, 1}};
  return {{3, 5, 7}, {2, 37, 49}, {150, 17, 1}, {3, 3, 5000}};
}

TEST_P(Corner, NonFiniteInputStaysInItsChannel) {
  for (auto const& [n, c, s] : bad_shapes())
    for (double const bad : {nan, inf, -inf})
      for (bool const at_the_end : {false, true}) {
        SCOPED_TRACE(testing::Message() << n << "x" << c << "x" << s << " with " << bad);
        int64_t const channel = c / 2;
        call clean(train, batch_renorm(n, c, s)), spoilt(train, batch_renorm(n, c, s));
        spoilt.set_value("x", at_the_end ? spoilt.index(n - 1, channel, s - 1) : spoilt.index(0, channel, 0), bad);
        expect_ok(clean);
        expect_ok(spoilt);
        expect_other_channels_equal(clean, spoilt, channel);
        EXPECT_TRUE(all_of_channel(spoilt, "y", channel, not_finite));
        EXPECT_EQ(clean.integer("nonfinite"), 0);
        EXPECT_EQ(spoilt.integer("nonfinite"), 1);
        EXPECT_TRUE(not_finite(spoilt.value("running_mean", static_cast<std::size_t>(channel))));
        EXPECT_TRUE(not_finite(spoilt.value("running_var", static_cast<std::size_t>(channel))));
      }
}

TEST_P(Corner, NonFiniteGradientStaysInItsChannel) {
  for (auto const& [n, c, s] : bad_shapes())
    for (operation const* const op : {&backward, &inference_backward})
      for (char const* const tensor : {"dy", "x"})
        for (double const bad : {nan, inf}) {
          SCOPED_TRACE(testing::Message() << op->name << " " << n << "x" << c << "x" << s << " with " << bad << " in " << tensor);
          int64_t const channel = c / 2;
          call clean(*op, batch_renorm(n, c, s)), spoilt(*op, batch_renorm(n, c, s));
          spoilt.set_value(tensor, spoilt.index(n - 1, channel, s - 1), bad);
          expect_ok(clean);
          expect_ok(spoilt);
          expect_other_channels_equal(clean, spoilt, channel);
          EXPECT_TRUE(not_finite(spoilt.value("dgamma", static_cast<std::size_t>(channel))));
          if (op == &backward) {
            EXPECT_TRUE(all_of_channel(spoilt, "dx", channel, not_finite));
          }
        }
}

// r and d come from the running statistics, and a bound does not make a number of what is none.
TEST_P(Corner, NaNInAPerChannelArrayStaysInItsChannel) {
  struct {
    operation const& op;
    char const *input, *output;
  } const cases[] = {
      {train, "running_mean", "y"},     {train, "running_var", "y"},     {train, "gamma", "y"},     {train, "beta", "y"},
      {inference, "running_mean", "y"}, {inference, "running_var", "y"}, {inference, "gamma", "y"}, {inference, "beta", "y"},
      {backward, "mean", "dx"},         {backward, "sigma", "dx"},       {backward, "r", "dx"},     {backward, "gamma", "dx"},
  };
  for (auto const& one : cases) {
    SCOPED_TRACE(std::string(one.op.name) + " with NaN in " + one.input);
    call clean(one.op, batch_renorm(2, 37, 49)), spoilt(one.op, batch_renorm(2, 37, 49));
    spoilt.set_value(one.input, 20, nan);
    expect_ok(clean);
    expect_ok(spoilt);
    expect_other_channels_equal(clean, spoilt, 20);
    EXPECT_TRUE(all_of_channel(spoilt, one.output, 20, not_finite));
  }
}

TEST_P(Corner, EveryBadChannelIsCounted) {
  call c(train, batch_norm(2, 37, 9));
  for (int64_t const channel : {0, 7, 8, 36}) c.set_value("x", c.index(1, channel, 4), nan);
  expect_ok(c);
  EXPECT_EQ(c.integer("nonfinite"), 4);
  call without_running(train, batch_norm(2, 37, 9));
  without_running.set_value("x", without_running.index(1, 7, 4), nan);
  for (char const* const name : {"running_mean", "running_var", "num_batches"}) without_running.point(name, nullptr);
  expect_ok(without_running);
  EXPECT_EQ(without_running.integer("nonfinite"), 1);
}

// A finite x gives no finite y: sigma of 0, r or d, a scale or a shift that the type of y does not hold.
TEST_P(Corner, MapsThatAreNotFiniteAreCounted) {
  renorm_desc d = batch_renorm(2, 37, 9);
  d.eps = 0;
  d.rmax = d.dmax = inf;
  call c(train, d);
  expect_ok(c);
  EXPECT_EQ(c.integer("nonfinite"), 0);
  fill_channel(c, "x", 3, 1.5);                         // constant
  c.set_value("running_var", 8, -1e-3);                 // r and d
  c.set_value("gamma", 16, is_float() ? 1e38 : 1e308);  // scale
  c.set_value("running_var", 16, 1e-6);                 // of gamma/sigma_running, r and d being what they are without bounds
  c.set_value("beta", 36, inf);                         // shift
  expect_ok(c);
  EXPECT_EQ(c.integer("nonfinite"), 4);

  call coefficients(find_operation(RENORM_OP_COEFFICIENTS), d);
  expect_ok(coefficients);
  EXPECT_EQ(coefficients.integer("nonfinite"), 0);
  coefficients.set_value("sigma", 3, 0);
  coefficients.set_value("r", 8, inf);
  coefficients.set_value("d", 9, nan);
  coefficients.set_value("mean", 35, is_float() ? 1e39 : inf);
  coefficients.set_value("gamma", 36, -inf);
  expect_ok(coefficients);
  EXPECT_EQ(coefficients.integer("nonfinite"), 5);
}

TEST_P(Corner, InferenceCountsWhatItsRunningStatisticsCannotNormalise) {
  for (int64_t const groups : {1, 2}) {
    renorm_desc d = batch_renorm(2, 37, 9);
    d.groups = groups;
    call c(inference, d);
    expect_ok(c);
    EXPECT_EQ(c.integer("nonfinite"), 0);
    c.set_value("running_var", 0, -1e-3);
    c.set_value("running_var", 8, nan);
    c.set_value("running_mean", 36, inf);
    expect_ok(c);
    EXPECT_EQ(c.integer("nonfinite"), 3);
    EXPECT_TRUE(all_of_channel(c, "y", 0, not_finite));
  }
}

// A group without a value is not normalised, and says nothing.
TEST_P(Corner, GroupsWithoutAValueAreNotCounted) {
  renorm_desc d = batch_norm(2, 5, 7);
  d.groups = 3;
  d.eps = 0;
  call c(train, d);
  expect_ok(c);
  EXPECT_EQ(c.integer("nonfinite"), 0);
}

TEST_P(Corner, SkipNonfiniteKeepsTheRunningStatisticsOfBadChannels) {
  renorm_desc const d = desc(2, 37, 9, RENORM_FLAG_SKIP_NONFINITE | RENORM_FLAG_BATCH_RENORM);
  call clean(train, d), spoilt(train, d);
  spoilt.set_value("x", spoilt.index(1, 20, 4), inf);
  double const mean = spoilt.value("running_mean", 20), variance = spoilt.value("running_var", 20);
  expect_ok(clean);
  expect_ok(spoilt);
  expect_other_channels_equal(clean, spoilt, 20);
  EXPECT_EQ(spoilt.value("running_mean", 20), mean);
  EXPECT_EQ(spoilt.value("running_var", 20), variance);
  EXPECT_EQ(spoilt.integer("nonfinite"), 1);
  EXPECT_EQ(spoilt.integer("num_batches"), clean.integer("num_batches"));
}

// One group that is not finite makes the average so; other channels of the group and other groups of the channel are their own.
TEST_P(Corner, NonFiniteInputInAGroupStaysInItsChannel) {
  for (int32_t const order : {RENORM_GROUPS_CONTIGUOUS, RENORM_GROUPS_INTERLEAVED})
    for (uint32_t const flags : {RENORM_FLAG_BATCH_RENORM, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_SKIP_NONFINITE}) {
      renorm_desc d = desc(5, 37, 9, flags);
      d.groups = 2;
      d.group_order = order;
      call clean(train, d), spoilt(train, d);
      spoilt.set_value("x", spoilt.index(4, 20, 3), nan);
      double const mean = spoilt.value("running_mean", 20), variance = spoilt.value("running_var", 20);
      expect_ok(clean);
      expect_ok(spoilt);
      std::size_t const bad_group = order == RENORM_GROUPS_INTERLEAVED ? 0 : 1;
      for (std::size_t i = 0; i < 2 * 37; ++i) {
        bool const bad = i == bad_group * 37 + 20;
        EXPECT_EQ(std::isfinite(spoilt.value("sigma", i)), !bad) << i;
        if (!bad) {
          EXPECT_EQ(spoilt.value("sigma", i), clean.value("sigma", i)) << i;
        }
      }
      for (int64_t i = 0; i < 5; ++i)
        for (int64_t channel = 0; channel < 37; ++channel) {
          bool const bad = channel == 20 && (order == RENORM_GROUPS_INTERLEAVED ? i % 2 == 0 : i >= 3);
          std::size_t const at = spoilt.index(i, channel, 5);
          EXPECT_EQ(std::isfinite(spoilt.value("y", at)), !bad) << i << ", " << channel;
          if (!bad) {
            EXPECT_EQ(spoilt.value("y", at), clean.value("y", at)) << i << ", " << channel;
          }
        }
      for (std::size_t channel = 0; channel < 37; ++channel) {
        if (channel == 20) continue;
        EXPECT_EQ(spoilt.value("running_mean", channel), clean.value("running_mean", channel));
        EXPECT_EQ(spoilt.value("running_var", channel), clean.value("running_var", channel));
      }
      bool const skip = (flags & RENORM_FLAG_SKIP_NONFINITE) != 0;
      EXPECT_EQ(spoilt.value("running_mean", 20) == mean && spoilt.value("running_var", 20) == variance, skip);
      EXPECT_EQ(std::isfinite(spoilt.value("running_mean", 20)), skip);
      EXPECT_EQ(spoilt.integer("nonfinite"), 1);
    }
}

// A new mean from moments that were collected over batches: weight 1, from zeros.
TEST_P(Corner, UpdateRunningOfWeightOneStoresTheMoments) {
  renorm_desc d = desc(3, 5, 7, RENORM_FLAG_UNBIASED_RUNNING);
  d.momentum = 1;
  call c(find_operation(RENORM_OP_UPDATE_RUNNING), d);
  for (std::size_t i = 0; i < 5; ++i) c.set_value("running_mean", i, 0), c.set_value("running_var", i, 0);
  expect_ok(c);
  for (std::size_t i = 0; i < 5; ++i) {
    double const mean = c.value("mean", i), variance = c.value("m2", i) / 20;
    EXPECT_EQ(c.value("running_mean", i), as_tensor(mean));
    EXPECT_EQ(c.value("running_var", i), as_tensor(variance));
  }
}

TEST_P(Corner, TrainGivesTheMomentsOfItsBatch) {
  call whole(train, batch_norm(5, 37, 9)), part(find_operation(RENORM_OP_MOMENTS), batch_norm(5, 37, 9));
  expect_ok(whole);
  expect_ok(part);
  for (char const* const name : {"count", "mean", "m2"}) EXPECT_EQ(whole.outputs().at(name), part.outputs().at(name)) << name;
}

// Values of 2^100 fit a float, their variance does not.
TEST_P(Corner, RunningVarianceBeyondFloatIsInfiniteAndCounts) {
  if (!is_float()) return;
  auto const with_huge_channel = [&](uint32_t flags, renorm_dtype stats) {
    renorm_desc d = desc(3, 5, 7, flags);
    d.stats_dtype = stats;
    auto c = std::make_unique<call>(train, d);
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t k = 0; k < 7; ++k) c->set_value("x", c->index(i, 2, k), std::ldexp(c->value("x", c->index(i, 2, k)), 100));
    return c;
  };
  auto const finite = [](double v) { return std::isfinite(v); };

  auto const narrow = with_huge_channel(0, 0);
  expect_ok(*narrow);
  EXPECT_TRUE(all_of_channel(*narrow, "y", 2, finite));
  EXPECT_EQ(narrow->value("running_var", 2), inf);
  EXPECT_TRUE(std::isfinite(narrow->value("running_mean", 2)));
  EXPECT_EQ(narrow->integer("nonfinite"), 1);

  auto const wide = with_huge_channel(0, RENORM_F64);
  expect_ok(*wide);
  EXPECT_TRUE(std::isfinite(wide->value("running_var", 2)));
  EXPECT_EQ(wide->integer("nonfinite"), 0);

  auto const skipping = with_huge_channel(RENORM_FLAG_SKIP_NONFINITE, 0);
  double const mean = skipping->value("running_mean", 2), variance = skipping->value("running_var", 2);
  expect_ok(*skipping);
  EXPECT_TRUE(all_of_channel(*skipping, "y", 2, finite));
  EXPECT_EQ(skipping->value("running_mean", 2), mean);
  EXPECT_EQ(skipping->value("running_var", 2), variance);
  EXPECT_EQ(skipping->integer("nonfinite"), 1);
}

// From half a unit above the largest float on, a value rounds to infinity.
TEST_P(Corner, FiniteEndsWhereRoundingToFloatDoes) {
  if (!is_float()) return;
  double const infinite = 0x1.ffffffp127, finite = std::nextafter(infinite, 0);
  renorm_desc d = batch_norm();
  d.momentum = 1;
  call c(find_operation(RENORM_OP_UPDATE_RUNNING), d);
  c.integer("count") = 1;
  for (std::size_t i = 0; i < 5; ++i) {
    c.set_value("running_mean", i, 0);
    c.set_value("running_var", i, 0);
  }
  c.set_value("m2", 1, finite);
  c.set_value("m2", 2, infinite);
  c.set_value("mean", 3, -finite);
  c.set_value("mean", 4, -infinite);
  expect_ok(c);
  double const largest = std::numeric_limits<float>::max();
  EXPECT_EQ(c.value("running_var", 1), largest);
  EXPECT_EQ(c.value("running_var", 2), inf);
  EXPECT_EQ(c.value("running_mean", 3), -largest);
  EXPECT_EQ(c.value("running_mean", 4), -inf);
  EXPECT_EQ(c.integer("nonfinite"), 2);
}

// The unused part of a last register counts for nothing.
TEST_P(Corner, NoMoreChannelsAreNotFiniteThanThereAre) {
  renorm_desc d = desc(3, 5, 7, RENORM_FLAG_TRACK_SIGMA);
  d.eps = 1e300;
  d.momentum = 1;
  call c(train, d);
  expect_ok(c);
  EXPECT_EQ(c.integer("nonfinite"), is_float() ? 5 : 0);  // the root of eps is no float
}

// ---------------------------------------------------------------- what may be left out, and what may be the same

TEST_P(Corner, OptionalOutputsChangeNoOtherOutput) {
  for (operation const& op : operations()) {
    call usual(op, batch_renorm());
    expect_ok(usual);
    for (field const& f : op.fields) {
      if (!f.written() || f.when != capi::need::optional) continue;
      call without(op, batch_renorm());
      without.point(f.name, nullptr);
      expect_ok(without);
      capi::results expected = usual.outputs();
      expected.erase(f.name);
      EXPECT_EQ(without.outputs(), expected) << op.name << " without " << f.name;
    }
  }
}

TEST_P(Corner, OptionalInputsStandForTheirDefault) {
  struct {
    char const* name;
    double value;
  } const defaults[] = {{"gamma", 1}, {"beta", 0}, {"r", 1}, {"d", 0}, {"bias", 0}};
  for (operation const& op : operations())
    for (field const& f : op.fields) {
      auto const has = std::find_if(std::begin(defaults), std::end(defaults), [&](auto const& v) { return std::string(v.name) == f.name; });
      if (f.written() || f.when != capi::need::optional || has == std::end(defaults)) continue;
      call given(op, batch_renorm()), left_out(op, batch_renorm());
      for (std::size_t i = 0; i < given.length(f.name); ++i) given.set_value(f.name, i, has->value);
      left_out.point(f.name, nullptr);
      expect_ok(given);
      expect_ok(left_out);
      EXPECT_EQ(given.outputs(), left_out.outputs()) << op.name << " without " << f.name;
    }
  for (renorm_op const id : {RENORM_OP_BACKWARD, RENORM_OP_BACKWARD_APPLY}) {
    call given(find_operation(id), batch_renorm()), left_out(find_operation(id), batch_renorm());
    left_out.point("count", nullptr);
    expect_ok(given);
    expect_ok(left_out);
    EXPECT_EQ(given.outputs(), left_out.outputs());
  }
}

TEST_P(Corner, InferenceBackwardReadsXForDgammaAlone) {
  call usual(inference_backward, batch_norm()), without(inference_backward, batch_norm());
  without.point("x", nullptr);
  without.point("dgamma", nullptr);
  expect_ok(usual);
  expect_ok(without);
  EXPECT_EQ(without.outputs().at("dx"), usual.outputs().at("dx"));
  EXPECT_EQ(without.outputs().at("dbeta"), usual.outputs().at("dbeta"));
}

TEST_P(Corner, BackwardApplyReadsTensorsForDxAlone) {
  operation const& op = find_operation(RENORM_OP_BACKWARD_APPLY);
  call usual(op, batch_renorm()), without(op, batch_renorm());
  for (char const* const name : {"x", "dy", "mean", "sigma", "dx"}) without.point(name, nullptr);
  expect_ok(usual);
  expect_ok(without);
  EXPECT_EQ(without.outputs().at("dgamma"), usual.outputs().at("dgamma"));
  EXPECT_EQ(without.outputs().at("dbeta"), usual.outputs().at("dbeta"));
}

TEST_P(Corner, NoGradientWantedIsNoWork) {
  for (renorm_op const id : {RENORM_OP_BACKWARD, RENORM_OP_INFERENCE_BACKWARD, RENORM_OP_BACKWARD_APPLY}) {
    call c(find_operation(id), batch_renorm());
    for (field const& f : c.op.fields)
      if (f.written()) c.point(f.name, nullptr);
      else if (f.size == extent::tensor) c.point(f.name, untouchable());
    expect_ok(c);
  }
}

TEST_P(Corner, CoefficientsComeFromTheRunningStatisticsIfNoOthersAreGiven) {
  operation const& op = find_operation(RENORM_OP_COEFFICIENTS);
  call running(op, batch_norm()), given(op, batch_norm());
  running.point("mean", nullptr);
  running.point("sigma", nullptr);
  for (std::size_t i = 0; i < 5; ++i) {
    given.set_value("mean", i, running.value("running_mean", i));
    given.set_value("sigma", i, running_sigma(running, running.value("running_var", i)));
  }
  expect_ok(running);
  expect_ok(given);
  EXPECT_EQ(running.outputs(), given.outputs());
}

TEST_P(Corner, NoExecIsTheCallingThreadAndOwnMemory) {
  for (operation const& op : operations()) {
    call usual(op, batch_renorm()), without(op, batch_renorm());
    without.parts[call::exec_part].clear();
    expect_ok(usual);
    expect_ok(without);
    EXPECT_EQ(usual.outputs(), without.outputs()) << op.name;
  }
}

TEST_P(Corner, InPlaceHasTheSameBits) {
  renorm_desc with_every_array = batch_renorm();
  with_every_array.epilogue = RENORM_EPILOGUE_ADD_RELU;
  for (renorm_epilogue const epilogue : {RENORM_EPILOGUE_NONE, RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU})
    for (operation const& op : operations())
      for (field const& output : op.fields)
        for (field const& input : op.fields) {
          if (!capi::may_be_the_same(output.name, input.name)) continue;
          call apart(op, with_every_array), in_place(op, with_every_array);
          apart.desc().epilogue = in_place.desc().epilogue = epilogue;
          if (!output.written_with(apart.desc())) continue;
          in_place.point(output.name, in_place.pointer(input.name));
          expect_ok(apart);
          expect_ok(in_place);
          EXPECT_EQ(apart.outputs(), in_place.outputs())
              << op.name << ", " << output.name << " is " << input.name << ", epilogue " << epilogue;
        }
}

TEST_P(Corner, InputsMayBeTheSameArray) {
  for (operation const& op : operations())
    for (field const& one : op.fields)
      for (field const& other : op.fields) {
        if (one.written() || other.written() || &one == &other || one.size != other.size) continue;
        call copied(op, batch_renorm()), shared(op, batch_renorm());
        if (copied.pointer(one.name) == nullptr || copied.pointer(other.name) == nullptr) continue;
        std::memcpy(copied.pointer(one.name), copied.pointer(other.name), copied.size_in_bytes(one.name));
        shared.point(one.name, shared.pointer(other.name));
        expect_ok(copied);
        expect_ok(shared);
        EXPECT_EQ(copied.outputs(), shared.outputs()) << op.name << ", " << one.name << " is " << other.name;
      }
}

// Spellings of the same types.
TEST_P(Corner, DefaultsMayBeSpeltOut) {
  for (operation const& op : operations()) {
    call usual(op, batch_renorm()), spelt(op, batch_renorm());
    renorm_desc& d = spelt.desc();
    d.out_dtype = d.param_dtype = d.stats_dtype = d.dtype;
    d.groups = 0;
    expect_ok(usual);
    expect_ok(spelt);
    EXPECT_EQ(usual.outputs(), spelt.outputs()) << op.name;
  }
}

}  // namespace
