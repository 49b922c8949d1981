// The OpenMP executor.
#include "capi/capi_call.hpp"
#include "renorm/openmp.h"
#include "support/isas.hpp"
#include "support/reduced.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <thread>

namespace {

using capi::call;
using capi::operation;
using capi::operations;

TEST(OpenMP, InitFillsTheExec) {
  for (int32_t const threads : {1, 2, 3, 7}) {
    renorm_exec exec;
    std::memset(&exec, 0xA5, sizeof exec);
    ASSERT_EQ(renorm_openmp_init(&exec, sizeof exec, threads), RENORM_OK);
    EXPECT_EQ(exec.struct_size, sizeof exec);
    EXPECT_EQ(exec.flags, 0u);
    EXPECT_EQ(exec.concurrency, threads);
    EXPECT_EQ(exec.reserved, 0);
    EXPECT_NE(exec.parallel_for, nullptr);
    EXPECT_EQ(exec.workspace, nullptr);
    EXPECT_EQ(exec.workspace_bytes, 0u);
  }
}

// Of a caller's version: to the end of parallel_for, as today, with newer fields.
TEST(OpenMP, InitWritesExactlyStructSizeBytes) {
  renorm_exec full;
  ASSERT_EQ(renorm_openmp_init(&full, sizeof full, 3), RENORM_OK);
  for (size_t const size : {offsetof(renorm_exec, workspace), sizeof full, sizeof full + 24, size_t{4096}}) {
    capi::bytes memory(size + 8, 0xA5), expected(size);
    ASSERT_EQ(renorm_openmp_init(reinterpret_cast<renorm_exec*>(memory.data()), size, 3), RENORM_OK) << size;
    full.struct_size = static_cast<uint32_t>(size);
    std::memcpy(expected.data(), &full, std::min(size, sizeof full));
    expected.resize(size + 8, 0xA5);
    EXPECT_EQ(memory, expected) << size;
  }
}

TEST(OpenMP, ZeroThreadsStandForTheRuntimesMaximum) {
  int const before = omp_get_max_threads();
  omp_set_num_threads(5);
  renorm_exec exec;
  EXPECT_EQ(renorm_openmp_init(&exec, sizeof exec, 0), RENORM_OK);
  EXPECT_EQ(exec.concurrency, 5);
  omp_set_num_threads(before);
}

TEST(OpenMP, MisuseIsRefusedAndWritesNothing) {
  renorm_exec exec;
  std::memset(&exec, 0xA5, sizeof exec);
  renorm_exec const before = exec;
  EXPECT_EQ(renorm_openmp_init(nullptr, sizeof exec, 1), RENORM_ERROR_NULL);
  for (size_t const size : {size_t{0}, size_t{8}, offsetof(renorm_exec, parallel_for), sizeof exec - 1, sizeof exec + 4, size_t{4104},
                            size_t{0x100000000} + sizeof exec, std::numeric_limits<size_t>::max()})
    EXPECT_EQ(renorm_openmp_init(&exec, size, 1), RENORM_ERROR_STRUCT_SIZE) << size;
  EXPECT_EQ(renorm_openmp_init(&exec, sizeof exec, -1), RENORM_ERROR_VALUE);
  EXPECT_EQ(std::memcmp(&exec, &before, sizeof exec), 0);
}

TEST(OpenMP, EveryTaskRunsOnceOnATeamOfTheSizeAskedFor) {
  for (int32_t const threads : {1, 2, 3, 7}) {
    renorm_exec exec;
    ASSERT_EQ(renorm_openmp_init(&exec, sizeof exec, threads), RENORM_OK);
    struct {
      std::atomic<int> runs[100] = {};
      std::atomic<int> team{0};
    } seen;
    auto const task = [](void* arg, size_t i) {
      auto& s = *static_cast<decltype(seen)*>(arg);
      ++s.runs[i];
      s.team = omp_get_num_threads();
    };
    exec.parallel_for(exec.ctx, 100, task, &seen);
    for (std::atomic<int> const& runs : seen.runs) EXPECT_EQ(runs, 1);
    EXPECT_EQ(seen.team, threads);
  }
}

// A task that waits until all have begun is not followed by another on its thread.
TEST(OpenMP, EveryThreadTakesPart) {
  constexpr int32_t threads = 4;
  renorm_exec exec;
  ASSERT_EQ(renorm_openmp_init(&exec, sizeof exec, threads), RENORM_OK);
  struct {
    std::chrono::steady_clock::time_point const deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    std::atomic<int> begun{0}, met{0};
  } seen;
  auto const task = [](void* arg, size_t) {
    auto& s = *static_cast<decltype(seen)*>(arg);
    ++s.begun;
    while (s.begun < threads && std::chrono::steady_clock::now() < s.deadline) std::this_thread::yield();
    s.met += s.begun == threads;
  };
  exec.parallel_for(exec.ctx, threads, task, &seen);
  EXPECT_EQ(seen.met, threads);
}

// One that stays on the calling thread, and several portions of work in every dimension that is cut.
std::vector<renorm_desc> const descs = capi::every_layout_and_dtype({{2, 16, 64}, {5, 37, 200}, {40, 17, 49}, {600, 64, 1}, {2, 3, 12544}});

void expect_the_bits_of_one_thread(operation const& op, renorm_desc const& desc, std::initializer_list<int32_t> team_sizes) {
  call c(op, desc);
  capi::bytes const before = c.memory;
  EXPECT_EQ(c.run(), RENORM_OK) << capi::last_error();
  capi::results const expected = c.outputs();
  for (int32_t const threads : team_sizes) {
    c.memory = before;
    renorm_exec exec;
    ASSERT_EQ(renorm_openmp_init(&exec, sizeof exec, threads), RENORM_OK);
    exec.workspace = c.exec().workspace;
    exec.workspace_bytes = c.exec().workspace_bytes;
    c.exec() = exec;
    EXPECT_EQ(c.run(), RENORM_OK) << capi::last_error();
    EXPECT_TRUE(c.outputs() == expected) << capi::describe(op, desc) << ", " << threads << " threads";
  }
}

TEST(OpenMP, AnyNumberOfThreadsGivesTheBitsOfOne) {
  if (renorm_test::reduced()) GTEST_SKIP() << "an emulator starts threads slowly";
  for (operation const& op : operations())
    for (renorm_desc const& desc : descs) expect_the_bits_of_one_thread(op, desc, {1, 2, 3, 7});
}

class OpenMPOnEachIsa : public renorm_test::IsaTest {};

TEST_F(OpenMPOnEachIsa, ThreeThreadsGiveTheBitsOfOne) {
  for_each_isa([] {
    for (operation const& op : operations())
      for (renorm_desc const& desc : capi::every_layout_and_dtype({{5, 37, 200}})) expect_the_bits_of_one_thread(op, desc, {3});
  });
}

}  // namespace
