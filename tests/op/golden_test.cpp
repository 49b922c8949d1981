// The cases of data/golden: every layout, element type and instruction set, by whole calls and by parts.
#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/isas.hpp"
#include "support/reference.hpp"
#include "support/steps.hpp"
#include "support/tolerance.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <tuple>

namespace renorm_test {
namespace {

struct element_types {
  renorm_dtype tensor, params, running;
};

constexpr element_types all_types[] = {{RENORM_F32, 0, 0}, {RENORM_F32, RENORM_F64, RENORM_F64}, {RENORM_F64, 0, 0}};

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (auto const& entry : std::filesystem::directory_iterator(RENORM_TEST_DATA "/golden"))
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public IsaTest, public testing::WithParamInterface<std::string> {
 protected:
  golden_case const g_{std::string(RENORM_TEST_DATA "/golden/") + GetParam() + ".txt"};

  // Inputs, with the arrays that begin with prefix.
  problem make_problem(std::string const& prefix = "") const {
    problem p;
    p.desc = make_desc(g_.integer("n"), g_.integer("c"), g_.integer("s"));
    if (g_.has("eps")) p.desc.eps = g_.number("eps");
    if (g_.has("momentum")) p.desc.momentum = g_.number("momentum");
    if (g_.has(prefix + "rmax")) {
      p.desc.flags |= RENORM_FLAG_BATCH_RENORM;
      p.desc.rmax = g_.number(prefix + "rmax");
      p.desc.dmax = g_.number(prefix + "dmax");
    }
    if (g_.flag("unbiased")) p.desc.flags |= RENORM_FLAG_UNBIASED;
    if (tracks_sigma()) p.desc.flags |= RENORM_FLAG_TRACK_SIGMA;
    p.x = g_.values(prefix + "x");
    p.dy = g_.values(prefix + "dy");
    p.dy.resize(p.x.size());
    p.z = g_.values(prefix + "z");
    p.desc.epilogue = (g_.flag("relu") ? RENORM_EPILOGUE_RELU : 0) + (g_.flag("add") ? RENORM_EPILOGUE_ADD : 0);
    p.gamma = g_.values("gamma");
    p.beta = g_.values("beta");
    p.running_mean = g_.values("running_mean");
    p.running_var = g_.values(tracks_sigma() ? "running_sigma" : "running_var");
    if (g_.has("groups")) {
      p.desc.groups = g_.integer("groups");
      p.desc.group_order = g_.text("order") == "interleaved" ? RENORM_GROUPS_INTERLEAVED : RENORM_GROUPS_CONTIGUOUS;
    }
    if (g_.flag("masked")) {
      p.desc.mask_kind = RENORM_MASK_BYTES;
      for (double valid : g_.values("mask")) p.mask.push_back(valid != 0 ? 0x80 : 0);
    }
    return p;
  }

  // spread: name of the array of new running variances or deviations.
  values expected(std::string const& prefix, std::string const& spread) const {
    values want;
    want.y = g_.values(prefix + "y");
    want.mean = g_.values(prefix + "mean");
    want.var = g_.values(prefix + "var");
    want.sigma = g_.values(prefix + "sigma_batch");
    want.r = g_.values(prefix + "r");
    want.d = g_.values(prefix + "d");
    want.running_mean = g_.values(prefix + "new_running_mean");
    want.running_var = g_.values(prefix + spread);
    want.dx = g_.values(prefix + "dx");
    want.dgamma = g_.values(prefix + "dgamma");
    want.dbeta = g_.values(prefix + "dbeta");
    want.dz = g_.values(prefix + "dz");
    return want;
  }

  bool tracks_sigma() const { return g_.has("track") && g_.text("track") == "sigma"; }

  // body(types, layout) under every instruction set.
  template <class Body> void for_each_kind(Body const& body) {
    for_each_isa([&] {
      for (element_types const& types : all_types)
        for (renorm_layout layout : {RENORM_NCHW, RENORM_NHWC}) {
          SCOPED_TRACE(testing::Message() << "tensors " << types.tensor << ", running " << types.running << ", layout " << layout);
          body(types, layout);
        }
    });
  }

  static void set_kind(problem& p, element_types const& types, renorm_layout layout) {
    p.desc.dtype = types.tensor;
    p.desc.param_dtype = types.params;
    p.desc.stats_dtype = types.running;
    p.desc.layout = layout;
  }

  // Returns what the library gives and how far it may be off.
  static std::pair<values, values> check_training(problem const& p, values const& want, values const& carried = {}) {
    values const got = train(p, {true}), allowed = training_tolerance(p, want, reference_error, carried);
    expect_close(got, with_overflow(want, p.desc), allowed);
    expect_same_bits(train(p), got);
    return {got, allowed};
  }

  static void check_inference(problem const& p, values const& want, values const& carried = {}) {
    values const got = infer(p, {true});
    expect_close(got, with_overflow(want, p.desc), inference_tolerance(p, want, reference_error, carried));
    expect_same_bits(infer(p), got);
  }

  void run_train();
  void run_infer();
  void run_sequence(std::uint32_t flags, std::string const& spread);
  void run_schedule();
  void run_population();
  void run_keras_sequence();
  void run_sync();
};

// Whether lengths can say the same.
bool is_prefix_mask(problem const& p) {
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 1; k < p.s(); ++k)
      if (p.valid(i, k) && !p.valid(i, k - 1)) return false;
  return true;
}

void Golden::run_train() {
  problem p = make_problem();
  auto const check = [&](std::string const& spread) {
    values const want = expected("", spread);
    ASSERT_FALSE(want.running_var.empty());
    problem in_double = p;
    in_double.desc.dtype = RENORM_F64;
    expect_close(reference_training(in_double), want, training_tolerance(in_double, want));
    for_each_kind([&](element_types const& types, renorm_layout layout) {
      set_kind(p, types, layout);
      check_training(p, want);
    });
    if (p.desc.mask_kind == RENORM_MASK_NONE || !is_prefix_mask(p)) return;
    p.desc.mask_kind = RENORM_MASK_LENGTHS;
    for_each_kind([&](element_types const& types, renorm_layout layout) {
      set_kind(p, types, layout);
      check_training(p, want);
    });
    p.desc.mask_kind = RENORM_MASK_BYTES;
  };
  if (tracks_sigma()) {
    check("new_running_sigma");
    return;
  }
  check("new_running_var_biased");
  p.desc.flags |= RENORM_FLAG_UNBIASED_RUNNING;
  check(g_.integer("m") > 1 ? "new_running_var_unbiased" : "new_running_var_biased");
}

void Golden::run_infer() {
  problem p = make_problem();
  values const want = expected("", "");
  expect_close(reference_inference(p), want, inference_tolerance(p, want));
  for_each_kind([&](element_types const& types, renorm_layout layout) {
    set_kind(p, types, layout);
    check_inference(p, want);
  });
}

// Each step starts from the running statistics that the library left in the step before, with their rounding.
void Golden::run_sequence(std::uint32_t flags, std::string const& spread) {
  for_each_kind([&](element_types const& types, renorm_layout layout) {
    values state, carried;
    for (std::int64_t k = 0; k < g_.integer("steps"); ++k) {
      SCOPED_TRACE(testing::Message() << "step " << k);
      std::string const prefix = "step" + std::to_string(k) + ".";
      problem p = make_problem(prefix);
      values want = expected(prefix, spread);
      set_kind(p, types, layout);
      p.desc.flags |= flags;
      p.num_batches = k;
      if (want.sigma.empty())
        for (double var : want.var) want.sigma.push_back(std::sqrt(var + p.desc.eps));
      if (k > 0) {
        p.running_mean = state.running_mean;
        p.running_var = state.running_var;
      }
      std::tie(state, carried) = check_training(p, want, carried);
    }
    if (g_.values("infer.x").empty()) return;
    SCOPED_TRACE("inference");
    problem p = make_problem("infer.");
    set_kind(p, types, layout);
    p.running_mean = state.running_mean;
    p.running_var = state.running_var;
    check_inference(p, expected("infer.", ""), carried);
  });
}

// running_mean and running_var of a layer, and how far they are off.
struct running_state {
  array mean, var;
  values carried;

  void use_in(problem& p) const {
    p.running_mean = mean;
    p.running_var = var;
  }
};

// The plain average of the batches is the running average with weights 1/k. The moments of all values together are merged, and stored
// as running statistics of weight 1. Merging is what the library does inside a batch: errors are those of one batch of all steps.
void Golden::run_population() {
  std::int64_t const steps = g_.integer("steps");
  auto const check = [&](problem p, running_state const& got, std::string const& name, std::string const& var, values const& allowed) {
    values want, have;
    want.running_mean = g_.values(name + "_mean");
    want.running_var = g_.values(var);
    have.running_mean = got.mean;
    have.running_var = got.var;
    values limits;
    limits.running_mean = allowed.running_mean;
    limits.running_var = allowed.running_var;
    expect_close(have, want, limits);
    if (g_.values(name + ".y").empty() || var == "pooled_var_unbiased") return;
    got.use_in(p);
    values inference;
    inference.y = g_.values(name + ".y");
    expect_close(infer(p), inference, inference_tolerance(p, inference, reference_error, limits));
  };

  for_each_kind([&](element_types const& types, renorm_layout layout) {
    problem all = make_problem();
    array const zeros(all.c());
    running_state average = {zeros, zeros, {}}, pooled = average;
    all.desc.n = 0;
    all.running_mean = all.running_var = zeros;
    all.x = {};
    renorm_desc merging = make_problem("step0.").desc;
    std::int64_t count = 0;
    array mean = zeros, m2 = zeros;
    for (std::int64_t k = 0; k < steps; ++k) {
      problem p = make_problem("step" + std::to_string(k) + ".");
      set_kind(p, types, layout);
      p.desc.flags |= RENORM_FLAG_CUMULATIVE | RENORM_FLAG_UNBIASED_RUNNING;
      p.num_batches = k;
      average.use_in(p);
      values const got = train(p), reference = reference_training(p);
      values const allowed = training_tolerance(p, reference, reference_error, average.carried);
      average = {got.running_mean, got.running_var, allowed};

      values const moments = train(p, {true});
      array other_m2;
      for (double var : moments.var) other_m2.push_back(var * g_.number("m"));
      merge_moments(merging, count, mean, m2, g_.integer("m"), moments.mean, other_m2);
      all.x.insert(all.x.end(), p.x.begin(), p.x.end());
      all.desc.n += p.desc.n;
    }
    EXPECT_EQ(count, steps * g_.integer("m"));

    problem p = make_problem("step0.");
    set_kind(p, types, layout);
    set_kind(all, types, layout);
    all.dy.assign(all.x.size(), 0);
    all.desc.momentum = 1;
    check(p, average, "population", "population_var", average.carried);
    for (std::uint32_t flags : {0u, RENORM_FLAG_UNBIASED_RUNNING}) {
      all.desc.flags = flags;
      update_running(all, count, mean, m2, pooled.mean, pooled.var);
      values const allowed = training_tolerance(all, reference_training(all));
      check(p, pooled, "pooled", flags == 0 ? "pooled_var" : "pooled_var_unbiased", allowed);
    }
  });
}

// Two sets of running statistics: a step that corrects, whose sigma has a floor, and one of batch norm that inference follows.
void Golden::run_keras_sequence() {
  for_each_kind([&](element_types const& types, renorm_layout layout) {
    double const eps = g_.number("eps"), floor = std::sqrt(eps);
    running_state renorm = {g_.values("renorm_mean"), g_.values("renorm_stddev"), {}};
    running_state moving = {g_.values("moving_mean"), g_.values("moving_stddev"), {}};
    auto const follow = [&](problem p, values want, running_state& state, std::string const& name, std::uint32_t flags, way const& how) {
      set_kind(p, types, layout);
      p.desc.flags = flags | RENORM_FLAG_TRACK_SIGMA;
      want.running_mean = g_.values(name + "_mean");
      want.running_var = g_.values(name + "_stddev");
      state.use_in(p);
      values const got = train(p, how);
      for (double& sigma : p.running_var) sigma = std::max(sigma, how.sigma_floor);  // what r and d are taken from
      values const allowed = training_tolerance(p, want, reference_error, state.carried);
      if ((flags & RENORM_FLAG_BATCH_RENORM) == 0) want.y = want.r = want.d = want.dx = want.dgamma = want.dbeta = {};
      expect_close(got, want, allowed);
      state = {got.running_mean, got.running_var, allowed};
    };

    for (std::int64_t k = 0; k < g_.integer("steps"); ++k) {
      SCOPED_TRACE(testing::Message() << "step " << k);
      std::string const prefix = "step" + std::to_string(k) + ".";
      problem p = make_problem(prefix);
      p.desc.rmin = g_.number("rmin");
      p.desc.rmax = g_.number("rmax");
      p.desc.dmax = g_.number("dmax");
      values const want = expected(prefix, "");
      way parts;
      parts.parts = true;
      follow(p, want, moving, prefix + "new_moving", 0, parts);
      p.desc.momentum = g_.number("renorm_momentum");
      parts.sigma_floor = floor;
      follow(p, want, renorm, prefix + "new_renorm", RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_RMIN, parts);
    }

    problem p = make_problem("infer.");
    set_kind(p, types, layout);
    p.desc.flags = 0;
    moving.use_in(p);
    for (std::size_t c = 0; c < p.c(); ++c) {
      double const stddev = moving.var[c];
      p.running_var[c] = std::max(0.0, stddev * stddev - eps);
      moving.carried.running_var[c] = 2 * stddev * moving.carried.running_var[c] + unit_roundoff(RENORM_F32) * p.running_var[c];
    }
    check_inference(p, expected("infer.", ""), moving.carried);
  });
}

// Shards of different sizes, maybe empty, give what the batch gives, and so does the batch in one piece.
void Golden::run_sync() {
  problem p = make_problem();
  std::vector<std::size_t> borders = {0};
  values want = expected("", tracks_sigma() ? "new_running_sigma" : "new_running_var_biased");
  for (std::int64_t k = 0; k < g_.integer("shards"); ++k) {
    std::string const prefix = "shard" + std::to_string(k) + ".";
    auto const append = [&](std::string const& name, array& to) {
      array const part = g_.values(prefix + name);
      to.insert(to.end(), part.begin(), part.end());
    };
    append("x", p.x);
    append("dy", p.dy);
    append("y", want.y);
    append("dx", want.dx);
    borders.push_back(borders.back() + static_cast<std::size_t>(g_.integer(prefix + "n")));
  }
  ASSERT_FALSE(want.running_var.empty());
  for_each_kind([&](element_types const& types, renorm_layout layout) {
    set_kind(p, types, layout);
    expect_close(train_in_shards(p, borders), want, training_tolerance(p, want));
    check_training(p, want);
  });
}

// A product and a quotient of differences: five roundings.
void Golden::run_schedule() {
  renorm_ramp ramp{};
  ramp.struct_size = sizeof ramp;
  ramp.warm = g_.integer("warm");
  ramp.rmax_end = g_.integer("rmax_end");
  ramp.dmax_end = g_.integer("dmax_end");
  ramp.rmax_final = g_.number("rmax_final");
  ramp.dmax_final = g_.number("dmax_final");
  array const steps = g_.values("step"), rmax = g_.values("rmax"), dmax = g_.values("dmax");
  ASSERT_FALSE(steps.empty());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    double got_rmax, got_dmax;
    ASSERT_EQ(renorm_ramp_at(&ramp, static_cast<std::int64_t>(steps[i]), &got_rmax, &got_dmax), RENORM_OK);
    EXPECT_NEAR(got_rmax, rmax[i], 5 * unit_roundoff(RENORM_F64) * rmax[i]) << steps[i];
    EXPECT_NEAR(got_dmax, dmax[i], 5 * unit_roundoff(RENORM_F64) * dmax[i]) << steps[i];
  }
}

TEST_P(Golden, Agrees) {
  std::string const op = g_.text("op");
  if (op == "bn_train" || op == "brn_train" || op == "bn_groups" || op == "brn_groups") run_train();
  else if (op == "bn_infer" || op == "brn_infer") run_infer();
  else if (op == "brn_sequence") run_sequence(0, tracks_sigma() ? "new_running_sigma" : "new_running_var");
  else if (op == "brn_schedule") run_schedule();
  else if (op == "bn_population") run_population();
  else if (op == "brn_keras_sequence") run_keras_sequence();
  else if (op == "bn_sync" || op == "brn_sync") run_sync();
  else if (op == "bn_cumulative") {
    run_sequence(RENORM_FLAG_CUMULATIVE, "new_running_var_biased");
    run_sequence(RENORM_FLAG_CUMULATIVE | RENORM_FLAG_UNBIASED_RUNNING, "new_running_var_unbiased");
  } else FAIL() << "unknown op " << op;
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(case_names()), [](auto const& info) { return info.param; });

TEST(GoldenData, IsComplete) { EXPECT_EQ(case_names().size(), 88u); }

}  // namespace
}  // namespace renorm_test
