#include "op/plan.hpp"

namespace renorm {
namespace {

struct operation {
  std::size_t reduced, swept;  // tensors, 0 if there is no such pass
  bool one_schedule;           // the sweep goes over what has been reduced
  bool grouped;
};

operation operation_of(problem const& p, renorm_op op) {
  bool const gate = p.relu && p.add;
  switch (op) {
    case RENORM_OP_TRAIN:
      return {1, forward_tensors(p), true, true};
    case RENORM_OP_INFERENCE:
      return {0, forward_tensors(p), false, false};
    case RENORM_OP_BACKWARD:
      return {2, backward_tensors(true, gate, p.add), true, true};
    case RENORM_OP_INFERENCE_BACKWARD:
      return {2, backward_tensors(p.relu, gate, p.add), false, false};
    case RENORM_OP_MOMENTS:
      return {1, 0, false, true};
    case RENORM_OP_APPLY:
      return {0, forward_tensors(p), false, true};
    case RENORM_OP_BACKWARD_REDUCE:
      return {2, 0, false, true};
    case RENORM_OP_BACKWARD_APPLY:
      return {0, backward_tensors(true, gate, p.add), false, true};
    default:
      return {0, 0, false, true};
  }
}

}  // namespace

plan make_plan(problem const& p, renorm_op op, executor const& lent) {
  operation const what = operation_of(p, op);
  plan made = {};
  if (p.shape.values() == 0) return made;
  order const o = what.grouped ? p.order : ungrouped_order(p);
  std::size_t const threads = lent.for_bytes(p.tensor_bytes()).threads;
  made.reduces = what.reduced > 0;
  made.sweeps = what.swept > 0;
  made.segments = o.segments;
  made.streams = made.sweeps && bypass(p, what.swept, lent.threads);
  made.reduction = make_schedule(o, {p.element_size(), what.reduced, made.streams && what.one_schedule}, threads);
  made.fused = made.reduction.fused && what.one_schedule;
  passes const alone = {p.element_size(), 0, made.streams};
  made.sweep = what.one_schedule ? made.reduction : make_schedule(o, alone, threads);
  made.in_memory_order = made.sweeps && !what.one_schedule && sweeps_in_memory_order(o, alone);
  made.parts = cut_in_memory_order(o, threads).parts;
  return made;
}

}  // namespace renorm
