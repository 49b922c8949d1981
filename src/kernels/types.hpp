// What kernels take: memory shapes, coefficient arrays, arrays of a dtype known at run time.
#pragma once

#include <cstddef>

namespace renorm {

// Accumulator lanes per channel: 32 floats or 16 doubles on every ISA, so that the bits do not depend on the register width.
template <class T> inline constexpr std::size_t lanes = 128 / sizeof(T);

// No lane takes more additions than this before it is folded to double: 1024 would lose a digit at large means.
inline constexpr std::size_t additions_per_lane = 128;

// Sweeps take short planes of this many samples or more together (kernels/flat.hpp).
inline constexpr std::size_t flat_samples = 8;

// Contiguous runs of one channel each (NCHW): samples x channels runs of length values.
struct planes {
  std::size_t samples, sample_pitch;
  std::size_t channels, channel_pitch;
  std::size_t length;
};

// Rows that hold all channels (NHWC): rows of width values, pitch apart. Column j takes coefficient j.
struct pixels {
  std::size_t rows, pitch, width;
};

// The values of one channel in a chunk, in either layout: outer runs of inner values.
struct strided {
  std::size_t outer, outer_pitch, inner, inner_pitch;
};

// y = scale*(x - center) + shift
template <class T> struct affine_coefficients { T const *center, *scale, *shift; };

// dx = scale*((dy - c1) - xhat*c2), xhat = (x - center)*inv + off
template <class T> struct grad_coefficients { T const *center, *inv, *off, *scale, *c1, *c2; };

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

struct correction_bounds {
  double rmin, rmax, dmax, sigma_floor;
};

// How running statistics follow: running += weight*(batch - running).
struct running_update {
  double weight;
  double divisor;    // of m2: m, or m - 1
  bool track_sigma;  // the batch value is sqrt(m2/divisor + eps) instead of m2/divisor
  double eps;
  bool skip_nonfinite;  // leave a channel alone whose new values are not finite
};

}  // namespace renorm
