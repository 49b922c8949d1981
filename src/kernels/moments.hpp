// sum(x - pivot), sum((x - pivot)^2): one pass over shifted values, the shift being a value of the channel itself, so that a large
// mean costs no digits. With factors, powers of two, the deviations are in other units, so that their squares are in range.
#pragma once

#include "kernels/deviation.hpp"

#include <cstddef>

namespace renorm {
namespace {

// load(array) is a register's part of an array of pivots or factors.
template <class V, class T, class Load> RENORM_INLINE plain_deviation<V> from_pivot(T const* pivot, std::nullptr_t, Load const& load) {
  return {load(pivot)};
}
template <class V, class T, class Load> RENORM_INLINE scaled_deviation<V> from_pivot(T const* pivot, T const* factor, Load const& load) {
  V const center = load(pivot), units = load(factor);
  return {V::set(T(0)) - center * units, units, V::set(T(1)), center};
}

template <class V, class T, class Factor>
void sum_runs(planes const& p, view<T const> const& x_view, view<T const> const& valid, T const* pivot, Factor factor, T* sums) {
  view<T const> const x = x_view;
  with_validity<V>(valid, [&](auto values_of) RENORM_LAMBDA {
    sum_planes<V>(p, x, sums, [&](place const& at, std::size_t length, lane_sums<V>& to) RENORM_LAMBDA {
      auto const from = from_pivot<V>(pivot, factor, [&](T const* values) RENORM_LAMBDA { return V::set(values[at.channel]); });
      auto const values = values_of(at);
      T const* const run = x.at(at);
      for_each_lane<V>(length, [&](std::size_t r, std::size_t j, auto k) RENORM_LAMBDA {
        V const deviation = from.of(values.keep(V::load(run + j, k, from.filler()), from.filler(), j, k));
        to.add(r, deviation, deviation, next_term{});
      });
    });
  });
}

// sums[channel] = {lanes of sum, lanes of sum of squares}, over all samples. factor may be NULL.
template <class V, class T = typename V::value>
void moments_plane(planes const& p, view<T const> const& x, view<T const> const& valid, T const* pivot, T const* factor, T* sums) {
  if (factor == nullptr) sum_runs<V>(p, x, valid, pivot, nullptr, sums);
  else sum_runs<V>(p, x, valid, pivot, factor, sums);
}

template <class V, class T, class Factor>
void sum_rows(pixels const& p, view<T const> const& x, T const* pivot, Factor factor, T* sum, T* sum_squares) {
  constexpr std::size_t tile_registers = 4;
  auto const all = rows_of(x, p);
  for_each_row_group<V, tile_registers>(p, [&](std::size_t first, std::size_t rows) RENORM_LAMBDA {
    sweep_tiles<V, tile_registers>(p.width, [&](std::size_t j, auto registers, auto k) RENORM_LAMBDA {
      using columns = tile<V, registers>;
      auto const from_at = [&](std::size_t at) RENORM_LAMBDA {
        return from_pivot<V>(pivot, factor, [&](T const* values) RENORM_LAMBDA { return V::load(values + at, k, V::set(T(0))); });
      };
      decltype(from_at(j)) from[columns::registers];
      RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) from[i] = from_at(j + i * V::size);
      two_sums<V, registers> sums = {columns::load(sum + j, k), columns::load(sum_squares + j, k)};
      sum_row_group(rows, rows_at_once<T>(p.width), sums, [&](std::size_t r, auto& to, auto which) RENORM_LAMBDA {
        T const* const row = all.at(first + r, j).values;
        RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) {
          V const deviation = from[i].of(V::load(row + i * V::size, k, from[i].filler()));
          to.add(i, deviation, deviation, which);
        }
      });
      sums.a.store(sum + j, k);
      sums.b.store(sum_squares + j, k);
    });
  });
}

// sum[j], sum_squares[j] += over the rows of column j. factor may be NULL.
template <class V, class T = typename V::value>
void moments_pixels(pixels const& p, view<T const> const& x, T const* pivot, T const* factor, T* sum, T* sum_squares) {
  if (factor == nullptr) sum_rows<V>(p, x, pivot, nullptr, sum, sum_squares);
  else sum_rows<V>(p, x, pivot, factor, sum, sum_squares);
}

template <class T> RENORM_INLINE T select(bool m, T a, T b) { return m ? a : b; }

// Of registers, or of values. A NaN decides nothing.
template <class X> RENORM_INLINE X median(X a, X b, X c) {
  X const least = select(b < a, b, a), most = select(a < b, b, a), upper = select(c < most, c, most);
  return select(least < upper, upper, least);
}

// The median of three rows, column by column.
template <class V, class T = typename V::value> void median_rows(std::size_t n, T const* a, T const* b, T const* c, T* out) {
  sweep<V>(n, [&](std::size_t j, auto k) RENORM_LAMBDA {
    V const zero = V::set(T(0));
    median(V::load(a + j, k, zero), V::load(b + j, k, zero), V::load(c + j, k, zero)).store(out + j, k);
  });
}

// The median of three values of each channel, which are a pitch apart.
template <class V, class T = typename V::value>
void median_planes(std::size_t channels, std::size_t pitch, T const* a, T const* b, T const* c, T* out) {
  for (std::size_t i = 0; i < channels; ++i) out[i] = median(a[i * pitch], b[i * pitch], c[i * pitch]);
}

}  // namespace
}  // namespace renorm
