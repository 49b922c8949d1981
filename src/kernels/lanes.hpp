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

// Sums of terms, and of terms times factors, in N registers each.
struct first_term {};
struct next_term {};
template <class V, std::size_t N> struct two_sums {
  tile<V, N> a, b;

  static RENORM_INLINE two_sums zero() { return {tile<V, N>::zero(), tile<V, N>::zero()}; }
  // Plus 0, as products that underflow take Zen 5 as long as ten others, and those of an fma do not.
  RENORM_INLINE void add(std::size_t i, V term, V factor, first_term) {
    a.r[i] = term;
    b.r[i] = fma(term, factor, V::set(typename V::value(0)));
  }
  RENORM_INLINE void add(std::size_t i, V term, V factor, next_term) {
    a.r[i] = a.r[i] + term;
    b.r[i] = fma(term, factor, b.r[i]);
  }
  // The second sum by a product with 1: Zen has other ports for that than the additions of the first keep busy.
  RENORM_INLINE void add(two_sums const& other) {
    V const one = V::set(typename V::value(1));
    RENORM_UNROLL for (std::size_t i = 0; i < N; ++i) a.r[i] = a.r[i] + other.a.r[i];
    RENORM_UNROLL for (std::size_t i = 0; i < N; ++i) b.r[i] = fma(other.b.r[i], one, b.r[i]);
  }
};

// The registers that hold all lanes of one sum, and of two.
template <class V> inline constexpr std::size_t lane_registers = lanes<typename V::value> / V::size;
template <class V> using lane_sums = two_sums<V, lane_registers<V>>;

// Value i of a run goes to lane i mod lanes: body(register, i, k) for each register's worth of the run.
template <class V, class Body> RENORM_INLINE void for_each_lane(std::size_t length, Body const& body) {
  using T = typename V::value;
  constexpr std::size_t w = V::size, registers = lane_registers<V>;
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

// body(f), f(place) being how the values from there on count. valid is not 0 where a position does; without it all do.
template <class V, class T, class Body> RENORM_INLINE void with_validity(view<T const> const& valid, Body const& body) {
  if (valid.data == nullptr) body([](place const&) RENORM_LAMBDA { return every_value<V>{}; });
  else body([&](place const& at) RENORM_LAMBDA { return valid_values<V>{valid.at(at)}; });
}

// Additions to a lane that make a partial sum of planes: of short runs, and of a part of a long one.
inline constexpr std::size_t short_additions = 8, long_additions = 16;

// Samples whose planes of one channel are summed before the next channel's: the lanes are loaded and stored less often, and the tensor is
// still read in a few runs at a time. Eight took 1.2 times as long as four with 7x7 planes from memory (Zen 5).
inline constexpr std::size_t samples_at_once = 4;

// Runs of so many additions that make a partial sum: a power of two, so that it divides the samples that are taken at once.
RENORM_INLINE std::size_t runs_of_partial(std::size_t additions) {
  std::size_t runs = 1;
  while (2 * runs * additions <= short_additions) runs *= 2;
  return runs;
}

// Over samples [first, last) of a channel: a partial sum takes several short runs, or a part of a long one.
template <class V, class Body> RENORM_INLINE void sum_samples(planes const& p, std::size_t c, std::size_t first, std::size_t last,
                                                              std::size_t runs, lane_sums<V>& sums, Body const& body) {
  constexpr std::size_t most = long_additions * lanes<typename V::value>;
  if (p.length <= most) {
    for (std::size_t i = first; i < last;) {
      auto partial = lane_sums<V>::zero();
      for (std::size_t end = last - i < runs ? last : i + runs; i < end; ++i) body(place{i * p.step, c, 0}, p.length, partial);
      sums.add(partial);
    }
    return;
  }
  for (std::size_t i = first; i < last; ++i)
    for (std::size_t j = 0; j < p.length; j += most) {
      auto partial = lane_sums<V>::zero();
      body(place{i * p.step, c, j}, p.length - j < most ? p.length - j : most, partial);
      sums.add(partial);
    }
}

// Two sums of each channel over planes: body(place, length, lanes) adds what is no longer than a run. The lanes of all channels are kept
// in memory and the samples taken a few at once, so that a tensor is read in its order; where all of x is in the L1 cache anyway, all
// samples at once. Partial sums are the same.
template <class V, class T, class Body> RENORM_INLINE void sum_planes(planes const& p, view<T const> const& x, T* sums, Body const& body) {
  constexpr std::size_t l1_values = 16384 / sizeof(T), n = lane_registers<V>;
  std::size_t const runs = runs_of_partial((p.length + lanes<T> - 1) / lanes<T>), at_once = runs < samples_at_once ? samples_at_once : runs;
  std::size_t const together = p.samples * p.step * x.pitch.sample <= l1_values ? p.samples : at_once;
  for (std::size_t first = 0; first < p.samples; first += together) {
    std::size_t const last = p.samples - first < together ? p.samples : first + together;
    for (std::size_t c = 0; c < p.channels; ++c) {
      T *const sum_a = sums + c * 2 * lanes<T>, *const sum_b = sum_a + lanes<T>;
      auto of_channel = lane_sums<V>::zero();
      if (first > 0) of_channel = {tile<V, n>::load(sum_a, whole<V::size>{}), tile<V, n>::load(sum_b, whole<V::size>{})};
      sum_samples<V>(p, c, first, last, runs, of_channel, body);
      of_channel.a.store(sum_a, whole<V::size>{});
      of_channel.b.store(sum_b, whole<V::size>{});
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

// Runs of a tensor, one after the other: rows, or the channels of a sample. Where there is no such tensor they are NULL, and 0 apart.
template <class E> struct run_of {
  E* values;
  std::size_t pitch;

  RENORM_INLINE run_of at(std::size_t run, std::size_t column) const {
    return {values == nullptr ? nullptr : values + run * pitch + column, pitch};
  }
  RENORM_INLINE void next() { values += pitch; }
};

template <class E> RENORM_INLINE run_of<E> rows_of(view<E> const& v, pixels const& p) { return {v.data, v.pitch.offset(p.step)}; }
template <class E> RENORM_INLINE run_of<E> channels_of(view<E> const& v, std::size_t sample) {
  return {v.at({sample, 0, 0}), v.pitch.channel};
}

// Rows that share one load of the coefficients, and that make one partial sum: of wide ones four, as more rows at a 4 KB pitch thrash an
// 8-way L1.
template <class T> RENORM_INLINE std::size_t rows_at_once(std::size_t width) { return is_narrow<T>(width) ? 8 : 4; }

// body(first row, number of rows) over groups of rows; all of them, where a tile of N registers spans them, as it then takes them in memory
// order.
template <class V, std::size_t N, class Body> RENORM_INLINE void for_each_row_group(pixels const& p, Body const& body) {
  std::size_t const together = p.width <= N * V::size ? p.rows : rows_at_once<typename V::value>(p.width);
  for (std::size_t r = 0; r < p.rows; r += together) body(r, p.rows - r < together ? p.rows - r : together);
}

// Two sums over rows, so many at once: body(row, sums, which) adds one. Unrolled for wide rows alone: of narrow ones the loads of several
// would mix, where a prefetcher expects them in the order of memory (Zen 5, 32x128x56x56: 1.5 times as long).
template <class V, std::size_t N, class Body>
RENORM_INLINE void sum_row_group(std::size_t rows, std::size_t at_once, two_sums<V, N>& sums, Body const& body) {
  constexpr std::size_t unrolled = 4;
  std::size_t r = 0;
  if (at_once == unrolled) {
    for (; r + unrolled <= rows; r += unrolled) {
      two_sums<V, N> partial;
      body(r, partial, first_term{});
      RENORM_UNROLL for (std::size_t i = 1; i < unrolled; ++i) body(r + i, partial, next_term{});
      sums.add(partial);
    }
  }
  while (r < rows) {
    two_sums<V, N> partial;
    body(r, partial, first_term{});
    std::size_t const end = rows - r < at_once ? rows : r + at_once;
    while (++r < end) body(r, partial, next_term{});
    sums.add(partial);
  }
}

}  // namespace
}  // namespace renorm
