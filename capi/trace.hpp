// Who is told of each call, if anybody is.
#pragma once

#include "renorm/renorm.h"

#include <atomic>

namespace renorm::capi {

struct tracer {
  renorm_trace function;
  void* ctx;
};

extern std::atomic<renorm_trace> trace_function;

inline bool is_traced() { return trace_function.load(std::memory_order_relaxed) != nullptr; }

// function is nullptr where nobody is to be told, or another thread is changing that.
tracer current_tracer();

double microseconds();  // of a clock that nobody sets

}  // namespace renorm::capi
