// sum(x - pivot), sum((x - pivot)^2): one pass over shifted values, the shift being a value of the channel itself, so that a large
// mean costs no digits.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

template <class V> RENORM_INLINE void add_moments(V x, V pivot, V& sum, V& sum_squares) {
  V const deviation = x - pivot;
  sum = sum + deviation;
  sum_squares = fma(deviation, deviation, sum_squares);
}

// sums[channel] = {lanes of sum, lanes of sum of squares}, over all samples.
template <class V, class T = typename V::value>
void moments_plane(planes const& p, T const* x, validity<T> const& valid, T const* pivot, T* sums) {
  with_validity<V>(valid, [&](auto values_of) RENORM_LAMBDA {
    sum_planes<V>(p, sums, [&](std::size_t i, std::size_t c, std::size_t run, lane_set<V>& s, lane_set<V>& q) RENORM_LAMBDA {
      V const shift = V::set(pivot[c]);
      auto const values = values_of(i);
      for_each_lane<V>(p.length, [&](std::size_t r, std::size_t j, auto k) RENORM_LAMBDA {
        add_moments(values.keep(V::load(x + run + j, k, shift), shift, j, k), shift, s.r[r], q.r[r]);
      });
    });
  });
}

// sum[j], sum_squares[j] += over the rows of column j.
template <class V, class T = typename V::value> void moments_pixels(pixels const& p, T const* x, T const* pivot, T* sum, T* sum_squares) {
  constexpr std::size_t tile_registers = 4;
  std::size_t const pitch = p.pitch;
  for_each_row_group<V, tile_registers>(p, [&](std::size_t first, std::size_t rows) RENORM_LAMBDA {
    sweep_tiles<V, tile_registers>(p.width, [&](std::size_t j, auto registers, auto k) RENORM_LAMBDA {
      using columns = tile<V, registers>;
      auto const shift = columns::load(pivot + j, k);
      auto s = columns::load(sum + j, k), q = columns::load(sum_squares + j, k);
      T const* row = x + first * pitch + j;
      for (std::size_t r = 0; r < rows; ++r, row += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i)
            add_moments(V::load(row + i * V::size, k, shift.r[i]), shift.r[i], s.r[i], q.r[i]);
      }
      s.store(sum + j, k);
      q.store(sum_squares + j, k);
    });
  });
}

}  // namespace
}  // namespace renorm
