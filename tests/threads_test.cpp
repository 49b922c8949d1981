// Calls from many threads at once, and calls that lend threads.
#include "capi_call.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>

namespace {

using capi::call;
using capi::operation;
using capi::operations;

// One that stays on the calling thread, and several portions of work in every dimension that is cut.
std::vector<renorm_desc> const descs =
    capi::every_layout_and_dtype({{2, 16, 64}, {5, 37, 200}, {40, 17, 49}, {600, 64, 1}, {2, 3, 12544}});

capi::results serial(operation const& op, renorm_desc const& desc) {
  call c(op, desc);
  EXPECT_EQ(c.run(), RENORM_OK) << capi::last_error();
  return c.outputs();
}

TEST(Threads, LargeCallsDoUseTheExecutor) {
  renorm_desc desc = capi::small_desc();
  desc.n = 8;
  desc.c = 64;
  desc.s = 196;
  for (renorm_op const id : {RENORM_OP_TRAIN, RENORM_OP_INFERENCE, RENORM_OP_BACKWARD, RENORM_OP_INFERENCE_BACKWARD, RENORM_OP_MOMENTS,
                             RENORM_OP_APPLY, RENORM_OP_BACKWARD_REDUCE, RENORM_OP_BACKWARD_APPLY}) {
    call c(capi::find_operation(id), desc);
    std::size_t tasks = 0;
    c.exec().ctx = &tasks;
    c.exec().concurrency = 4;
    c.exec().parallel_for = [](void* ctx, size_t n, renorm_task, void*) -> int32_t {
      *static_cast<std::size_t*>(ctx) += n;
      return 0;
    };
    EXPECT_EQ(c.run(), RENORM_OK);
    EXPECT_GT(tasks, 1u) << c.op.name;
  }
}

TEST(Threads, ConcurrentCallsGiveTheBitsOfSerialOnes) {
  std::vector<std::pair<operation const*, renorm_desc>> work;
  std::vector<capi::results> expected;
  for (operation const& op : operations())
    for (std::size_t i = 0; i < descs.size(); i += 3) {
      work.emplace_back(&op, descs[i]);
      expected.push_back(serial(op, descs[i]));
    }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t k = 0; k < work.size(); ++k) {
        std::size_t const i = (k + t * 5) % work.size();
        call c(*work[i].first, work[i].second);
        if (t % 2 == 0) c.parts[call::exec_part].clear();
        if (c.run() != RENORM_OK || c.outputs() != expected[i]) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
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
