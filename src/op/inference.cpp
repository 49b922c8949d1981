// Inference: the map of the running statistics, and its sweep.
#include "op/affine.hpp"
#include "op/channel.hpp"
#include "op/op.hpp"

namespace renorm::op {
namespace {

template <class T> struct inference_scratch {
  selection_scratch<T> selected;
  double *mean, *sigma;
  affine_scratch<T> affine;

  inference_scratch(problem const& p, arena& memory)
      : selected(p.order, p.mask, memory),
        mean(memory.take<double>(p.shape().c)),
        sigma(memory.take<double>(p.shape().c)),
        affine(p.order, memory) {}
};

template <class T> void inference_as(problem const& p, forward_tensors const& t, parameters const& params, running_in const& running,
                                     std::int64_t* nonfinite, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  inference_scratch<T> const scratch(p, memory);
  channels const all(p.shape(), 0);
  affine_map const& map = scratch.affine.map;
  selection<T> const selected(p.order, p.mask, scratch.selected, t.mask, on.exec);
  on.code.channel.deviation(p.shape().c, p.running_statistics(running), scratch.mean, scratch.sigma);
  map_forward(p, on.code, all, {scratch.mean, scratch.sigma, nullptr, nullptr}, params, map);
  scratch.affine.narrow(p.order, on.code, all, map);
  sweep_all(p.order, selected, on.exec, forward_sweep<T>(p, scratch.affine, t, on));
  if (nonfinite != nullptr) report(on.code.channel.count_nonfinite(p.shape().c, maps_of(p, map)), nonfinite);
}

}  // namespace

void inference(problem const& p, forward_tensors const& t, parameters const& params, running_in const& running, std::int64_t* nonfinite,
               call const& on) {
  if (p.shape().values() == 0) report(0, nonfinite);
  else with_element_type(p, [&](auto zero) { inference_as<decltype(zero)>(p, t, params, running, nonfinite, on); });
}

std::size_t inference_workspace(problem const& p) { return scratch_bytes<inference_scratch>(p); }
footprint inference_passes(problem const& p) { return {0, count_affine_tensors(p), false}; }

}  // namespace renorm::op
