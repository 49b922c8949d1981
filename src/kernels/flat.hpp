// Short planes of several samples, side by side in memory, as rows of pixels: with the coefficients of a channel repeated for each of
// its positions, registers run over the borders of planes. 7x7 planes would fill their registers to 77 percent and start anywhere.
#pragma once

#include "kernels/stream.hpp"

namespace renorm {
namespace {

// Repeats each value length times. Writes up to a register past the end.
template <class V, class T> void repeat_values(T const* values, std::size_t count, std::size_t length, T* row) {
  for (std::size_t c = 0; c < count; ++c, row += length) {
    V const v = V::set(values[c]);
    for (std::size_t i = 0; i < length; i += V::size) v.store(row + i, whole<V::size>{});
  }
}

// sweep(pixels, place, rows) for the samples of one group of channels after the other; rows[k] is the row of coefficients[k]. One row
// at a time: rows of different samples in turn ran at half the speed in the L2 cache.
template <class V, std::size_t arrays, class T, class Sweep>
RENORM_INLINE void sweep_flat(planes const& p, T const* const (&coefficients)[arrays], Sweep const& sweep) {
  alignas(64) T rows[arrays][flat_row_bytes / sizeof(T) + V::size];
  std::size_t together = 1;  // a power of two: the groups then end with a cache line, as pass/schedule.cpp would have it
  while (2 * together * p.length * sizeof(T) <= flat_row_bytes) together *= 2;
  for (std::size_t first = 0; first < p.channels; first += together) {
    std::size_t const channels = p.channels - first < together ? p.channels - first : together;
    for (std::size_t k = 0; k < arrays; ++k) repeat_values<V>(coefficients[k] + first, channels, p.length, rows[k]);
    for (std::size_t i = 0; i < p.samples; ++i) sweep({1, {}, channels * p.length, p.ahead}, place{i * p.step, first, 0}, rows);
  }
}

}  // namespace
}  // namespace renorm
