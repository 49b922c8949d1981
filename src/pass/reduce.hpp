// Two sums a channel over a tensor, in the order of pass/order.hpp. What is summed is a Sums:
//
//   planes(p, at, column, valid, samples, shift, lanes)   lanes of a part of planes; samples: where the first channel has them
//   start_rows(samples, shift)                 before the rows of a part
//   pixels(p, at, column, shift, a, b)         adds rows
//   fold_plane(channels, lanes, sums), fold_pixels(channels, pitch, a, b, sums)
//   settle(channels, count, shift, sums, repeat)   from the folded sums of a chunk to its result, in place
//   join(channels, count, other_count, a, b, other_a, other_b)   merges the result of what follows
//   finish(channels, count, a, b)              from the result of a group to what is reduced
//
// shift is room for a value a channel of planes, for a row of accumulators of rows; column is the place of coefficients in [groups][width].
// Only Sums that shift are given samples, and may ask for a chunk to be summed again: repeat(repetition), done by
//
//   repeat_planes(p, at, valid, shift, factor, lanes), repeat_pixels(p, at, shift, factor, a, b)
//
// k are the kernels of T.
#pragma once

#include "pass/arena.hpp"
#include "pass/channels.hpp"
#include "pass/mask.hpp"
#include "pass/schedule.hpp"

#include <string.h>

namespace renorm {

// Three values of a channel.
struct samples {
  place at[3];
};

// Sums of some channels of a chunk, and what folding lost of a where lanes are double.
struct chunk_sums {
  double a[max_block_channels], b[max_block_channels], low[max_block_channels];
};

// Which channels of a chunk are to be summed again and how, and what came of it.
template <class T> struct repetition {
  double verdict[max_block_channels];
  bool again[max_block_channels];
  T shift[max_block_channels], factor[max_block_channels];
  chunk_sums sums;
};

template <class T> struct reduction_scratch {
  double *a, *b;  // [segment][channel]
  T* rows;  // for each slot of rows shift and two sums and their partial sums, [5][width]; to repeat a block of channels shift, factor
            // and those again

  reduction_scratch(order const& o, arena& memory, bool shifts = false) : shifts_(shifts) {
    std::size_t const results = o.segments * o.shape.c;
    a = memory.take<double>(results);
    b = memory.take<double>(results);
    rows = o.shape.planes() ? nullptr : memory.take<T>(row_slots(o) * row_pitch(o));
  }
  std::size_t row_pitch(order const& o) const {
    std::size_t const block = smaller(o.shape.c, max_block_channels) * o.sublanes;
    return (5 * o.width() + (shifts_ ? 6 * block : 0) + lanes<T> - 1) / lanes<T> * lanes<T>;
  }

 private:
  bool shifts_;
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
        if (o_.shape.planes()) reduce_planes(q, segment, chunk);
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
    std::size_t const count = selected_.count(g);
    if (count > 0) sums_.finish(at.count, count, a, b);
    else clear(a, at.count), clear(b, at.count);
    return count > 0;
  }

 private:
  void reduce_planes(piece const& q, std::size_t segment, std::size_t chunk) const {
    alignas(64) T lane_sums[max_block_channels * 2 * lanes<T>];
    T shift[max_block_channels];
    chunk_sums sums;
    part const p = q.group.cut.part_of(chunk);
    place const at = o_.place_of(q.group, p, q.channel);
    planes const all = {p.runs, o_.run_step().sample, q.channels, p.length};
    view<T const> const valid = selected_.from(at);
    sums_.planes(all, at, q.group.index * o_.shape.c + q.channel, valid, samples_of(q.group, p, chunk, at), shift, lane_sums);
    sums_.fold_plane(q.channels, lane_sums, sums);
    auto const repeat = [&](auto& r) { repeat_planes({p.runs, all.step, 1, p.length}, at, valid, q.channels, r); };
    close(q, segment, chunk, q.channel, q.channels, shift, sums, repeat);
  }

  void repeat_planes(planes const& one, place const& at, view<T const> const& valid, std::size_t channels, repetition<T>& r) const {
    alignas(64) T lane_sums[2 * lanes<T>];
    for (std::size_t c = 0; c < channels; ++c) {
      if (!r.again[c]) continue;
      chunk_sums sums;
      sums_.repeat_planes(one, at + place{0, c, 0}, valid, r.shift + c, r.factor + c, lane_sums);
      sums_.fold_plane(1, lane_sums, sums);
      r.sums.a[c] = sums.a[0], r.sums.b[c] = sums.b[0], r.sums.low[c] = sums.low[0];
    }
  }

  // All rows, then the fold over the sub-lanes, a few channels at a time.
  void reduce_rows(piece const& q, std::size_t segment, std::size_t chunk) const {
    std::size_t const c = o_.shape.c, width = o_.width(), column = q.group.index * width;
    T* const shift = scratch_.rows + q.slot * scratch_.row_pitch(o_);
    T *const sum_a = shift + width, *const sum_b = sum_a + width;
    part const p = q.group.cut.part_of(chunk);
    sums_.start_rows(samples_of(q.group, p, chunk, o_.place_of(q.group, p)), shift);
    sum_levels(p, width, additions_of_level(q.group, p), sum_a, [&](part const& level, T* a, T* b) {
      add_rows(q.group, level,
               [&](pixels const& rows, place const& at, std::size_t i) { sums_.pixels(rows, at, column + i, shift + i, a + i, b + i); });
    });
    for (std::size_t channel = 0; channel < c; channel += max_block_channels) {
      std::size_t const channels = smaller(c - channel, max_block_channels);
      chunk_sums sums;
      sums_.fold_pixels(channels, c, sum_a + channel, sum_b + channel, sums);
      auto const repeat = [&](auto& r) { repeat_rows(q.group, p, channel, channels, shift + 5 * width, r); };
      close(q, segment, chunk, channel, channels, shift + channel, sums, repeat);
    }
  }

  // All of some channels of rows, those too that need it not: a register has many. memory is for rows of [sub-lane][channel].
  void repeat_rows(group const& g, part const& p, std::size_t channel, std::size_t channels, T* memory, repetition<T>& r) const {
    std::size_t const c = o_.shape.c, width = channels * o_.sublanes;
    T *const shift = memory, *const factor = shift + width, *const sums = factor + width;
    for (std::size_t sublane = 0; sublane < o_.sublanes; ++sublane) {
      memcpy(shift + sublane * channels, r.shift, channels * sizeof(T));
      memcpy(factor + sublane * channels, r.factor, channels * sizeof(T));
    }
    sum_levels(p, width, additions_per_level, sums, [&](part const& level, T* a, T* b) {
      auto const add = [&](pixels const& rows, place const& at, std::size_t i) {
        sums_.repeat_pixels(rows, at, shift + i, factor + i, a + i, b + i);
      };
      if (channels == c) add_rows(g, level, add);
      else add_columns(g, level, channel, channels, add);
    });
    sums_.fold_pixels(channels, channels, sums, sums + width, r.sums);
  }

  // Rows that a kernel takes in levels of its own need no others.
  std::size_t additions_of_level(group const& g, part const& p) const {
    bool const whole = p.runs == 1 && selected_.all(g, p);
    return whole && is_narrow<T>(o_.width()) ? additions_per_lane : additions_per_level;
  }

  // Two sums [2][width] over the rows of a part, so many additions to a lane at a time. Levels behind the first go through partial sums,
  // which stand behind the sums: add(level, a, b) adds the rows of a level to a and b.
  template <class Add> void sum_levels(part const& p, std::size_t width, std::size_t additions, T* sums, Add const& add) const {
    T* const partial = sums + 2 * width;
    cut const levels = cut_runs(p.runs, p.length, o_.sublanes, additions);
    memset(sums, 0, (levels.chunks > 1 ? 4 : 2) * width * sizeof(T));
    for (std::size_t i = 0; i < levels.chunks; ++i) {
      part const level = levels.part_of(i);
      T* const to = i == 0 ? sums : partial;
      add(part{p.run + level.run, level.runs, p.first + level.first, level.length}, to, to + width);
      if (i > 0) sums_.k.add_partial(2 * width, partial, sums);
    }
  }

  // f(place, rows): rows of a part without a gap.
  template <class F> void for_each_span(group const& g, part const& p, F const& f) const {
    for (std::size_t r = 0; r < p.runs; ++r)
      selected_.for_each_span(o_.place_of(g, {p.run + r, 1, p.first, p.length}), p.length,
                              [&](place const& at, std::size_t rows, bool valid) {
                                if (valid) f(at, rows);
                              });
  }

  // add(rows, place, where in a pass of the sub-lanes)
  template <class Add> void add_rows(group const& g, part const& p, Add const& add) const {
    if (p.length <= o_.sublanes && selected_.all(g, p)) {
      add({p.runs, o_.run_step(), p.length * o_.shape.c}, o_.place_of(g, p), 0);
      return;
    }
    for_each_span(g, p, [&](place const& at, std::size_t rows) { add_span(at, rows, add); });
  }

  // Rows without a gap: up to the next full pass, full passes, and what is left.
  template <class Add> void add_span(place at, std::size_t rows, Add const& add) const {
    std::size_t const c = o_.shape.c, sublane = at.position % o_.sublanes;
    if (sublane > 0) {
      std::size_t const head = smaller(o_.sublanes - sublane, rows);
      add({1, {}, head * c}, at, sublane * c);
      at.position += head;
      rows -= head;
    }
    std::size_t const passes = rows / o_.sublanes, left = rows % o_.sublanes;
    add({passes, {0, 0, o_.sublanes}, o_.width()}, at, 0);
    if (left > 0) add({1, {}, left * c}, at + place{0, 0, passes * o_.sublanes}, 0);
  }

  // Some channels of all rows, one sub-lane after the other.
  template <class Add> void add_columns(group const& g, part const& p, std::size_t channel, std::size_t channels, Add const& add) const {
    std::size_t const sublanes = o_.sublanes;
    for_each_span(g, p, [&](place const& at, std::size_t rows) {
      for (std::size_t sublane = 0; sublane < sublanes; ++sublane) {
        std::size_t const row = (sublane + sublanes - at.position % sublanes) % sublanes;
        if (row >= rows) continue;
        add({divide_up(rows - row, sublanes), {0, 0, sublanes}, channels}, at + place{0, channel, row}, sublane * channels);
      }
    });
  }

  // Of a part that begins at a place.
  samples samples_of(group const& g, part const& p, std::size_t chunk, place const& first) const {
    samples found = {};
    if (!Sums::shifts) return found;
    sample_positions const positions = selected_.samples(g, chunk);
    for (std::size_t k = 0; k < 3; ++k) {
      std::size_t const position = positions.position[k], run = position < p.length ? 0 : position / p.length;  // divisions are slow
      found.at[k] = first + place{run * o_.run_step().sample, 0, position - run * p.length};
    }
    return found;
  }

  // A chunk's sums become its result, and that part of its segment's.
  template <class Repeat> void close(piece const& q, std::size_t segment, std::size_t chunk, std::size_t channel, std::size_t channels,
                                     T const* shift, chunk_sums& sums, Repeat const& repeat) const {
    group const& g = q.group;
    std::size_t const before = selected_.before(g, chunk), count = selected_.before(g, chunk + 1) - before;
    sums_.settle(channels, static_cast<double>(count), shift, sums, repeat);
    std::size_t const result = (g.segment + segment) * o_.shape.c + channel;
    meet(channels, before - selected_.before(g, g.cut.first_chunk(segment)), count, scratch_.a + result, scratch_.b + result, sums.a,
         sums.b);
  }

  // Adds the result of count values to that of the values before them.
  void meet(std::size_t channels, std::size_t before, std::size_t count, double* a, double* b, double const* next_a,
            double const* next_b) const {
    if (count == 0) return;
    if (before > 0) {
      sums_.join(channels, before, count, a, b, next_a, next_b);
      return;
    }
    copy(next_a, channels, a);
    copy(next_b, channels, b);
  }

  order const& o_;
  reduction_scratch<T> const& scratch_;
  selection<T> const& selected_;
  Sums const& sums_;
};

}  // namespace renorm
