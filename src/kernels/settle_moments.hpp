// From shifted sums S, Q over a chunk of count values to their sum, count*pivot + S, and M2 = Q - S*S/count, where these can be trusted.
#pragma once

#include "kernels/arrays.hpp"

namespace renorm {
namespace {

// Below this mean square, squares of T lose bits to underflow.
template <class T> inline constexpr double tiny_square = sizeof(T) == sizeof(float) ? 0x1p-100 : 0x1p-960;

// Values of such a size are equal where the squares of their differences are below tiny_square: their units in the last place are not.
template <class T> inline constexpr double untiny = sizeof(T) == sizeof(float) ? 0x1p-20 : 0x1p-420;

// Writes the sum and m2, and what is to be done about them. Returns whether there is anything. What is not finite stays that. The sum
// takes back the shift with one rounding, none for exact data; low is what S lost of doubles (fold.hpp), and tiny whether underflow counts.
// Decided per channel, so that a neighbour's bits do not change.
template <class V, class T = typename V::value> bool settle_moments(std::size_t channels, double count, bool tiny, T const* pivot,
                                                                    double const* shifted, double const* low, double const* squares,
                                                                    double* sum, double* m2, double* verdict) {
  vec<double> const inv_count = wide(1 / count), no = wide(0), inf = wide(__builtin_inf()), share = wide(cancelled);
  vec<double> const least = wide(count * tiny_square<T>), equal = wide(untiny<T>);
  bool found = false;
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const s = load_wide(shifted + c, k), q = load_wide(squares + c, k), p = load_wide(pivot + c, k);
    vec<double> const loss = s * (s * inv_count), rest = q - loss;
    vec<double> v = select(share * q < loss, wide(recentre), no);
    vec<double> const size = select(p < no, no - p, p);
    v = select(q < least, tiny ? select(size < equal, wide(magnify), no) : no, v);
    v = select(inf <= q, wide(shrink), v);
    vec<double> total = fma(wide(count), p, s);
    if constexpr (sizeof(T) == sizeof(double)) {
      total = total + load_wide(low + c, k);
      v = select(inf <= select(total < no, no - total, total), wide(shrink), v);
    }
    v = used_lanes(v, k);
    total.store(sum + c, k);
    select(rest < no, no, rest).store(m2 + c, k);
    v.store(verdict + c, k);
    found |= any(no < v);
  });
  return found;
}

}  // namespace
}  // namespace renorm
