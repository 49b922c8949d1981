// Two sums a channel over a tensor, in the order of op/order.hpp. What is summed is a Sums:
//
//   planes(p, offset, column, valid, first, shift, lanes)   lanes of a part of NCHW; the first valid value is at first from offset
//   start_rows(first, shift)                   before the rows of a part of NHWC, its first valid row at first
//   pixels(p, offset, column, shift, a, b)     adds rows
//   settle(chunk_channels, count, shift, a, b) from the folded sums of a chunk to its result, in place
//   join(channels, count, other_count, a, b, other_a, other_b)   merges the result of what follows
//
// shift is room for a value a channel of NCHW, for a row of accumulators of NHWC; column is the place of coefficients in [groups][width].
#pragma once

#include "op/arena.hpp"
#include "op/channel.hpp"
#include "op/schedule.hpp"
#include "op/selection.hpp"

#include <string.h>

namespace renorm {

template <class T> struct reduction_scratch {
  double *a, *b;  // [segment][channel]
  T* rows;        // NHWC: [slot][3][width], shift and two accumulators

  reduction_scratch(order const& o, arena& memory) {
    std::size_t const results = o.segments * o.shape.c;
    a = memory.take<double>(results);
    b = memory.take<double>(results);
    rows = o.shape.layout == layout::nhwc ? memory.take<T>(row_slots(o) * row_pitch(o)) : nullptr;
  }
  static std::size_t row_pitch(order const& o) { return (3 * o.width() + lanes<T> - 1) / lanes<T> * lanes<T>; }
};

// Some channels of one chunk: where their values are.
template <class T> struct chunk_channels {
  std::size_t channels;
  std::size_t offset, channel_pitch;  // of the first channel's first value, and to the next channel's
  strided values;
  validity<T> valid;
};

template <class T> struct moments_sums {
  static constexpr std::size_t inputs = 1;
  kernels<T> const& k;
  channel_kernels const& algebra;
  order const& o;
  T const* x;

  void planes(renorm::planes const& p, std::size_t offset, std::size_t, validity<T> const& valid, std::size_t first, T* shift,
              T* lanes) const {
    for (std::size_t c = 0; c < p.channels; ++c) shift[c] = x[offset + first + c * p.channel_pitch];
    k.moments_plane(p, x + offset, valid, shift, lanes);
  }
  void start_rows(std::size_t first, T* shift) const {
    for (std::size_t p = 0; p < o.sublanes; ++p) memcpy(shift + p * o.shape.c, x + first, o.shape.c * sizeof(T));
  }
  void pixels(renorm::pixels const& p, std::size_t offset, std::size_t, T const* shift, T* a, T* b) const {
    k.moments_pixels(p, x + offset, shift, a, b);
  }
  void settle(chunk_channels<T> const& t, double count, T const* shift, double* mean, double* m2) const {
    if (!k.settle_moments(t.channels, count, shift, mean, m2, mean, m2)) return;
    for (std::size_t c = 0; c < t.channels; ++c)
      if (m2[c] < 0) k.wide_moments(t.values, x + t.offset + c * t.channel_pitch, t.valid, count, mean + c, m2 + c);
  }
  void join(std::size_t channels, std::size_t count, std::size_t other_count, double* mean, double* m2, double const* other_mean,
            double const* other_m2) const {
    algebra.merge(channels, static_cast<double>(count), static_cast<double>(other_count), mean, m2, other_mean, other_m2);
  }
};

template <class T> struct grad_sums {
  static constexpr std::size_t inputs = 2;
  kernels<T> const& k;
  channel_kernels const& algebra;
  T const *x, *dy;
  T const *center, *inv;  // [groups][width]
  grad_epilogue<T> e;

  void planes(renorm::planes const& p, std::size_t offset, std::size_t column, validity<T> const& valid, std::size_t, T*, T* lanes) const {
    k.grad_moments_plane(p, x + offset, dy + offset, valid, center + column, inv + column, epilogue_from(e, column, offset), lanes);
  }
  void start_rows(std::size_t, T*) const {}
  void pixels(renorm::pixels const& p, std::size_t offset, std::size_t column, T const*, T* a, T* b) const {
    k.grad_moments_pixels(p, x + offset, dy + offset, center + column, inv + column, epilogue_from(e, column, offset), a, b);
  }
  void settle(chunk_channels<T> const&, double, T const*, double*, double*) const {}
  void join(std::size_t channels, std::size_t, std::size_t, double* a, double* b, double const* other_a, double const* other_b) const {
    algebra.accumulate(channels, a, other_a);
    algebra.accumulate(channels, b, other_b);
  }
};

template <class T, class Sums> class reduction {
 public:
  static constexpr std::size_t inputs = Sums::inputs;

  reduction(order const& o, reduction_scratch<T> const& scratch, selection<T> const& selected, Sums const& sums)
      : o_(o), scratch_(scratch), selected_(selected), sums_(sums) {}

  // The results of a piece's segments, each by itself. What has no value has no result.
  void operator()(piece const& q) const {
    cut const& k = q.group.cut;
    for (std::size_t segment = q.segment; segment < q.segment + q.segments; ++segment)
      for (std::size_t chunk = k.first_chunk(segment); chunk < k.first_chunk(segment + 1); ++chunk) {
        if (selected_.before(q.group, chunk) == selected_.before(q.group, chunk + 1)) continue;
        if (o_.shape.layout == layout::nchw) reduce_planes(q, segment, chunk);
        else reduce_rows(q, segment, chunk);
      }
  }

  // All segments of some channels of a group, in order. Returns whether there was a value.
  bool combine(channels const& at, double* a, double* b) const {
    if (at.count == 0) return false;
    group const g = o_.at(at.group);
    a += at.of_group;
    b += at.of_group;
    for (std::size_t segment = 0; segment < g.cut.segments; ++segment) {
      std::size_t const before = selected_.before(g, g.cut.first_chunk(segment));
      std::size_t const count = selected_.before(g, g.cut.first_chunk(segment + 1)) - before;
      std::size_t const result = (g.segment + segment) * o_.shape.c + at.first;
      meet(at.count, before, count, a, b, scratch_.a + result, scratch_.b + result);
    }
    bool const any = selected_.count(g) > 0;
    if (!any) clear(a, at.count), clear(b, at.count);
    return any;
  }

 private:
  void reduce_planes(piece const& q, std::size_t segment, std::size_t chunk) const {
    alignas(64) T lane_sums[max_block_channels * 2 * lanes<T>];
    T shift[max_block_channels];
    double a[max_block_channels], b[max_block_channels];
    part const p = q.group.cut.part_of(chunk);
    std::size_t const offset = o_.offset_of(q.group, p, q.channel), pitch = o_.run_pitch();
    auto const first = selected_.first_of(q.group, p);
    sums_.planes({p.runs, pitch, q.channels, o_.shape.s, p.length}, offset, q.group.index * o_.shape.c + q.channel,
                 selected_.of(o_.position_of(q.group, p)), first.run * pitch + first.position, shift, lane_sums);
    sums_.k.fold_plane(q.channels, lane_sums, a, b);
    close(q, p, segment, chunk, q.channel, q.channels, shift, a, b);
  }

  // All rows, then the fold over the sub-lanes, a few channels at a time.
  void reduce_rows(piece const& q, std::size_t segment, std::size_t chunk) const {
    std::size_t const c = o_.shape.c, width = o_.width();
    T* const shift = scratch_.rows + q.slot * reduction_scratch<T>::row_pitch(o_);
    T *const sum_a = shift + width, *const sum_b = sum_a + width;
    part const p = q.group.cut.part_of(chunk);
    auto const first = selected_.first_of(q.group, p);
    sums_.start_rows(o_.offset_of(q.group, p, 0) + first.run * o_.run_pitch() + first.position * c, shift);
    memset(sum_a, 0, 2 * width * sizeof(T));
    add_rows(q.group, p, shift, sum_a, sum_b);

    double a[max_block_channels], b[max_block_channels];
    for (std::size_t channel = 0; channel < c; channel += max_block_channels) {
      std::size_t const channels = smaller(c - channel, max_block_channels);
      sums_.k.fold_pixels(channels, o_.sublanes, c, sum_a + channel, sum_b + channel, a, b);
      close(q, p, segment, chunk, channel, channels, shift + channel, a, b);
    }
  }

  void add_rows(group const& g, part const& p, T const* shift, T* a, T* b) const {
    std::size_t const c = o_.shape.c, offset = o_.offset_of(g, p, 0), column = g.index * o_.width();
    if (selected_.all() && p.length <= o_.sublanes) {
      sums_.pixels({p.runs, o_.run_pitch(), p.length * c}, offset, column, shift, a, b);
      return;
    }
    for (std::size_t run = 0; run < p.runs; ++run) {
      std::size_t const at = offset + run * o_.run_pitch();
      selected_.for_each_span(o_.position_of(g, p) + run * o_.run_step(), p.length, [&](std::size_t first, std::size_t last, bool valid) {
        if (valid) add_span(at + first * c, column, first, last - first, shift, a, b);
      });
    }
  }

  // Rows without a gap, from position first of a run on: up to the next full pass, full passes, and what is left.
  void add_span(std::size_t offset, std::size_t column, std::size_t first, std::size_t rows, T const* shift, T* a, T* b) const {
    std::size_t const c = o_.shape.c, width = o_.width(), sublane = first % o_.sublanes;
    if (sublane > 0) {
      std::size_t const head = smaller(o_.sublanes - sublane, rows), at = sublane * c;
      sums_.pixels({1, width, head * c}, offset, column + at, shift + at, a + at, b + at);
      offset += head * c;
      rows -= head;
    }
    std::size_t const passes = rows / o_.sublanes, left = rows % o_.sublanes;
    sums_.pixels({passes, width, width}, offset, column, shift, a, b);
    if (left > 0) sums_.pixels({1, width, left * c}, offset + passes * width, column, shift, a, b);
  }

  // A chunk's sums become its result, and that part of its segment's.
  void close(piece const& q, part const& p, std::size_t segment, std::size_t chunk, std::size_t channel, std::size_t channels,
             T const* shift, double* a, double* b) const {
    group const& g = q.group;
    std::size_t const before = selected_.before(g, chunk), count = selected_.before(g, chunk + 1) - before;
    sums_.settle({channels,
                  o_.offset_of(g, p, channel),
                  o_.channel_pitch(),
                  {p.runs, o_.run_pitch(), p.length, o_.position_pitch()},
                  selected_.of(o_.position_of(g, p))},
                 static_cast<double>(count), shift, a, b);
    std::size_t const result = (g.segment + segment) * o_.shape.c + channel;
    meet(channels, before - selected_.before(g, g.cut.first_chunk(segment)), count, scratch_.a + result, scratch_.b + result, a, b);
  }

  // Adds the result of count values to that of the values before them.
  void meet(std::size_t channels, std::size_t before, std::size_t count, double* a, double* b, double const* next_a,
            double const* next_b) const {
    if (count == 0) return;
    if (before > 0) {
      sums_.join(channels, before, count, a, b, next_a, next_b);
      return;
    }
    memcpy(a, next_a, channels * sizeof(double));
    memcpy(b, next_b, channels * sizeof(double));
  }

  order const& o_;
  reduction_scratch<T> const& scratch_;
  selection<T> const& selected_;
  Sums const& sums_;
};

}  // namespace renorm
