// Backward of training and of inference, and the parts of them.
#include "op/op.hpp"
#include "op/reduce.hpp"
#include "op/scratch.hpp"
#include "op/sweep.hpp"

namespace renorm::op {
namespace {

// Where x is normalised: center, inv, off as the kernels read them, a value a column.
template <class T> struct xhat_scratch {
  T *center, *inv, *off;

  xhat_scratch(order const& o, arena& memory)
      : center(memory.take<T>(o.width())), inv(memory.take<T>(o.width())), off(memory.take<T>(o.width())) {}

  void narrow(order const& o, isa const& code, channels at, double const* mean, double const* sigma) const {
    std::size_t const c = at.first;
    code.of<T>().narrow_xhat(at.count, mean + c, sigma + c, center + c, inv + c, off + c);
    for (T* row : {center, inv, off}) repeat_for_sublanes(o, row);
  }
};

template <class T> struct gradient_scratch {
  T *scale, *c1, *c2;

  gradient_scratch(order const& o, arena& memory)
      : scale(memory.take<T>(o.width())), c1(memory.take<T>(o.width())), c2(memory.take<T>(o.width())) {}
};

template <class T> struct reduce_scratch {
  renorm::order order;
  reduction_scratch<T> sums;
  xhat_scratch<T> xhat;

  reduce_scratch(problem const& p, arena& memory) : order(make_order(p.shape, lanes<T>)), sums(order, memory), xhat(order, memory) {}
};

template <class T> struct gradient_apply_scratch {
  renorm::order order;
  xhat_scratch<T> xhat;
  gradient_scratch<T> gradient;

  gradient_apply_scratch(problem const& p, arena& memory)
      : order(make_order(p.shape, lanes<T>)), xhat(order, memory), gradient(order, memory) {}
};

template <class T> struct backward_scratch {
  renorm::order order;
  reduction_scratch<T> sums;
  xhat_scratch<T> xhat;
  gradient_scratch<T> gradient;
  double *sum_dy, *sum_dy_xhat;

  backward_scratch(problem const& p, arena& memory)
      : order(make_order(p.shape, lanes<T>)),
        sums(order, memory),
        xhat(order, memory),
        gradient(order, memory),
        sum_dy(memory.take<double>(p.shape.c)),
        sum_dy_xhat(memory.take<double>(p.shape.c)) {}
};

template <class T> struct inference_backward_scratch {
  renorm::order order;
  reduction_scratch<T> sums;
  xhat_scratch<T> xhat;
  affine_scratch<T> affine;
  double *mean, *sigma, *sum_dy, *sum_dy_xhat;

  inference_backward_scratch(problem const& p, arena& memory)
      : order(make_order(p.shape, lanes<T>)),
        sums(order, memory),
        xhat(order, memory),
        affine(order, memory),
        mean(memory.take<double>(p.shape.c)),
        sigma(memory.take<double>(p.shape.c)),
        sum_dy(memory.take<double>(p.shape.c)),
        sum_dy_xhat(memory.take<double>(p.shape.c)) {}
};

// dx of training as a Sweep (op/sweep.hpp).
template <class T> struct gradient_sweep {
  kernels<T> const& k;
  grad_coefficients<T> g;
  T const *x, *dy;
  T* dx;
  bool stream;

  gradient_sweep(kernels<T> const& kernels, xhat_scratch<T> const& n, gradient_scratch<T> const& s, void const* in, void const* grad,
                 void* out, bool bypass)
      : k(kernels),
        g{n.center, n.inv, n.off, s.scale, s.c1, s.c2},
        x(static_cast<T const*>(in)),
        dy(static_cast<T const*>(grad)),
        dx(static_cast<T*>(out)),
        stream(bypass && out != in && out != grad) {}

  void planes(renorm::planes const& p, std::size_t offset, std::size_t c) const {
    k.grad_affine_plane(p, x + offset, dy + offset, {g.center + c, g.inv + c, g.off + c, g.scale + c, g.c1 + c, g.c2 + c}, dx + offset,
                        stream);
  }
  void pixels(renorm::pixels const& p, std::size_t offset) const {
    k.grad_affine_pixels(p, x + offset, dy + offset, g, dx + offset, stream);
  }
  void finish() const { publish(stream); }
};

bool bypass(problem const& p, call const& on) { return output_bypasses_cache(3 * p.tensor_bytes(), on.exec.threads); }

template <class T> grad_sums<T> sums_of(call const& on, void const* x, void const* dy, xhat_scratch<T> const& n) {
  return {on.code.of<T>(), on.code.channel, static_cast<T const*>(x), static_cast<T const*>(dy), n.center, n.inv};
}

// S1 and S2 of some channels from their segments.
template <class T> void finish_sums(reduction<T, grad_sums<T>> const& r, isa const& code, channels at, double const* mean,
                                    double const* sigma, double* sum_dy, double* sum_dy_xhat) {
  std::size_t const c = at.first;
  r.combine(c, at.count, sum_dy + c, sum_dy_xhat + c);
  code.of<T>().settle_grad(at.count, mean + c, sigma + c, sum_dy + c, sum_dy_xhat + c);
}

void write_parameters(problem const& p, isa const& code, channels at, double const* r, double const* d, double const* sum_dy,
                      double const* sum_dy_xhat, void* dgamma, void* dbeta) {
  std::size_t const c = at.first;
  code.channel.grad_parameters(at.count, from(r, c), from(d, c), sum_dy + c, sum_dy_xhat + c, from(p.params(dgamma), c),
                               from(p.params(dbeta), c));
}

template <class T> void narrow_gradient(problem const& p, order const& o, isa const& code, channels at, std::int64_t count,
                                        double const* sigma, void const* gamma, double const* r, double const* sum_dy,
                                        double const* sum_dy_xhat, gradient_scratch<T> const& g) {
  std::size_t const c = at.first;
  code.of<T>().narrow_grad(at.count, problem::divisor(count, false), problem::divisor(count, p.unbiased), sigma + c,
                           from(p.params(gamma), c), from(r, c), sum_dy + c, sum_dy_xhat + c, g.scale + c, g.c1 + c, g.c2 + c);
  for (T* row : {g.scale, g.c1, g.c2}) repeat_for_sublanes(o, row);
}

void clear_parameters(problem const& p, void* dgamma, void* dbeta) {
  std::size_t const bytes = p.shape.c * (p.params_f64 ? sizeof(double) : sizeof(float));
  for (void* gradient : {dgamma, dbeta})
    if (gradient != nullptr) memset(gradient, 0, bytes);
}

template <class T> void backward_as(problem const& p, renorm_backward_args const& a, call const& on) {
  arena memory(on.workspace);
  backward_scratch<T> const s(p, memory);
  order const& o = s.order;
  double const *const r = p.batch_renorm ? a.r : nullptr, *const d = p.batch_renorm ? a.d : nullptr;
  std::int64_t const count = a.count != nullptr ? *a.count : p.count();

  auto const sums = sums_of<T>(on, a.x, a.dy, s.xhat);
  reduction<T, grad_sums<T>> const reduction(o, s.sums, sums);
  gradient_sweep<T> const sweep(on.code.of<T>(), s.xhat, s.gradient, a.x, a.dy, a.dx, bypass(p, on));
  s.xhat.narrow(o, on.code, {0, p.shape.c}, a.mean, a.sigma);
  run_passes(
      make_schedule(o, sizeof(T), on.exec.threads), on.exec, [&](portion const& q) { reduction.reduce(q); },
      [&](std::size_t first, std::size_t channel_count) {
        channels const at = {first, channel_count};
        finish_sums(reduction, on.code, at, a.mean, a.sigma, s.sum_dy, s.sum_dy_xhat);
        write_parameters(p, on.code, at, r, d, s.sum_dy, s.sum_dy_xhat, a.dgamma, a.dbeta);
        narrow_gradient(p, o, on.code, at, count, a.sigma, a.gamma, r, s.sum_dy, s.sum_dy_xhat, s.gradient);
      },
      [&](portion const& q) {
        if (a.dx != nullptr) sweep_portion(o, q, sweep);
      });
}

template <class T> void backward_reduce_as(problem const& p, renorm_backward_reduce_args const& a, call const& on) {
  arena memory(on.workspace);
  reduce_scratch<T> const s(p, memory);
  auto const sums = sums_of<T>(on, a.x, a.dy, s.xhat);
  reduction<T, grad_sums<T>> const reduction(s.order, s.sums, sums);
  s.xhat.narrow(s.order, on.code, {0, p.shape.c}, a.mean, a.sigma);
  run_passes(
      make_schedule(s.order, sizeof(T), on.exec.threads), on.exec, [&](portion const& q) { reduction.reduce(q); },
      [&](std::size_t first, std::size_t count) {
        finish_sums(reduction, on.code, {first, count}, a.mean, a.sigma, a.sum_dy, a.sum_dy_xhat);
      },
      [](portion const&) {});
}

template <class T> void backward_apply_as(problem const& p, renorm_backward_apply_args const& a, call const& on) {
  channels const all = {0, p.shape.c};
  double const *const r = p.batch_renorm ? a.r : nullptr, *const d = p.batch_renorm ? a.d : nullptr;
  write_parameters(p, on.code, all, r, d, a.sum_dy, a.sum_dy_xhat, a.dgamma, a.dbeta);
  if (a.dx == nullptr || p.shape.values() == 0) return;
  arena memory(on.workspace);
  gradient_apply_scratch<T> const s(p, memory);
  std::int64_t const count = a.count != nullptr ? *a.count : p.count();
  s.xhat.narrow(s.order, on.code, all, a.mean, a.sigma);
  narrow_gradient(p, s.order, on.code, all, count, a.sigma, a.gamma, r, a.sum_dy, a.sum_dy_xhat, s.gradient);
  sweep_all(s.order, sizeof(T), on.exec, gradient_sweep<T>(on.code.of<T>(), s.xhat, s.gradient, a.x, a.dy, a.dx, bypass(p, on)));
}

// dgamma needs x; dbeta alone is the same reduction with dy in its place.
template <class T> void inference_parameters(problem const& p, renorm_inference_backward_args const& a, call const& on,
                                             inference_backward_scratch<T> const& s) {
  void const* const x = a.dgamma != nullptr ? a.x : a.dy;
  auto const sums = sums_of<T>(on, x, a.dy, s.xhat);
  reduction<T, grad_sums<T>> const reduction(s.order, s.sums, sums);
  s.xhat.narrow(s.order, on.code, {0, p.shape.c}, s.mean, s.sigma);
  run_passes(
      make_schedule(s.order, sizeof(T), on.exec.threads), on.exec, [&](portion const& q) { reduction.reduce(q); },
      [&](std::size_t first, std::size_t count) {
        channels const at = {first, count};
        finish_sums(reduction, on.code, at, s.mean, s.sigma, s.sum_dy, s.sum_dy_xhat);
        write_parameters(p, on.code, at, nullptr, nullptr, s.sum_dy, s.sum_dy_xhat, a.dgamma, a.dbeta);
      },
      [](portion const&) {});
}

// dx = gamma/sigma * dy: the affine sweep with center and shift 0.
template <class T>
void inference_dx(problem const& p, renorm_inference_backward_args const& a, call const& on, inference_backward_scratch<T> const& s) {
  channels const all = {0, p.shape.c};
  affine_map const& map = s.affine.map;
  map_forward(p, on.code, all, s.mean, s.sigma, nullptr, nullptr, a.gamma, nullptr, map);
  clear(map.center, p.shape.c);
  s.affine.narrow(s.order, on.code, all, map.center, map.scale, map.shift);
  sweep_all(s.order, sizeof(T), on.exec, affine_sweep<T>(on.code.of<T>(), s.affine, a.dy, a.dx, bypass(p, on)));
}

template <class T> void inference_backward_as(problem const& p, renorm_inference_backward_args const& a, call const& on) {
  arena memory(on.workspace);
  inference_backward_scratch<T> const s(p, memory);
  on.code.channel.deviation(p.shape.c, p.running_statistics(a.running_mean, a.running_var), s.mean, s.sigma);
  if (a.dgamma != nullptr || a.dbeta != nullptr) inference_parameters(p, a, on, s);
  if (a.dx != nullptr) inference_dx(p, a, on, s);
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
    clear(a.sum_dy, p.shape.c);
    clear(a.sum_dy_xhat, p.shape.c);
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
