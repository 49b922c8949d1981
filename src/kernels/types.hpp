// What kernels take: memory shapes, coefficient arrays, arrays of a dtype known at run time.
#pragma once

#include "tensor/view.hpp"

#include <cstddef>
#include <cstdint>

namespace renorm {

// Accumulator lanes per channel: 32 floats or 16 doubles on every ISA, so that the bits do not depend on the register width.
template <class T> inline constexpr std::size_t lanes = 128 / sizeof(T);

// No lane takes more values than this before it is folded to double: 1024 would lose a digit at large means.
inline constexpr std::size_t additions_per_lane = 128;

// Lanes sum in levels. Values that repeat, as zeros behind a ReLU or in padding, are all rounded to the same side: a sum of n of them is
// off by up to n/3 units in its last place, which no number of lanes averages out, and a sum of sums by what its levels are. Kernels make
// partial sums: of planes of at most 16 values, of which a lane takes so many that both are 30 at most; of rows of 8 values, of wide ones
// of 4. Rows that are wide, in short runs or cut by a mask are summed so many a lane at a time, and then these sums.
inline constexpr std::size_t additions_per_level = 64;

// With an eps below this, squares that T loses to underflow would show in var + eps.
template <class T> inline constexpr double tiny_eps = sizeof(T) == sizeof(float) ? 0x1p-90 : 0x1p-900;

// Shorter runs are not streamed: the lines at both ends of a run are stored the plain way, and the same line streamed and stored costs
// more than it saves. Planes of 3136 bytes run at 100 percent of the limit streaming, of 784 bytes at 60 against 65-79, of 196 bytes at
// 35-47 against 55-60.
inline constexpr std::size_t long_run_bytes = 2048;

// One row of one coefficient array of planes side by side: the arrays of a sweep, eight at most, are on the stack and in the L1 cache.
inline constexpr std::size_t flat_row_bytes = 4096;

namespace {

// Whether rows are so close together that they are best taken one after the other, as they lie in memory.
template <class T> constexpr bool is_narrow(std::size_t width) { return width * sizeof(T) <= 512; }

// What sums of squares over count values are divided by: Bessel's correction, which is none for a single value.
inline double divisor_of(std::int64_t count, bool bessel) {
  std::int64_t const values = count > 0 ? count : 1;
  return static_cast<double>(bessel && values > 1 ? values - 1 : values);
}

}  // namespace

// Runs of one channel each, from a place in all tensors on: of so many samples, which are a step apart, and channels.
struct planes {
  std::size_t samples, step;
  std::size_t channels;
  std::size_t length;
  std::size_t ahead = 0;  // in channels: see read_ahead in kernels/stream.hpp
  bool flat = false;      // whole short planes without a gap, to be swept as kernels/flat.hpp does
};

// Rows that hold all channels, a step apart: of width values without a gap. Column j takes coefficient j.
struct pixels {
  std::size_t rows;
  place step;
  std::size_t width;
  std::size_t ahead = 0;  // as above
};

// More than this share of Q cancelled: the pivot was an outlier.
inline constexpr double cancelled = 0.9;

// What is to be done about the sums of a channel in a chunk: nothing, or once more around their mean, or in smaller or larger units.
inline constexpr double settled = 0, recentre = 1, shrink = 2, magnify = 3;

// Deviations x - center are (x*half - center)*unit where half and unit are given, powers of two for each channel by which neither the
// difference nor its factor leaves the range of T; center is in the units of the difference. Without them they are 1.
//
// y = scale*(x - center) + shift
template <class T> struct affine_coefficients { T const *center, *scale, *shift, *half = nullptr, *unit = nullptr; };

// xhat = (x - center)*inv + off
template <class T> struct xhat_coefficients { T const *center, *inv, *off, *half = nullptr, *unit = nullptr; };

// dx = scale*((dy - c1) - xhat*c2), times dx_unit where that is given
template <class T> struct grad_coefficients { T const *scale, *c1, *c2, *dx_unit = nullptr; };

// What becomes of the value v of the affine map: v + z where add, then 0 where that is below 0 and relu.
template <class T> struct epilogue {
  bool relu, add;
  view<T const> z;
};

// The same seen from behind: dy counts where the argument of relu, scale*(x - center) + shift (+ z), is not <= 0, and is the gradient of
// z, which goes to dz if there is one. center and half are those of xhat.
template <class T> struct grad_epilogue {
  bool relu, add;
  T const *scale, *shift, *unit;
  view<T const> z;
  view<T> dz;
};

namespace {

// Optional arrays, moved to their element i.
template <class T> T* from(T* a, std::size_t i) { return a == nullptr ? nullptr : a + i; }

// From a column of the coefficients on, and a place in the tensors.
template <class T> affine_coefficients<T> from(affine_coefficients<T> const& a, std::size_t i) {
  return {a.center + i, a.scale + i, a.shift + i, from(a.half, i), from(a.unit, i)};
}
template <class T> xhat_coefficients<T> from(xhat_coefficients<T> const& a, std::size_t i) {
  return {a.center + i, a.inv + i, a.off + i, from(a.half, i), from(a.unit, i)};
}
template <class T> grad_coefficients<T> from(grad_coefficients<T> const& a, std::size_t i) {
  return {a.scale + i, a.c1 + i, a.c2 + i, from(a.dx_unit, i)};
}
template <class T> epilogue<T> from(epilogue<T> const& e, place const& at) { return {e.relu, e.add, e.z.from(at)}; }
template <class T> grad_epilogue<T> from(grad_epilogue<T> const& e, std::size_t column, place const& at) {
  return {e.relu,
          e.add,
          e.relu ? e.scale + column : nullptr,
          e.relu ? e.shift + column : nullptr,
          e.relu && e.unit != nullptr ? e.unit + column : nullptr,
          e.z.from(at),
          e.dz.from(at)};
}

}  // namespace

// An array of float or double that the caller gave, or none.
struct typed_in {
  void const* data;
  bool f64;
};
struct typed_out {
  void* data;
  bool f64;
};

// Per-channel mean and deviation, sigma = is_var ? sqrt(spread + eps) : spread.
struct statistics {
  typed_in mean, spread;
  bool is_var;
  double eps;
};

// Groups with statistics of their own: arrays [groups][pitch], and the count of values a channel of each.
struct group_counts {
  std::size_t groups, pitch;
  std::int64_t const* count;
};

// What makes sigma = sqrt(m2/divisor + eps) of an m2 of count values.
struct batch_spread {
  double count, divisor, eps;
  bool carried;  // m2 is as reductions carry it: kernels/carried.hpp
};

struct correction_bounds {
  double rmin, rmax, dmax, sigma_floor;
};

// How running statistics follow: running += weight*(batch - running); weight 1 replaces and weight 0 keeps them, exactly.
// The batch value is the average over the groups, weighted by their counts, of mean and of m2/m.
struct running_update {
  double weight;
  group_counts groups;
  bool bessel;       // m2/(m - 1) instead
  bool track_sigma;  // the root of that + eps instead
  double eps;
  bool carried;         // m2 is as reductions carry it: kernels/carried.hpp
  bool skip_nonfinite;  // leave a channel alone whose new values are not finite, but replace old values that are not
};

// The maps y = scale*(x - center) + shift of all groups, as a sweep of double or of float tensors has them.
struct affine_maps {
  std::size_t groups, pitch;
  double const *center, *scale, *shift;
  bool f64;
};

}  // namespace renorm
