// Sweeps whose output goes past the caches.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

// A store policy for sweep(): y + i at the place i. Streaming stores need whole aligned registers; heads and tails take the plain way.
struct cached_store {
  static constexpr bool streams = false;
  template <class V, class T, class K> RENORM_INLINE void operator()(V v, T* p, K k) const { v.store(p, k); }
};
struct streaming_store {
  static constexpr bool streams = true;
  template <class V, class T> RENORM_INLINE void operator()(V v, T* p, whole<V::size>) const { v.stream(p); }
  template <class V, class T> RENORM_INLINE void operator()(V v, T* p, std::size_t n) const { v.store(p, n); }
};

// Streaming takes whole cache lines: half a line is read, merged and written again. Only values that lie on multiples of their size can
// meet the border of one.
inline constexpr std::size_t line_bytes = 64;
template <class V, class T> RENORM_INLINE bool can_stream(T const* p) {
  return V::size > 1 && reinterpret_cast<std::uintptr_t>(p) % sizeof(T) == 0;
}
template <class T> RENORM_INLINE std::size_t values_to_line(T const* p) {
  return (line_bytes - reinterpret_cast<std::uintptr_t>(p) % line_bytes) % line_bytes / sizeof(T);
}

// body(i, registers, k, store) over [0, n) for an output at y, in tiles of up to N registers.
template <class V, std::size_t N, class T, class Body>
RENORM_INLINE void sweep_tiles_to(T const* y, std::size_t n, bool stream, Body const& body) {
  if (!stream || !can_stream<V>(y)) {
    sweep_tiles<V, N>(n, [&](std::size_t i, auto registers, auto k) RENORM_LAMBDA { body(i, registers, k, cached_store{}); });
    return;
  }
  std::size_t const to_line = values_to_line(y), head = to_line < n ? to_line : n, rest = (n - head) % (line_bytes / sizeof(T));
  auto const plain = [&](std::size_t first, std::size_t count) RENORM_LAMBDA {
    sweep_tiles<V, 1>(count, [&](std::size_t i, auto one, auto k) RENORM_LAMBDA { body(first + i, one, k, cached_store{}); });
  };
  plain(0, head);
  sweep_tiles<V, N>(n - head - rest,
                    [&](std::size_t i, auto registers, auto k) RENORM_LAMBDA { body(head + i, registers, k, streaming_store{}); });
  plain(n - rest, rest);
}

// body(i, k, store), one register at a time.
template <class V, class T, class Body> RENORM_INLINE void sweep_to(T const* y, std::size_t n, bool stream, Body const& body) {
  sweep_tiles_to<V, 4>(y, n, stream, [&](std::size_t first, auto registers, auto k, auto store) RENORM_LAMBDA {
    constexpr std::size_t count = registers;
    RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) body(first + i * V::size, k, store);
  });
}

// Streaming sweeps of what is in the cache leave the memory's read side idle: meanwhile what the next portion begins with, so many values
// ahead, is loaded. p is the register's place at i in a run; one prefetch a cache line.
template <class V, class Store, class T> RENORM_INLINE void read_ahead(Store, T const* p, std::size_t i, std::size_t ahead) {
  if constexpr (Store::streams)
    if (ahead > 0 && i % (line_bytes / sizeof(T)) < V::size) prefetch(reinterpret_cast<std::uintptr_t>(p) + ahead * sizeof(T));
}

template <class T> RENORM_INLINE bool is_long_run(std::size_t length) { return length * sizeof(T) >= long_run_bytes; }

// group(first row, number of rows, stream) over rows for tiles of N registers. Rows that are a whole number of cache lines apart have their
// ends in common, so that nothing of them is stored both ways.
template <class V, std::size_t N, class T, class Group>
RENORM_INLINE void write_rows(pixels const& p, run_of<T> const& y, bool stream, Group const& group) {
  bool const streamed = stream && (y.pitch * sizeof(T) % line_bytes == 0 || is_long_run<T>(p.width));
  bool const same_alignment = y.pitch % V::size == 0;
  if (!streamed || same_alignment)
    for_each_row_group<V, N>(p, [&](std::size_t first, std::size_t rows) RENORM_LAMBDA { group(first, rows, streamed); });
  else
    for (std::size_t r = 0; r < p.rows; ++r) group(r, std::size_t(1), true);
}

}  // namespace
}  // namespace renorm
