// Sweeps whose output goes past the caches.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

// A store policy for sweep(): y + i at the place i. Streaming stores need whole aligned registers; heads and tails take the plain way.
struct cached_store {
  template <class V, class T, class K> RENORM_INLINE void operator()(V v, T* p, K k) const { v.store(p, k); }
};
struct streaming_store {
  template <class V, class T> RENORM_INLINE void operator()(V v, T* p, whole<V::size>) const { v.stream(p); }
  template <class V, class T> RENORM_INLINE void operator()(V v, T* p, std::size_t n) const { v.store(p, n); }
};

// Values before the first register boundary of p.
template <class V, class T> RENORM_INLINE std::size_t values_to_boundary(T const* p) {
  constexpr std::size_t bytes = V::size * sizeof(T);
  return (bytes - reinterpret_cast<std::uintptr_t>(p) % bytes) % bytes / sizeof(T);
}

// Only values that lie on multiples of their size can meet a register boundary.
template <class V, class T> RENORM_INLINE bool can_stream(T const* p) {
  return V::size > 1 && reinterpret_cast<std::uintptr_t>(p) % sizeof(T) == 0;
}

// body(i, k, store) over [0, n) for an output at y.
template <class V, class T, class Body> RENORM_INLINE void sweep_to(T const* y, std::size_t n, bool stream, Body const& body) {
  if (!stream || !can_stream<V>(y)) {
    sweep<V>(n, [&](std::size_t i, auto k) RENORM_LAMBDA { body(i, k, cached_store{}); });
    return;
  }
  std::size_t head = values_to_boundary<V>(y);
  if (head > n) head = n;
  if (head > 0) body(std::size_t(0), head, cached_store{});
  sweep<V>(n - head, [&](std::size_t i, auto k) RENORM_LAMBDA { body(head + i, k, streaming_store{}); });
}

}  // namespace
}  // namespace renorm
