// How an operation would run, without a tensor: decided by the functions that its passes ask.
#pragma once

#include "op/problem.hpp"
#include "op/schedule.hpp"

namespace renorm {

// Tensors that a sweep reads and writes.
inline std::size_t forward_tensors(problem const& p) { return p.add ? 3 : 2; }  // x, z, y
inline std::size_t backward_tensors(bool x, bool z, bool dz) {                  // beside dy and dx
  return 2 + static_cast<std::size_t>(x) + static_cast<std::size_t>(z) + static_cast<std::size_t>(dz);
}

// Whether the output of such a sweep goes past the caches. Not where a mask leaves values out: these are written again.
inline bool bypass(problem const& p, std::size_t tensors, std::size_t threads) {
  return p.mask == mask::none && output_bypasses_cache(tensors * p.tensor_bytes(), threads);
}

// Inference knows no groups: all samples have the same statistics.
inline order ungrouped_order(problem const& p) {
  return p.shape.groups == 1 ? p.order : make_order(p.shape.ungrouped(), p.element_lanes());
}

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

// Of an operation on dense, aligned tensors, none in place of another, with all outputs wanted.
plan make_plan(problem const& p, renorm_op op, executor const& lent);

}  // namespace renorm
