// Element-wise passes. A Sweep is what is done to the values of a tensor:
//
//   planes(p, offset, column)     runs of NCHW; column is the place of their coefficients in [groups][width]
//   pixels(p, offset, column)     rows of NHWC, width() columns
//   clear_planes(p, offset, valid), clear(offset, count)   0 where a mask leaves values out
//   streams()                     whether what it writes goes past the caches
//   publish()                     after the last portion of a task
#pragma once

#include "kernels/table.hpp"
#include "pass/check.hpp"
#include "pass/mask.hpp"

#include <atomic>
#include <string.h>

namespace renorm {

// What a Sweep that may write past the caches has to do about it. The release by which a thread hands over its results does not cover
// streaming stores; a full fence does. It waits until they have left, half a microsecond after 12 KB: once for a task, not for each
// portion of it.
struct streaming {
  bool stream;

  bool streams() const { return stream; }
  void publish() const {
    if (stream) std::atomic_thread_fence(std::memory_order_seq_cst);
  }
};

// What becomes of masked values in the output of a Sweep.
template <class T> struct masked_output {
  kernels<T> const& k;
  T* out;

  void clear_planes(renorm::planes const& p, std::size_t offset, validity<T> const& valid) const { k.clear_plane(p, valid, out + offset); }
  void clear(std::size_t offset, std::size_t count) const { memset(out + offset, 0, count * sizeof(T)); }
};

// Rows of NHWC without a gap, the last ones first.
template <class Sweep> void sweep_rows(order const& o, std::size_t offset, std::size_t rows, std::size_t column, Sweep const& sweep) {
  std::size_t const c = o.shape.c, width = o.width();
  std::size_t const step = (step_values / width + 1) * o.sublanes;
  for (std::size_t steps = divide_up(rows, step); steps > 0; --steps) {
    std::size_t const first = (steps - 1) * step, count = smaller(rows - first, step);
    std::size_t const passes = count / o.sublanes, left = count % o.sublanes, at = offset + first * c;
    sweep.pixels({passes, width, width}, at, column);
    if (left > 0) sweep.pixels({1, width, left * c}, at + passes * width, column);
  }
}

// Some positions of a run of NHWC, the valid ones.
template <class T, class Sweep> void sweep_run(order const& o, selection<T> const& selected, std::size_t position, std::size_t count,
                                               std::size_t column, Sweep const& sweep) {
  std::size_t const c = o.shape.c, offset = position * c;
  selected.for_each_span(position, count, [&](std::size_t first, std::size_t last, bool valid) {
    if (valid) sweep_rows(o, offset + first * c, last - first, column, sweep);
    else sweep.clear(offset + first * c, (last - first) * c);
  });
}

// One chunk of NHWC, the last runs first; short runs are a row each.
template <class T, class Sweep>
void sweep_pixels(order const& o, selection<T> const& selected, group const& g, part const& p, Sweep const& sweep) {
  std::size_t const column = g.index * o.width(), position = o.position_of(g, p);
  if (selected.all() && p.length <= o.sublanes) {
    sweep.pixels({p.runs, o.run_pitch(), p.length * o.shape.c}, position * o.shape.c, column);
    return;
  }
  for (std::size_t run = p.runs; run-- > 0;) sweep_run(o, selected, position + run * o.run_step(), p.length, column, sweep);
}

// Runs of NCHW: so many of a length, the first one at a position, for some channels each.
struct channel_runs {
  std::size_t position, runs, length;
  std::size_t channel, channels, group;
  std::size_t ahead;
  bool flat;
};

template <class T, class Sweep>
void sweep_channels(order const& o, selection<T> const& selected, channel_runs const& r, Sweep const& sweep) {
  std::size_t const s = o.shape.s, c = o.shape.c, offset = (r.position / s * c + r.channel) * s + r.position % s;
  bool const flat = r.flat && r.runs >= flat_samples && r.channels > 1;
  RENORM_ASSERT(!flat || r.length == s);  // whole planes
  planes const p = {r.runs, o.run_pitch(), r.channels, s, r.length, r.ahead, flat};
  sweep.planes(p, offset, r.group * c + r.channel);
  if (!selected.all()) sweep.clear_planes(p, offset, selected.of(r.position));
}

// What a reduction of the same piece has just read, backwards: the end of it is still in the cache.
template <class T, class Sweep> void sweep_piece(order const& o, selection<T> const& selected, piece const& q, Sweep const& sweep) {
  cut const& k = q.group.cut;
  for (std::size_t chunk = k.first_chunk(q.segment + q.segments); chunk-- > k.first_chunk(q.segment);) {
    part const p = k.part_of(chunk);
    if (o.shape.layout == layout::nhwc) sweep_pixels(o, selected, q.group, p, sweep);
    else
      sweep_channels(o, selected, {o.position_of(q.group, p), p.runs, p.length, q.channel, q.channels, q.group.index, q.ahead, q.flat},
                     sweep);
  }
}

// Values [first, last) of NCHW in memory order: the end of a plane, whole planes, the start of one. A plane is a run: all samples of a
// channel that is the only one.
template <class T, class Sweep>
void sweep_values(order const& o, selection<T> const& selected, std::size_t first, std::size_t last, Sweep const& sweep) {
  std::size_t const s = o.other.length, c = o.shape.c;
  while (first < last) {
    std::size_t const plane = first / s, sample = plane / c, channel = plane % c, skipped = first % s;
    std::size_t const whole_planes = (last - first) / s;
    std::size_t const channels = skipped > 0 || whole_planes == 0 ? 1 : smaller(whole_planes, c - channel);
    std::size_t const length = smaller(last - first, s - skipped);
    std::size_t const group = o.shape.groups == 1 ? 0 : o.group_of_sample(sample);
    sweep_channels(o, selected, {sample * s + skipped, 1, length, channel, channels, group, 0, false}, sweep);
    first += (channels - 1) * s + length;
  }
}

template <class T, class Sweep> void sweep_linear(order const& o, selection<T> const& selected, executor const& e, Sweep const& sweep) {
  memory_order const cuts = cut_in_memory_order(o, e.threads);
  auto const sweep_part = [&](std::size_t i) {
    std::size_t const first = cuts.border(i), last = cuts.border(i + 1);
    if (o.shape.layout == layout::nchw) sweep_values(o, selected, first, last, sweep);
    else sweep_run(o, selected, first, last - first, 0, sweep);
  };
  parallel(e, cuts.parts, sweep_part, [&] { sweep.publish(); });
}

// A sweep that no reduction goes before.
template <class T, class Sweep> void sweep_all(order const& o, selection<T> const& selected, executor const& lent, Sweep const& sweep) {
  executor const e = lent.for_bytes(o.shape.values() * sizeof(T));
  traffic const what = {sizeof(T), 0, sweep.streams()};
  if (sweeps_in_memory_order(o, what)) {
    sweep_linear(o, selected, e, sweep);
    return;
  }
  schedule const cuts = make_schedule(o, what, e.threads);
  auto const sweep_portion = [&](std::size_t i) {
    for_each_piece(o, cuts.at(o, i), [&](piece const& q) { sweep_piece(o, selected, q, sweep); });
  };
  parallel(e, cuts.portions(), sweep_portion, [&] { sweep.publish(); });
}

}  // namespace renorm
