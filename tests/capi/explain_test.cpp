// What renorm_explain and the trace say of a call is the call, and what it does.
#include "capi/capi_call.hpp"
#include "support/caches.hpp"
#include "support/isas.hpp"
#include "support/problem.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <clocale>
#include <cstring>
#include <limits>
#include <regex>
#include <thread>

namespace {

using capi::call;
using capi::operation;
using renorm_test::make_desc;
using renorm_test::told_caches;

std::string line_of(renorm_desc const& desc, renorm_op op, renorm_exec const* exec = nullptr) {
  char line[RENORM_EXPLAIN_BYTES];
  EXPECT_EQ(renorm_explain(&desc, op, exec, line, sizeof line), RENORM_OK) << capi::last_error();
  return line;
}

std::string call_of(std::string const& line) { return line.substr(0, line.find(": ")); }

// Threads that are lent, and do nothing: the library does it itself.
renorm_exec lent(std::int32_t concurrency) {
  renorm_exec exec = {};
  exec.struct_size = sizeof exec;
  exec.concurrency = concurrency;
  exec.parallel_for = [](void*, std::size_t, renorm_task, void*) { return 0; };
  return exec;
}

TEST(Explain, BeginsWithTheCall) {
  renorm_desc desc = make_desc(32, 64, 12544);
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_TRAIN)), "train/nchw/f32/32x64x12544/t1");
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_FOLD)), "fold/nchw/f32/32x64x12544/t1");
  desc.groups = 0;
  desc.flags = RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_RMIN;
  desc.rmin = 0.1;
  desc.momentum = 1 / 3.0;
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_BACKWARD_REDUCE)),
            "backward_reduce/nchw/f32/32x64x12544/t1/batch_renorm/rmin=0.1/momentum=0.3333333333333333");
  desc.layout = RENORM_NHWC;
  desc.flags = RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA | RENORM_FLAG_UNBIASED | RENORM_FLAG_UNBIASED_RUNNING |
               RENORM_FLAG_KEEP_RUNNING | RENORM_FLAG_CUMULATIVE | RENORM_FLAG_RMIN | RENORM_FLAG_SKIP_NONFINITE;
  desc.param_dtype = desc.stats_dtype = RENORM_F64;
  desc.epilogue = RENORM_EPILOGUE_ADD_RELU;
  desc.groups = 4;
  desc.group_order = RENORM_GROUPS_INTERLEAVED;
  desc.mask_kind = RENORM_MASK_LENGTHS;
  desc.eps = 1e-3;
  desc.momentum = 0.25;
  desc.rmax = std::numeric_limits<double>::infinity();
  desc.dmax = 5.5e-300;
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_APPLY)),
            "apply/nhwc/f32/32x64x12544/t1/batch_renorm/track_sigma/unbiased/unbiased_running/keep_running/cumulative/skip_nonfinite/"
            "rmin=0.1/params=f64/stats=f64/add_relu/groups=4/interleaved/mask=lengths/eps=0.001/momentum=0.25/rmax=inf/dmax=5.5e-300");
  desc = make_desc(0, 0, 0);
  desc.dtype = desc.param_dtype = RENORM_F64;
  desc.epilogue = RENORM_EPILOGUE_RELU;
  desc.mask_kind = RENORM_MASK_BYTES;
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_MOMENTS)), "moments/nchw/f64/0x0x0/t1/relu/mask=bytes");
  desc.epilogue = RENORM_EPILOGUE_ADD;
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_INFERENCE)), "inference/nchw/f64/0x0x0/t1/add/mask=bytes");
}

TEST(Explain, NamesEveryOperationAsItsFunction) {
  for (operation const& op : capi::operations()) {
    std::string const line = line_of(capi::small_desc(), op.id);
    EXPECT_EQ(line.substr(0, line.find('/')), op.name);
  }
}

TEST(Explain, ThreadsAreThoseOfTheExecutor) {
  renorm_desc const desc = make_desc(2, 3, 4);
  renorm_exec exec = lent(7);
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_TRAIN, &exec)), "train/nchw/f32/2x3x4/t7");
  exec.concurrency = 0;
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_TRAIN, &exec)), "train/nchw/f32/2x3x4/t16");
  exec.concurrency = 7;
  exec.parallel_for = nullptr;
  EXPECT_EQ(call_of(line_of(desc, RENORM_OP_TRAIN, &exec)), "train/nchw/f32/2x3x4/t1");
}

TEST(Explain, HasAPointInEveryLocale) {
  bool found = false;
  for (char const* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8"}) {
    if (std::setlocale(LC_NUMERIC, name) == nullptr) continue;
    found = true;
    renorm_desc desc = make_desc(2, 3, 4);
    desc.eps = 0.125;
    EXPECT_EQ(call_of(line_of(desc, RENORM_OP_TRAIN)), "train/nchw/f32/2x3x4/t1/eps=0.125");
  }
  std::setlocale(LC_NUMERIC, "C");
  if (!found) GTEST_SKIP() << "no locale with another decimal point";
}

TEST(Explain, IsCutOffWhereThereIsNoRoom) {
  renorm_desc const desc = make_desc(32, 64, 12544);
  std::string const whole = line_of(desc, RENORM_OP_TRAIN);
  for (std::size_t cap = 1; cap <= whole.size() + 1; ++cap) {
    std::vector<char> buffer(cap + 8, '#');
    ASSERT_EQ(renorm_explain(&desc, RENORM_OP_TRAIN, nullptr, buffer.data(), cap), RENORM_OK);
    EXPECT_EQ(std::string(buffer.data()), whole.substr(0, cap - 1));
    for (std::size_t i = cap; i < buffer.size(); ++i) EXPECT_EQ(buffer[i], '#');
  }
}

// All that can be long, at its longest.
TEST(Explain, FitsItsBytes) {
  renorm_desc desc = make_desc(1, INT64_MAX / 16384 / 16, 8192);
  desc.layout = RENORM_NHWC;
  desc.flags = 0xff;
  desc.param_dtype = desc.stats_dtype = RENORM_F64;
  desc.epilogue = RENORM_EPILOGUE_ADD_RELU;
  desc.groups = 16;
  desc.group_order = RENORM_GROUPS_INTERLEAVED;
  desc.mask_kind = RENORM_MASK_LENGTHS;
  desc.rmin = desc.eps = desc.momentum = 2.2250738585072014e-308;
  desc.rmax = desc.dmax = 1.7976931348623157e308;
  renorm_exec const exec = lent(INT32_MAX);
  constexpr renorm::cpu::cache_size largest = {std::size_t(1) << 40, renorm::cpu::cache_source::leaf_80000006};
  told_caches const sizes({largest, largest, 0, true, true});
  std::string const line = line_of(desc, RENORM_OP_INFERENCE_BACKWARD, &exec);
  EXPECT_NE(line.find("sweep: "), std::string::npos);
  EXPECT_LT(line.size(), RENORM_EXPLAIN_BYTES - 200u) << line;  // room for what later versions add
}

// Portions as parallel_for is asked for them, one after the other.
std::vector<std::size_t> portions_in(std::string const& line) {
  std::vector<std::size_t> found;
  std::smatch match;
  if (std::regex_search(line, match, std::regex("reduction: [^;]*portions ([0-9]+)"))) found.push_back(std::stoul(match[1]));
  bool const fused = line.find("fused with the reduction") != std::string::npos;
  if (!fused && std::regex_search(line, match, std::regex("sweep: portions ([0-9]+)"))) found.push_back(std::stoul(match[1]));
  std::vector<std::size_t> shared;
  for (std::size_t const portions : found)
    if (portions > 1) shared.push_back(std::min<std::size_t>(portions, 512));
  return shared;
}

// Tensors large enough for threads, but for one, statistics small enough for none.
TEST(Explain, PortionsAreThoseOfTheCall) {
  static std::vector<std::size_t> asked;
  std::size_t shared = 0;
  for (operation const& op : capi::operations())
    for (renorm_desc desc :
         capi::every_layout_and_dtype({{3, 5, 4099}, {40, 64, 49}, {9, 3, 3000}, {700, 96, 1}, {1, 1, 70000}, {4, 16, 8}})) {
      desc.mask_kind = RENORM_MASK_NONE;
      for (std::int32_t const concurrency : {1, 2, 5, 64}) {
        call c(op, desc);
        c.exec().concurrency = concurrency;
        c.exec().parallel_for = [](void*, std::size_t n, renorm_task, void*) {
          asked.push_back(n);
          return 0;
        };
        asked.clear();
        std::string const line = line_of(desc, op.id, &c.exec());
        ASSERT_EQ(c.run(), RENORM_OK) << capi::last_error();
        EXPECT_EQ(asked, concurrency == 1 ? std::vector<std::size_t>() : portions_in(line)) << line;
        shared += asked.size();
      }
    }
  EXPECT_GT(shared, 1000u);
}

bool streams(std::string const& line) { return line.find("past the caches") != std::string::npos; }

TEST(Explain, SaysWhatTheCachesDecide) {
  std::size_t const mb = 1024 * 1024;
  renorm_desc desc = make_desc(16, 64, 784);  // x and y are 6.4 MB
  auto const line_with = [&](std::size_t l2, std::size_t l3, bool past_l2, renorm_op op = RENORM_OP_TRAIN) {
    told_caches const sizes({{l2, {}}, {l3, {}}, 0, past_l2, false});
    return line_of(desc, op);
  };
  EXPECT_TRUE(streams(line_with(mb, 32 * mb, true)));
  EXPECT_FALSE(streams(line_with(8 * mb, 32 * mb, true)));
  EXPECT_FALSE(streams(line_with(mb, 32 * mb, false)));
  EXPECT_TRUE(streams(line_with(mb, 4 * mb, false)));
  EXPECT_FALSE(streams(line_with(mb, 4 * mb, false, RENORM_OP_MOMENTS)));
  desc.epilogue = RENORM_EPILOGUE_ADD;  // and z
  EXPECT_TRUE(streams(line_with(mb, 8 * mb, false)));
  desc.mask_kind = RENORM_MASK_BYTES;
  EXPECT_FALSE(streams(line_with(mb, 8 * mb, false)));
  desc = make_desc(64, 64, 49);
  EXPECT_NE(line_with(mb / 4, mb, true).find("planes side by side"), std::string::npos);
  EXPECT_EQ(line_with(mb * 4, mb, true).find("planes side by side"), std::string::npos);
  EXPECT_NE(line_with(12345, 67890, true).find("l2 12345 (unknown), l3 67890 (unknown)"), std::string::npos);
}

// On one core complex, and on two.
TEST(Explain, ThreadsOnMoreComplexesHaveMoreCache) {
  std::size_t const mb = 1024 * 1024;
  told_caches const sizes({{mb, {}}, {4 * mb, {}}, 8, false, false});
  for (std::int32_t const threads : {1, 8, 9, 16, 17}) {
    renorm_exec const exec = lent(threads);
    EXPECT_EQ(streams(line_of(make_desc(16, 64, 784), RENORM_OP_TRAIN, &exec)), threads <= 8) << threads;
  }
}

class Caches : public renorm_test::IsaTest {
 protected:
  ~Caches() override {
    unsetenv("RENORM_CACHES");
    renorm::cpu::set_caches(nullptr);
  }
  static void read(char const* user) {
    setenv("RENORM_CACHES", user, 1);
    renorm::cpu::set_caches(nullptr);
  }
};

TEST_F(Caches, OfTheUserAreInTheLine) {
  renorm_desc const desc = make_desc(32, 64, 12544);
  std::string const own = line_of(desc, RENORM_OP_TRAIN);
  read("100000,200000");
  EXPECT_NE(line_of(desc, RENORM_OP_TRAIN).find("l2 100000 (RENORM_CACHES), l3 200000 (RENORM_CACHES);"), std::string::npos);
  read("100000");
  std::string const malformed = line_of(desc, RENORM_OP_TRAIN);
  EXPECT_NE(malformed.find(", RENORM_CACHES is malformed and ignored;"), std::string::npos) << malformed;
  EXPECT_EQ(std::regex_replace(malformed, std::regex(", RENORM_CACHES is malformed and ignored"), ""), own);
}

TEST_F(Caches, ChangeNoBit) {
  for_each_isa([&] {
    for (operation const& op : capi::operations())
      for (renorm_desc desc : capi::every_layout_and_dtype({{9, 37, 49}, {3, 5, 1031}, {70, 33, 1}})) {
        desc.mask_kind = RENORM_MASK_NONE;
        std::vector<capi::results> all;
        for (char const* user : {"1,1", "30000,1000000", "1099511627776,1099511627776"}) {
          read(user);
          call c(op, desc);
          ASSERT_EQ(c.run(), RENORM_OK) << capi::last_error();
          all.push_back(c.outputs());
        }
        EXPECT_TRUE(all[0] == all[1] && all[1] == all[2]) << capi::describe(op, desc);
      }
  });
}

struct told {
  std::vector<std::string> lines;
  std::vector<double> times;
  std::thread::id thread;

  static void trace(void* self, char const* line, double microseconds) {
    told& t = *static_cast<told*>(self);
    t.lines.push_back(line);
    t.times.push_back(microseconds);
    t.thread = std::this_thread::get_id();
  }
};

class Trace : public testing::Test {
 protected:
  ~Trace() override { renorm_set_trace(nullptr, nullptr); }
};

TEST_F(Trace, IsToldOfEveryCallThatIsNotRefused) {
  for (operation const& op : capi::operations()) {
    told here;
    renorm_set_trace(&told::trace, &here);
    call c(op);
    auto const start = std::chrono::steady_clock::now();
    ASSERT_EQ(c.run(), RENORM_OK);
    double const taken = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    ASSERT_EQ(here.lines.size(), 1u);
    EXPECT_EQ(here.lines[0], line_of(c.desc(), op.id, &c.exec()));
    EXPECT_EQ(here.thread, std::this_thread::get_id());
    EXPECT_GT(here.times[0], 0);
    EXPECT_LT(here.times[0], taken);
    c.set_struct_size(call::args_part, 3);
    EXPECT_EQ(c.run(), RENORM_ERROR_STRUCT_SIZE);
    EXPECT_EQ(here.lines.size(), 1u) << op.name;
    renorm_set_trace(nullptr, &here);
    EXPECT_EQ(call(op).run(), RENORM_OK);
    EXPECT_EQ(here.lines.size(), 1u) << op.name;
  }
}

TEST_F(Trace, ChangesNoResult) {
  told here;
  for (operation const& op : capi::operations()) {
    call untold(op), traced(op);
    EXPECT_EQ(untold.run(), RENORM_OK);
    renorm_set_trace(&told::trace, &here);
    EXPECT_EQ(traced.run(), RENORM_OK);
    renorm_set_trace(nullptr, nullptr);
    EXPECT_TRUE(untold.outputs() == traced.outputs()) << op.name;
  }
}

// Each function is told with its own argument, whoever sets another one meanwhile.
TEST_F(Trace, FunctionAndArgumentStayTogether) {
  static std::atomic<int> calls[2], wrong;
  static int arguments[2];
  renorm_trace const functions[] = {[](void* ctx, char const*, double) { ++(ctx == &arguments[0] ? calls[0] : wrong); },
                                    [](void* ctx, char const*, double) { ++(ctx == &arguments[1] ? calls[1] : wrong); }};
  std::atomic<bool> done{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i)
    callers.emplace_back([&] {
      call c(capi::find_operation(RENORM_OP_MERGE));
      while (!done) EXPECT_EQ(c.run(), RENORM_OK);
    });
  for (int i = 0; i < 400; ++i) {
    int const before = calls[i % 2];
    renorm_set_trace(functions[i % 2], &arguments[i % 2]);
    while (calls[i % 2] == before) std::this_thread::yield();
  }
  done = true;
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
