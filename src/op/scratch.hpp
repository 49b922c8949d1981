// Working arrays that several operations share.
#pragma once

#include "op/arena.hpp"
#include "op/channel.hpp"
#include "op/sweep.hpp"

#include <initializer_list>

namespace renorm {

// Bytes of a Scratch<T>(problem, arena&).
template <template <class> class Scratch> std::size_t scratch_bytes(problem const& p) {
  return with_element_type(p, [&](auto zero) {
    arena counter(nullptr);
    Scratch<decltype(zero)> const scratch(p, counter);
    return counter.bytes();
  });
}

// An array of the caller's if there is one, else of the workspace.
inline double* given_or(double* given, double* own) { return given != nullptr ? given : own; }

// Loops, not memset and memcpy: arrays of no channels may be NULL.
inline void clear(double* a, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) a[i] = 0;
}
inline void copy(double const* a, std::size_t count, double* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = a[i];
}

// Repeats the first c values of a row of coefficients for every sub-lane.
template <class T> void repeat_for_sublanes(order const& o, T* row) {
  std::size_t const c = o.shape.c;
  for (std::size_t p = 1; p < o.sublanes; ++p)
    for (std::size_t j = 0; j < c; ++j) row[p * c + j] = row[j];
}

// The map y = scale*(x - center) + shift, in double and as the sweeps read it.
template <class T> struct affine_scratch {
  affine_map map;                   // c
  T *t_center, *t_scale, *t_shift;  // width()

  affine_scratch(order const& o, arena& memory) {
    std::size_t const c = o.shape.c, width = o.width();
    map = {memory.take<double>(c), memory.take<double>(c), memory.take<double>(c)};
    t_center = memory.take<T>(width);
    t_scale = memory.take<T>(width);
    t_shift = memory.take<T>(width);
  }

  void narrow(order const& o, isa const& code, channels at, double const* center, double const* scale, double const* shift) const {
    std::size_t const c = at.first;
    code.of<T>().narrow_affine(at.count, center + c, scale + c, shift + c, t_center + c, t_scale + c, t_shift + c);
    for (T* row : {t_center, t_scale, t_shift}) repeat_for_sublanes(o, row);
  }
};

// y = scale*(x - center) + shift as a Sweep (op/sweep.hpp).
template <class T> struct affine_sweep {
  kernels<T> const& k;
  affine_coefficients<T> coefficients;
  T const* x;
  T* y;
  bool stream;

  affine_sweep(kernels<T> const& kernels, affine_scratch<T> const& t, void const* in, void* out, bool bypass)
      : k(kernels),
        coefficients{t.t_center, t.t_scale, t.t_shift},
        x(static_cast<T const*>(in)),
        y(static_cast<T*>(out)),
        stream(bypass && in != out) {}

  void planes(renorm::planes const& p, std::size_t offset, std::size_t channel) const {
    k.affine_plane(p, x + offset, {coefficients.center + channel, coefficients.scale + channel, coefficients.shift + channel}, y + offset,
                   stream);
  }
  void pixels(renorm::pixels const& p, std::size_t offset) const { k.affine_pixels(p, x + offset, coefficients, y + offset, stream); }
  void finish() const { publish(stream); }
};

}  // namespace renorm
