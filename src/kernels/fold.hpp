// From float or double lanes to one double sum a channel, in an order that no ISA changes.
#pragma once

#include "kernels/arrays.hpp"

namespace renorm {
namespace {

// Lane i + lane (i + half), halving: the same tree for every register width.
template <class V> RENORM_INLINE double fold_lanes(typename V::value const* p) {
  using D = vec<double>;
  constexpr std::size_t registers = lanes<typename V::value> / D::size;
  D r[registers];
  RENORM_UNROLL for (std::size_t i = 0; i < registers; ++i) r[i] = D::load_as(p + i * D::size);
  RENORM_UNROLL for (std::size_t n = registers / 2; n > 0; n /= 2) {
    RENORM_UNROLL for (std::size_t i = 0; i < n; ++i) r[i] = r[i] + r[i + n];
  }
  return fold(r[0]);
}

template <class V, class T = typename V::value> void fold_plane(std::size_t channels, T const* sums, double* a, double* b) {
  for (std::size_t c = 0; c < channels; ++c, sums += 2 * lanes<T>) {
    a[c] = fold_lanes<V>(sums);
    b[c] = fold_lanes<V>(sums + lanes<T>);
  }
}

// Sub-lane p of channel c is column p*pitch + c; sub-lanes add up in order.
template <class V, class T = typename V::value>
void fold_pixels(std::size_t channels, std::size_t sublanes, std::size_t pitch, T const* sum_a, T const* sum_b, double* a, double* b) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> va = load_wide(sum_a + c, k), vb = load_wide(sum_b + c, k);
    for (std::size_t p = 1; p < sublanes; ++p) {
      va = va + load_wide(sum_a + p * pitch + c, k);
      vb = vb + load_wide(sum_b + p * pitch + c, k);
    }
    va.store(a + c, k);
    vb.store(b + c, k);
  });
}

}  // namespace
}  // namespace renorm
