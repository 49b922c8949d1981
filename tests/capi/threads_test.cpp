// Calls from many threads at once, and calls that lend threads.
#include "capi/capi_call.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace {

using capi::call;
using capi::operation;
using capi::operations;

capi::results serial(operation const& op, renorm_desc const& desc) {
  call c(op, desc);
  EXPECT_EQ(c.run(), RENORM_OK) << capi::last_error();
  return c.outputs();
}

// Calls of parallel_for by a call that is given an executor. It runs nothing: the calling thread does.
int lent_calls(operation const& op, renorm_desc const& desc, int32_t concurrency) {
  call c(op, desc);
  int calls = 0;
  c.exec().ctx = &calls;
  c.exec().concurrency = concurrency;
  c.exec().parallel_for = [](void* ctx, size_t n, renorm_task, void*) -> int32_t {
    EXPECT_GT(n, 1u);
    ++*static_cast<int*>(ctx);
    return -1;
  };
  EXPECT_EQ(c.run(), RENORM_OK);
  EXPECT_TRUE(c.outputs() == serial(op, desc));
  return calls;
}

// Tensors of just below and of exactly 128 KB in one of the two types.
TEST(Threads, LargeCallsUseTheExecutorSmallOnesDoNotAndNoneDependsOnIt) {
  for (operation const& op : operations())
    for (renorm_desc const& desc : capi::every_layout_and_dtype({{2, 64, 127}, {2, 64, 256}})) {
      SCOPED_TRACE(capi::describe(op, desc));
      bool const sweeps = op.has("x");
      std::size_t const bytes = capi::element_count(capi::extent::tensor, desc) * capi::element_size(capi::extent::tensor, desc);
      EXPECT_EQ(lent_calls(op, desc, 4) > 0, sweeps && bytes >= 128 * 1024);
      EXPECT_EQ(lent_calls(op, desc, 1), 0);
    }
}

// As many doubles, for a tensor of half the size.
TEST(Threads, ManyGroupsAreSharedOutBelowThat) {
  renorm_desc desc = capi::small_desc();
  desc.c = 64;
  desc.s = 1;
  for (int64_t const groups : {255, 256}) {
    desc.n = desc.groups = groups;
    EXPECT_EQ(lent_calls(capi::find_operation(RENORM_OP_APPLY), desc, 4), groups == 256) << groups;
  }
}

// Small calls, many times over, so that most of the time is spent inside them.
TEST(Threads, ConcurrentCallsGiveTheBitsOfSerialOnes) {
  std::atomic<int> wrong{0};
  auto const repeat = [&](operation const& op, renorm_desc const& desc, capi::bytes const& expected, bool without_exec) {
    call c(op, desc);
    if (without_exec) c.parts[call::exec_part].clear();
    capi::bytes const fresh = c.memory;
    for (int i = 0; i < 200; ++i) {
      c.memory = fresh;
      if (c.run() != RENORM_OK || !std::equal(expected.begin(), expected.end(), c.memory.begin())) ++wrong;
    }
  };
  for (operation const& op : operations())
    for (renorm_desc const& desc : capi::every_layout_and_dtype({{2, 16, 64}, {40, 5, 9}, {100, 33, 1}})) {
      call serial(op, desc);
      EXPECT_EQ(serial.run(), RENORM_OK);
      capi::bytes const expected = serial.arrays();
      std::vector<std::thread> threads;
      for (int t = 0; t < 8; ++t) threads.emplace_back([&, t] { repeat(op, desc, expected, t % 2 == 0); });
      for (std::thread& thread : threads) thread.join();
      EXPECT_EQ(wrong.exchange(0), 0) << capi::describe(op, desc);
    }
}

TEST(Threads, EachThreadHasItsOwnLastError) {
  std::atomic<int> ready{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 100; ++round) {
        int const unknown = 1000 + t * 100 + round;
        renorm_set_max_isa(unknown);
        ++ready;
        while (ready < 8 * (round + 1)) std::this_thread::yield();  // until all have failed
        if (capi::last_error().find(std::to_string(unknown)) == std::string::npos) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
