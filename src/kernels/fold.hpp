// From float or double lanes to one double sum a channel, in an order that no ISA changes.
#pragma once

#include "kernels/arrays.hpp"

namespace renorm {
namespace {

// a + b, and what it loses: D. E. Knuth, "The Art of Computer Programming", volume 2, section 4.2.2, theorem B.
template <class D> RENORM_INLINE D add_exactly(D a, D b, D& low) {
  D const sum = a + b, of_b = sum - a;
  low = low + ((a - (sum - of_b)) + (b - of_b));
  return sum;
}

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

// The same of double lanes in units of 1/factor, and what was lost on the way: the losses are added one after the other.
inline double fold_exactly(double const* p, double factor, double& low) {
  constexpr std::size_t half = lanes<double> / 2;
  double r[half], lost[half] = {};
  for (std::size_t i = 0; i < half; ++i) r[i] = add_exactly<double>(p[i] * factor, p[i + half] * factor, lost[i]);
  for (std::size_t n = half / 2; n > 0; n /= 2)
    for (std::size_t i = 0; i < n; ++i) {
      r[i] = add_exactly(r[i], r[i + n], lost[i]);
      lost[i] = lost[i] + lost[i + n];
    }
  low = lost[0];
  return r[0];
}

// What sums of such squares are made of loses digits that are denormal. Each of those takes the processor as long as a hundred additions:
// hence they are found in larger units, and come back from there for a register of channels at once.
inline constexpr double tiny_squares = 0x1p-1000, larger_units = 0x1p300;

template <class V> void fold_planes_exactly(std::size_t channels, double const* sums, double* a, double* b, double* low) {
  for (std::size_t c = 0; c < channels; ++c, sums += 2 * lanes<double>) {
    b[c] = fold_lanes<V>(sums + lanes<double>);
    a[c] = fold_exactly(sums, b[c] < tiny_squares ? larger_units : 1, low[c]);
  }
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const unit = select(load_wide(b + c, k) < wide(tiny_squares), wide(1 / larger_units), wide(1));
    store_wide(load_wide(a + c, k) * unit, a + c, k);
    store_wide(load_wide(low + c, k) * unit, low + c, k);
  });
}

// low: what a loses, where that is wanted, which is of doubles.
template <class V, class T = typename V::value> void fold_plane(std::size_t channels, T const* sums, double* a, double* b, double* low) {
  if constexpr (sizeof(T) == sizeof(double))
    if (low != nullptr) return fold_planes_exactly<V>(channels, sums, a, b, low);
  for (std::size_t c = 0; c < channels; ++c, sums += 2 * lanes<T>) {
    a[c] = fold_lanes<V>(sums);
    b[c] = fold_lanes<V>(sums + lanes<T>);
  }
}

// Sub-lane p of channel c is column p*pitch + c; sub-lanes add up in order.
template <class V, class T = typename V::value> void fold_pixels(std::size_t channels, std::size_t sublanes, std::size_t pitch,
                                                                 T const* sum_a, T const* sum_b, double* a, double* b, double* low) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> va = load_wide(sum_a + c, k), vb = load_wide(sum_b + c, k), lost = wide(0);
    for (std::size_t p = 1; p < sublanes; ++p) {
      vec<double> const more = load_wide(sum_a + p * pitch + c, k);
      va = low == nullptr ? va + more : add_exactly(va, more, lost);
      vb = vb + load_wide(sum_b + p * pitch + c, k);
    }
    va.store(a + c, k);
    vb.store(b + c, k);
    store_if(low, c, k, lost);
  });
}

}  // namespace
}  // namespace renorm
