// The whole range of a type: values whose squares, deviations, scales or reciprocals it does not hold, but whose results it does.
#include "support/compare.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"

#include <cmath>
#include <limits>
#include <memory>

namespace renorm_test {
namespace {

double const inf = std::numeric_limits<double>::infinity();
constexpr double float_max = 3.402823466385288598e38;

// One channel, in n samples of s positions.
problem channel_of(array const& x, renorm_dtype dtype, renorm_layout layout, double eps) {
  problem p;
  p.desc = make_desc(1, 1, static_cast<std::int64_t>(x.size()));
  p.desc.dtype = dtype;
  p.desc.layout = layout;
  p.desc.eps = eps;
  p.x = x;
  p.dy = array(x.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) p.dy[i] = i % 3 == 0 ? 1 : i % 3 == 1 ? -0.5 : 0.25;
  return p;
}

// The same values in every one of c channels, between ordinary ones.
problem among_others(problem const& one, std::int64_t c, std::int64_t which) {
  problem p = one;
  p.desc.c = c;
  p.x = p.dy = array(one.x.size() * static_cast<std::size_t>(c));
  for (std::size_t channel = 0; channel < p.c(); ++channel)
    for (std::size_t k = 0; k < p.s(); ++k) {
      bool const special = static_cast<std::int64_t>(channel) == which;
      p.x[p.at(0, channel, k)] = special ? one.x[k] : std::sin(static_cast<double>(static_cast<float>(k * 3 + channel)));
      p.dy[p.at(0, channel, k)] = one.dy[k];
    }
  for (double& x : p.x) x = p.desc.dtype == RENORM_F32 ? static_cast<float>(x) : x;
  return p;
}

struct normalised {
  array y, dx;
  double mean, sigma, m2, dgamma;
  std::int64_t nonfinite;
};

// Training and its backward pass, without gamma and beta; running statistics where they are given.
template <class T> normalised train_as(problem const& p, std::vector<T>* running_mean, std::vector<T>* running_var) {
  std::size_t const values = p.x.size(), c = p.c();
  bool const last = p.desc.layout == RENORM_NHWC;
  auto const place = [&](std::size_t channel, std::size_t k) { return last ? k * c + channel : channel * p.s() + k; };
  std::vector<T> x(values), dy(values), y(values), dx(values), dgamma(c);
  for (std::size_t channel = 0; channel < c; ++channel)
    for (std::size_t k = 0; k < p.s(); ++k) {
      x[place(channel, k)] = static_cast<T>(p.x[p.at(0, channel, k)]);
      dy[place(channel, k)] = static_cast<T>(p.dy[p.at(0, channel, k)]);
    }
  std::vector<double> mean(c), sigma(c), m2(c), r(c), d(c);
  std::int64_t nonfinite = -1;
  renorm_train_args a = {};
  a.struct_size = sizeof a;
  a.x = x.data(), a.y = y.data(), a.mean = mean.data(), a.sigma = sigma.data(), a.m2 = m2.data(), a.r = r.data(), a.d = d.data();
  a.nonfinite = &nonfinite;
  if (running_mean != nullptr) a.running_mean = running_mean->data(), a.running_var = running_var->data();
  EXPECT_EQ(renorm_train(&p.desc, &a, nullptr), RENORM_OK);
  renorm_backward_args b = {};
  b.struct_size = sizeof b;
  b.x = x.data(), b.dy = dy.data(), b.mean = mean.data(), b.sigma = sigma.data(), b.r = r.data(), b.d = d.data();
  b.dx = dx.data(), b.dgamma = dgamma.data();
  EXPECT_EQ(renorm_backward(&p.desc, &b, nullptr), RENORM_OK);
  normalised n = {{}, {}, 0, 0, 0, 0, nonfinite};
  std::size_t const which = c / 2;
  for (std::size_t k = 0; k < p.s(); ++k) {
    n.y.push_back(static_cast<double>(y[place(which, k)]));
    n.dx.push_back(static_cast<double>(dx[place(which, k)]));
  }
  n.mean = mean[which], n.sigma = sigma[which], n.m2 = m2[which], n.dgamma = static_cast<double>(dgamma[which]);
  return n;
}
normalised train_one(problem const& p) {
  return p.desc.dtype == RENORM_F32 ? train_as<float>(p, nullptr, nullptr) : train_as<double>(p, nullptr, nullptr);
}

class Range : public IsaTest {
 protected:
  // body(the channel alone, and between others), in both layouts.
  template <class Body> void for_each_place(array const& x, renorm_dtype dtype, double eps, Body const& body) {
    for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC}) {
      problem const alone = channel_of(x, dtype, layout, eps);
      for (std::int64_t const c : {1, 5, 33, 70}) {
        SCOPED_TRACE(testing::Message() << "x[0] " << x[0] << " layout " << layout << " channels " << c);
        problem const p = c == 1 ? alone : among_others(alone, c, c / 2);
        for_each_isa([&] { body(p); });
      }
    }
  }
};

void expect_near(array const& got, array const& want, double relative) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], relative * std::abs(want[i])) << i;
}

double const ulp = std::numeric_limits<double>::epsilon(), float_ulp = std::numeric_limits<float>::epsilon();

// A whole number of the signs of +-1, long enough for several lanes and chunks, times a size.
array signs(std::size_t count, double size) {
  array x(count);
  for (std::size_t i = 0; i < count; ++i) x[i] = i % 2 == 0 ? size : -size;
  return x;
}

TEST_F(Range, DoublesBeyondTheirSquares) {
  for (std::size_t const count : {2u, 6u, 64u, 5000u})
    for (double const size : {1e160, 1e300, 1.7e308, 1e-170, 1e-300})
      for_each_place(signs(count, size), RENORM_F64, 0, [&](problem const& p) {
        normalised const got = train_one(p);
        expect_near(got.y, signs(count, 1), (count > 64 ? 64 : 4) * ulp);  // lanes of many additions round as they always do
        EXPECT_NEAR(got.mean / size, 0, (count > 64 ? 64 : 4) * ulp);
        EXPECT_NEAR(got.sigma / size, 1, 64 * ulp);
        EXPECT_EQ(got.m2, static_cast<double>(count) * size * size);  // inf or 0
        EXPECT_EQ(got.nonfinite, 1);
        for (double const dx : got.dx) EXPECT_TRUE(std::isfinite(dx));
        EXPECT_TRUE(std::isfinite(got.dgamma));
      });
}

// The root of eps is what tiny doubles are divided by, and m2 says no less than is needed.
TEST_F(Range, TinyDoublesBesideAnEps) {
  for_each_place(signs(64, 1e-170), RENORM_F64, 1e-300, [&](problem const& p) {
    normalised const got = train_one(p);
    EXPECT_NEAR(got.sigma, 1e-150, 1e-150 * 4 * ulp);
    expect_near(got.y, signs(64, 1e-20), 8 * ulp);
  });
  for_each_place(signs(64, 1e-170), RENORM_F64, 1e-5, [&](problem const& p) { EXPECT_EQ(train_one(p).nonfinite, 0); });
}

TEST_F(Range, EqualDoublesWhoseSumIsNone) {
  for_each_place(array(9, 1.5e308), RENORM_F64, 1e-5, [&](problem const& p) {
    normalised const got = train_one(p);
    EXPECT_EQ(got.mean, 1.5e308);
    EXPECT_EQ(got.m2, 0);
    EXPECT_EQ(got.sigma, std::sqrt(1e-5));
    for (double const y : got.y) EXPECT_EQ(y, 0);
    EXPECT_EQ(got.nonfinite, 0);
  });
}

TEST_F(Range, FloatsWhoseDifferencesAreNone) {
  array const x = {3.4e38, 3.4e38, 3.4e38, 3.4e38, -3.4e38}, y = {.5, .5, .5, .5, -2};
  for_each_place(x, RENORM_F32, 1e-5, [&](problem const& p) {
    normalised const got = train_one(p);
    expect_near(got.y, y, 4 * float_ulp);
    EXPECT_EQ(got.nonfinite, 0);
    EXPECT_NEAR(got.sigma, 2.72e38, 2.72e38 * float_ulp);
    // dx = (dy - S1/m - xhat*S2/m)/sigma: denormal, but not 0.
    double s1 = 0, s2 = 0;
    for (std::size_t i = 0; i < 5; ++i) s1 += p.dy[p.at(0, p.c() / 2, i)], s2 += p.dy[p.at(0, p.c() / 2, i)] * y[i];
    EXPECT_NEAR(got.dgamma, s2, 8 * float_ulp * 5);
    for (std::size_t i = 0; i < 5; ++i) {
      double const want = (p.dy[p.at(0, p.c() / 2, i)] - s1 / 5 - y[i] * s2 / 5) / 2.72e38;
      EXPECT_NEAR(got.dx[i], want, std::ldexp(1.0, -149) + std::abs(want) * 16 * float_ulp);
    }
  });
}

TEST_F(Range, FloatsWhoseReciprocalsAreNone) {
  for_each_place({0, 4e-39}, RENORM_F32, 0, [&](problem const& p) {
    normalised const got = train_one(p);
    expect_near(got.y, {-1, 1}, 4 * float_ulp);
    double const dx = (p.dy[0] - (p.dy[0] + p.dy[1]) / 2 + (-p.dy[0] + p.dy[1]) / 2);  // of two values all of it cancels
    ASSERT_EQ(dx, 0);
    for (double const got_dx : got.dx) EXPECT_LT(std::abs(got_dx), 2e-39 * 1e38 * 1e39);
    for (double const got_dx : got.dx) EXPECT_FALSE(std::isnan(got_dx));
    EXPECT_NEAR(got.dgamma, p.dy[1] - p.dy[0], 8 * float_ulp);
  });
}

TEST_F(Range, FloatsThatOnlyEpsZeroTellsFromConstants) {
  for (double const size : {1e-30, 1e-38, 1e-44})
    for (std::size_t const count : {2u, 64u, 9000u})
      for_each_place(signs(count, static_cast<double>(static_cast<float>(size))), RENORM_F32, 0, [&](problem const& p) {
        normalised const got = train_one(p);
        expect_near(got.y, signs(count, 1), (count > 64 ? 128 : 8) * float_ulp);
        EXPECT_NEAR(got.sigma / p.x[p.at(0, p.c() / 2, 0)], 1, (count > 64 ? 128 : 8) * float_ulp);
      });
}

// ---------------------------------------------------------------- squares that underflow, with and without an eps that covers it

// A size a channel: +-size, at random.
problem signs_of(array const& sizes, renorm_dtype dtype, renorm_layout layout, double eps) {
  problem p;
  p.desc = make_desc(12, static_cast<std::int64_t>(sizes.size()), 175);
  p.desc.dtype = dtype;
  p.desc.layout = layout;
  p.desc.eps = eps;
  p.x = p.dy = array(p.n() * p.c() * p.s());
  generator random(4);
  for_each_position(p, all_groups, [&](std::size_t i, std::size_t k) {
    for (std::size_t c = 0; c < p.c(); ++c) {
      p.x[p.at(i, c, k)] = random.next() % 2 == 0 ? sizes[c] : -sizes[c];
      p.dy[p.at(i, c, k)] = static_cast<float>(random.uniform());
    }
  });
  return p;
}

// The variance of the signs alone.
double variance_of_signs(problem const& p, std::size_t group, std::size_t channel) {
  double sum = 0, count = p.count(group);
  for_each_position(p, group, [&](std::size_t i, std::size_t k) { sum += p.x[p.at(i, channel, k)] < 0 ? -1 : 1; });
  return 1 - sum / count * (sum / count);
}

// Half of the values are at a distance of two sizes from the pivot, the same for all, so that roundings may be to one side: of 128
// additions to a lane S and Q are off by 64 roundings, and var by 64*(q + 2*(q - 1)), where q = Q/M2 is 2 if the signs are balanced, and
// below 3.
constexpr double roundings_of_signs = 64 * (3 + 4);

// Without eps var has its digits. With one it has lost what the squares have: 2^-150 at most, of double what is less than its least number,
// and so have the quotient and the expected value.
void expect_variances(problem const& p, array const& sizes, array const& var) {
  bool const wide = p.desc.dtype == RENORM_F64;
  double const relative = roundings_of_signs * (wide ? ulp : float_ulp) / 2;
  for (std::size_t g = 0; g < p.groups(); ++g)
    for (std::size_t c = 0; c < p.c(); ++c) {
      double const got = var[g * p.c() + c], of_signs = variance_of_signs(p, g, c), size = sizes[c];
      if (p.desc.eps == 0) {
        EXPECT_NEAR(got / size / size, of_signs, relative * of_signs) << size << " in group " << g;
      } else {
        double const want = size * size * of_signs, lost = wide ? std::numeric_limits<double>::denorm_min() : 0x1p-150;
        EXPECT_NEAR(got, want, relative * want + lost) << size << " in group " << g;
      }
    }
}

// Below deviations of 1e-154 the m2 of doubles is lost without eps, and with it what parts have of it.
array sizes_of(renorm_dtype dtype, double eps) {
  if (dtype == RENORM_F64 && eps == 0) return {1, 1e-100, 1e-145, 1e-150, 1e-153};
  if (dtype == RENORM_F64) return {1, 1e-100, 1e-145, 1e-153, 1e-155, 1e-160, 2e-162, 1e-300};
  array sizes = {1, 1e-15, 1e-20, 1e-21, 1e-22, 3e-23, 1e-30, 1e-40};
  for (double& size : sizes) size = static_cast<float>(size);
  return sizes;
}

TEST_F(Range, SquaresThatUnderflow) {
  for (renorm_dtype const dtype : {RENORM_F32, RENORM_F64})
    for (double const eps : {0.0, 1e-5})
      for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC}) {
        array const sizes = sizes_of(dtype, eps);
        problem const plain = signs_of(sizes, dtype, layout, eps);
        problem in_groups = masked(plain, RENORM_MASK_BYTES, 3), in_turns = masked(plain, RENORM_MASK_LENGTHS, 3);
        in_groups.desc.groups = 2;
        in_turns.desc.groups = 2;
        in_turns.desc.group_order = RENORM_GROUPS_INTERLEAVED;
        for (problem const& p : {plain, in_groups, in_turns}) {
          SCOPED_TRACE(testing::Message() << "dtype " << dtype << " eps " << eps << " layout " << layout << " mask " << p.desc.mask_kind);
          for_each_isa([&] {
            values const whole = train(p);
            expect_same_bits(train(p, {true}), whole);
            expect_variances(p, sizes, whole.var);
          });
        }
      }
}

// Batch norm's inference with a scale that float does not hold, alone and beside ordinary channels.
TEST_F(Range, ScalesBeyondFloat) {
  for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC})
    for (std::size_t const c : {1u, 5u, 40u})
      for_each_isa([&] {
        std::vector<float> x(3 * c, 1), y(3 * c), gamma(c, 2), mean(c, 0.5f), var(c, 4);
        std::size_t const which = c / 2;
        float const values[] = {1e-12f, -2e-12f, 0};
        for (std::size_t k = 0; k < 3; ++k) x[layout == RENORM_NHWC ? k * c + which : which * 3 + k] = values[k];
        gamma[which] = 1e30f, mean[which] = 0, var[which] = 1e-20f;
        renorm_desc desc = make_desc(1, static_cast<std::int64_t>(c), 3);
        desc.layout = layout;
        desc.eps = 0;
        std::int64_t nonfinite = -1;
        renorm_inference_args a = {};
        a.struct_size = sizeof a;
        a.x = x.data(), a.y = y.data(), a.gamma = gamma.data(), a.running_mean = mean.data(), a.running_var = var.data();
        a.nonfinite = &nonfinite;
        ASSERT_EQ(renorm_inference(&desc, &a, nullptr), RENORM_OK);
        for (std::size_t k = 0; k < 3; ++k) {
          double const got = static_cast<double>(y[layout == RENORM_NHWC ? k * c + which : which * 3 + k]);
          EXPECT_NEAR(got, static_cast<double>(values[k]) * 1e40, 1e28 * 8 * float_ulp);
        }
        for (std::size_t i = 0; i < 3 * c; ++i)
          if ((layout == RENORM_NHWC ? i % c : i / 3) != which) {
            EXPECT_EQ(y[i], 0.5f);
          }
        EXPECT_EQ(nonfinite, 1) << "x = 1 would be beyond float";
      });
}

// Inference of the largest floats over a mean at the other end, by a scale that brings them back.
TEST_F(Range, InferenceFromEndToEnd) {
  for_each_isa([&] {
    float const x[] = {3.4e38f, -3.4e38f, 0}, mean[] = {-3.4e38f}, sigma[] = {3.4e38f};
    float y[3];
    renorm_desc desc = make_desc(1, 1, 3);
    desc.flags = RENORM_FLAG_TRACK_SIGMA;
    renorm_inference_args a = {};
    a.struct_size = sizeof a;
    a.x = x, a.y = y, a.running_mean = mean, a.running_var = sigma;
    ASSERT_EQ(renorm_inference(&desc, &a, nullptr), RENORM_OK);
    EXPECT_NEAR(y[0], 2, 4 * float_ulp);
    EXPECT_EQ(y[1], 0);
    EXPECT_NEAR(y[2], 1, 4 * float_ulp);
  });
}

// A tracked sigma is the finite one; a variance that double does not hold is infinite, and counted.
TEST_F(Range, RunningStatisticsOfDoublesBeyondTheirSquares) {
  for (bool const tracks : {false, true})
    for_each_isa([&] {
      problem p = channel_of(signs(6, 1e200), RENORM_F64, RENORM_NCHW, 1e-5);
      p.desc.flags = tracks ? RENORM_FLAG_TRACK_SIGMA : 0u;
      p.desc.momentum = 1;
      std::vector<double> mean = {1}, var = {1};
      normalised const got = train_as<double>(p, &mean, &var);
      EXPECT_EQ(mean[0], 0);
      if (tracks) EXPECT_NEAR(var[0] / 1e200, 1, 4 * ulp);
      else EXPECT_EQ(var[0], inf);
      EXPECT_EQ(got.nonfinite, 1);
    });
}

// Merging moments of double beyond the sums and squares of their parts.
TEST_F(Range, MergedMeansBeyondTheirSums) {
  for_each_isa([&] {
    array mean = {1.5e308}, m2 = {0};
    std::int64_t count = 3;
    merge_moments(make_desc(1, 1, 1), count, mean, m2, 1, {1.1e308}, {0});
    EXPECT_EQ(count, 4);
    EXPECT_NEAR(mean[0] / 1.4e308, 1, 4 * ulp);
    EXPECT_EQ(m2[0], inf);
    mean = {-3}, m2 = {6}, count = 2;
    merge_moments(make_desc(1, 1, 1), count, mean, m2, 2, {5}, {inf});
    EXPECT_EQ(mean[0], 1);
    EXPECT_EQ(m2[0], inf);
  });
}

// Equal values in each chunk, and chunks whose distance has no square.
TEST_F(Range, ChunksThatDifferByLessThanARoot) {
  array x(4096, 0), y(4096, -1);
  for (std::size_t k = 2048; k < 4096; ++k) x[k] = 1e-170, y[k] = 1;
  for_each_place(x, RENORM_F64, 0, [&](problem const& p) { expect_near(train_one(p).y, y, 64 * ulp); });
}

// Gates of ReLU decide on the same argument forward and backward, in units or not: beta turns the signs of some.
TEST_F(Range, GatesInUnits) {
  for (double const beta : {0.0, -1.0, 3.0})
    for_each_place({3.4e38, 3.4e38, 3.4e38, 3.4e38, -3.4e38}, RENORM_F32, 1e-5, [&](problem p) {
      p.desc.epilogue = RENORM_EPILOGUE_RELU;
      p.beta = array(p.c(), beta);
      values const got = train(p);
      std::size_t const which = p.c() / 2;
      double open = 0;
      for (std::size_t k = 0; k < p.s(); ++k)
        if (got.y[p.at(0, which, k)] > 0) open += p.dy[p.at(0, which, k)];
      EXPECT_NEAR(got.dbeta[which], open, 1e-6) << "beta " << beta;
    });
}

}  // namespace
}  // namespace renorm_test
