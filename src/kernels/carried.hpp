// Moments of count values as reductions carry them: their sum, which exact data add up to without a rounding, and
// m2 = sum((x - mean)^2). Where double does not hold both, with all digits of m2, m2 is minus the root of m2/count instead, and the sum
// is in units of 2^64 if that root is 1 or more. Only doubles beyond their own squares come to that: their roots are far from 1.
#pragma once

namespace renorm {

struct carried {
  double sum, m2;
};

namespace {

constexpr double large_unit = 0x1p64;

// Stands for a root of 0: that of equal values whose sum double does not hold.
constexpr double no_root = 1;

// Below this squares of doubles may lose digits, and m2 above it has them all.
constexpr double least_m2 = 0x1p-960;

inline bool is_number(double v) { return v - v == 0; }
inline bool in_large_units(double m2) { return m2 <= -1; }
inline double larger_of(double a, double b) { return a < b ? b : a; }

// A sum in units of sum_unit, and m2 in units of unit^2. Squares that underflow are not multiplied out: that takes the processor as long
// as a hundred products.
inline carried carry(double count, double sum, double sum_unit, double m2, double unit) {
  bool const lost = unit < 1 && m2 < least_m2 / unit / unit;
  double const plain_sum = sum * sum_unit, plain_m2 = lost ? 0 : m2 * unit * unit;
  bool const held = m2 == 0 || (!lost && plain_m2 >= least_m2);
  if (is_number(plain_sum) && is_number(plain_m2) && held) return {plain_sum, plain_m2};
  double const root = m2 == 0 ? no_root : __builtin_sqrt(m2 / count) * unit;
  return {in_large_units(-root) ? sum * (sum_unit / large_unit) : plain_sum, -root};
}

inline double mean_of(double count, carried const& v) { return v.sum / count * (in_large_units(v.m2) ? large_unit : 1); }

inline double root_of(double count, carried const& v) {
  if (v.m2 >= 0) return __builtin_sqrt(v.m2 / count);
  return v.m2 == -no_root ? 0 : -v.m2;
}

// Of two disjoint sets of values (Chan, Golub, LeVeque 1979, equations 2.1), in units of the largest of what is squared. Means are halved:
// their difference may be beyond double.
inline carried merge_carried(double count, carried const& a, double other_count, carried const& b) {
  double const total = count + other_count, share = count / total, other_share = other_count / total;
  double const root = root_of(count, a), other_root = root_of(other_count, b);
  double const half = mean_of(other_count, b) / 2 - mean_of(count, a) / 2;
  double const unit = larger_of(larger_of(root, other_root), __builtin_fabs(half));
  double const r = root / unit, o = other_root / unit, h = 2 * (half / unit);
  double const squares = total * (share * r * r + other_share * o * o + share * other_share * h * h);
  double const m2 = unit == 0 ? 0 : is_number(unit) ? squares : 1;
  bool const large = in_large_units(a.m2), other_large = in_large_units(b.m2);
  double const sum = a.sum + b.sum;
  if (!large && !other_large && is_number(sum)) return carry(total, sum, 1, m2, unit);
  double const large_sum = (large ? a.sum : a.sum / large_unit) + (other_large ? b.sum : b.sum / large_unit);
  return carry(total, large_sum, large_unit, m2, unit);
}

}  // namespace
}  // namespace renorm
