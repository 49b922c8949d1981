// Epilogues bit by bit: numbers that relu treats apart, the operations that are fused one after the other, and the argument of relu in
// the backward passes.
#include "capi/capi_call.hpp"
#include "support/compare.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"

#include <cmath>
#include <limits>

namespace renorm_test {
namespace {

constexpr renorm_epilogue epilogues[] = {RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU};
constexpr renorm_dtype dtypes[] = {RENORM_F32, RENORM_F64};
constexpr renorm_layout layouts[] = {RENORM_NCHW, RENORM_NHWC};

double rounded(double v, renorm_dtype dtype) { return dtype == RENORM_F32 ? static_cast<float>(v) : v; }

class Epilogue : public IsaTest {};

// ---------------------------------------------------------------- numbers that relu treats apart

// 13 of them: repeated, each meets every place of a register. The smallest are denormal.
array special_numbers(renorm_dtype dtype) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  bool const narrow = dtype == RENORM_F32;
  double const least = narrow ? std::numeric_limits<float>::denorm_min() : std::numeric_limits<double>::denorm_min();
  double const most = narrow ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  return {nan, 0.0, -0.0, least, -least, 1, -1, 0.5, -0.5, inf, -inf, most, -most};
}

// An operation with statistics and parameters that make the map y = x, in renorm_apply down to the sign of 0, on special numbers. dy counts
// from 1.
// Sigma is less than 1: (x - mean)/sigma leaves the range of numbers where x is huge.
class identity_call : public capi::call {
 public:
  identity_call(renorm_op id, renorm_desc const& desc, renorm_epilogue epilogue) : call(capi::find_operation(id), with_all(desc)) {
    this->desc().epilogue = epilogue;
    for (char const* one : {"scale", "r"}) set_all(one, 1);
    for (char const* half : {"gamma", "sigma"}) set_all(half, 0.5);
    set_all("running_var", 0.25);
    for (char const* zero : {"center", "d", "mean", "running_mean", "beta", "sum_dy", "sum_dy_xhat"}) set_all(zero, 0);
    set_all("shift", -0.0);
    array const numbers = special_numbers(desc.dtype);
    for (std::size_t i = 0; i < length("x"); ++i) {
      x.push_back(numbers[i % numbers.size()]);
      z.push_back(numbers[i / numbers.size() % numbers.size()]);
      dy.push_back(static_cast<double>(i + 1));
    }
    for (auto const& [name, values] : {std::pair{"x", &x}, {"z", &z}, {"dy", &dy}})
      for (std::size_t i = 0; i < x.size() && op.has(name); ++i) set_value(name, i, (*values)[i]);
  }

  // Of relu, at a place in memory.
  double argument(std::size_t i) { return capi::adds(desc()) ? rounded(x[i] + z[i], desc().dtype) : x[i]; }
  bool relu() { return desc().epilogue != RENORM_EPILOGUE_ADD; }
  double gradient(std::size_t i) { return relu() && argument(i) <= 0 ? 0 : dy[i]; }

  array x, z, dy;

 private:
  static renorm_desc with_all(renorm_desc desc) {
    desc.epilogue = RENORM_EPILOGUE_ADD_RELU;
    return desc;
  }
  void set_all(char const* name, double value) {
    for (std::size_t i = 0; op.has(name) && i < length(name); ++i) set_value(name, i, value);
  }
};

// 13*13 pairs and more, in runs of 3 and of 17.
template <class F> void for_each_identity(renorm_op id, F const& f) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts)
      for (renorm_epilogue epilogue : epilogues) {
        renorm_desc desc = make_desc(4, 3, 17);
        desc.dtype = dtype;
        desc.layout = layout;
        desc.eps = 0;
        SCOPED_TRACE(testing::Message() << "op " << id << ", dtype " << dtype << ", layout " << layout << ", epilogue " << epilogue);
        identity_call c(id, desc, epilogue);
        ASSERT_EQ(c.run(), RENORM_OK) << capi::last_error();
        f(c);
      }
}

bool same(double a, double b) { return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b); }

// NaN is not below 0, and neither is -0.
TEST_F(Epilogue, ReluIsZeroBelowZeroAlone) {
  for_each_isa([] {
    for_each_identity(RENORM_OP_APPLY, [](identity_call& c) {
      for (std::size_t i = 0; i < c.x.size(); ++i) {
        double const a = c.argument(i), want = c.relu() && a < 0 ? 0 : a;
        EXPECT_TRUE(same(c.value("y", i), want)) << c.value("y", i) << " of " << c.x[i] << " and " << c.z[i];
      }
    });
  });
}

// The gradient passes where the argument is NaN, and not where it is 0. In inference dx is the same, where x and dy are finite.
TEST_F(Epilogue, GradientStopsAtZeroAndPassesNaN) {
  for_each_isa([] {
    for (renorm_op id : {RENORM_OP_BACKWARD, RENORM_OP_BACKWARD_APPLY, RENORM_OP_INFERENCE_BACKWARD})
      for_each_identity(id, [](identity_call& c) {
        for (std::size_t i = 0; i < c.x.size(); ++i) {
          SCOPED_TRACE(testing::Message() << c.x[i] << " and " << c.z[i]);
          if (capi::adds(c.desc())) {
            EXPECT_TRUE(same(c.value("dz", i), c.gradient(i))) << c.value("dz", i);
          }
          if (c.op.id == RENORM_OP_INFERENCE_BACKWARD && std::isfinite(c.x[i])) {
            EXPECT_EQ(c.value("dx", i), c.gradient(i));
          }
        }
      });
  });
}

// Sums of small integers, which are exact.
TEST_F(Epilogue, SumsTakeWhatPasses) {
  for_each_isa([] {
    for (auto const& [id, name] :
         {std::pair{RENORM_OP_BACKWARD, "dbeta"}, {RENORM_OP_INFERENCE_BACKWARD, "dbeta"}, {RENORM_OP_BACKWARD_REDUCE, "sum_dy"}})
      for_each_identity(id, [name = name](identity_call& c) {
        renorm_desc const& d = c.desc();
        for (std::int64_t channel = 0; channel < d.c; ++channel) {
          double want = 0;
          for (std::int64_t i = 0; i < d.n; ++i)
            for (std::int64_t k = 0; k < d.s; ++k) want += c.gradient(c.index(i, channel, k));
          EXPECT_EQ(c.value(name, static_cast<std::size_t>(channel)), want) << "channel " << channel;
        }
      });
  });
}

// NaN of dy does not get through where relu is 0.
TEST_F(Epilogue, ClosedGateHoldsNaNBack) {
  for_each_isa([] {
    for_each_identity(RENORM_OP_INFERENCE_BACKWARD, [](identity_call& c) {
      if (!c.relu()) return;
      for (std::size_t i = 0; i < c.x.size(); ++i)
        if (c.argument(i) <= 0) c.set_value("dy", i, std::numeric_limits<double>::quiet_NaN());
      ASSERT_EQ(c.run(), RENORM_OK);
      for (std::size_t i = 0; i < c.x.size(); ++i)
        if (std::isfinite(c.x[i])) {
          EXPECT_EQ(c.value("dx", i), c.gradient(i)) << c.x[i];
        }
      for (std::size_t channel = 0; channel < 3; ++channel) EXPECT_FALSE(std::isnan(c.value("dbeta", channel)));
    });
  });
}

// ---------------------------------------------------------------- fused and one after the other

using step_function = values (*)(problem const&, way const&);
constexpr step_function steps[] = {train, infer};

std::vector<problem> problems() {
  std::vector<problem> all;
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts) {
      renorm_desc desc = make_desc(9, 5, 7);
      desc.dtype = dtype;
      desc.layout = layout;
      desc.flags = RENORM_FLAG_BATCH_RENORM;
      desc.rmax = 1.5;
      desc.dmax = 0.5;
      all.push_back(random_problem(desc, 1));
      desc.groups = 4;
      desc.group_order = RENORM_GROUPS_INTERLEAVED;
      desc.n = 7;
      desc.s = 45;
      all.push_back(random_problem(desc, 2, kind::large_mean));
      all.push_back(masked(all.back(), RENORM_MASK_BYTES, 3));
    }
  return all;
}

template <class F> void for_each_step(F const& f) {
  for (problem const& p : problems())
    for (step_function step : steps)
      for (bool parts : {false, true}) {
        way how;
        how.parts = parts;
        SCOPED_TRACE(testing::Message() << "dtype " << p.desc.dtype << ", layout " << p.desc.layout << ", groups " << p.desc.groups
                                        << ", mask " << p.desc.mask_kind << (step == train ? ", training" : ", inference") << ", parts "
                                        << parts);
        f(p, [&](problem const& q) { return step(q, how); });
      }
}

template <class F> void for_each_valid(problem const& p, F const& f) {
  for (std::size_t c = 0; c < p.c(); ++c) for_each_position(p, all_groups, [&](std::size_t i, std::size_t k) { f(p.at(i, c, k)); });
}

// Equal, not near; 0 and -0 are.
void expect_equal(values const& got, values const& want) {
  values none = want;
  for_each_array([](char const*, array& a) { a.assign(a.size(), 0); }, none);
  expect_close(got, want, none);
}

// y is rounded, z added and the sum rounded, as if by three operations; the gradients are those of what relu leaves of dy.
TEST_F(Epilogue, IsThatOfOneOperationAfterTheOther) {
  for_each_isa([] {
    for_each_step([](problem const& plain, auto const& step) {
      values const before = step(plain);
      for (renorm_epilogue epilogue : epilogues) {
        generator random(5);
        problem p = plain;
        p.desc.epilogue = epilogue;
        for (std::size_t j = 0; j < p.x.size(); ++j) p.z.push_back(rounded(random.normal(), p.desc.dtype));
        values const got = step(p);
        problem behind = plain;
        array y(p.x.size()), dz = y;
        for_each_valid(p, [&](std::size_t j) {
          y[j] = rounded(p.activated(before.y[j], j), p.desc.dtype);
          dz[j] = behind.dy[j] = p.gradient(y[j], j);
        });
        values want = step(behind);
        want.y = y;
        if (p.add()) want.dz = dz;
        expect_equal(got, want);
      }
    });
  });
}

// z takes all of y away, but for nothing or the smallest step up or down: no other bits than those of forward would tell which.
TEST_F(Epilogue, BackwardHasTheArgumentOfForwardToTheLastBit) {
  for_each_isa([] {
    for_each_step([](problem const& plain, auto const& step) {
      values const before = step(plain);
      for (double towards : {0.0, HUGE_VAL, -HUGE_VAL}) {
        problem p = plain;
        p.desc.epilogue = RENORM_EPILOGUE_ADD_RELU;
        for (double y : before.y) {
          bool const narrow = p.desc.dtype == RENORM_F32;
          double const moved = narrow ? std::nextafterf(static_cast<float>(-y), static_cast<float>(towards)) : std::nextafter(-y, towards);
          p.z.push_back(towards == 0 ? -y : moved);
        }
        values const got = step(p);
        for_each_valid(p, [&](std::size_t j) {
          EXPECT_EQ(got.y[j] > 0, towards > 0) << j;
          EXPECT_EQ(got.dz[j], towards > 0 ? p.dy[j] : 0) << j;
        });
      }
    });
  });
}

}  // namespace
}  // namespace renorm_test
