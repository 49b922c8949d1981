#include "op/plan.hpp"

namespace renorm {

plan make_plan(problem const& p, footprint const& what, executor const& lent) {
  plan made = {};
  if (p.shape().values() == 0) return made;
  std::size_t const threads = lent.for_bytes(p.tensor_bytes()).threads;
  made.reduces = what.reduced > 0;
  made.sweeps = what.swept > 0;
  made.segments = p.order.segments;
  made.streams = made.sweeps && bypass(p, what.swept, lent.threads);
  made.reduction = make_schedule(p.order, {p.element_size(), what.reduced, made.streams && what.one_schedule}, threads);
  made.fused = made.reduction.fused && what.one_schedule;
  traffic const alone = {p.element_size(), 0, made.streams};
  made.sweep = what.one_schedule ? made.reduction : make_schedule(p.order, alone, threads);
  made.in_memory_order = made.sweeps && !what.one_schedule && sweeps_in_memory_order(p.order, alone);
  made.parts = cut_in_memory_order(p.order, threads).parts;
  return made;
}

}  // namespace renorm
