// Two sums a channel over a tensor, in the order of op/order.hpp. What is summed is a Sums:
//
//   planes(p, offset, channel, shift, lanes)   lanes of a chunk of NCHW; shift is room for a value a channel
//   start_rows(offset, shift)                  before the rows of a chunk of NHWC; shift is room for a row of accumulators
//   pixels(p, offset, shift, a, b)             adds rows
//   settle(tile, shift, a, b)                  from the folded sums of a chunk to its result, in place
//   join(channels, count, other_count, a, b, other_a, other_b)   merges the result of what follows
#pragma once

#include "op/arena.hpp"
#include "op/problem.hpp"
#include "op/schedule.hpp"

#include <string.h>

namespace renorm {

template <class T> struct reduction_scratch {
  double *a, *b;  // [segment][channel]
  T* rows;        // NHWC: [segment][3][width], shift and two accumulators; a portion uses those of its first segment

  reduction_scratch(order const& o, arena& memory) {
    std::size_t const results = o.segments * o.shape.c;
    a = memory.take<double>(results);
    b = memory.take<double>(results);
    rows = o.shape.layout == layout::nhwc ? memory.take<T>(o.segments * row_pitch(o)) : nullptr;
  }
  static std::size_t row_pitch(order const& o) { return (3 * o.width() + lanes<T> - 1) / lanes<T> * lanes<T>; }
};

// Some channels of one chunk: where their values are, and how many.
struct tile {
  std::size_t channel, channels;
  std::size_t offset, channel_pitch;  // of the first channel's first value, and to the next channel's
  strided values;

  double count() const { return static_cast<double>(values.outer) * static_cast<double>(values.inner); }
};

template <class T> struct moments_sums {
  kernels<T> const& k;
  channel_kernels const& algebra;
  order const& o;
  T const* x;

  void planes(renorm::planes const& p, std::size_t offset, std::size_t, T* shift, T* lanes) const {
    for (std::size_t c = 0; c < p.channels; ++c) shift[c] = x[offset + c * p.channel_pitch];
    k.moments_plane(p, x + offset, shift, lanes);
  }
  void start_rows(std::size_t offset, T* shift) const {
    for (std::size_t p = 0; p < o.sublanes; ++p) memcpy(shift + p * o.shape.c, x + offset, o.shape.c * sizeof(T));
  }
  void pixels(renorm::pixels const& p, std::size_t offset, T const* shift, T* a, T* b) const {
    k.moments_pixels(p, x + offset, shift, a, b);
  }
  void settle(tile const& t, T const* shift, double* mean, double* m2) const {
    if (!k.settle_moments(t.channels, t.count(), shift, mean, m2, mean, m2)) return;
    for (std::size_t c = 0; c < t.channels; ++c)
      if (m2[c] < 0) k.wide_moments(t.values, x + t.offset + c * t.channel_pitch, mean + c, m2 + c);
  }
  void join(std::size_t channels, std::size_t count, std::size_t other_count, double* mean, double* m2, double const* other_mean,
            double const* other_m2) const {
    algebra.merge(channels, static_cast<double>(count), static_cast<double>(other_count), mean, m2, other_mean, other_m2);
  }
};

template <class T> struct grad_sums {
  kernels<T> const& k;
  channel_kernels const& algebra;
  T const *x, *dy;
  T const *center, *inv;  // a value a column in NHWC, a channel in NCHW

  void planes(renorm::planes const& p, std::size_t offset, std::size_t channel, T*, T* lanes) const {
    k.grad_moments_plane(p, x + offset, dy + offset, center + channel, inv + channel, lanes);
  }
  void start_rows(std::size_t, T*) const {}
  void pixels(renorm::pixels const& p, std::size_t offset, T const*, T* a, T* b) const {
    k.grad_moments_pixels(p, x + offset, dy + offset, center, inv, a, b);
  }
  void settle(tile const&, T const*, double*, double*) const {}
  void join(std::size_t channels, std::size_t, std::size_t, double* a, double* b, double const* other_a, double const* other_b) const {
    algebra.accumulate(channels, a, other_a);
    algebra.accumulate(channels, b, other_b);
  }
};

template <class T, class Sums> class reduction {
 public:
  reduction(order const& o, reduction_scratch<T> const& scratch, Sums const& sums) : o_(o), scratch_(scratch), sums_(sums) {}

  // The results of a portion's segments, each by itself.
  void reduce(portion const& p) const {
    for (std::size_t segment = p.segment; segment < p.segment + p.segments; ++segment) {
      std::size_t const first = o_.first_chunk(segment);
      for (std::size_t chunk = first; chunk < o_.first_chunk(segment + 1) && chunk < o_.chunks; ++chunk) {
        if (o_.shape.layout == layout::nchw) reduce_planes(p, segment, chunk);
        else reduce_rows(p, segment, chunk);
      }
    }
  }

  // All segments of some channels, in order.
  void combine(std::size_t channel, std::size_t channels, double* a, double* b) const {
    memcpy(a, scratch_.a + channel, channels * sizeof(double));
    memcpy(b, scratch_.b + channel, channels * sizeof(double));
    for (std::size_t segment = 1; segment < o_.segments; ++segment) {
      std::size_t const from = o_.first_chunk(segment), to = o_.first_chunk(segment + 1);
      std::size_t const before = o_.values_before(from), at = segment * o_.shape.c + channel;
      sums_.join(channels, before, o_.values_before(to) - before, a, b, scratch_.a + at, scratch_.b + at);
    }
  }

 private:
  void reduce_planes(portion const& p, std::size_t segment, std::size_t chunk) const {
    alignas(64) T lane_sums[max_block_channels * 2 * lanes<T>];
    T shift[max_block_channels];
    double a[max_block_channels], b[max_block_channels];
    plane_chunk const part = o_.planes_of(chunk);
    std::size_t const s = o_.shape.s, sample_pitch = o_.shape.c * s;
    std::size_t const offset = part.sample * sample_pitch + p.channel * s + part.first;
    sums_.planes({part.samples, sample_pitch, p.channels, s, part.length}, offset, p.channel, shift, lane_sums);
    sums_.k.fold_plane(p.channels, lane_sums, a, b);
    close({p.channel, p.channels, offset, s, {part.samples, sample_pitch, part.length, 1}}, segment, chunk, shift, a, b);
  }

  // Full passes of sublanes rows, a last one of what is left, then the fold over the sub-lanes, a few channels at a time.
  void reduce_rows(portion const& p, std::size_t segment, std::size_t chunk) const {
    std::size_t const c = o_.shape.c, width = o_.width();
    T* const shift = scratch_.rows + p.segment * reduction_scratch<T>::row_pitch(o_);
    T *const sum_a = shift + width, *const sum_b = sum_a + width;
    row_chunk const part = o_.rows_of(chunk);
    std::size_t const offset = part.row * c, passes = part.rows / o_.sublanes, left = part.rows % o_.sublanes;
    sums_.start_rows(offset, shift);
    memset(sum_a, 0, 2 * width * sizeof(T));
    sums_.pixels({passes, width, width}, offset, shift, sum_a, sum_b);
    if (left > 0) sums_.pixels({1, width, left * c}, offset + passes * width, shift, sum_a, sum_b);

    double a[max_block_channels], b[max_block_channels];
    for (std::size_t first = 0; first < c; first += max_block_channels) {
      std::size_t const channels = c - first < max_block_channels ? c - first : max_block_channels;
      sums_.k.fold_pixels(channels, o_.sublanes, c, sum_a + first, sum_b + first, a, b);
      close({first, channels, offset + first, 1, {part.rows, c, 1, 1}}, segment, chunk, shift + first, a, b);
    }
  }

  // A chunk's sums become its result, and that part of its segment's.
  void close(tile const& t, std::size_t segment, std::size_t chunk, T const* shift, double* a, double* b) const {
    sums_.settle(t, shift, a, b);
    double *const segment_a = scratch_.a + segment * o_.shape.c + t.channel, *const segment_b =
                                                                                 scratch_.b + segment * o_.shape.c + t.channel;
    std::size_t const first = o_.first_chunk(segment);
    if (chunk == first) {
      memcpy(segment_a, a, t.channels * sizeof(double));
      memcpy(segment_b, b, t.channels * sizeof(double));
      return;
    }
    std::size_t const before = o_.values_before(chunk);
    sums_.join(t.channels, before - o_.values_before(first), o_.values_before(chunk + 1) - before, segment_a, segment_b, a, b);
  }

  order const& o_;
  reduction_scratch<T> const& scratch_;
  Sums const& sums_;
};

}  // namespace renorm
