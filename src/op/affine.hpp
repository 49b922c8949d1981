// y = scale*(x - center) + shift, and the epilogue: its coefficients and its sweep.
#pragma once

#include "op/plan.hpp"
#include "op/scratch.hpp"
#include "pass/sweep.hpp"

namespace renorm {

// How many tensors its sweep reads and writes: x, z, y.
inline std::size_t count_affine_tensors(problem const& p) { return p.add ? 3 : 2; }

// The map y = scale*(x - center) + shift, in double and as the sweeps read it.
template <class T> struct affine_scratch {
  affine_map map = {};                                                                                  // [groups][c]
  T *t_center = nullptr, *t_scale = nullptr, *t_shift = nullptr, *t_half = nullptr, *t_unit = nullptr;  // [groups][width]
  units_needed units;

  affine_scratch(order const& o, arena& memory, bool wanted = true) {
    if (!wanted) return;
    std::size_t const statistics = o.shape.statistics(), columns = o.columns();
    map = {memory.take<double>(statistics), memory.take<double>(statistics), memory.take<double>(statistics)};
    for (T** values : {&t_center, &t_scale, &t_shift, &t_half, &t_unit}) *values = memory.take<T>(columns);
  }

  void narrow(order const& o, isa const& code, channels const& at, affine_map_in const& m) const {
    std::size_t const i = at.of_group, c = at.group * o.width() + at.first;
    bool const needed = code.of<T>().narrow_affine(at.count, m.center + i, m.scale + i, m.shift + i, t_center + c, t_scale + c, t_shift + c,
                                                   t_half + c, t_unit + c);
    units.note(needed, o, at, c, {t_center, t_scale, t_shift}, {t_half, t_unit});
  }
  affine_coefficients<T> coefficients() const { return {t_center, t_scale, t_shift, units ? t_half : nullptr, units ? t_unit : nullptr}; }
};

// As a Sweep (pass/sweep.hpp).
template <class T> struct affine_sweep : masked_output<T>, streaming {
  affine_scratch<T> const& map;
  view<T const> x;
  epilogue<T> behind;

  affine_sweep(kernels<T> const& kernels, affine_scratch<T> const& t, view<T const> const& in, epilogue<T> const& e, view<T> const& y,
               bool bypass)
      : masked_output<T>{kernels, y}, streaming{bypass && in.data != y.data && e.z.data != y.data}, map(t), x(in), behind(e) {}

  void planes(renorm::planes const& p, place const& at, std::size_t column) const {
    this->k.affine_plane(p, x.from(at), from(map.coefficients(), column), from(behind, at), this->out.from(at), stream);
  }
  void pixels(renorm::pixels const& p, place const& at, std::size_t column) const {
    this->k.affine_pixels(p, x.from(at), from(map.coefficients(), column), from(behind, at), this->out.from(at), stream);
  }
};

template <class T> affine_sweep<T> forward_sweep(problem const& p, affine_scratch<T> const& map, forward_tensors const& t, call const& on) {
  epilogue<T> const e = {p.relu, p.add, p.add ? as<T>(t.z) : view<T const>()};
  return {on.code.of<T>(), map, as<T>(t.x), e, as<T>(t.y), bypass(p, count_affine_tensors(p), on.exec.threads)};
}

}  // namespace renorm
