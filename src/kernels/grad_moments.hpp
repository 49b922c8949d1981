// S1 = sum(g), S2 = sum(g*xhat), xhat = (x - center)*inv, g being what the epilogue leaves of dy. The factor inv keeps the products of
// denormal or huge x in range.
#pragma once

#include "kernels/epilogue.hpp"

namespace renorm {
namespace {

template <class V> RENORM_INLINE void add_grad_moments(V deviation, V g, V inv, V& sum_dy, V& sum_dy_xhat) {
  V const held = g.held();
  sum_dy = sum_dy + held;
  sum_dy_xhat = fma(held, deviation * inv, sum_dy_xhat);
}

template <class Fused, class V, class T> void grad_moments_runs(planes const& p, T const* x, T const* dy, validity<T> const& valid,
                                                                T const* center, T const* inv, grad_epilogue<T> const& e, T* sums) {
  with_validity<V>(valid, [&](auto values_of) RENORM_LAMBDA {
    sum_planes<V>(p, sums, [&](std::size_t i, std::size_t c, std::size_t run, lane_set<V>& s1, lane_set<V>& s2) RENORM_LAMBDA {
      V const mean = V::set(center[c]), scale = V::set(inv[c]), zero = V::set(T(0));
      auto const before = gate<Fused, V>::load(e, [&](T const* values) RENORM_LAMBDA { return V::set(values[c]); });
      auto const values = values_of(i);
      for_each_lane<V>(p.length, [&](std::size_t r, std::size_t j, auto k) RENORM_LAMBDA {
        V const deviation = values.keep(V::load(x + run + j, k, mean), mean, j, k) - mean;
        V const g = values.keep(before.open(V::load(dy + run + j, k, zero), deviation, e.z, run + j, k), zero, j, k);
        add_grad_moments(deviation, g, scale, s1.r[r], s2.r[r]);
      });
    });
  });
}

// sums[channel] = {lanes of S1, lanes of S2}, over all samples.
template <class V, class T = typename V::value> void grad_moments_plane(planes const& p, T const* x, T const* dy, validity<T> const& valid,
                                                                        T const* center, T const* inv, grad_epilogue<T> const& e, T* sums) {
  with_gate(e, [&](auto fused) RENORM_LAMBDA { grad_moments_runs<decltype(fused), V>(p, x, dy, valid, center, inv, e, sums); });
}

template <class Fused, class V, class T> void grad_moments_rows(pixels const& p, T const* x, T const* dy, T const* center, T const* inv,
                                                                grad_epilogue<T> const& e, T* sum_dy, T* sum_dy_xhat) {
  constexpr std::size_t tile_registers = 2;
  std::size_t const pitch = p.pitch;
  for_each_row_group<V, tile_registers>(p, [&](std::size_t first, std::size_t rows) RENORM_LAMBDA {
    sweep_tiles<V, tile_registers>(p.width, [&](std::size_t j, auto registers, auto k) RENORM_LAMBDA {
      using columns = tile<V, registers>;
      V const zero = V::set(T(0));
      auto const mean = columns::load(center + j, k), scale = columns::load(inv + j, k);
      gate<Fused, V> before[columns::registers];
      RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) before[i] =
          gate<Fused, V>::load(e, [&](T const* values) RENORM_LAMBDA { return V::load(values + j + i * V::size, k, zero); });
      auto s1 = columns::load(sum_dy + j, k), s2 = columns::load(sum_dy_xhat + j, k);
      std::size_t at = first * pitch + j;
      for (std::size_t r = 0; r < rows; ++r, at += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) {
          std::size_t const value = at + i * V::size;
          V const deviation = V::load(x + value, k, mean.r[i]) - mean.r[i];
          V const g = before[i].open(V::load(dy + value, k, zero), deviation, e.z, value, k);
          add_grad_moments(deviation, g, scale.r[i], s1.r[i], s2.r[i]);
        }
      }
      s1.store(sum_dy + j, k);
      s2.store(sum_dy_xhat + j, k);
    });
  });
}

// sum_dy[j], sum_dy_xhat[j] += over the rows of column j.
template <class V, class T = typename V::value> void grad_moments_pixels(pixels const& p, T const* x, T const* dy, T const* center,
                                                                         T const* inv, grad_epilogue<T> const& e, T* sum_dy,
                                                                         T* sum_dy_xhat) {
  with_gate(e, [&](auto fused) RENORM_LAMBDA { grad_moments_rows<decltype(fused), V>(p, x, dy, center, inv, e, sum_dy, sum_dy_xhat); });
}

}  // namespace
}  // namespace renorm
