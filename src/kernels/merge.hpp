// Moments of two sets of values become those of both, and what parts of the C ABI have instead of sums: means.
#pragma once

#include "kernels/arrays.hpp"
#include "kernels/carried.hpp"

namespace renorm {
namespace {

// The channels of a register that go beyond double, one by one; k is whole<size> or the number of channels.
template <class K> void merge_beyond(double count, double other_count, double* sum, double* m2, double const* other_sum,
                                     double const* other_m2, vec<double> merged_m2, vec<double> beyond, K k) {
  double doubt[vec<double>::size], plain[vec<double>::size];
  beyond.store(doubt, whole_register<double>{});
  merged_m2.store(plain, whole_register<double>{});
  for (std::size_t i = 0; i < static_cast<std::size_t>(k); ++i) {
    carried const v = doubt[i] > 0 ? merge_carried(count, {sum[i], m2[i]}, other_count, {other_sum[i], other_m2[i]})
                                   : carried{sum[i] + other_sum[i], plain[i]};
    sum[i] = v.sum;
    m2[i] = v.m2;
  }
}

// As kernels/carried.hpp has them. Both counts > 0. Of floats nothing is beyond double; tiny: whether what squares lose counts.
void merge(std::size_t channels, bool of_floats, bool tiny, double count, double other_count, double* sum, double* m2,
           double const* other_sum, double const* other_m2) {
  double const total = count + other_count;
  vec<double> const share = wide(1 / count), other_share = wide(1 / other_count), spread = wide(count * (other_count / total));
  vec<double> const no = wide(0), yes = wide(1), least = wide(total * least_m2), inf = wide(__builtin_inf());
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const s = load_wide(sum + c, k), q = load_wide(m2 + c, k);
    vec<double> const other_s = load_wide(other_sum + c, k), other_q = load_wide(other_m2 + c, k);
    vec<double> const delta = fma(other_s, other_share, no - s * share), distance = delta * delta;
    vec<double> const merged_s = s + other_s, merged_q = fma(distance, spread, q + other_q);
    if (!of_floats) {
      // Squares that lost digits, an overflow, or a part that was beyond double already.
      vec<double> beyond = tiny ? select(merged_q < least, select(delta < no, yes, select(no < delta, yes, no)), no) : no;
      beyond = select(inf <= merged_q, yes, select(q < no, yes, select(other_q < no, yes, beyond)));
      beyond = select(inf <= merged_s, yes, select(merged_s <= no - inf, yes, beyond));
      beyond = used_lanes(select(q <= q, select(other_q <= other_q, beyond, no), no), k);  // of values that are finite
      if (any(no < beyond)) {
        merge_beyond(count, other_count, sum + c, m2 + c, other_sum + c, other_m2 + c, merged_q, beyond, k);
        return;
      }
    }
    merged_s.store(sum + c, k);
    merged_q.store(m2 + c, k);
  });
}

// The sum that a mean of count values is the quotient of: for sums of at most 50 significant bits, of which exact data are made, the one.
// It is a multiple of 8 units in the last place, and the product is within 2 of it: the nearest such multiple, T. J. Dekker, "A
// floating-point technique for extending the available precision" (1971). Where that is no sum of this mean, the product stands.
RENORM_INLINE vec<double> sum_of_mean(vec<double> count, vec<double> mean) {
  vec<double> const product = mean * count, larger = product * wide(9), rounded = larger - (larger - product), quotient = rounded / count;
  return select(quotient < mean, product, select(mean < quotient, product, select(quotient <= mean, rounded, product)));
}

// From means, and m2 as users have it, to what is carried. A negative m2 is that of values without a variance, after someone's rounding.
void carry_means(std::size_t channels, double count, double const* mean, double const* m2, double* sum, double* carried_m2) {
  vec<double> const no = wide(0), inf = wide(__builtin_inf());
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const mu = load_wide(mean + c, k), q = load_wide(m2 + c, k);
    vec<double> const s = sum_of_mean(wide(count), mu);
    s.store(sum + c, k);
    select(q < no, no, q).store(carried_m2 + c, k);
    if (!any(inf <= select(s < no, no - s, s))) return;
    for (std::size_t i = c; i < c + static_cast<std::size_t>(k); ++i) {
      carried const v = carry(count, mean[i] / large_unit * count, large_unit, carried_m2[i], 1);
      if (is_number(mean[i])) sum[i] = v.sum, carried_m2[i] = v.m2;
    }
  });
}

// The root of m2/count where that is what m2 is.
RENORM_INLINE vec<double> root_of(vec<double> m2) {
  vec<double> const least = wide(-no_root), root = wide(0) - m2;
  return select(m2 < least, root, select(least < m2, root, wide(0)));
}

// The other way: means, one division each, and m2 as far as double holds it.
void means_of_sums(std::size_t channels, double count, double const* sum, double const* m2, double* mean) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const quotient = load_wide(sum + c, k) / wide(count);
    select(load_wide(m2 + c, k) <= wide(-1), quotient * wide(large_unit), quotient).store(mean + c, k);
  });
}
void spell_out_m2(std::size_t channels, double count, double* m2) {
  sweep<vec<double>>(channels, [&](std::size_t c, auto k) RENORM_LAMBDA {
    vec<double> const q = load_wide(m2 + c, k), root = root_of(q);
    select(q < wide(0), wide(count) * (root * root), q).store(m2 + c, k);
  });
}

}  // namespace
}  // namespace renorm
