// Working arrays that several operations share.
#pragma once

#include "op/arena.hpp"
#include "op/channel.hpp"
#include "op/sweep.hpp"

#include <initializer_list>
#include <string.h>

namespace renorm {

// Bytes of a Scratch<T>(problem, arena&). Empty tensors need none, whatever their other extents are.
template <template <class> class Scratch> std::size_t scratch_bytes(problem const& p) {
  if (p.shape.values() == 0) return 0;
  return with_element_type(p, [&](auto zero) {
    arena counter(nullptr);
    Scratch<decltype(zero)> const scratch(p, counter);
    return counter.bytes();
  });
}

// An array that the caller may have given, else room for it in the workspace.
template <class U> struct caller_or_workspace {
  U* own;

  caller_or_workspace(arena& memory, std::size_t count) : own(memory.take<U>(count)) {}
  U* given(U* callers) const { return callers != nullptr ? callers : own; }
};

// Repeats the first c values of a row of coefficients for every sub-lane.
template <class T> void repeat_for_sublanes(order const& o, T* row) {
  std::size_t const c = o.shape.c;
  for (std::size_t p = 1; p < o.sublanes; ++p)
    for (std::size_t j = 0; j < c; ++j) row[p * c + j] = row[j];
}

// The map y = scale*(x - center) + shift, in double and as the sweeps read it.
template <class T> struct affine_scratch {
  affine_map map = {};                                            // [groups][c]
  T *t_center = nullptr, *t_scale = nullptr, *t_shift = nullptr;  // [groups][width]

  affine_scratch() = default;

  affine_scratch(order const& o, arena& memory) {
    std::size_t const statistics = o.shape.statistics(), columns = o.columns();
    map = {memory.take<double>(statistics), memory.take<double>(statistics), memory.take<double>(statistics)};
    t_center = memory.take<T>(columns);
    t_scale = memory.take<T>(columns);
    t_shift = memory.take<T>(columns);
  }

  void narrow(order const& o, isa const& code, channels const& at, double const* center, double const* scale, double const* shift) const {
    std::size_t const i = at.of_group, row = at.group * o.width(), c = row + at.first;
    code.of<T>().narrow_affine(at.count, center + i, scale + i, shift + i, t_center + c, t_scale + c, t_shift + c);
    for (T* values : {t_center, t_scale, t_shift}) repeat_for_sublanes(o, values + row);
  }
};

// What becomes of masked values in the output of a Sweep.
template <class T> struct masked_output {
  kernels<T> const& k;
  T* out;

  void clear_planes(renorm::planes const& p, std::size_t offset, validity<T> const& valid) const { k.clear_plane(p, valid, out + offset); }
  void clear(std::size_t offset, std::size_t count) const { memset(out + offset, 0, count * sizeof(T)); }
};

// y = scale*(x - center) + shift, and the epilogue, as a Sweep (op/sweep.hpp).
template <class T> struct affine_sweep : masked_output<T> {
  affine_coefficients<T> coefficients;
  T const* x;
  epilogue<T> behind;
  bool stream;

  affine_sweep(kernels<T> const& kernels, affine_scratch<T> const& t, void const* in, epilogue<T> const& e, void* out, bool bypass)
      : masked_output<T>{kernels, static_cast<T*>(out)},
        coefficients{t.t_center, t.t_scale, t.t_shift},
        x(static_cast<T const*>(in)),
        behind(e),
        stream(bypass && in != out && e.z != out) {}

  affine_coefficients<T> from(std::size_t column) const {
    return {coefficients.center + column, coefficients.scale + column, coefficients.shift + column};
  }
  epilogue<T> behind_from(std::size_t offset) const { return {behind.relu, behind.add, behind.add ? behind.z + offset : nullptr}; }
  void planes(renorm::planes const& p, std::size_t offset, std::size_t column) const {
    this->k.affine_plane(p, x + offset, from(column), behind_from(offset), this->out + offset, stream);
  }
  void pixels(renorm::pixels const& p, std::size_t offset, std::size_t column) const {
    this->k.affine_pixels(p, x + offset, from(column), behind_from(offset), this->out + offset, stream);
  }
  void publish() const { fence(stream); }
};

}  // namespace renorm
