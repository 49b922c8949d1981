// The sums of op/reduce.hpp that a backward pass needs: S1 = sum(g) and S2 = sum(g*xhat).
#pragma once

#include "op/reduce.hpp"

namespace renorm {

template <class T> struct grad_sums {
  static constexpr std::size_t inputs = 2;
  static constexpr bool shifts = false;
  kernels<T> const& k;
  channel_kernels const& algebra;
  order const& o;
  T const *x, *dy;
  xhat_coefficients<T> n;  // [groups][width]
  grad_epilogue<T> e;

  void planes(renorm::planes const& p, std::size_t offset, std::size_t column, validity<T> const& valid, sample_offsets const&, T*,
              T* lanes) const {
    k.grad_moments_plane(p, x + offset, dy + offset, valid, from(n, column), epilogue_from(e, column, offset), lanes);
  }
  void start_rows(sample_offsets const&, T*) const {}
  void pixels(renorm::pixels const& p, std::size_t offset, std::size_t column, T const*, T* a, T* b) const {
    k.grad_moments_pixels(p, x + offset, dy + offset, from(n, column), epilogue_from(e, column, offset), a, b);
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

}  // namespace renorm
