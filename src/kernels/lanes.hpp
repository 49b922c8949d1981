// Building blocks of kernels: loops over registers and tails, the accumulator lanes of one channel.
#pragma once

#include "kernels/types.hpp"
#include "simd/vec.hpp"

namespace renorm {
namespace {

// body(i, k) over [0, n): k is whole<size> for full registers and the number that is left for the tail. Unrolled because a
// register a loop turn would leave the load ports idle.
template <class V, class Body> RENORM_INLINE void sweep(std::size_t n, Body const& body) {
  constexpr std::size_t w = V::size;
  std::size_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    body(i, whole<w>{});
    body(i + w, whole<w>{});
    body(i + 2 * w, whole<w>{});
    body(i + 3 * w, whole<w>{});
  }
  for (; i + w <= n; i += w) body(i, whole<w>{});
  if (i < n) body(i, n - i);
}

// N neighbouring registers.
template <class V, std::size_t N> struct tile {
  using T = typename V::value;
  static constexpr std::size_t registers = N;
  V r[N];

  static RENORM_INLINE tile zero() {
    tile t;
    RENORM_UNROLL for (std::size_t i = 0; i < N; ++i) t.r[i] = V::set(T(0));
    return t;
  }
  template <class K> static RENORM_INLINE tile load(T const* p, K k) {
    tile t;
    RENORM_UNROLL for (std::size_t i = 0; i < N; ++i) t.r[i] = V::load(p + i * V::size, k, V::set(T(0)));
    return t;
  }
  template <class K> RENORM_INLINE void store(T* p, K k) const {
    RENORM_UNROLL for (std::size_t i = 0; i < N; ++i) r[i].store(p + i * V::size, k);
  }
};

// The registers that hold all lanes of one sum.
template <class V> using lane_set = tile<V, lanes<typename V::value> / V::size>;

// Value i of a run goes to lane i mod lanes: body(register, i, k) for each register's worth of the run.
template <class V, class Body> RENORM_INLINE void for_each_lane(std::size_t length, Body const& body) {
  using T = typename V::value;
  constexpr std::size_t w = V::size, registers = lane_set<V>::registers;
  std::size_t i = 0;
  for (; i + lanes<T> <= length; i += lanes<T>) {
    RENORM_UNROLL for (std::size_t k = 0; k < registers; ++k) body(k, i + k * w, whole<w>{});
  }
  if (i == length) return;
  RENORM_UNROLL for (std::size_t k = 0; k < registers; ++k, i += w) {
    if (i + w <= length) body(k, i, whole<w>{});
    else if (i < length) body(k, i, length - i);
  }
}

// What a register of values counts as: itself, or where a mask leaves a value out, something that adds nothing.
template <class V> struct every_value {
  template <class K> RENORM_INLINE V keep(V x, V, std::size_t, K) const { return x; }
};
template <class V> struct valid_values {
  typename V::value const* at;
  template <class K> RENORM_INLINE V keep(V x, V otherwise, std::size_t i, K k) const {
    V const zero = V::set(0);
    return select(zero < V::load(at + i, k, zero), x, otherwise);
  }
};

// body(f), f(sample) being how the values of a run count.
template <class V, class T, class Body> RENORM_INLINE void with_validity(validity<T> const& valid, Body const& body) {
  if (valid.at == nullptr) body([](std::size_t) RENORM_LAMBDA { return every_value<V>{}; });
  else body([&](std::size_t sample) RENORM_LAMBDA { return valid_values<V>{valid.at + sample * valid.pitch}; });
}

// Samples whose planes of one channel are summed before the next channel's: the lanes are loaded and stored less often, and the tensor
// is still read in a few runs at a time.
inline constexpr std::size_t samples_at_once = 4;

// Two sums of each channel over planes: body(sample, channel, offset of the run, lanes of one, lanes of the other) adds a run. The lanes
// of all channels are kept in memory and the samples taken a few at once, so that the tensor is read in its order; where all of it is in
// the L1 cache anyway, all samples at once. Each lane's additions are the same.
template <class V, class Body> RENORM_INLINE void sum_planes(planes const& p, typename V::value* sums, Body const& body) {
  using T = typename V::value;
  constexpr std::size_t l1_values = 16384 / sizeof(T);
  std::size_t const together = p.samples * p.sample_pitch <= l1_values ? p.samples : samples_at_once;
  for (std::size_t first = 0; first < p.samples; first += together) {
    std::size_t const last = p.samples - first < together ? p.samples : first + together;
    for (std::size_t c = 0; c < p.channels; ++c) {
      T *const sum_a = sums + c * 2 * lanes<T>, *const sum_b = sum_a + lanes<T>;
      auto a = first == 0 ? lane_set<V>::zero() : lane_set<V>::load(sum_a, whole<V::size>{});
      auto b = first == 0 ? lane_set<V>::zero() : lane_set<V>::load(sum_b, whole<V::size>{});
      for (std::size_t i = first; i < last; ++i) body(i, c, i * p.sample_pitch + c * p.channel_pitch, a, b);
      a.store(sum_a, whole<V::size>{});
      b.store(sum_b, whole<V::size>{});
    }
  }
}

// body(i, registers, k) over [first, n) in tiles: whole<N> full registers, then half as many, and so on, then the tail as in sweep().
template <class V, std::size_t N, class Body> RENORM_INLINE void sweep_tiles(std::size_t n, Body const& body, std::size_t first = 0) {
  constexpr std::size_t w = V::size;
  std::size_t i = first;
  for (; i + N * w <= n; i += N * w) body(i, whole<N>{}, whole<w>{});
  if (i == n) return;
  if constexpr (N > 1) sweep_tiles<V, N / 2>(n, body, i);
  else body(i, whole<1>{}, n - i);
}

// body(first row, number of rows) over groups of rows that share one load of the coefficients: four, as more rows at a 4 KB pitch thrash
// an 8-way L1; all, where a tile of N registers spans them, as it then takes them in memory order.
template <class V, std::size_t N, class Body> RENORM_INLINE void for_each_row_group(pixels const& p, Body const& body) {
  std::size_t const together = p.width <= N * V::size ? p.rows : 4;
  for (std::size_t r = 0; r < p.rows; r += together) body(r, p.rows - r < together ? p.rows - r : together);
}

}  // namespace
}  // namespace renorm
