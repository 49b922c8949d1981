// Backward of training and of inference, and the parts of them.
#include "op/gradient.hpp"
#include "op/op.hpp"
#include "op/plan.hpp"
#include "op/scratch.hpp"
#include "op/sweep.hpp"

namespace renorm::op {
namespace {

// Where x is normalised: center, inv, off as the kernels read them, [groups][width].
template <class T> struct xhat_scratch {
  T *center, *inv, *off, *half, *unit;
  units_needed units;

  xhat_scratch(order const& o, arena& memory) {
    for (T** values : {&center, &inv, &off, &half, &unit}) *values = memory.take<T>(o.columns());
  }

  // For all groups.
  void narrow(order const& o, call const& on, double const* mean, double const* sigma) const {
    for_each_group(o, on.exec, [&](std::size_t g) {
      channels const at(o.shape, g);
      std::size_t const i = at.of_group, c = g * o.width();
      bool const needed = on.code.of<T>().narrow_xhat(at.count, mean + i, sigma + i, center + c, inv + c, off + c, half + c, unit + c);
      units.note(needed, o, at, c, {center, inv, off}, {half, unit});
    });
  }
};

// The forward map, where relu needs its argument again. Computed as forward does, so that the same bits decide.
template <class T> struct gate_scratch {
  affine_scratch<T> affine;

  gate_scratch(problem const& p, order const& o, arena& memory) : affine(o, memory, p.relu) {}

  // For all groups. r and d may be NULL.
  void narrow(problem const& p, order const& o, call const& on, double const* mean, double const* sigma, double const* r, double const* d,
              void const* gamma, void const* beta) const {
    if (!p.relu) return;
    for_each_group(o, on.exec, [&](std::size_t g) {
      channels const at(o.shape, g);
      map_forward(p, on.code, at, mean, sigma, r, d, gamma, beta, affine.map);
      affine.narrow(o, on.code, at, affine.map.center, affine.map.scale, affine.map.shift);
    });
  }
  grad_epilogue<T> epilogue(problem const& p, void const* z, void* dz) const {
    return {p.relu,
            p.add,
            affine.t_scale,
            affine.t_shift,
            affine.t_unit,
            p.relu && p.add ? static_cast<T const*>(z) : nullptr,
            p.add ? static_cast<T*>(dz) : nullptr};
  }
};

template <class T> struct gradient_scratch {
  T *scale, *c1, *c2, *dx_unit;
  units_needed units;

  gradient_scratch(order const& o, arena& memory) {
    for (T** values : {&scale, &c1, &c2, &dx_unit}) *values = memory.take<T>(o.columns());
  }
};

// What the kernels read, with units where anything of a call needs them.
template <class T> xhat_coefficients<T> coefficients_of(xhat_scratch<T> const& n, bool units) {
  return {n.center, n.inv, n.off, units ? n.half : nullptr, units ? n.unit : nullptr};
}
template <class T> grad_coefficients<T> coefficients_of(gradient_scratch<T> const& g, bool units) {
  return {g.scale, g.c1, g.c2, units ? g.dx_unit : nullptr};
}

template <class T> struct reduce_scratch {
  renorm::order const& order;
  selection_scratch<T> selected;
  reduction_scratch<T> sums;
  xhat_scratch<T> xhat;
  gate_scratch<T> gate;

  reduce_scratch(problem const& p, arena& memory)
      : order(p.order), selected(p, order, memory), sums(order, memory), xhat(order, memory), gate(p, order, memory) {}
};

template <class T> struct gradient_apply_scratch {
  renorm::order const& order;
  selection_scratch<T> selected;
  xhat_scratch<T> xhat;
  gate_scratch<T> gate;
  gradient_scratch<T> gradient;
  std::int64_t* count;

  gradient_apply_scratch(problem const& p, arena& memory)
      : order(p.order),
        selected(p, order, memory),
        xhat(order, memory),
        gate(p, order, memory),
        gradient(order, memory),
        count(memory.take<std::int64_t>(p.shape.groups)) {}
};

template <class T> struct backward_scratch {
  renorm::order const& order;
  selection_scratch<T> selected;
  reduction_scratch<T> sums;
  xhat_scratch<T> xhat;
  gate_scratch<T> gate;
  gradient_scratch<T> gradient;
  std::int64_t* count;
  double *sum_dy, *sum_dy_xhat;

  backward_scratch(problem const& p, arena& memory)
      : order(p.order),
        selected(p, order, memory),
        sums(order, memory),
        xhat(order, memory),
        gate(p, order, memory),
        gradient(order, memory),
        count(memory.take<std::int64_t>(p.shape.groups)),
        sum_dy(memory.take<double>(p.shape.statistics())),
        sum_dy_xhat(memory.take<double>(p.shape.statistics())) {}
};

// Without groups, like inference.
template <class T> struct inference_backward_scratch {
  renorm::order order;
  selection_scratch<T> selected;
  reduction_scratch<T> sums;
  xhat_scratch<T> xhat;
  gate_scratch<T> gate;
  gradient_scratch<T> gradient;  // with an epilogue
  affine_scratch<T> affine;      // without
  double *mean, *sigma, *sum_dy, *sum_dy_xhat;

  inference_backward_scratch(problem const& p, arena& memory)
      : order(ungrouped_order(p)),
        selected(p, order, memory),
        sums(order, memory),
        xhat(order, memory),
        gate(p, order, memory),
        gradient(order, memory),
        affine(order, memory),
        mean(memory.take<double>(p.shape.c)),
        sigma(memory.take<double>(p.shape.c)),
        sum_dy(memory.take<double>(p.shape.c)),
        sum_dy_xhat(memory.take<double>(p.shape.c)) {}
};

// Whether the registers of two outputs begin at the same values.
inline bool same_alignment(void const* a, void const* b) {
  return (reinterpret_cast<std::uintptr_t>(a) - reinterpret_cast<std::uintptr_t>(b)) % arena::alignment == 0;
}

// dx of training, and dz, as a Sweep (op/sweep.hpp).
template <class T> struct gradient_sweep : masked_output<T>, streaming {
  xhat_scratch<T> const& n;
  gate_scratch<T> const& gate;
  gradient_scratch<T> const& g;
  T const *x, *dy;
  grad_epilogue<T> e;

  gradient_sweep(kernels<T> const& kernels, xhat_scratch<T> const& xhat, gate_scratch<T> const& relu, gradient_scratch<T> const& s,
                 void const* in, void const* grad, grad_epilogue<T> const& behind, void* dx, bool bypass)
      : masked_output<T>{kernels, static_cast<T*>(dx)},
        streaming{bypass && dx != in && dx != grad &&
                  (behind.dz == nullptr || (behind.dz != grad && behind.dz != behind.z && same_alignment(behind.dz, dx)))},
        n(xhat),
        gate(relu),
        g(s),
        x(static_cast<T const*>(in)),
        dy(static_cast<T const*>(grad)),
        e(behind) {}

  bool units() const { return n.units || gate.affine.units || g.units; }
  void planes(renorm::planes const& p, std::size_t offset, std::size_t column) const {
    bool const in_units = units();
    this->k.grad_affine_plane(p, x + offset, dy + offset, from(coefficients_of(n, in_units), column),
                              from(coefficients_of(g, in_units), column), epilogue_from(e, column, offset), this->out + offset, stream);
  }
  void pixels(renorm::pixels const& p, std::size_t offset, std::size_t column) const {
    bool const in_units = units();
    this->k.grad_affine_pixels(p, x + offset, dy + offset, from(coefficients_of(n, in_units), column),
                               from(coefficients_of(g, in_units), column), epilogue_from(e, column, offset), this->out + offset, stream);
  }
  void clear_planes(renorm::planes const& p, std::size_t offset, validity<T> const& valid) const {
    masked_output<T>::clear_planes(p, offset, valid);
    if (e.dz != nullptr) this->k.clear_plane(p, valid, e.dz + offset);
  }
  void clear(std::size_t offset, std::size_t count) const {
    masked_output<T>::clear(offset, count);
    if (e.dz != nullptr) memset(e.dz + offset, 0, count * sizeof(T));
  }
};

// x is dy where x decides nothing.
template <class T, class Scratch> gradient_sweep<T> sweep_of(problem const& p, Scratch const& s, void const* x, void const* dy,
                                                             grad_epilogue<T> const& e, void* dx, call const& on) {
  std::size_t const tensors = backward_tensors(x != dy, e.z != nullptr, e.dz != nullptr);
  return {on.code.of<T>(), s.xhat, s.gate, s.gradient, x, dy, e, dx, bypass(p, tensors, on.exec.threads)};
}

// After both have been narrowed.
template <class T> grad_sums<T> sums_of(order const& o, call const& on, void const* x, void const* dy, xhat_scratch<T> const& n,
                                        gate_scratch<T> const& gate, grad_epilogue<T> const& e) {
  bool const in_units = n.units || gate.affine.units;
  return {on.code.of<T>(), on.code.channel, o, static_cast<T const*>(x), static_cast<T const*>(dy), coefficients_of(n, in_units), e};
}

// S1 and S2 of some channels from their segments. Without a value there is nothing to settle: sigma may be 0.
template <class T> void finish_sums(reduction<T, grad_sums<T>> const& r, isa const& code, channels const& at, double const* mean,
                                    double const* sigma, double* sum_dy, double* sum_dy_xhat) {
  std::size_t const i = at.of_group;
  if (r.combine(at, sum_dy, sum_dy_xhat)) code.of<T>().settle_grad(at.count, mean + i, sigma + i, sum_dy + i, sum_dy_xhat + i);
}

void write_parameters(shape const& s, problem const& p, isa const& code, double const* r, double const* d, double const* sum_dy,
                      double const* sum_dy_xhat, void* dgamma, void* dbeta) {
  code.channel.grad_parameters(s.c, s.groups, s.c, r, d, sum_dy, sum_dy_xhat, p.params(dgamma), p.params(dbeta));
}

template <class T> void narrow_gradient(problem const& p, order const& o, isa const& code, channels const& at, std::int64_t const* count,
                                        double const* sigma, void const* gamma, double const* r, double const* sum_dy,
                                        double const* sum_dy_xhat, gradient_scratch<T> const& g) {
  std::size_t const i = at.of_group, c = at.group * o.width() + at.first;
  std::int64_t const m = count[at.group];
  bool const needed =
      code.of<T>().narrow_grad(at.count, divisor_of(m, false), divisor_of(m, p.unbiased), sigma + i, from(p.params(gamma), at.first),
                               from(r, i), sum_dy + i, sum_dy_xhat + i, g.scale + c, g.c1 + c, g.c2 + c, g.dx_unit + c);
  g.units.note(needed, o, at, c, {g.scale, g.c1, g.c2}, {g.dx_unit});
}

// The caller's counts, else those of the tensor.
template <class T> std::int64_t const* counts_of(std::int64_t const* given, selection<T> const& selected, std::int64_t* own) {
  if (given != nullptr) return given;
  selected.count_groups(own);
  return own;
}

void clear_parameters(problem const& p, void* dgamma, void* dbeta) {
  std::size_t const bytes = p.shape.c * (p.params_f64 ? sizeof(double) : sizeof(float));
  for (void* gradient : {dgamma, dbeta})
    if (gradient != nullptr) memset(gradient, 0, bytes);
}

template <class T> void backward_as(problem const& p, renorm_backward_args const& a, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  backward_scratch<T> const s(p, memory);
  order const& o = s.order;
  double const *const r = p.batch_renorm ? a.r : nullptr, *const d = p.batch_renorm ? a.d : nullptr;
  selection<T> const selected(p, o, s.selected, a.mask, on.exec);
  std::int64_t const* const count = counts_of(a.count, selected, s.count);

  s.xhat.narrow(o, on, a.mean, a.sigma);
  s.gate.narrow(p, o, on, a.mean, a.sigma, r, d, a.gamma, a.beta);
  grad_epilogue<T> const e = s.gate.epilogue(p, a.z, a.dz);
  auto const sums = sums_of<T>(o, on, a.x, a.dy, s.xhat, s.gate, e);
  reduction<T, grad_sums<T>> const reduction(o, s.sums, selected, sums);
  auto const sweep = sweep_of<T>(p, s, a.x, a.dy, e, a.dx, on);
  auto const algebra = [&](channels const& at) {
    finish_sums(reduction, on.code, at, a.mean, a.sigma, s.sum_dy, s.sum_dy_xhat);
    narrow_gradient(p, o, on.code, at, count, a.sigma, a.gamma, r, s.sum_dy, s.sum_dy_xhat, s.gradient);
  };
  if (a.dx != nullptr) run_passes(o, sizeof(T), on.exec, reduction, algebra, sweep_after{o, selected, sweep});
  else run_passes(o, sizeof(T), on.exec, reduction, algebra, no_sweep());
  write_parameters(p.shape, p, on.code, r, d, s.sum_dy, s.sum_dy_xhat, a.dgamma, a.dbeta);
}

template <class T> void backward_reduce_as(problem const& p, renorm_backward_reduce_args const& a, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  reduce_scratch<T> const s(p, memory);
  order const& o = s.order;
  selection<T> const selected(p, o, s.selected, a.mask, on.exec);
  s.xhat.narrow(o, on, a.mean, a.sigma);
  s.gate.narrow(p, o, on, a.mean, a.sigma, p.batch_renorm ? a.r : nullptr, p.batch_renorm ? a.d : nullptr, a.gamma, a.beta);
  auto const sums = sums_of<T>(o, on, a.x, a.dy, s.xhat, s.gate, s.gate.epilogue(p, a.z, nullptr));
  reduction<T, grad_sums<T>> const reduction(o, s.sums, selected, sums);
  auto const algebra = [&](channels const& at) { finish_sums(reduction, on.code, at, a.mean, a.sigma, a.sum_dy, a.sum_dy_xhat); };
  run_passes(o, sizeof(T), on.exec, reduction, algebra, no_sweep());
}

template <class T> void backward_apply_as(problem const& p, renorm_backward_apply_args const& a, call const& on) {
  double const *const r = p.batch_renorm ? a.r : nullptr, *const d = p.batch_renorm ? a.d : nullptr;
  if (p.shape.c > 0) write_parameters(p.shape, p, on.code, r, d, a.sum_dy, a.sum_dy_xhat, a.dgamma, a.dbeta);
  if (a.dx == nullptr || p.shape.values() == 0) return;
  arena memory(on.workspace, on.workspace_bytes);
  gradient_apply_scratch<T> const s(p, memory);
  order const& o = s.order;
  selection<T> const selected(p, o, s.selected, a.mask, on.exec);
  std::int64_t const* const count = counts_of(a.count, selected, s.count);
  s.xhat.narrow(o, on, a.mean, a.sigma);
  s.gate.narrow(p, o, on, a.mean, a.sigma, r, d, a.gamma, a.beta);
  for_each_group(o, on.exec, [&](std::size_t g) {
    narrow_gradient(p, o, on.code, {o.shape, g}, count, a.sigma, a.gamma, r, a.sum_dy, a.sum_dy_xhat, s.gradient);
  });
  grad_epilogue<T> const e = s.gate.epilogue(p, a.z, a.dz);
  sweep_all(o, selected, on.exec, sweep_of<T>(p, s, a.x, a.dy, e, a.dx, on));
}

// dgamma and relu need x; dbeta alone is the same reduction with dy in its place.
template <class T> void inference_parameters(problem const& p, renorm_inference_backward_args const& a, call const& on,
                                             inference_backward_scratch<T> const& s, selection<T> const& selected) {
  order const& o = s.order;
  void const* const x = p.relu || a.dgamma != nullptr ? a.x : a.dy;
  auto const sums = sums_of<T>(o, on, x, a.dy, s.xhat, s.gate, s.gate.epilogue(p, a.z, nullptr));
  reduction<T, grad_sums<T>> const reduction(o, s.sums, selected, sums);
  auto const algebra = [&](channels const& at) { finish_sums(reduction, on.code, at, s.mean, s.sigma, s.sum_dy, s.sum_dy_xhat); };
  run_passes(o, sizeof(T), on.exec, reduction, algebra, no_sweep());
  write_parameters(o.shape, p, on.code, nullptr, nullptr, s.sum_dy, s.sum_dy_xhat, a.dgamma, a.dbeta);
}

// dx = gamma/sigma * g, dz = g: the sweep of training with c1, c2 and xhat 0. Where x decides nothing, dy stands in for it.
template <class T> void inference_dx_dz(problem const& p, renorm_inference_backward_args const& a, call const& on,
                                        inference_backward_scratch<T> const& s, selection<T> const& selected) {
  clear(s.sum_dy, p.shape.c);
  clear(s.sum_dy_xhat, p.shape.c);
  clear(s.xhat.inv, s.order.columns());
  clear(s.xhat.off, s.order.columns());
  for (std::size_t i = 0; i < s.order.columns(); ++i) s.xhat.unit[i] = 1;
  std::int64_t const count = 1;
  narrow_gradient(p, s.order, on.code, {s.order.shape, 0}, &count, s.sigma, a.gamma, nullptr, s.sum_dy, s.sum_dy_xhat, s.gradient);
  grad_epilogue<T> const e = s.gate.epilogue(p, a.z, a.dz);
  void const* const x = p.relu ? a.x : a.dy;
  sweep_all(s.order, selected, on.exec, sweep_of<T>(p, s, x, a.dy, e, a.dx, on));
}

// dx = gamma/sigma * dy: the affine sweep with center and shift 0.
template <class T> void inference_dx(problem const& p, renorm_inference_backward_args const& a, call const& on,
                                     inference_backward_scratch<T> const& s, selection<T> const& selected) {
  channels const all(s.order.shape, 0);
  affine_map const& map = s.affine.map;
  map_forward(p, on.code, all, s.mean, s.sigma, nullptr, nullptr, a.gamma, nullptr, map);
  clear(map.center, p.shape.c);
  s.affine.narrow(s.order, on.code, all, map.center, map.scale, map.shift);
  bool const streams = bypass(p, backward_tensors(false, false, false), on.exec.threads);
  sweep_all(s.order, selected, on.exec, affine_sweep<T>(on.code.of<T>(), s.affine, a.dy, {}, a.dx, streams));
}

template <class T> void inference_backward_as(problem const& p, renorm_inference_backward_args const& a, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  inference_backward_scratch<T> const s(p, memory);
  selection<T> const selected(p, s.order, s.selected, a.mask, on.exec);
  on.code.channel.deviation(p.shape.c, p.running_statistics(a.running_mean, a.running_var), s.mean, s.sigma);
  bool const parameters = a.dgamma != nullptr || a.dbeta != nullptr, fused = p.relu || p.add;
  if (parameters || fused) s.xhat.narrow(s.order, on, s.mean, s.sigma);
  s.gate.narrow(p, s.order, on, s.mean, s.sigma, nullptr, nullptr, a.gamma, a.beta);
  if (parameters) inference_parameters(p, a, on, s, selected);
  if (a.dx == nullptr) return;
  if (fused) inference_dx_dz(p, a, on, s, selected);
  else inference_dx(p, a, on, s, selected);
}

}  // namespace

void backward(problem const& p, renorm_backward_args const& a, call const& on) {
  if (p.shape.values() == 0) clear_parameters(p, a.dgamma, a.dbeta);
  else if (a.dx != nullptr || a.dgamma != nullptr || a.dbeta != nullptr)
    with_element_type(p, [&](auto zero) { backward_as<decltype(zero)>(p, a, on); });
}
void inference_backward(problem const& p, renorm_inference_backward_args const& a, call const& on) {
  if (p.shape.values() == 0) clear_parameters(p, a.dgamma, a.dbeta);
  else with_element_type(p, [&](auto zero) { inference_backward_as<decltype(zero)>(p, a, on); });
}
void backward_reduce(problem const& p, renorm_backward_reduce_args const& a, call const& on) {
  if (p.shape.values() == 0) {
    clear(a.sum_dy, p.shape.statistics());
    clear(a.sum_dy_xhat, p.shape.statistics());
    return;
  }
  with_element_type(p, [&](auto zero) { backward_reduce_as<decltype(zero)>(p, a, on); });
}
void backward_apply(problem const& p, renorm_backward_apply_args const& a, call const& on) {
  with_element_type(p, [&](auto zero) { backward_apply_as<decltype(zero)>(p, a, on); });
}

std::size_t backward_workspace(problem const& p) { return scratch_bytes<backward_scratch>(p); }
std::size_t inference_backward_workspace(problem const& p) { return scratch_bytes<inference_backward_scratch>(p); }
std::size_t backward_reduce_workspace(problem const& p) { return scratch_bytes<reduce_scratch>(p); }
std::size_t backward_apply_workspace(problem const& p) { return scratch_bytes<gradient_apply_scratch>(p); }

}  // namespace renorm::op
