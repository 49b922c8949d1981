// Results against the definition over shapes and places in memory. All sizes follow from the order of additions that the library
// promises: 32 float or 16 double lanes, at most 128 additions a lane, at most 64 segments.
#include "support/compare.hpp"
#include "support/isas.hpp"
#include "support/reduced.hpp"
#include "support/reference.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"
#include "support/tolerance.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace renorm_test {
namespace {

constexpr renorm_dtype dtypes[] = {RENORM_F32, RENORM_F64};
constexpr renorm_layout layouts[] = {RENORM_NCHW, RENORM_NHWC};
constexpr std::int64_t additions = 128, segments = 64;

std::int64_t lanes_of(renorm_dtype dtype) { return dtype == RENORM_F64 ? 16 : 32; }

// ---------------------------------------------------------------- the grid

std::vector<std::int64_t> channels() {
  if (reduced()) return {1, 3, 17, 64};
  return {1, 2, 3, 15, 16, 17, 37, 64, 130};
}

std::vector<std::int64_t> tails(renorm_dtype dtype) {
  std::int64_t const lanes = lanes_of(dtype);
  if (reduced()) return {0, 1, lanes - 1, 2 * lanes + 3};
  std::vector<std::int64_t> all(static_cast<std::size_t>(2 * lanes + 4));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Around a border, and past the second one.
std::vector<std::int64_t> around(std::int64_t border) {
  if (reduced()) return {border + 1};
  return {border - 1, border, border + 1, 2 * border + 3};
}

// NHWC: rows of a chunk.
std::int64_t rows_per_chunk(std::int64_t c, renorm_dtype dtype) {
  std::int64_t const fitting = lanes_of(dtype) / std::gcd(c, lanes_of(dtype));
  return additions * (c * fitting <= 2048 ? fitting : 1);
}

// NCHW: samples of a chunk, for planes shorter than a piece.
std::int64_t samples_per_chunk(std::int64_t s, renorm_dtype dtype) {
  std::int64_t const lanes = lanes_of(dtype);
  return additions / ((s + lanes - 1) / lanes);
}

// ---------------------------------------------------------------- what is computed

struct variant {
  std::uint32_t flags;
  bool bare;  // no gamma, beta or running statistics
};

constexpr variant renorm_variant = {RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_UNBIASED_RUNNING, false};
constexpr variant variants[] = {renorm_variant, {0, true}, {RENORM_FLAG_UNBIASED | RENORM_FLAG_TRACK_SIGMA, false}};

problem with_variant(problem p, variant const& v) {
  p.desc.flags = v.flags;
  if (v.bare) p.gamma = p.beta = p.running_mean = p.running_var = {};
  return p;
}

problem make_problem(std::int64_t n, std::int64_t c, std::int64_t s, renorm_dtype dtype, renorm_layout layout) {
  renorm_desc desc = make_desc(n, c, s);
  desc.dtype = dtype;
  desc.layout = layout;
  desc.rmax = 1.5;
  desc.dmax = 0.5;
  return random_problem(desc, static_cast<std::uint64_t>((n * 1000003 + c) * 1000003 + s));
}

testing::Message describe(problem const& p) {
  return testing::Message() << p.desc.n << 'x' << p.desc.c << 'x' << p.desc.s << (p.desc.dtype == RENORM_F64 ? " f64" : " f32")
                            << (p.desc.layout == RENORM_NHWC ? " nhwc" : " nchw") << " flags " << p.desc.flags << " groups "
                            << p.desc.groups << " order " << p.desc.group_order << " mask " << p.desc.mask_kind;
}

class Shapes : public IsaTest {
 protected:
  void check_training(problem const& p, way const& how) {
    SCOPED_TRACE(describe(p));
    values const want = reference_training(p), allowed = training_tolerance(p, want);
    for_each_isa([&] { expect_close(train(p, how), want, allowed); });
  }

  void check_inference(problem const& p, way const& how) {
    SCOPED_TRACE(describe(p));
    values const want = reference_inference(p), allowed = inference_tolerance(p, want);
    for_each_isa([&] { expect_close(infer(p, how), want, allowed); });
  }

  void check_all(problem const& p, way const& how = {}) {
    for (variant const& v : variants) check_training(with_variant(p, v), how);
    check_inference(p, how);
  }

  // All that training computes, for shapes that are about reductions.
  void check_renorm(problem const& p) { check_training(with_variant(p, renorm_variant), {true}); }
  void check_renorm(std::int64_t n, std::int64_t c, std::int64_t s, renorm_dtype dtype, renorm_layout layout) {
    check_renorm(make_problem(n, c, s, dtype, layout));
  }
};

TEST_F(Shapes, Tails) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts)
      for (std::int64_t c : channels())
        for (std::int64_t s : tails(dtype))
          for (std::int64_t n : {1, 3}) {
            if (n * c > 120) continue;
            check_all(make_problem(n, c, s, dtype, layout));
            check_renorm(n, c, s, dtype, layout);
          }
}

TEST_F(Shapes, Empty) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts) {
      check_all(make_problem(0, 5, 7, dtype, layout));
      check_all(make_problem(2, 5, 0, dtype, layout));
      check_all(make_problem(3, 0, 4, dtype, layout));
    }
}

TEST_F(Shapes, ChunkBordersOfRows) {
  for (renorm_dtype dtype : dtypes)
    for (std::int64_t c : channels())
      for (std::int64_t rows : around(rows_per_chunk(c, dtype))) check_renorm(rows, c, 1, dtype, RENORM_NHWC);
}

TEST_F(Shapes, ChunkBordersInsidePlanes) {
  for (renorm_dtype dtype : dtypes)
    for (std::int64_t c : {1, 2, 3})
      for (std::int64_t s : around(additions * lanes_of(dtype))) check_renorm(2, c, s, dtype, RENORM_NCHW);
}

TEST_F(Shapes, ChunkBordersBetweenSamples) {
  for (renorm_dtype dtype : dtypes)
    for (std::int64_t c : channels())
      for (std::int64_t s : {std::int64_t(1), lanes_of(dtype), 3 * lanes_of(dtype) / 2 + 1})
        for (std::int64_t n : around(samples_per_chunk(s, dtype)))
          if (!reduced() || c <= 3) check_renorm(n, c, s, dtype, RENORM_NCHW);
}

// More chunks than segments: segments of two chunks, the last one incomplete.
TEST_F(Shapes, SegmentBorders) {
  if (reduced()) {
    check_renorm((segments + 2) * samples_per_chunk(2, RENORM_F32) + 3, 1, 2, RENORM_F32, RENORM_NCHW);
    return;
  }
  for (renorm_dtype dtype : dtypes) {
    std::int64_t const piece = additions * lanes_of(dtype), lanes = lanes_of(dtype);
    for (std::int64_t c : {1, 2, 3, 16, 64, 130}) {  // from 32 rows side by side in the lanes down to one
      check_renorm(1, c, (segments + 2) * rows_per_chunk(c, dtype) + 3, dtype, RENORM_NHWC);
      check_renorm((segments + 2) * samples_per_chunk(1, dtype) + 3, c, 1, dtype, RENORM_NCHW);
    }
    for (std::int64_t c : {1, 3}) {
      check_renorm(1, c, (segments + 2) * piece + 3, dtype, RENORM_NCHW);
      check_renorm((segments + 2) * samples_per_chunk(lanes + 1, dtype) + 3, c, lanes + 1, dtype, RENORM_NCHW);
    }
  }
}

// ---------------------------------------------------------------- groups and masks

constexpr renorm_group_order group_orders[] = {RENORM_GROUPS_CONTIGUOUS, RENORM_GROUPS_INTERLEAVED};

problem in_groups(problem p, std::int64_t groups, renorm_group_order order) {
  p.desc.groups = groups;
  p.desc.group_order = order;
  return p;
}

// Groups of equal and of different sizes, of a sample each, and more groups than samples.
TEST_F(Shapes, Groups) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts)
      for (std::int64_t c : channels())
        for (std::int64_t s : {std::int64_t(1), std::int64_t(5), lanes_of(dtype) + 3})
          for (std::int64_t groups : {2, 3, 7, 9})
            for (renorm_group_order order : group_orders) {
              problem const p = in_groups(make_problem(7, c, s, dtype, layout), groups, order);
              check_renorm(p);
              if (c == 17) check_all(p);
            }
}

// Chunks end with their group, on both sides of where they would have ended anyway.
TEST_F(Shapes, ChunkBordersOfGroups) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_group_order order : group_orders)
      for (std::int64_t c : {1, 3, 64}) {
        for (std::int64_t n : around(samples_per_chunk(lanes_of(dtype), dtype)))
          check_renorm(in_groups(make_problem(2 * n + 1, c, lanes_of(dtype), dtype, RENORM_NCHW), 2, order));
        if (reduced() && c > 1) continue;
        for (std::int64_t rows : around(rows_per_chunk(c, dtype))) {
          check_renorm(in_groups(make_problem(2 * rows + 1, c, 1, dtype, RENORM_NHWC), 2, order));
          check_renorm(in_groups(make_problem(3, c, rows, dtype, RENORM_NHWC), 2, order));
        }
        for (std::int64_t s : around(additions * lanes_of(dtype)))
          if (c <= 3) check_renorm(in_groups(make_problem(3, c, s, dtype, RENORM_NCHW), 2, order));
      }
}

TEST_F(Shapes, Masks) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts)
      for (renorm_mask_kind kind : {RENORM_MASK_BYTES, RENORM_MASK_LENGTHS})
        for (std::int64_t c : channels())
          for (std::int64_t s : {std::int64_t(1), lanes_of(dtype) - 1, 3 * lanes_of(dtype) + 5, std::int64_t(300)}) {
            if (c * s > (reduced() ? 1000 : 12000)) continue;
            problem const p = masked(make_problem(6, c, s, dtype, layout), kind, static_cast<std::uint64_t>(s + c));
            check_all(p);
            for (renorm_group_order order : group_orders) check_renorm(in_groups(p, 4, order));
          }
}

TEST_F(Shapes, ChunkBordersOfMasks) {
  for (renorm_dtype dtype : dtypes)
    for (std::int64_t c : {1, 3}) {
      for (std::int64_t rows : around(rows_per_chunk(c, dtype)))
        check_renorm(masked(make_problem(3, c, rows, dtype, RENORM_NHWC), RENORM_MASK_BYTES, 5));
      for (std::int64_t s : around(additions * lanes_of(dtype)))
        check_renorm(masked(make_problem(3, c, s, dtype, RENORM_NCHW), RENORM_MASK_BYTES, 6));
    }
}

TEST_F(Shapes, NothingIsValid) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts)
      for (std::int64_t groups : {1, 2}) {
        problem const p = make_problem(4, 5, 7, dtype, layout);
        check_all(in_groups(masked(p, RENORM_MASK_LENGTHS, position_mask(p.per_channel())), groups, RENORM_GROUPS_CONTIGUOUS));
      }
}

// ---------------------------------------------------------------- epilogues

constexpr renorm_epilogue epilogues[] = {RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU};

TEST_F(Shapes, Epilogues) {
  for (renorm_dtype dtype : dtypes)
    for (renorm_layout layout : layouts)
      for (std::int64_t c : {3, 64})
        for (std::int64_t s : {std::int64_t(1), std::int64_t(7), lanes_of(dtype) + 3, 3 * lanes_of(dtype) + 5}) {
          if (reduced() && s > 7) continue;
          problem const plain = make_problem(9, c, s, dtype, layout);
          problem const parted = in_groups(masked(plain, RENORM_MASK_BYTES, 3), 2, RENORM_GROUPS_INTERLEAVED);
          for (renorm_epilogue epilogue : epilogues)
            for (aliasing alias : {aliasing::none, aliasing::onto_dy, aliasing::onto_x})
              for (problem const& p : {plain, parted}) {
                way how;
                how.alias = alias;
                how.parts = c % 2 == 0;
                for (variant const& v : variants) check_training(fused(with_variant(p, v), epilogue, true), how);
                check_inference(fused(p, epilogue, false), how);
              }
        }
}

// ---------------------------------------------------------------- places in memory

// Heads and tails of all lengths in every loop, without taking long.
std::vector<problem> small_problems(renorm_dtype dtype) {
  std::vector<problem> problems;
  for (renorm_layout layout : layouts) {
    problems.push_back(make_problem(2, 3, lanes_of(dtype) + 5, dtype, layout));
    problems.push_back(make_problem(3, 37, 7, dtype, layout));
    problems.push_back(masked(problems.back(), RENORM_MASK_BYTES, 2));
    problems.back().desc.groups = 2;
    if (reduced()) continue;
    problems.push_back(make_problem(1, 1, 1, dtype, layout));
    problems.push_back(make_problem(5, 130, 1, dtype, layout));
    problems.push_back(make_problem(4, 16, 2 * lanes_of(dtype), dtype, layout));
  }
  return problems;
}

constexpr aliasing aliases[] = {aliasing::none, aliasing::onto_dy, aliasing::onto_x};

TEST_F(Shapes, EveryAlignment) {
  for (renorm_dtype dtype : dtypes)
    for (problem const& p : small_problems(dtype))
      for (aliasing alias : aliases)
        for (std::size_t offset = 0; offset < 16; offset += reduced() ? 5 : 1) {
          SCOPED_TRACE(testing::Message() << "offset " << offset << ", aliasing " << static_cast<int>(alias));
          way how;
          how.alias = alias;
          how.where.offset = offset;
          how.parts = offset % 2 == 1;
          check_all(p, how);
        }
}

TEST_F(Shapes, NextToUnmappedPages) {
  if (reduced()) GTEST_SKIP() << "needs the processor's own pages";
  auto const check = [&](problem const& p, aliasing alias, bool parts) {
    for (edge guard : {edge::at_end, edge::at_start}) {
      SCOPED_TRACE(testing::Message() << "edge " << static_cast<int>(guard) << ", aliasing " << static_cast<int>(alias));
      way how;
      how.parts = parts;
      how.alias = alias;
      how.where.guard = guard;
      check_all(p, how);
    }
  };
  for (renorm_dtype dtype : dtypes) {
    for (problem const& p : small_problems(dtype))
      for (aliasing alias : aliases)
        for (bool parts : {false, true}) check(p, alias, parts);
    for (std::int64_t s : tails(dtype)) {
      check(make_problem(2, 2, s, dtype, RENORM_NCHW), aliasing::none, s % 2 == 0);
      check(make_problem(2, 2, s, dtype, RENORM_NHWC), aliasing::none, s % 2 == 0);
      check(make_problem(3, s, 1, dtype, RENORM_NHWC), aliasing::none, s % 2 == 0);
    }
  }
}

}  // namespace
}  // namespace renorm_test
