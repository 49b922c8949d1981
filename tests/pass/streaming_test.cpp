// Output that goes past the caches. The library is told of tiny ones, so that small calls stream.
#include "capi/capi_call.hpp"
#include "support/caches.hpp"
#include "support/isas.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

namespace {

using capi::call;
using capi::operation;

class Streaming : public renorm_test::IsaTest {
 private:
  renorm_test::told_caches const tiny_{{{1024, {}}, {1024, {}}, 0, true, false}};
};

// In place nothing streams, and neither does what a mask clears afterwards.
TEST_F(Streaming, HasTheBitsOfPlainStores) {
  struct {
    renorm_op op;
    char const *input, *output;
  } const sweeps[] = {{RENORM_OP_TRAIN, "x", "y"},
                      {RENORM_OP_INFERENCE, "x", "y"},
                      {RENORM_OP_APPLY, "x", "y"},
                      {RENORM_OP_BACKWARD, "dy", "dx"},
                      {RENORM_OP_INFERENCE_BACKWARD, "dy", "dx"},
                      {RENORM_OP_BACKWARD_APPLY, "x", "dx"}};
  for_each_isa([&] {
    for (auto const& sweep : sweeps)
      for (renorm_desc desc : capi::every_layout_and_dtype({{2, 3, 700}, {5, 37, 200}, {40, 17, 49}, {600, 64, 1}, {3, 2, 4099}})) {
        desc.mask_kind = RENORM_MASK_NONE;
        call streamed(capi::find_operation(sweep.op), desc), plain(capi::find_operation(sweep.op), desc);
        plain.point(sweep.output, plain.pointer(sweep.input));
        ASSERT_EQ(streamed.run(), RENORM_OK);
        ASSERT_EQ(plain.run(), RENORM_OK);
        EXPECT_TRUE(streamed.outputs() == plain.outputs()) << capi::describe(streamed.op, desc);
      }
  });
}

// A thread that runs tasks as a careful pool does: its release is a plain store, which streaming stores may be overtaken by.
class other_thread {
 public:
  other_thread() : thread_([this] { serve(); }) {}
  ~other_thread() {
    asked_.store(-1, std::memory_order_release);
    thread_.join();
  }

  static std::int32_t parallel_for(void* ctx, std::size_t n, renorm_task task, void* arg) {
    other_thread& self = *static_cast<other_thread*>(ctx);
    self.n_ = n;
    self.task_ = task;
    self.arg_ = arg;
    long const turn = self.asked_.load(std::memory_order_relaxed) + 1;
    self.asked_.store(turn, std::memory_order_release);
    for (int spins = 0; self.done_.load(std::memory_order_acquire) != turn; ++spins)
      if (spins > patience) std::this_thread::yield();
    if (std::memcmp(self.seen, self.expected, self.bytes) != 0) ++self.stale;
    return 0;
  }

  void const *seen = nullptr, *expected = nullptr;
  std::size_t bytes = 0;
  int stale = 0;

 private:
  void serve() {
    for (long turn = 1;; ++turn) {
      long asked;
      while ((asked = asked_.load(std::memory_order_acquire)) != turn) {
        if (asked < 0) return;
        std::this_thread::yield();
      }
      for (std::size_t i = 0; i < n_; ++i) task_(arg_, i);
      done_.store(turn, std::memory_order_release);
    }
  }

  static constexpr int patience = 100000;  // where there is no processor for the other thread

  std::size_t n_ = 0;
  renorm_task task_ = nullptr;
  void* arg_ = nullptr;
  alignas(64) std::atomic<long> asked_{0};
  alignas(64) std::atomic<long> done_{0};
  std::thread thread_;
};

// The end of the output, which is written last, is looked at as soon as its thread has said that it is there. Two calls write to it in
// turns, so that it is seen to change.
TEST_F(Streaming, OutputIsThereWhenATaskHasReturned) {
  renorm_desc desc = capi::small_desc();
  desc.n = 4;
  desc.c = 8;
  desc.s = 1024;
  operation const& apply = capi::find_operation(RENORM_OP_APPLY);
  call turns[] = {call(apply, desc), call(apply, desc)};
  for (std::size_t i = 0; i < turns[0].length("x"); ++i) turns[0].set_value("x", i, -turns[0].value("x", i));
  turns[1].point("y", turns[0].pointer("y"));

  for_each_isa([&] {
    capi::bytes expected[2];
    for (int i = 0; i < 2; ++i) {
      turns[i].exec().parallel_for = nullptr;
      ASSERT_EQ(turns[i].run(), RENORM_OK);
      expected[i] = turns[i].outputs()["y"];
    }
    other_thread other;
    other.bytes = 64;
    std::size_t const end = expected[0].size() - other.bytes;
    other.seen = static_cast<unsigned char const*>(turns[0].pointer("y")) + end;
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(250);
    for (int i = 0; std::chrono::steady_clock::now() < deadline; ++i) {
      call& turn = turns[i % 2];
      other.expected = expected[i % 2].data() + end;
      turn.exec().ctx = &other;
      turn.exec().parallel_for = &other_thread::parallel_for;
      turn.exec().concurrency = 2;
      ASSERT_EQ(turn.run(), RENORM_OK);
    }
    EXPECT_EQ(other.stale, 0);
  });
}

}  // namespace
