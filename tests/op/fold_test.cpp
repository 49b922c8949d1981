// renorm_fold: weights and biases that contain a batch norm. The expected values are the definition's, in long double.
#include "capi/capi_call.hpp"
#include "support/isas.hpp"

#include <cmath>
#include <limits>

namespace {

using capi::call;

using number = long double;

// Half a unit in the last place, relative to the value.
double const half_ulp = 0x1p-53;
double rounding(std::size_t element_size) { return element_size == sizeof(float) ? 0x1p-24 : half_ulp; }

capi::operation const& fold = capi::find_operation(RENORM_OP_FOLD);

void expect_ok(call const& c) { EXPECT_EQ(c.run(), RENORM_OK) << capi::last_error(); }

renorm_desc fold_desc(int64_t n, int64_t c, int64_t s, renorm_layout layout, renorm_dtype dtype) {
  renorm_desc desc = capi::small_desc();
  desc.flags = 0;
  desc.layout = layout;
  desc.dtype = dtype;
  desc.n = n;
  desc.c = c;
  desc.s = s;
  return desc;
}

// Layouts, types and options over shapes with one channel, one weight, more channels than are folded together, and transposed weights.
std::vector<renorm_desc> every_desc() {
  std::vector<renorm_desc> all;
  for (capi::extents const& e : std::vector<capi::extents>{{1, 1, 1}, {1, 3, 4}, {1, 37, 29}, {1, 64, 5}, {3, 65, 9}, {2, 130, 1}})
    for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC})
      for (renorm_dtype const dtype : {RENORM_F32, RENORM_F64})
        for (renorm_dtype const param_dtype : {0, RENORM_F64})
          for (renorm_dtype const stats_dtype : {0, RENORM_F64})
            for (uint32_t const flags : {0u, RENORM_FLAG_TRACK_SIGMA, RENORM_FLAG_BATCH_RENORM}) {
              all.push_back(fold_desc(e.n, e.c, e.s, layout, dtype));
              all.back().param_dtype = param_dtype;
              all.back().stats_dtype = stats_dtype;
              all.back().flags = flags;
            }
  return all;
}

number value_or(call const& c, char const* name, std::size_t channel, double absent) {
  return c.pointer(name) == nullptr ? absent : c.value(name, channel);
}

number scale_of(call& c, std::size_t channel) {
  number const spread = c.value("running_var", channel);
  bool const is_sigma = (c.desc().flags & RENORM_FLAG_TRACK_SIGMA) != 0;
  return value_or(c, "gamma", channel, 1) / (is_sigma ? spread : std::sqrt(spread + c.desc().eps));
}

void expect_within(double got, number want, number allowed, char const* what) {
  EXPECT_LE(std::abs(got - want), allowed) << what << ": " << got << " instead of " << static_cast<double>(want);
}

// In double, sigma takes 1.5 roundings (the sum's is halved by the root), the quotient one, the product with a weight one: 4 at most. The
// result takes one of its own type.
void expect_scale_and_weights(call& c) {
  double const of_scale = rounding(capi::element_size(capi::extent::parameter, c.desc())) + 3 * half_ulp;
  double const of_weight = rounding(capi::element_size(capi::extent::tensor, c.desc())) + 4 * half_ulp;
  for (int64_t channel = 0; channel < c.desc().c; ++channel) {
    number const scale = scale_of(c, static_cast<std::size_t>(channel));
    expect_within(c.value("scale", static_cast<std::size_t>(channel)), scale, of_scale * std::abs(scale), "scale");
    for (int64_t sample = 0; sample < c.desc().n; ++sample)
      for (int64_t k = 0; k < c.desc().s; ++k) {
        std::size_t const i = c.index(sample, channel, k);
        number const want = scale * c.value("weights", i);
        expect_within(c.value("folded_weights", i), want, of_weight * std::abs(want), "weight");
      }
  }
}

// The term before beta has the 2.5 roundings of the scale, one of the difference and one of the product; the sum has one, and one of its
// own type.
void expect_bias(call& c) {
  double const of_result = rounding(capi::element_size(capi::extent::parameter, c.desc())) + half_ulp;
  for (std::size_t channel = 0; channel < c.length("folded_bias"); ++channel) {
    number const term = scale_of(c, channel) * (value_or(c, "bias", channel, 0) - c.value("running_mean", channel));
    number const want = term + value_or(c, "beta", channel, 0);
    expect_within(c.value("folded_bias", channel), want, of_result * std::abs(want) + 5 * half_ulp * std::abs(term), "bias");
  }
}

class Fold : public renorm_test::IsaTest {
 protected:
  // With and without each of the optional inputs.
  template <class Body> void for_each_choice_of_inputs(Body const& body) {
    char const* const optional[] = {"gamma", "beta", "bias"};
    for (unsigned choice = 0; choice < 8; ++choice)
      body([&](call& c) {
        for (unsigned i = 0; i < 3; ++i)
          if ((choice >> i & 1) != 0) c.point(optional[i], nullptr);
      });
  }
};

TEST_F(Fold, IsTheDefinition) {
  for (renorm_desc const& desc : every_desc()) {
    SCOPED_TRACE(capi::describe(fold, desc));
    for_each_choice_of_inputs([&](auto const& leave_out) {
      call c(fold, desc);
      leave_out(c);
      expect_ok(c);
      expect_scale_and_weights(c);
      expect_bias(c);
    });
    if (HasFailure()) return;
  }
}

// No step is fused: SSE2 is no exception here.
TEST_F(Fold, HasTheSameBitsOnEveryInstructionSet) {
  for (renorm_desc const& desc : every_desc()) {
    call first(fold, desc);
    expect_ok(first);
    for_each_isa([&] {
      call c(fold, desc);
      expect_ok(c);
      EXPECT_EQ(c.outputs(), first.outputs()) << capi::describe(fold, desc);
    });
  }
}

TEST_F(Fold, InPlaceHasTheSameBits) {
  for (renorm_desc const& desc : every_desc()) {
    call apart(fold, desc), in_place(fold, desc);
    in_place.point("folded_weights", in_place.pointer("weights"));
    in_place.point("folded_bias", in_place.pointer("bias"));
    expect_ok(apart);
    expect_ok(in_place);
    EXPECT_EQ(in_place.outputs(), apart.outputs()) << capi::describe(fold, desc);
  }
}

TEST_F(Fold, ScaleAndShiftNeedNoWeights) {
  renorm_desc const desc = fold_desc(1, 70, 3, RENORM_NCHW, RENORM_F32);
  call usual(fold, desc), without(fold, desc);
  without.point("weights", nullptr);
  without.point("folded_weights", nullptr);
  expect_ok(usual);
  expect_ok(without);
  capi::results expected = usual.outputs();
  expected.erase("folded_weights");
  EXPECT_EQ(without.outputs(), expected);
}

TEST_F(Fold, ALayerWithoutInputsHasABiasAllTheSame) {
  for (auto const& [n, s] : {std::pair<int64_t, int64_t>{0, 4}, {1, 0}}) {
    call c(fold, fold_desc(n, 5, s, RENORM_NHWC, RENORM_F32));
    c.point("weights", nullptr);
    expect_ok(c);
    expect_bias(c);
    for (std::size_t i = 0; i < 5; ++i) expect_within(c.value("scale", i), scale_of(c, i), 0x1p-23, "scale");
  }
}

TEST_F(Fold, NoOutputIsNoWork) {
  call c(fold);
  for (char const* const output : {"scale", "folded_weights", "folded_bias", "nonfinite"}) c.point(output, nullptr);
  capi::bytes const before = c.memory;
  expect_ok(c);
  EXPECT_EQ(c.memory, before);
}

// A scale, a bias or a weight, in the type it is stored in. Other channels are what they are.
TEST_F(Fold, ChannelsThatAreNotFiniteAreCounted) {
  for_each_isa([&] {
    call c(fold, fold_desc(1, 67, 3, RENORM_NHWC, RENORM_F32));
    expect_ok(c);
    EXPECT_EQ(c.integer("nonfinite"), 0);
    c.set_value("running_var", 0, -1e-3);  // below -eps
    c.set_value("gamma", 64, 1e38);        // scale of 1e38/sqrt(var), its products with weights beyond float
    c.set_value("weights", c.index(0, 64, 1), 1e3);
    c.set_value("beta", 66, std::numeric_limits<double>::infinity());
    expect_ok(c);
    EXPECT_EQ(c.integer("nonfinite"), 3);
  });
}

// Groups, masks and epilogues are of calls on activations.
TEST_F(Fold, WhatIsNotReadChangesNothing) {
  renorm_desc full = capi::full_desc();
  call plain(fold, fold_desc(full.n, full.c, full.s, full.layout, full.dtype)), with_all(fold, full);
  expect_ok(plain);
  expect_ok(with_all);
  EXPECT_EQ(with_all.outputs(), plain.outputs());
}

TEST_F(Fold, AChannelThatIsNotFiniteTouchesNoOther) {
  renorm_desc desc = fold_desc(1, 37, 5, RENORM_NHWC, RENORM_F32);
  desc.eps = 0;
  call usual(fold, desc), spoilt(fold, desc);
  spoilt.set_value("running_var", 20, 0);
  expect_ok(usual);
  expect_ok(spoilt);
  for (std::size_t channel = 0; channel < 37; ++channel) {
    bool const is_spoilt = channel == 20;
    EXPECT_EQ(std::isinf(spoilt.value("scale", channel)), is_spoilt);
    for (int64_t k = 0; k < desc.s; ++k) {
      std::size_t const i = spoilt.index(0, static_cast<int64_t>(channel), k);
      EXPECT_EQ(spoilt.value("folded_weights", i) == usual.value("folded_weights", i), !is_spoilt);
    }
  }
}

// ---------------------------------------------------------------- a dense layer and the batch norm behind it

double input_of(int64_t k) { return std::sin(static_cast<double>(k)); }

struct output {
  number value, magnitude;  // the sum, and that of the absolute values of its terms
};

output dense(call const& c, char const* weights, char const* bias, int64_t channel) {
  output sum = {0, 0};
  auto const add = [&](number term) {
    sum.value += term;
    sum.magnitude += std::abs(term);
  };
  for (int64_t k = 0; k < static_cast<int64_t>(c.length(weights) / c.length("scale")); ++k)
    add(static_cast<number>(c.value(weights, c.index(0, channel, k))) * input_of(k));
  add(c.value(bias, static_cast<std::size_t>(channel)));
  return sum;
}

// renorm_inference in double, on what the layer gives with its own weights.
std::vector<double> inference_after_dense(call& c) {
  std::size_t const channels = c.length("scale");
  std::vector<double> x(channels), y(channels), gamma(channels), beta(channels), mean(channels), var(channels);
  for (std::size_t i = 0; i < channels; ++i) {
    x[i] = static_cast<double>(dense(c, "weights", "bias", static_cast<int64_t>(i)).value);
    gamma[i] = c.value("gamma", i);
    beta[i] = c.value("beta", i);
    mean[i] = c.value("running_mean", i);
    var[i] = c.value("running_var", i);
  }
  renorm_desc const desc = fold_desc(1, c.desc().c, 1, c.desc().layout, RENORM_F64);
  renorm_inference_args const args = {sizeof args, 0,        x.data(), gamma.data(), beta.data(), mean.data(),
                                      var.data(),  y.data(), nullptr,  nullptr,      nullptr};
  EXPECT_EQ(renorm_inference(&desc, &args, nullptr), RENORM_OK) << capi::last_error();
  return y;
}

// Each folded weight and the bias is off by a rounding of its type; what is computed in double takes less than 8 roundings of the terms of
// either side.
TEST_F(Fold, TheFoldedLayerIsTheLayerWithBatchNormBehindIt) {
  for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC})
    for (renorm_dtype const dtype : {RENORM_F32, RENORM_F64})
      for_each_isa([&] {
        call c(fold, fold_desc(1, 67, 40, layout, dtype));
        expect_ok(c);
        std::vector<double> const y = inference_after_dense(c);
        for (int64_t channel = 0; channel < c.desc().c; ++channel) {
          std::size_t const i = static_cast<std::size_t>(channel);
          output const folded = dense(c, "folded_weights", "folded_bias", channel), plain = dense(c, "weights", "bias", channel);
          number const terms = folded.magnitude + scale_of(c, i) * (plain.magnitude + c.value("running_mean", i)) + c.value("beta", i);
          double const of_type = rounding(capi::element_size(capi::extent::tensor, c.desc()));
          expect_within(y[i], folded.value, of_type * folded.magnitude + 8 * half_ulp * terms, "y");
        }
      });
}

}  // namespace
