// Two ways to run the portions of an operation on several threads.
#pragma once

#include "renorm/renorm.h"

#include <atomic>
#include <cstdint>

namespace renorm_test {

struct executor {
  std::int32_t threads;
  std::atomic<std::int64_t> calls{0};  // of parallel_for

  explicit executor(std::int32_t count) : threads(count) {}
};

// ctx is an executor*. Each index once, on as many threads.
std::int32_t fair_parallel_for(void* ctx, std::size_t n, renorm_task task, void* arg);

// Backwards, every third index never, every other one twice at about the same time, and a failure code.
std::int32_t hostile_parallel_for(void* ctx, std::size_t n, renorm_task task, void* arg);

}  // namespace renorm_test
