// The same bits for any number of threads, any executor, any alignment, whole calls and parts, and on every instruction set that
// promises them.
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/isas.hpp"
#include "support/reduced.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <map>

namespace renorm_test {
namespace {

struct extents {
  std::int64_t n, c, s;
};

// Few, odd and many channels; one sample, one position, long planes; small calls, and calls large enough to be shared out.
std::vector<extents> shapes() {
  if (reduced()) return {{3, 17, 5}, {1, 1, 33000}};
  return {{1, 1, 1},    {5, 3, 7},     {2, 37, 29},   {40, 16, 9},   {1, 1, 70001}, {1, 8, 4097},
          {2, 3, 9001}, {10, 130, 49}, {1200, 64, 1}, {1500, 37, 3}, {2000, 1, 33}, {24, 16, 196}};
}

// How a batch is taken apart.
struct partition {
  std::int64_t groups;
  renorm_group_order order;
  renorm_mask_kind mask;

  problem of(problem p) const {
    p.desc.groups = groups;
    p.desc.group_order = order;
    return mask == RENORM_MASK_NONE ? p : masked(p, mask, 3);
  }
};

std::vector<partition> partitions() {
  return {{3, RENORM_GROUPS_CONTIGUOUS, RENORM_MASK_NONE},
          {4, RENORM_GROUPS_INTERLEAVED, RENORM_MASK_NONE},
          {50, RENORM_GROUPS_CONTIGUOUS, RENORM_MASK_NONE},
          {1, RENORM_GROUPS_CONTIGUOUS, RENORM_MASK_BYTES},
          {2, RENORM_GROUPS_INTERLEAVED, RENORM_MASK_LENGTHS}};
}

// The same kinds of shapes as above, with some samples.
std::vector<extents> shapes_to_part() {
  if (reduced()) return {{7, 17, 5}, {3, 1, 5601}};
  return {{7, 3, 7}, {5, 37, 29}, {40, 16, 9}, {10, 130, 49}, {3, 2, 9001}, {1200, 64, 1}, {150, 37, 3}, {24, 16, 196}};
}

// Flags of training steps.
std::vector<std::uint32_t> variants() {
  constexpr std::uint32_t renorm = RENORM_FLAG_BATCH_RENORM, unbiased = RENORM_FLAG_UNBIASED | RENORM_FLAG_UNBIASED_RUNNING;
  if (reduced()) return {renorm | unbiased};
  return {0, unbiased, renorm, renorm | RENORM_FLAG_TRACK_SIGMA | RENORM_FLAG_SKIP_NONFINITE};
}

// In place, a portion that is done twice shows.
aliasing in_place(std::int32_t threads) { return threads == 2 ? aliasing::onto_dy : threads == 7 ? aliasing::onto_x : aliasing::none; }

struct team {
  renorm_parallel_for parallel_for;
  std::int32_t threads;
};

// In order and out of it; one thread, few, and more than there are processors.
std::vector<team> teams() {
  if (reduced()) return {{hostile_parallel_for, 2}, {fair_parallel_for, 3}};
  return {{hostile_parallel_for, 1}, {hostile_parallel_for, 2}, {fair_parallel_for, 3}, {hostile_parallel_for, 7}};
}

// Flags decide what is computed for a channel, once its sums are there, and not which thread does what.
std::vector<std::uint32_t> variants_on_threads() { return {variants().front(), variants().back()}; }

constexpr std::size_t tensor_kinds = 4;

// The i-th of the element types and layouts.
renorm_desc make_desc(extents const& e, std::size_t i) {
  renorm_desc desc = renorm_test::make_desc(e.n, e.c, e.s);
  desc.dtype = i % 2 == 0 ? RENORM_F32 : RENORM_F64;
  desc.layout = i / 2 == 0 ? RENORM_NCHW : RENORM_NHWC;
  return desc;
}

std::string describe(renorm_desc const& d) {
  std::string const extents = std::to_string(d.n) + 'x' + std::to_string(d.c) + 'x' + std::to_string(d.s);
  std::string const parts = d.groups > 1 || d.mask_kind != 0 ? " groups " + std::to_string(d.groups) + " order " +
                                                                   std::to_string(d.group_order) + " mask " + std::to_string(d.mask_kind)
                                                             : "";
  std::string const epilogue = d.epilogue == RENORM_EPILOGUE_NONE ? "" : " epilogue " + std::to_string(d.epilogue);
  return std::string(d.dtype == RENORM_F32 ? "f32 " : "f64 ") + (d.layout == RENORM_NCHW ? "nchw " : "nhwc ") + extents + parts + epilogue +
         " flags " + std::to_string(d.flags);
}

// A problem of every shape, element type and layout.
template <class Body> void for_each_problem(std::vector<extents> const& shapes, Body const& body) {
  for (extents const& e : shapes)
    for (std::size_t i = 0; i < tensor_kinds; ++i) body(mixed_problem(make_desc(e, i), static_cast<std::uint64_t>(e.n + e.c + e.s) + i));
}

// Every step of every problem: body(problem, step), step being train or infer.
template <class Body>
void for_each_step(std::vector<extents> const& shapes, std::vector<std::uint32_t> const& flags_of_training, Body const& body) {
  for_each_problem(shapes, [&](problem p) {
    body(p, infer);
    for (std::uint32_t flags : flags_of_training) {
      p.desc.flags = flags;
      body(p, train);
    }
  });
}

// The same for batches in parts.
template <class Body> void for_each_step_in_parts(std::vector<extents> const& shapes, Body const& body) {
  for_each_step(shapes, {RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_UNBIASED_RUNNING}, [&](problem const& p, auto const& step) {
    for (partition const& parts : partitions()) body(parts.of(p), step);
  });
}

constexpr renorm_epilogue epilogues[] = {RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU};

problem with_epilogue(problem p, renorm_epilogue epilogue) {
  p.desc.epilogue = epilogue;
  if (p.add()) p.z.assign(p.dy.rbegin(), p.dy.rend());
  return p;
}

// SSE2 has no fused multiply-add, and bits of its own.
bool promises_bits(renorm_isa isa) { return std::strcmp(renorm_isa_name(isa), "sse2") != 0; }

class Bits : public IsaTest {
 protected:
  // body(what the plain step gives on the scalar instruction set) on every one.
  template <class Step, class Body> void for_each_isa_with(problem const& p, Step const& step, Body const& body) {
    SCOPED_TRACE(describe(p.desc));
    ASSERT_EQ(renorm_set_max_isa(RENORM_ISA_SCALAR), RENORM_OK);
    values const scalar = step(p, {});
    for_each_isa([&] { body(promises_bits(renorm_active_isa()) ? scalar : step(p, {})); });
  }

  template <class Body> void for_each_promising_isa(Body const& body) {
    for_each_isa([&] {
      if (promises_bits(renorm_active_isa())) body();
    });
  }
};

TEST_F(Bits, AreTheSameOnEveryIsa) {
  auto const check = [&](problem const& p, auto const& step) {
    for_each_isa_with(p, step, [&](values const& want) {
      expect_same_bits(step(p, {}), want);
      expect_same_bits(step(p, {true}), want);
    });
  };
  for_each_step(shapes(), variants(), check);
  for_each_step_in_parts(shapes_to_part(), check);
}

TEST_F(Bits, AreTheSameOnAnyThreads) {
  std::int64_t calls = 0;
  auto const check = [&](problem const& p, auto const& step) {
    for_each_isa_with(p, step, [&](values const& want) {
      for (auto const& [parallel_for, threads] : teams()) {
        SCOPED_TRACE(testing::Message() << threads << (parallel_for == fair_parallel_for ? " fair" : " hostile") << " threads");
        executor pool(threads);
        way how;
        how.parts = threads == 3;
        how.alias = in_place(threads);
        how.parallel_for = parallel_for;
        how.ctx = &pool;
        how.concurrency = threads;
        expect_same_bits(step(p, how), want);
        calls += pool.calls;
      }
    });
  };
  for_each_step(shapes(), variants_on_threads(), check);
  EXPECT_GT(calls, 0);
  calls = 0;
  for_each_step_in_parts(shapes_to_part(), check);
  EXPECT_GT(calls, 0);
}

// Of each loop that an epilogue is fused into, one shape.
TEST_F(Bits, OfEpiloguesAreTheSameOnEveryIsaAndOnAnyThreads) {
  std::vector<extents> const all_loops = {{7, 3, 7}, {5, 37, 29}, {10, 130, 49}, {3, 2, 9001}, {150, 37, 3}};
  for_each_step_in_parts(reduced() ? shapes_to_part() : all_loops, [&](problem const& plain, auto const& step) {
    for (renorm_epilogue epilogue : epilogues) {
      problem const p = with_epilogue(plain, epilogue);
      for_each_isa_with(p, step, [&](values const& want) {
        expect_same_bits(step(p, {}), want);
        executor pool(3);
        way how;
        how.parts = true;
        how.alias = aliasing::onto_x;
        how.parallel_for = hostile_parallel_for;
        how.ctx = &pool;
        how.concurrency = 3;
        expect_same_bits(step(p, how), want);
      });
    }
  });
}

TEST_F(Bits, AreTheSameForUnknownConcurrency) {
  for_each_step({{1, 2, 17000}}, variants(), [&](problem const& p, auto const& step) {
    for_each_isa_with(p, step, [&](values const& want) {
      executor pool(2);
      way how;
      how.parallel_for = hostile_parallel_for;
      how.ctx = &pool;
      expect_same_bits(step(p, how), want);
      EXPECT_GT(pool.calls, 0);
    });
  });
}

TEST_F(Bits, AreTheSameForAnyAlignment) {
  for_each_step({{3, 17, 5}, {2, 3, 41}, {2, 64, 9}}, variants(), [&](problem const& p, auto const& step) {
    for_each_isa_with(p, step, [&](values const& want) {
      for (aliasing alias : {aliasing::none, aliasing::onto_dy, aliasing::onto_x})
        for (std::size_t offset = 0; offset < 16; offset += reduced() ? 5 : 1) {
          SCOPED_TRACE(testing::Message() << "offset " << offset << ", aliasing " << static_cast<int>(alias));
          way how;
          how.alias = alias;
          how.where.offset = offset;
          how.parts = offset % 2 == 1;
          expect_same_bits(step(p, how), want);
        }
    });
  });
}

// It is the same memory in both, and a batch of values is the same one however it is split into samples.
TEST_F(Bits, OfOneChannelAreTheSameInBothLayoutsAndForAnySamples) {
  for (extents const& e : std::vector<extents>{{7, 1, 33}, {300, 1, 1}, {1, 1, 5001}, {64, 1, 49}})
    for (renorm_dtype const dtype : {RENORM_F32, RENORM_F64}) {
      renorm_desc desc = renorm_test::make_desc(e.n, e.c, e.s);
      desc.dtype = dtype;
      desc.flags = RENORM_FLAG_BATCH_RENORM;
      problem const p = mixed_problem(desc, 3);
      problem one_sample = p, last = p;
      one_sample.desc.s = e.n * e.s;
      one_sample.desc.n = 1;
      last.desc.layout = RENORM_NHWC;
      for_each_isa([&] {
        for (auto const& step : {train, infer}) {
          values const want = step(p, {});
          expect_same_bits(step(one_sample, {}), want);
          expect_same_bits(step(last, {}), want);
        }
        for (partition const& parts : partitions()) {
          expect_same_bits(train(parts.of(last)), train(parts.of(p)));
          expect_same_bits(infer(parts.of(last)), infer(parts.of(p)));
        }
      });
    }
}

TEST_F(Bits, OfAMaskThatLeavesNothingOutAreThoseOfNoMask) {
  for_each_step(shapes_to_part(), variants(), [&](problem const& p, auto const& step) {
    for_each_isa_with(p, step, [&](values const& want) {
      for (renorm_mask_kind kind : {RENORM_MASK_BYTES, RENORM_MASK_LENGTHS}) {
        problem all = p;
        all.desc.mask_kind = kind;
        all.mask.assign(p.per_channel(), 1);
        expect_same_bits(step(all, {}), want);
      }
    });
  });
}

// A pivot that is masked would not make results wrong, but others.
TEST_F(Bits, DoNotDependOnWhatIsMasked) {
  for_each_step_in_parts(shapes_to_part(), [&](problem const& p, auto const& step) {
    if (p.desc.mask_kind == RENORM_MASK_NONE) return;
    problem other = p;
    for (std::size_t i = 0; i < p.n(); ++i)
      for (std::size_t k = 0; k < p.s(); ++k)
        for (std::size_t c = 0; c < p.c() && !p.valid(i, k); ++c) other.x[p.at(i, c, k)] = other.dy[p.at(i, c, k)] = 1e3;
    for_each_isa_with(p, step, [&](values const& want) { expect_same_bits(step(other, {}), want); });
  });
}

// The samples of one group as a batch.
problem group_alone(problem const& p, std::size_t group) {
  problem alone = p;
  alone.desc.groups = 1;
  alone.x = alone.dy = {};
  std::size_t const size = p.c() * p.s();
  for (std::size_t i = 0; i < p.n(); ++i)
    if (p.group_of(i) == group) {
      auto const append = [&](array const& from, array& to) {
        to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(i * size),
                  from.begin() + static_cast<std::ptrdiff_t>((i + 1) * size));
      };
      append(p.x, alone.x);
      append(p.dy, alone.dy);
    }
  alone.desc.n = static_cast<std::int64_t>(alone.x.size() / std::max<std::size_t>(1, size));
  return alone;
}

// What a group has of the results of a batch; its share in the running statistics and the gradients of parameters is not seen.
values of_group(problem const& p, std::size_t group, values const& all) {
  values part;
  std::size_t const size = p.c() * p.s();
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 0; k < size && p.group_of(i) == group; ++k) {
      part.y.push_back(all.y[i * size + k]);
      part.dx.push_back(all.dx[i * size + k]);
    }
  for (std::size_t c = 0; c < p.c(); ++c) {
    std::size_t const at = group * p.c() + c;
    part.mean.push_back(all.mean[at]);
    part.var.push_back(all.var[at]);
    part.sigma.push_back(all.sigma[at]);
    part.r.push_back(all.r[at]);
    part.d.push_back(all.d[at]);
  }
  return part;
}

// Rows of interleaved groups of NHWC are not next to each other, and share lanes in another way.
TEST_F(Bits, OfAGroupAreThoseOfItsSamplesAlone) {
  for_each_step(shapes_to_part(), variants(), [&](problem const& p, auto const& step) {
    if (step == infer) return;
    for (renorm_group_order order : {RENORM_GROUPS_CONTIGUOUS, RENORM_GROUPS_INTERLEAVED}) {
      if (order == RENORM_GROUPS_INTERLEAVED && (p.desc.layout == RENORM_NHWC || p.s() == 1)) continue;
      problem const grouped = partition{3, order, RENORM_MASK_NONE}.of(p);
      SCOPED_TRACE(describe(grouped.desc));
      for_each_isa([&] {
        values const got = train(grouped);
        for (std::size_t g = 0; g < 3; ++g) {
          values want = train(group_alone(grouped, g));
          want.running_mean = want.running_var = want.dgamma = want.dbeta = {};
          expect_same_bits(of_group(grouped, g, got), want);
        }
      });
    }
  });
}

// Parts that no step is made of.
TEST_F(Bits, OfMergeAndSigmaFloor) {
  for (std::int64_t c : {1, 2, 3, 7, 8, 9, 16, 37}) {
    SCOPED_TRACE(c);
    problem const p = mixed_problem(make_desc({1, c, 2}, 1), 3);
    auto const run = [&] {
      std::int64_t count = 5;
      std::int64_t const other_count = 7;
      values v;
      v.mean = p.running_mean;
      v.var = v.r = v.d = v.sigma = p.running_var;
      renorm_merge_args merge{};
      merge.struct_size = sizeof merge;
      merge.count = &count;
      merge.mean = v.mean.data();
      merge.m2 = v.var.data();
      merge.other_count = &other_count;
      merge.other_mean = p.beta.data();
      merge.other_m2 = p.running_var.data();
      EXPECT_EQ(renorm_merge(&p.desc, &merge, nullptr), RENORM_OK);

      renorm_desc desc = p.desc;
      desc.flags = RENORM_FLAG_BATCH_RENORM;
      renorm_correction_args correction{};
      correction.struct_size = sizeof correction;
      correction.count = &count;
      correction.mean = v.mean.data();
      correction.m2 = v.var.data();
      correction.running_mean = p.running_mean.data();
      correction.running_var = p.running_var.data();
      correction.sigma_floor = 1.5;
      correction.sigma = v.sigma.data();
      correction.r = v.r.data();
      correction.d = v.d.data();
      EXPECT_EQ(renorm_correction(&desc, &correction, nullptr), RENORM_OK);
      v.running_var = v.var;
      return v;
    };
    ASSERT_EQ(renorm_set_max_isa(RENORM_ISA_SCALAR), RENORM_OK);
    values const want = run();
    for_each_promising_isa([&] { expect_same_bits(run(), want); });
  }
}

std::string hexadecimal(std::uint64_t v) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, v);
  return digits;
}

std::uint64_t hash_of(values const& v) {
  std::uint64_t hash = 0;
  for_each_array([&](char const*, array const& a) { hash = hash_bits(a, hash); }, v);
  return hash;
}

std::uint64_t hash_of(folded const& f) { return hash_bits(f.bias, hash_bits(f.weights, hash_bits(f.scale, 0))); }

// A line for each result, and one for all so far at the end of each kind of them.
std::vector<std::string> hashes_of_results() {
  std::vector<extents> const whole = {{1, 1, 1}, {3, 17, 5}, {2, 3, 41}, {2, 64, 9}, {5, 37, 1}, {1, 1, 9001}};
  std::vector<extents> const to_part = {{7, 17, 5}, {5, 37, 29}, {3, 1, 5001}};
  std::vector<std::uint32_t> const variants = {0, RENORM_FLAG_UNBIASED | RENORM_FLAG_UNBIASED_RUNNING,
                                               RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA};
  std::vector<std::string> lines;
  std::uint64_t total = 0;
  auto const add = [&](problem const& p, auto const& result, std::string const& name) {
    std::uint64_t const hash = hash_of(result);
    total = (total ^ hash) * 0x9e3779b97f4a7c15u;
    lines.push_back(hexadecimal(hash) + ' ' + describe(p.desc) + ' ' + name);
  };
  auto const add_step = [&](problem const& p, auto const& step) { add(p, step(p, {}), step == infer ? "inference" : "training"); };
  auto const add_total = [&] { lines.push_back(hexadecimal(total) + " total"); };

  for_each_step(whole, variants, add_step);
  add_total();
  for_each_step_in_parts(to_part, [&](problem const& p, auto const& step) {
    add_step(p, step);
    for (renorm_epilogue epilogue : epilogues) add_step(with_epilogue(p, epilogue), step);
  });
  add_total();
  for_each_problem(whole, [&](problem const& p) {
    problem fused = with_epilogue(p, RENORM_EPILOGUE_ADD_RELU);
    fused.desc.flags = RENORM_FLAG_BATCH_RENORM;
    add(fused, train_in_shards(fused, {0, p.n() / 2, p.n()}), "shards");
    add(p, fold(p), "fold");
  });
  add_total();
  return lines;
}

// Prints them, so that builds by other compilers and for other processors can be compared: after "bits", or "bits-" and the name of an
// instruction set that has bits of its own.
TEST_F(Bits, Hash) {
  std::map<std::string, std::vector<std::string>> printed;
  for_each_isa([&] {
    renorm_isa const isa = renorm_active_isa();
    std::string const prefix = promises_bits(isa) ? "bits" : std::string("bits-") + renorm_isa_name(isa);
    std::vector<std::string> const lines = hashes_of_results();
    auto const [first, is_first] = printed.emplace(prefix, lines);
    EXPECT_EQ(lines, first->second);
    if (!is_first) return;
    for (std::string const& line : lines) std::printf("%s %s\n", prefix.c_str(), line.c_str());
  });
}

}  // namespace
}  // namespace renorm_test
