// S1 = sum(dy), S2 = sum(dy*xhat), xhat = (x - center)*inv. The factor inv keeps the products of denormal or huge x in range.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

template <class V> RENORM_INLINE void add_grad_moments(V x, V dy, V center, V inv, V& sum_dy, V& sum_dy_xhat) {
  sum_dy = sum_dy + dy;
  sum_dy_xhat = fma(dy, (x - center) * inv, sum_dy_xhat);
}

// sums[channel] = {lanes of S1, lanes of S2}, over all samples.
template <class V, class T = typename V::value>
void grad_moments_plane(planes const& p, T const* x, T const* dy, validity<T> const& valid, T const* center, T const* inv, T* sums) {
  with_validity<V>(valid, [&](auto values_of) RENORM_LAMBDA {
    sum_planes<V>(p, sums, [&](std::size_t i, std::size_t c, std::size_t run, lane_set<V>& s1, lane_set<V>& s2) RENORM_LAMBDA {
      V const mean = V::set(center[c]), scale = V::set(inv[c]), zero = V::set(T(0));
      auto const values = values_of(i);
      for_each_lane<V>(p.length, [&](std::size_t r, std::size_t j, auto k) RENORM_LAMBDA {
        V const x_j = values.keep(V::load(x + run + j, k, mean), mean, j, k),
                dy_j = values.keep(V::load(dy + run + j, k, zero), zero, j, k);
        add_grad_moments(x_j, dy_j, mean, scale, s1.r[r], s2.r[r]);
      });
    });
  });
}

// sum_dy[j], sum_dy_xhat[j] += over the rows of column j.
template <class V, class T = typename V::value>
void grad_moments_pixels(pixels const& p, T const* x, T const* dy, T const* center, T const* inv, T* sum_dy, T* sum_dy_xhat) {
  constexpr std::size_t tile_registers = 2;
  std::size_t const pitch = p.pitch;
  for_each_row_group<V, tile_registers>(p, [&](std::size_t first, std::size_t rows) RENORM_LAMBDA {
    sweep_tiles<V, tile_registers>(p.width, [&](std::size_t j, auto registers, auto k) RENORM_LAMBDA {
      using columns = tile<V, registers>;
      V const zero = V::set(T(0));
      auto const mean = columns::load(center + j, k), scale = columns::load(inv + j, k);
      auto s1 = columns::load(sum_dy + j, k), s2 = columns::load(sum_dy_xhat + j, k);
      std::size_t at = first * pitch + j;
      for (std::size_t r = 0; r < rows; ++r, at += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) {
          std::size_t const value = at + i * V::size;
          add_grad_moments(V::load(x + value, k, mean.r[i]), V::load(dy + value, k, zero), mean.r[i], scale.r[i], s1.r[i], s2.r[i]);
        }
      }
      s1.store(sum_dy + j, k);
      s2.store(sum_dy_xhat + j, k);
    });
  });
}

}  // namespace
}  // namespace renorm
