// What parts are for and whole calls do not do, and options that the golden cases leave out.
#include "support/compare.hpp"
#include "support/isas.hpp"
#include "support/reference.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"
#include "support/tolerance.hpp"

#include <algorithm>

namespace renorm_test {
namespace {

problem make_problem(std::int64_t n, std::int64_t c, std::int64_t s, renorm_layout layout, std::uint32_t flags) {
  renorm_desc desc = make_desc(n, c, s);
  desc.dtype = RENORM_F64;
  desc.layout = layout;
  desc.flags = flags;
  desc.rmax = 1.5;
  desc.dmax = 0.5;
  return random_problem(desc, 11);
}

class Parts : public IsaTest {};

// ---------------------------------------------------------------- one batch on several machines

TEST_F(Parts, ShardsOfABatchGiveWhatTheBatchGives) {
  for (std::uint32_t flags : {0u, RENORM_FLAG_UNBIASED | RENORM_FLAG_UNBIASED_RUNNING, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA})
    for (renorm_layout layout : {RENORM_NCHW, RENORM_NHWC}) {
      problem const plain = make_problem(23, 19, 1, layout, flags);
      for (problem const& p : {plain, fused(masked(plain, RENORM_MASK_BYTES, 4), RENORM_EPILOGUE_ADD_RELU, true)}) {
        values const want = reference_training(p), allowed = training_tolerance(p, want);
        for_each_isa([&] {
          expect_close(train_in_shards(p, {0, 23}), want, allowed);
          expect_close(train_in_shards(p, {0, 9, 23}), want, allowed);
          expect_close(train_in_shards(p, {0, 0, 1, 7, 7, 22, 23, 23}), want, allowed);
        });
      }
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
  way how;
  how.parts = true;
  how.sigma_floor = floor;
  for_each_isa([&] {
    values got = train(p, how), expected = want;
    expected.running_var = {};  // the floor is not kept
    got.running_var = {};
    expect_close(got, expected, allowed);
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
