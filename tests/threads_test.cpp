// Calls from many threads at once, and calls that lend threads.
#include "capi_call.hpp"

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

// This executor runs nothing: the calling thread does.
TEST(Threads, LargeCallsUseTheExecutorAndDependOnItForNothing) {
  renorm_desc desc = capi::small_desc();
  desc.n = 8;
  desc.c = 64;
  desc.s = 196;
  for (renorm_op const id : {RENORM_OP_TRAIN, RENORM_OP_INFERENCE, RENORM_OP_BACKWARD, RENORM_OP_INFERENCE_BACKWARD, RENORM_OP_MOMENTS,
                             RENORM_OP_APPLY, RENORM_OP_BACKWARD_REDUCE, RENORM_OP_BACKWARD_APPLY}) {
    operation const& op = capi::find_operation(id);
    call c(op, desc);
    std::size_t tasks = 0;
    c.exec().ctx = &tasks;
    c.exec().concurrency = 4;
    c.exec().parallel_for = [](void* ctx, size_t n, renorm_task, void*) -> int32_t {
      *static_cast<std::size_t*>(ctx) += n;
      return -1;
    };
    EXPECT_EQ(c.run(), RENORM_OK);
    EXPECT_GT(tasks, 1u) << op.name;
    EXPECT_TRUE(c.outputs() == serial(op, desc)) << op.name;
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
