// How an operation would run, without a tensor: decided by the functions that its passes ask.
#pragma once

#include "op/problem.hpp"
#include "pass/schedule.hpp"

namespace renorm {

// Whether the output of a sweep over so many tensors goes past the caches. Not where a mask leaves values out: these are written again.
inline bool bypass(problem const& p, std::size_t tensors, std::size_t threads) {
  return p.mask == mask::none && output_bypasses_cache(tensors * p.tensor_bytes(), threads);
}

// The passes of an operation: the tensors that each reads and writes, 0 if there is no such pass.
struct footprint {
  std::size_t reduced = 0, swept = 0;
  bool one_schedule = false;  // the sweep goes over what has been reduced
};

struct plan {
  bool reduces, sweeps;  // neither: arrays of channels alone
  std::size_t segments;
  schedule reduction, sweep;
  bool fused;            // the sweep goes over a portion as soon as that is reduced
  bool in_memory_order;  // the sweep is, in so many equal parts
  std::size_t parts;
  bool streams;  // the sweep's output goes past the caches

  std::size_t sweep_portions() const { return in_memory_order ? parts : sweep.portions(); }
};

plan make_plan(problem const& p, footprint const& what, executor const& lent);

}  // namespace renorm
