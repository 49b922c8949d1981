// Working arrays that several operations share.
#pragma once

#include "op/arena.hpp"
#include "op/channel.hpp"
#include "op/sweep.hpp"

#include <atomic>
#include <initializer_list>
#include <string.h>

namespace renorm {

// Bytes of a Scratch<T>(problem, arena&). Empty tensors need none, whatever their other extents are.
template <template <class> class Scratch> std::size_t scratch_bytes(problem const& p) {
  if (p.shape.values() == 0) return 0;
  return with_element_type(p, [&](auto zero) {
    arena counter(nullptr, 0);
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

// Whether a channel of a call needs units (kernels/types.hpp). Whoever sweeps before another thread finds one gets the same bits: units of
// 1 change none.
class units_needed {
 public:
  explicit operator bool() const { return found_.load(std::memory_order_relaxed); }

  // Coefficients of some channels of a group have been narrowed, from a column on: notes whether they need units, whose arrays are
  // written only then, and repeats what is written for the sub-lanes.
  template <class T> void note(bool needed, order const& o, channels const& at, std::size_t column, std::initializer_list<T*> coefficients,
                               std::initializer_list<T*> units) const {
    RENORM_ASSERT(o.sublanes == 1 || at.count == o.shape.c);  // what is repeated is a whole row
    if (needed) found_.store(true, std::memory_order_relaxed);
    for (T* values : coefficients) repeat_for_sublanes(o, values + column);
    for (T* values : units)
      if (needed) repeat_for_sublanes(o, values + column);
      else fill(values + column, at.count * o.sublanes, T(1));
  }

 private:
  template <class T> static void repeat_for_sublanes(order const& o, T* row) {
    std::size_t const c = o.shape.c;
    for (std::size_t p = 1; p < o.sublanes; ++p)
      for (std::size_t j = 0; j < c; ++j) row[p * c + j] = row[j];
  }
  template <class T> static void fill(T* values, std::size_t count, T value) {
    for (std::size_t i = 0; i < count; ++i) values[i] = value;
  }

  mutable std::atomic<bool> found_{false};
};

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

  void narrow(order const& o, isa const& code, channels const& at, double const* center, double const* scale, double const* shift) const {
    std::size_t const i = at.of_group, c = at.group * o.width() + at.first;
    bool const needed = code.of<T>().narrow_affine(at.count, center + i, scale + i, shift + i, t_center + c, t_scale + c, t_shift + c,
                                                   t_half + c, t_unit + c);
    units.note(needed, o, at, c, {t_center, t_scale, t_shift}, {t_half, t_unit});
  }
  affine_coefficients<T> coefficients() const { return {t_center, t_scale, t_shift, units ? t_half : nullptr, units ? t_unit : nullptr}; }
};

// What becomes of masked values in the output of a Sweep.
template <class T> struct masked_output {
  kernels<T> const& k;
  T* out;

  void clear_planes(renorm::planes const& p, std::size_t offset, validity<T> const& valid) const { k.clear_plane(p, valid, out + offset); }
  void clear(std::size_t offset, std::size_t count) const { memset(out + offset, 0, count * sizeof(T)); }
};

// y = scale*(x - center) + shift, and the epilogue, as a Sweep (op/sweep.hpp).
template <class T> struct affine_sweep : masked_output<T>, streaming {
  affine_scratch<T> const& map;
  T const* x;
  epilogue<T> behind;

  affine_sweep(kernels<T> const& kernels, affine_scratch<T> const& t, void const* in, epilogue<T> const& e, void* y, bool bypass)
      : masked_output<T>{kernels, static_cast<T*>(y)},
        streaming{bypass && in != y && e.z != y},
        map(t),
        x(static_cast<T const*>(in)),
        behind(e) {}

  epilogue<T> behind_from(std::size_t offset) const { return {behind.relu, behind.add, behind.add ? behind.z + offset : nullptr}; }
  void planes(renorm::planes const& p, std::size_t offset, std::size_t column) const {
    this->k.affine_plane(p, x + offset, from(map.coefficients(), column), behind_from(offset), this->out + offset, stream);
  }
  void pixels(renorm::pixels const& p, std::size_t offset, std::size_t column) const {
    this->k.affine_pixels(p, x + offset, from(map.coefficients(), column), behind_from(offset), this->out + offset, stream);
  }
};

}  // namespace renorm
