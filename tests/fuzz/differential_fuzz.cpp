// Fuzz target that compares training and inference, forward and backward, whole and in parts, with their definition: any shape, groups,
// mask, epilogue, layout, element types, options, data, instruction set, threads, place in memory and aliasing.
#include "fuzz/choices.hpp"
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/isas.hpp"
#include "support/reference.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"
#include "support/tolerance.hpp"

#include <algorithm>
#include <limits>

namespace renorm_test {
namespace {

using fuzz::choices;

// The reference looks at every sample for each group. Executors are called for large tensors alone.
constexpr std::int64_t most_values = 20000, many_values = 40000, most_visits = 400000;

std::int64_t at_least_1(std::int64_t extent) { return std::max<std::int64_t>(extent, 1); }

// Mostly small; borders of registers, chunks (128 additions to each of 32 or 16 lanes) and segments; powers of two and nothing.
std::int64_t extent(choices& in, std::int64_t most) {
  constexpr std::int64_t borders[] = {128, 256, 2048, 4096, 64 * 128};
  std::size_t const how = in.below(8);
  std::int64_t any = static_cast<std::int64_t>(in.below(70));
  if (how > 5) any = in.pick(borders) + static_cast<std::int64_t>(in.below(5)) - 2;
  if (how == 5) any = fuzz::near_power(in);
  return any <= most ? any : any % (most + 1);
}

// Any of the three may be the large one, and the rare input has many values.
renorm_desc any_shape(choices& in) {
  std::int64_t extents[3], left = most_values;
  std::uint8_t const choice = in.byte();
  std::size_t const first = choice % 3;
  for (std::size_t k = 0; k < 3; ++k) {
    std::int64_t& e = extents[(first + k) % 3];
    e = extent(in, left);
    left /= at_least_1(e);
  }
  if (fuzz::rare(choice)) extents[first] = many_values / (at_least_1(extents[(first + 1) % 3]) * at_least_1(extents[(first + 2) % 3]));
  return make_desc(extents[0], extents[1], extents[2]);
}

// As often none as some; up to two more than samples.
std::int64_t any_groups(choices& in, renorm_desc const& d) {
  std::int64_t const most = std::min(d.n + 2, most_visits / ((d.n + 1) * at_least_1(d.c)));
  return in.below(2) == 1 ? 1 + in.word() % most : 1;
}

renorm_desc any_desc(choices& in) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  constexpr renorm_dtype dtypes[] = {RENORM_F32, RENORM_F64}, wide_or_same[] = {0, RENORM_F64};
  constexpr renorm_layout layouts[] = {RENORM_NCHW, RENORM_NHWC};
  constexpr renorm_group_order orders[] = {RENORM_GROUPS_CONTIGUOUS, RENORM_GROUPS_INTERLEAVED};
  constexpr double eps[] = {1e-5, 1e-3, 1}, momentum[] = {0.1, 0, 1, 0.99}, rmin[] = {0.75, 0, 1}, rmax[] = {1.5, 1, 3, inf},
                   dmax[] = {0.5, 0, 5, inf};
  renorm_desc d = any_shape(in);
  d.flags = in.byte();
  d.layout = in.pick(layouts);
  d.dtype = in.pick(dtypes);
  d.param_dtype = in.pick(wide_or_same);
  d.stats_dtype = in.pick(wide_or_same);
  d.groups = any_groups(in, d);
  d.group_order = in.pick(orders);
  d.eps = in.pick(eps);
  d.momentum = in.pick(momentum);
  d.rmin = in.pick(rmin);
  d.rmax = in.pick(rmax);
  d.dmax = in.pick(dmax);
  return d;
}

// No mask, a random one of either kind, or one that has every position or none.
problem any_mask(choices& in, problem p) {
  constexpr renorm_mask_kind kinds[] = {RENORM_MASK_NONE, RENORM_MASK_BYTES, RENORM_MASK_LENGTHS};
  renorm_mask_kind const kind = in.pick(kinds);
  std::size_t const pattern = in.below(8);
  if (kind == RENORM_MASK_NONE) return p;
  if (pattern < 2) return masked(p, kind, position_mask(p.per_channel(), static_cast<std::uint8_t>(pattern)));
  return masked(p, kind, in.word());
}

problem any_problem(choices& in, renorm_desc const& desc) {
  constexpr kind kinds[] = {kind::moderate, kind::large_mean, kind::outlier_first, kind::drifting};
  std::uint64_t const seed = in.word();
  problem p = random_problem(desc, seed, in.pick(kinds));
  p.num_batches = in.byte();
  if (in.below(4) == 3) p.gamma = {};
  if (in.below(4) == 3) p.beta = {};
  return any_mask(in, p);
}

class any_way {
 public:
  explicit any_way(choices& in) : pool_(1 + static_cast<std::int32_t>(in.below(4))) {
    constexpr aliasing aliases[] = {aliasing::none, aliasing::onto_dy, aliasing::onto_x};
    constexpr edge edges[] = {edge::none, edge::at_end, edge::at_start};
    constexpr renorm_parallel_for executors[] = {nullptr, fair_parallel_for, hostile_parallel_for};
    how.parts = in.below(2) == 1;
    how.alias = in.pick(aliases);
    how.where.offset = in.below(16);
    how.where.guard = in.pick(edges);
    how.parallel_for = in.pick(executors);
    how.ctx = &pool_;
    how.concurrency = in.below(2) == 1 ? pool_.threads : 0;
  }
  any_way(any_way const&) = delete;
  any_way& operator=(any_way const&) = delete;
  ~any_way() { fuzz::lent_calls += pool_.calls; }

  way how;

 private:
  executor pool_;
};

testing::Message describe(problem const& p, way const& how) {
  renorm_desc const& d = p.desc;
  return testing::Message() << d.n << 'x' << d.c << 'x' << d.s << (d.layout == RENORM_NHWC ? " nhwc" : " nchw") << " dtypes " << d.dtype
                            << d.param_dtype << d.stats_dtype << " flags " << d.flags << " groups " << d.groups << " order "
                            << d.group_order << " mask " << d.mask_kind << " of " << p.count(all_groups) << " eps " << d.eps << " momentum "
                            << d.momentum << " rmin " << d.rmin << " rmax " << d.rmax << " dmax " << d.dmax << " x[0] "
                            << (p.x.empty() ? 0 : p.x[0]) << ", " << renorm_isa_name(renorm_active_isa()) << " parts " << how.parts
                            << " alias " << static_cast<int>(how.alias) << " offset " << how.where.offset << " guard "
                            << static_cast<int>(how.where.guard);
}

void check_training(problem const& p, way const& how) {
  values want = reference_training(p);
  values allowed = training_tolerance(p, want);
  if (p.has(RENORM_FLAG_KEEP_RUNNING)) {
    want.running_mean = p.running_mean;
    want.running_var = p.running_var;
    allowed.running_mean.assign(p.c(), 0);
    allowed.running_var.assign(p.c(), 0);
  }
  expect_close(train(p, how), with_overflow(want, p.desc), allowed);
}

void check_inference(problem const& p, way const& how) {
  values const want = reference_inference(p);
  expect_close(infer(p, how), want, inference_tolerance(p, want));
}

}  // namespace
}  // namespace renorm_test

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace renorm_test;
  static std::vector<renorm_isa> const isas = available_isas();
  testing::GTEST_FLAG(throw_on_failure) = true;  // nothing catches it: the program ends

  fuzz::choices in(data, size);
  renorm_desc const desc = any_desc(in);
  renorm_set_max_isa(isas[in.below(isas.size())]);
  any_way const way(in);
  constexpr renorm_epilogue epilogues[] = {RENORM_EPILOGUE_NONE, RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU};
  renorm_epilogue const epilogue = in.pick(epilogues);
  problem const p = any_problem(in, desc);
  SCOPED_TRACE(describe(p, way.how) << " epilogue " << epilogue);
  check_training(fused(p, epilogue, true), way.how);
  if (p.per_channel() > 0) check_inference(fused(p, epilogue, false), way.how);
  return 0;
}
