// Backward of training and of inference.
#include "op/affine.hpp"
#include "op/channel.hpp"
#include "op/gradient.hpp"
#include "op/op.hpp"
#include "pass/passes.hpp"

#include <string.h>

namespace renorm::op {
namespace {

template <class T> struct backward_scratch {
  gradient_inputs<T> inputs;
  reduction_scratch<T> reduced;
  gradient_scratch<T> gradient;
  std::int64_t* count;
  gradient_sums sums;

  backward_scratch(problem const& p, arena& memory)
      : inputs(p, memory),
        reduced(p.order, memory),
        gradient(p.order, memory),
        count(memory.take<std::int64_t>(p.shape().groups)),
        sums{memory.take<double>(p.shape().statistics()), memory.take<double>(p.shape().statistics())} {}
};

template <class T> struct inference_backward_scratch {
  gradient_inputs<T> inputs;
  reduction_scratch<T> reduced;
  gradient_scratch<T> gradient;  // with an epilogue
  affine_scratch<T> affine;      // without
  double *mean, *sigma;
  gradient_sums sums;

  inference_backward_scratch(problem const& p, arena& memory)
      : inputs(p, memory),
        reduced(p.order, memory),
        gradient(p.order, memory),
        affine(p.order, memory),
        mean(memory.take<double>(p.shape().c)),
        sigma(memory.take<double>(p.shape().c)),
        sums{memory.take<double>(p.shape().c), memory.take<double>(p.shape().c)} {}

  normalization by() const { return {mean, sigma, nullptr, nullptr}; }
};

void clear_parameters(problem const& p, parameter_gradients const& to) {
  std::size_t const bytes = p.shape().c * (p.params_f64 ? sizeof(double) : sizeof(float));
  for (void* gradient : {to.gamma, to.beta})
    if (gradient != nullptr) memset(gradient, 0, bytes);
}

template <class T> void backward_as(problem const& p, gradient_tensors const& t, parameters const& params, normalization const& by,
                                    std::int64_t const* given, parameter_gradients const& to, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  backward_scratch<T> const s(p, memory);
  order const& o = p.order;
  selection<T> const selected(o, p.mask, s.inputs.selected, t.mask, on.exec);
  std::int64_t const* const count = counts_of(given, selected, s.count);

  s.inputs.narrow(p, on, by, params);
  grad_epilogue<T> const e = s.inputs.gate.epilogue(p, t.z, t.dz);
  auto const sums = grad_sums_of<T>(p, on, s.inputs, t.x, t.dy, e);
  reduction<T, grad_sums<T>> const reduction(o, s.reduced, selected, sums);
  auto const sweep = backward_sweep<T>(p, s.inputs, s.gradient, t.x, t.dy, e, t.dx, on);
  auto const algebra = [&](channels const& at) {
    finish_sums(reduction, on.code, at, by, s.sums);
    narrow_gradient(p, on.code, at, count, by, params.gamma, s.sums, s.gradient);
  };
  if (t.dx.data != nullptr) run_passes(o, sizeof(T), on.exec, reduction, algebra, sweep_after{o, selected, sweep});
  else run_passes(o, sizeof(T), on.exec, reduction, algebra, no_sweep());
  write_parameters(p, on.code, by, s.sums, to);
}

// dgamma and relu need x; dbeta alone is the same reduction with dy in its place.
template <class T> void inference_parameters(problem const& p, gradient_tensors const& t, parameter_gradients const& to, call const& on,
                                             inference_backward_scratch<T> const& s, selection<T> const& selected) {
  view<void const> const& x = p.relu || to.gamma != nullptr ? t.x : t.dy;
  auto const sums = grad_sums_of<T>(p, on, s.inputs, x, t.dy, s.inputs.gate.epilogue(p, t.z, {}));
  reduction<T, grad_sums<T>> const reduction(p.order, s.reduced, selected, sums);
  auto const algebra = [&](channels const& at) { finish_sums(reduction, on.code, at, s.by(), s.sums); };
  run_passes(p.order, sizeof(T), on.exec, reduction, algebra, no_sweep());
  write_parameters(p, on.code, s.by(), s.sums, to);
}

// dx = gamma/sigma * g, dz = g: the sweep of training with c1, c2 and xhat 0. Where x decides nothing, dy stands in for it.
template <class T> void inference_dx_dz(problem const& p, gradient_tensors const& t, void const* gamma, call const& on,
                                        inference_backward_scratch<T> const& s, selection<T> const& selected) {
  xhat_scratch<T> const& xhat = s.inputs.xhat;
  clear(s.sums.dy, p.shape().c);
  clear(s.sums.dy_xhat, p.shape().c);
  clear(xhat.inv, p.order.columns());
  clear(xhat.off, p.order.columns());
  for (std::size_t i = 0; i < p.order.columns(); ++i) xhat.unit[i] = 1;
  std::int64_t const count = 1;
  narrow_gradient(p, on.code, {p.shape(), 0}, &count, s.by(), gamma, s.sums, s.gradient);
  grad_epilogue<T> const e = s.inputs.gate.epilogue(p, t.z, t.dz);
  view<void const> const& x = p.relu ? t.x : t.dy;
  sweep_all(p.order, selected, on.exec, backward_sweep<T>(p, s.inputs, s.gradient, x, t.dy, e, t.dx, on));
}

// dx = gamma/sigma * dy: the affine sweep with center and shift 0.
template <class T> void inference_dx(problem const& p, gradient_tensors const& t, void const* gamma, call const& on,
                                     inference_backward_scratch<T> const& s, selection<T> const& selected) {
  channels const all(p.shape(), 0);
  affine_map const& map = s.affine.map;
  map_forward(p, on.code, all, s.by(), {gamma, nullptr}, map);
  clear(map.center, p.shape().c);
  s.affine.narrow(p.order, on.code, all, map);
  bool const streams = bypass(p, count_gradient_tensors(false, false, false), on.exec.threads);
  sweep_all(p.order, selected, on.exec, affine_sweep<T>(on.code.of<T>(), s.affine, as<T>(t.dy), {}, as<T>(t.dx), streams));
}

template <class T> void inference_backward_as(problem const& p, gradient_tensors const& t, parameters const& params,
                                              running_in const& running, parameter_gradients const& to, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  inference_backward_scratch<T> const s(p, memory);
  selection<T> const selected(p.order, p.mask, s.inputs.selected, t.mask, on.exec);
  on.code.channel.deviation(p.shape().c, p.running_statistics(running), s.mean, s.sigma);
  bool const reduces = to.gamma != nullptr || to.beta != nullptr, fused = p.relu || p.add;
  if (reduces || fused) s.inputs.narrow(p, on, s.by(), params);
  if (reduces) inference_parameters(p, t, to, on, s, selected);
  if (t.dx.data == nullptr) return;
  if (fused) inference_dx_dz(p, t, params.gamma, on, s, selected);
  else inference_dx(p, t, params.gamma, on, s, selected);
}

}  // namespace

void backward(problem const& p, gradient_tensors const& t, parameters const& params, normalization const& by, std::int64_t const* count,
              parameter_gradients const& to, call const& on) {
  if (p.shape().values() == 0) clear_parameters(p, to);
  else if (t.dx.data != nullptr || to.gamma != nullptr || to.beta != nullptr)
    with_element_type(p, [&](auto zero) { backward_as<decltype(zero)>(p, t, params, by, count, to, on); });
}
void inference_backward(problem const& p, gradient_tensors const& t, parameters const& params, running_in const& running,
                        parameter_gradients const& to, call const& on) {
  if (p.shape().values() == 0) clear_parameters(p, to);
  else with_element_type(p, [&](auto zero) { inference_backward_as<decltype(zero)>(p, t, params, running, to, on); });
}

std::size_t backward_workspace(problem const& p) { return scratch_bytes<backward_scratch>(p); }
std::size_t inference_backward_workspace(problem const& p) { return scratch_bytes<inference_backward_scratch>(p); }

footprint backward_passes(problem const& p) { return {2, count_gradient_tensors(true, p.relu && p.add, p.add), true}; }
footprint inference_backward_passes(problem const& p) { return {2, count_gradient_tensors(p.relu, p.relu && p.add, p.add), false}; }

}  // namespace renorm::op
