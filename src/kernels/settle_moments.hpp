// From shifted sums S, Q over a chunk of count values to its mean and M2 = Q - S*S/count, where the sums can be trusted.
#pragma once

#include "kernels/arrays.hpp"

namespace renorm {
namespace {

// Below this mean square, squares of T lose bits to underflow.
template <class T> inline constexpr double tiny_square = sizeof(T) == sizeof(float) ? 0x1p-100 : 0x1p-960;

// More than this share of Q cancelled: the pivot was an outlier.
inline constexpr double cancelled = 0.9;

// Marks a doubtful channel by m2 = -1 and returns whether there is one: Q overflowed (or the data is not finite), underflowed
// (a constant channel included), or cancelled. Decided per channel, so that a neighbour's bits do not change.
template <class V, class T = typename V::value> bool settle_moments(std::size_t channels, double count, T const* pivot, double const* sum,
                                                                    double const* sum_squares, double* mean, double* m2) {
  vec<double> const inv_count = wide(1 / count), doubtful = wide(-1), inf = wide(__builtin_inf());
  vec<double> const underflow = wide(count * tiny_square<T>), share = wide(cancelled);
  bool found = false;
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const s = load_wide(sum + c, k), q = load_wide(sum_squares + c, k);
    vec<double> const shift = s * inv_count, loss = s * shift;
    vec<double> v = select(q < inf, q - loss, doubtful);
    v = select(q < underflow, doubtful, v);
    v = select(share * q < loss, doubtful, v);
    (load_wide(pivot + c, k) + shift).store(mean + c, k);
    v.store(m2 + c, k);
    found |= any(v < wide(0));
  });
  return found;
}

}  // namespace
}  // namespace renorm
