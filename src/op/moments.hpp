// The mean and the variance of a batch: sums of pass/reduce.hpp, as kernels/carried.hpp has them.
#pragma once

#include "kernels/carried.hpp"
#include "op/problem.hpp"
#include "pass/reduce.hpp"

#include <string.h>

namespace renorm {

// Powers of two that bring the squares of all differences of T that are too large, or too small, into its range.
template <class T> inline constexpr T shrinking = static_cast<T>(sizeof(T) == sizeof(float) ? 0x1p-72 : 0x1p-530);
template <class T> inline constexpr T magnifying = static_cast<T>(sizeof(T) == sizeof(float) ? 0x1p90 : 0x1p960);

template <class T> struct moments_sums {
  static constexpr std::size_t inputs = 1;
  static constexpr bool shifts = true;
  kernels<T> const& k;
  channel_kernels const& algebra;
  order const& o;
  view<T const> x;
  bool tiny;  // whether eps shows what underflow loses

  // The pivot is the median of three values: one that is unlike the rest, as padding or the first of a recording may be, costs nothing.
  void planes(renorm::planes const& p, place const& at, std::size_t, view<T const> const& valid, samples const& from, T* shift,
              T* lanes) const {
    k.median_planes(p.channels, x.pitch.channel, x.at(from.at[0]), x.at(from.at[1]), x.at(from.at[2]), shift);
    k.moments_plane(p, x.from(at), valid, shift, nullptr, lanes);
  }
  void start_rows(samples const& from, T* shift) const {
    k.median_rows(o.shape.c, x.at(from.at[0]), x.at(from.at[1]), x.at(from.at[2]), shift);
    for (std::size_t p = 1; p < o.sublanes; ++p) memcpy(shift + p * o.shape.c, shift, o.shape.c * sizeof(T));
  }
  void pixels(renorm::pixels const& p, place const& at, std::size_t, T const* shift, T* a, T* b) const {
    k.moments_pixels(p, x.from(at), shift, nullptr, a, b);
  }
  // Float lanes lose nothing.
  void fold_plane(std::size_t channels, T const* lanes, chunk_sums& s) const { k.fold_plane(channels, lanes, s.a, s.b, low_of(s)); }
  void fold_pixels(std::size_t channels, std::size_t pitch, T const* a, T const* b, chunk_sums& s) const {
    k.fold_pixels(channels, o.sublanes, pitch, a, b, s.a, s.b, low_of(s));
  }

  // The same around other pivots and in other units.
  void repeat_planes(renorm::planes const& p, place const& at, view<T const> const& valid, T const* shift, T const* factor,
                     T* lanes) const {
    k.moments_plane(p, x.from(at), valid, shift, factor, lanes);
  }
  void repeat_pixels(renorm::pixels const& p, place const& at, T const* shift, T const* factor, T* a, T* b) const {
    k.moments_pixels(p, x.from(at), shift, factor, a, b);
  }

  // repeat(r) sums again what is asked for.
  template <class Repeat> void settle(std::size_t channels, double count, T const* shift, chunk_sums& s, Repeat const& repeat) const {
    repetition<T> r;
    if (!k.settle_moments(channels, count, tiny, shift, s.a, s.low, s.b, s.a, s.b, r.verdict)) return;
    for (std::size_t c = 0; c < channels; ++c) {
      r.again[c] = r.verdict[c] != settled;
      r.factor[c] = r.verdict[c] == shrink ? shrinking<T> : r.verdict[c] == magnify ? magnifying<T> : T(1);
      r.shift[c] = r.verdict[c] == recentre ? static_cast<T>(s.a[c] / count) : shift[c];
    }
    repeat(r);
    if (!rescale(channels, count, r, s)) return;
    repeat(r);
    for (std::size_t c = 0; c < channels; ++c)
      if (r.again[c]) recentred(count, r, c, s);
  }

  void join(std::size_t channels, std::size_t count, std::size_t other_count, double* sum, double* m2, double const* other_sum,
            double const* other_m2) const {
    algebra.merge(channels, sizeof(T) == sizeof(float), tiny, static_cast<double>(count), static_cast<double>(other_count), sum, m2,
                  other_sum, other_m2);
  }
  void finish(std::size_t channels, std::size_t count, double* sum, double* m2) const {
    algebra.means_of_sums(channels, static_cast<double>(count), sum, m2, sum);
  }

 private:
  static double* low_of(chunk_sums& s) { return sizeof(T) == sizeof(float) ? nullptr : s.low; }

  // What came of the first repetition. Sums in other units may have to be repeated around their mean: returns whether some have.
  bool rescale(std::size_t channels, double count, repetition<T>& r, chunk_sums& s) const {
    bool any = false;
    for (std::size_t c = 0; c < channels; ++c) {
      if (!r.again[c]) continue;
      r.again[c] = false;
      if (r.verdict[c] == recentre) {
        recentred(count, r, c, s);
        continue;
      }
      double const unit = 1 / static_cast<double>(r.factor[c]), sum = sum_of(count, r, c), loss = r.sums.a[c] * (r.sums.a[c] / count);
      if (!is_number(r.sums.b[c])) {  // nor are the values
        s.a[c] = sum * unit;
        s.b[c] = __builtin_nan("");
      } else if (cancelled * r.sums.b[c] < loss) {
        s.a[c] = sum;
        r.shift[c] = static_cast<T>(sum / count * unit);
        r.again[c] = any = true;
      } else {
        store(carry(count, sum, unit, r.sums.b[c] - loss, unit), c, s);
      }
    }
    return any;
  }

  // Around the first mean the variance has all its digits. The sum is the first one, which is that of exact data, unless the second shows
  // it to be wrong: the two differ by more than a lane's additions and the fold may round, and the sum itself.
  static void recentred(double count, repetition<T> const& r, std::size_t c, chunk_sums& s) {
    constexpr double roundings = additions_per_lane + 32, unit_roundoff = sizeof(T) == sizeof(float) ? 0x1p-24 : 0x1p-53;
    double const unit = 1 / static_cast<double>(r.factor[c]), first = s.a[c], second = sum_of(count, r, c);
    double const squares = r.sums.b[c], loss = r.sums.a[c] * (r.sums.a[c] / count);
    double const bound = roundings * unit_roundoff * __builtin_sqrt(count * squares) + 0x1p-53 * __builtin_fabs(second);
    double const sum = __builtin_fabs(first - second) <= bound ? first : second;
    store(carry(count, sum, unit, squares < loss ? 0 : squares - loss, unit), c, s);
  }

  // With the shift taken back, in units of 1/factor.
  static double sum_of(double count, repetition<T> const& r, std::size_t c) {
    double const sum = count * (static_cast<double>(r.shift[c]) * static_cast<double>(r.factor[c])) + r.sums.a[c];
    return sizeof(T) == sizeof(float) ? sum : sum + r.sums.low[c];
  }

  static void store(carried const& v, std::size_t c, chunk_sums& s) {
    s.a[c] = v.sum;
    s.b[c] = v.m2;
  }
};

template <class T> struct moments_scratch {
  selection_scratch<T> selected;
  reduction_scratch<T> sums;

  moments_scratch(problem const& p, arena& memory) : selected(p.order, p.mask, memory, true), sums(p.order, memory, true) {}
};

template <class T> moments_sums<T> moments_of(problem const& p, call const& on, view<void const> const& x) {
  return {on.code.of<T>(), on.code.channel, p.order, as<T>(x), p.eps < tiny_eps<T>};
}

// The m2 that callers get, where reductions carried another one.
template <class T> void spell_out(shape const& s, call const& on, batch_moments const& batch) {
  if (sizeof(T) == sizeof(float)) return;
  for (std::size_t g = 0; g < s.groups; ++g) on.code.channel.spell_out_m2(s.c, static_cast<double>(batch.count[g]), batch.m2 + g * s.c);
}

}  // namespace renorm
