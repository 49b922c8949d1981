// The gradient: the sums of a backward pass, and the sweep that makes dx and dz of them.
#pragma once

#include "op/affine.hpp"
#include "op/channel.hpp"
#include "pass/passes.hpp"
#include "pass/reduce.hpp"

#include <string.h>

namespace renorm {

// Where x is normalised: center, inv, off as the kernels read them, [groups][width].
template <class T> struct xhat_scratch {
  T *center, *inv, *off, *half, *unit;
  units_needed units;

  xhat_scratch(order const& o, arena& memory) {
    for (T** values : {&center, &inv, &off, &half, &unit}) *values = memory.take<T>(o.columns());
  }

  // For all groups.
  void narrow(order const& o, call const& on, normalization const& by) const {
    for_each_group(o, on.exec, [&](std::size_t g) {
      channels const at(o.shape, g);
      std::size_t const i = at.of_group, c = g * o.width();
      bool const needed =
          on.code.of<T>().narrow_xhat(at.count, by.mean + i, by.sigma + i, center + c, inv + c, off + c, half + c, unit + c);
      units.note(needed, o, at, c, {center, inv, off}, {half, unit});
    });
  }
};

// The forward map, where relu needs its argument again. Computed as forward does, so that the same bits decide.
template <class T> struct gate_scratch {
  affine_scratch<T> affine;

  gate_scratch(problem const& p, arena& memory) : affine(p.order, memory, p.relu) {}

  // For all groups.
  void narrow(problem const& p, call const& on, normalization const& by, parameters const& params) const {
    if (!p.relu) return;
    for_each_group(p.order, on.exec, [&](std::size_t g) {
      channels const at(p.shape(), g);
      map_forward(p, on.code, at, by, params, affine.map);
      affine.narrow(p.order, on.code, at, affine.map);
    });
  }
  grad_epilogue<T> epilogue(problem const& p, view<void const> const& z, view<void> const& dz) const {
    return {p.relu,
            p.add,
            affine.t_scale,
            affine.t_shift,
            affine.t_unit,
            p.relu && p.add ? as<T>(z) : view<T const>(),
            p.add ? as<T>(dz) : view<T>()};
  }
};

// What reductions and sweeps of the gradient share.
template <class T> struct gradient_inputs {
  selection_scratch<T> selected;
  xhat_scratch<T> xhat;
  gate_scratch<T> gate;

  gradient_inputs(problem const& p, arena& memory) : selected(p.order, p.mask, memory), xhat(p.order, memory), gate(p, memory) {}

  void narrow(problem const& p, call const& on, normalization const& by, parameters const& params) const {
    xhat.narrow(p.order, on, by);
    gate.narrow(p, on, by, params);
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

// S1 = sum(g) and S2 = sum(g*xhat), as Sums (pass/reduce.hpp).
template <class T> struct grad_sums {
  static constexpr std::size_t inputs = 2;
  static constexpr bool shifts = false;
  kernels<T> const& k;
  channel_kernels const& algebra;
  order const& o;
  view<T const> x, dy;
  xhat_coefficients<T> n;  // [groups][width]
  grad_epilogue<T> e;

  void planes(renorm::planes const& p, place const& at, std::size_t column, view<T const> const& valid, samples const&, T*,
              T* lanes) const {
    k.grad_moments_plane(p, x.from(at), dy.from(at), valid, from(n, column), from(e, column, at), lanes);
  }
  void start_rows(samples const&, T*) const {}
  void pixels(renorm::pixels const& p, place const& at, std::size_t column, T const*, T* a, T* b) const {
    k.grad_moments_pixels(p, x.from(at), dy.from(at), from(n, column), from(e, column, at), a, b);
  }
  void fold_plane(std::size_t channels, T const* lanes, chunk_sums& s) const { k.fold_plane(channels, lanes, s.a, s.b, nullptr); }
  void fold_pixels(std::size_t channels, std::size_t pitch, T const* a, T const* b, chunk_sums& s) const {
    k.fold_pixels(channels, o.sublanes, pitch, a, b, s.a, s.b, nullptr);
  }
  template <class Repeat> void settle(std::size_t, double, T const*, chunk_sums&, Repeat const&) const {}
  void join(std::size_t channels, std::size_t, std::size_t, double* a, double* b, double const* other_a, double const* other_b) const {
    algebra.accumulate(channels, a, other_a);
    algebra.accumulate(channels, b, other_b);
  }
  void finish(std::size_t, std::size_t, double*, double*) const {}
};

// After the inputs have been narrowed.
template <class T> grad_sums<T> grad_sums_of(problem const& p, call const& on, gradient_inputs<T> const& inputs, view<void const> const& x,
                                             view<void const> const& dy, grad_epilogue<T> const& e) {
  bool const in_units = inputs.xhat.units || inputs.gate.affine.units;
  return {on.code.of<T>(), on.code.channel, p.order, as<T>(x), as<T>(dy), coefficients_of(inputs.xhat, in_units), e};
}

// S1 and S2 of some channels from their segments. Without a value there is nothing to settle: sigma may be 0.
template <class T> void finish_sums(reduction<T, grad_sums<T>> const& r, isa const& code, channels const& at, normalization const& by,
                                    gradient_sums const& to) {
  std::size_t const i = at.of_group;
  if (r.combine(at, to.dy, to.dy_xhat)) code.of<T>().settle_grad(at.count, by.mean + i, by.sigma + i, to.dy + i, to.dy_xhat + i);
}

// Whether the registers of two outputs begin at the same values, wherever they are.
template <class T> bool same_alignment(view<T> const& a, view<T> const& b) {
  std::uintptr_t const apart = reinterpret_cast<std::uintptr_t>(a.data) - reinterpret_cast<std::uintptr_t>(b.data);
  return apart % arena::alignment == 0 && a.pitch == b.pitch;
}

// dx of training, and dz, as a Sweep (pass/sweep.hpp).
template <class T> struct gradient_sweep : masked_output<T>, streaming {
  xhat_scratch<T> const& n;
  gate_scratch<T> const& gate;
  gradient_scratch<T> const& g;
  view<T const> x, dy;
  grad_epilogue<T> e;

  gradient_sweep(kernels<T> const& kernels, gradient_inputs<T> const& inputs, gradient_scratch<T> const& s, view<T const> const& in,
                 view<T const> const& grad, grad_epilogue<T> const& behind, view<T> const& dx, bool bypass)
      : masked_output<T>{kernels, dx},
        streaming{bypass && dx.data != in.data && dx.data != grad.data && may_stream(behind, grad, dx)},
        n(inputs.xhat),
        gate(inputs.gate),
        g(s),
        x(in),
        dy(grad),
        e(behind) {}

  bool units() const { return n.units || gate.affine.units || g.units; }
  void planes(renorm::planes const& p, place const& at, std::size_t column) const {
    bool const in_units = units();
    this->k.grad_affine_plane(p, x.from(at), dy.from(at), from(coefficients_of(n, in_units), column),
                              from(coefficients_of(g, in_units), column), from(e, column, at), this->out.from(at), stream);
  }
  void pixels(renorm::pixels const& p, place const& at, std::size_t column) const {
    bool const in_units = units();
    this->k.grad_affine_pixels(p, x.from(at), dy.from(at), from(coefficients_of(n, in_units), column),
                               from(coefficients_of(g, in_units), column), from(e, column, at), this->out.from(at), stream);
  }
  void clear_planes(renorm::planes const& p, place const& at, view<T const> const& valid) const {
    masked_output<T>::clear_planes(p, at, valid);
    if (e.dz.data != nullptr) this->k.clear_plane(p, valid, e.dz.from(at));
  }
  void clear(place const& at, std::size_t count) const {
    masked_output<T>::clear(at, count);
    if (e.dz.data != nullptr) memset(e.dz.at(at), 0, count * sizeof(T));
  }

 private:
  // What is stored beside dx streams with it.
  static bool may_stream(grad_epilogue<T> const& e, view<T const> const& grad, view<T> const& dx) {
    T const* const dz = e.dz.data;
    return dz == nullptr || (dz != grad.data && dz != e.z.data && same_alignment(e.dz, dx));
  }
};

// How many tensors it reads and writes, beside dy and dx.
inline std::size_t count_gradient_tensors(bool x, bool z, bool dz) {
  return 2 + static_cast<std::size_t>(x) + static_cast<std::size_t>(z) + static_cast<std::size_t>(dz);
}

// x is dy where x decides nothing.
template <class T> gradient_sweep<T> backward_sweep(problem const& p, gradient_inputs<T> const& inputs, gradient_scratch<T> const& s,
                                                    view<void const> const& x, view<void const> const& dy, grad_epilogue<T> const& e,
                                                    view<void> const& dx, call const& on) {
  std::size_t const tensors = count_gradient_tensors(x.data != dy.data, e.z.data != nullptr, e.dz.data != nullptr);
  return {on.code.of<T>(), inputs, s, as<T>(x), as<T>(dy), e, as<T>(dx), bypass(p, tensors, on.exec.threads)};
}

template <class T> void narrow_gradient(problem const& p, isa const& code, channels const& at, std::int64_t const* count,
                                        normalization const& by, void const* gamma, gradient_sums_in const& sums,
                                        gradient_scratch<T> const& g) {
  std::size_t const i = at.of_group, c = at.group * p.order.width() + at.first;
  std::int64_t const m = count[at.group];
  bool const needed =
      code.of<T>().narrow_grad(at.count, divisor_of(m, false), divisor_of(m, p.unbiased), by.sigma + i, from(p.params(gamma), at.first),
                               from(by.r, i), sums.dy + i, sums.dy_xhat + i, g.scale + c, g.c1 + c, g.c2 + c, g.dx_unit + c);
  g.units.note(needed, p.order, at, c, {g.scale, g.c1, g.c2}, {g.dx_unit});
}

// The caller's counts, else those of the tensor.
template <class T> std::int64_t const* counts_of(std::int64_t const* given, selection<T> const& selected, std::int64_t* own) {
  if (given != nullptr) return given;
  selected.count_groups(own);
  return own;
}

inline void write_parameters(problem const& p, isa const& code, normalization const& by, gradient_sums_in const& sums,
                             parameter_gradients const& to) {
  shape const& s = p.shape();
  code.channel.grad_parameters(s.c, s.groups, s.c, by.r, by.d, sums.dy, sums.dy_xhat, p.params(to.gamma), p.params(to.beta));
}

}  // namespace renorm
