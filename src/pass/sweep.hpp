// Element-wise passes. A Sweep is what is done to the values of a tensor:
//
//   planes(p, at, column)         runs of planes; column is the place of their coefficients in [groups][width]
//   pixels(p, at, column)         rows of all channels, width() columns
//   clear_planes(p, at, valid), clear(at, count)   0 where a mask leaves values out: count of them without a gap
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
  view<T> out;

  void clear_planes(renorm::planes const& p, place const& at, view<T const> const& valid) const { k.clear_plane(p, valid, out.from(at)); }
  void clear(place const& at, std::size_t count) const { memset(out.at(at), 0, count * sizeof(T)); }
};

// Rows without a gap, the last ones first.
template <class Sweep> void sweep_rows(order const& o, place const& at, std::size_t rows, std::size_t column, Sweep const& sweep) {
  std::size_t const width = o.width(), step = (step_values / width + 1) * o.sublanes;
  for (std::size_t steps = divide_up(rows, step); steps > 0; --steps) {
    std::size_t const first = (steps - 1) * step, count = smaller(rows - first, step);
    std::size_t const passes = count / o.sublanes, left = count % o.sublanes;
    sweep.pixels({passes, {0, 0, o.sublanes}, width}, at + place{0, 0, first}, column);
    if (left > 0) sweep.pixels({1, {}, left * o.shape.c}, at + place{0, 0, first + passes * o.sublanes}, column);
  }
}

// Some positions of a run of rows, the valid ones.
template <class T, class Sweep>
void sweep_run(order const& o, selection<T> const& selected, place const& at, std::size_t count, std::size_t column, Sweep const& sweep) {
  selected.for_each_span(at, count, [&](place const& first, std::size_t rows, bool valid) {
    if (valid) sweep_rows(o, first, rows, column, sweep);
    else sweep.clear(first, rows * o.shape.c);
  });
}

// One chunk of rows, the last runs first; short runs are a row each.
template <class T, class Sweep>
void sweep_pixels(order const& o, selection<T> const& selected, group const& g, part const& p, Sweep const& sweep) {
  std::size_t const column = g.index * o.width();
  if (selected.all() && p.length <= o.sublanes) {
    sweep.pixels({p.runs, o.run_step(), p.length * o.shape.c}, o.place_of(g, p), column);
    return;
  }
  for (std::size_t r = p.runs; r-- > 0;) sweep_run(o, selected, o.place_of(g, {p.run + r, 1, p.first, p.length}), p.length, column, sweep);
}

template <class T, class Sweep>
void sweep_planes(order const& o, selection<T> const& selected, planes const& p, place const& at, std::size_t group, Sweep const& sweep) {
  RENORM_ASSERT(!p.flat || p.length == o.shape.s);  // whole planes
  sweep.planes(p, at, group * o.shape.c + at.channel);
  if (!selected.all()) sweep.clear_planes(p, at, selected.from(at));
}

// What a reduction of the same piece has just read, backwards: the end of it is still in the cache.
template <class T, class Sweep> void sweep_piece(order const& o, selection<T> const& selected, piece const& q, Sweep const& sweep) {
  cut const& k = q.group.cut;
  for (std::size_t chunk = k.first_chunk(q.segment + q.segments); chunk-- > k.first_chunk(q.segment);) {
    part const p = k.part_of(chunk);
    if (!o.shape.planes()) {
      sweep_pixels(o, selected, q.group, p, sweep);
      continue;
    }
    bool const flat = q.flat && p.runs >= flat_samples && q.channels > 1;
    planes const all = {p.runs, o.run_step().sample, q.channels, p.length, q.ahead, flat};
    sweep_planes(o, selected, all, o.place_of(q.group, p, q.channel), q.group.index, sweep);
  }
}

// So many values of planes in memory order: the end of a plane, whole planes, the start of one. A plane is a run: all samples of a channel
// that is the only one.
template <class T, class Sweep>
void sweep_values(order const& o, selection<T> const& selected, place at, std::size_t count, Sweep const& sweep) {
  std::size_t const s = o.other.length, c = o.shape.c;
  while (count > 0) {
    std::size_t const to_end = (c - at.channel) * s, whole = count < to_end ? count / s : c - at.channel;
    std::size_t const channels = at.position > 0 || whole == 0 ? 1 : whole, length = smaller(count, s - at.position);
    std::size_t const group = o.shape.groups == 1 ? 0 : o.group_of_sample(at.sample);
    sweep_planes(o, selected, {1, 1, channels, length}, at, group, sweep);
    count -= (channels - 1) * s + length;
    at = {at.sample, at.channel + channels, 0};
    if (at.channel == c) at = {at.sample + 1, 0, 0};
  }
}

template <class T, class Sweep> void sweep_linear(order const& o, selection<T> const& selected, executor const& e, Sweep const& sweep) {
  memory_order const cuts = cut_in_memory_order(o, e.threads);
  auto const sweep_part = [&](std::size_t i) {
    std::size_t const first = cuts.border(i), count = cuts.border(i + 1) - first;
    if (o.shape.planes()) sweep_values(o, selected, o.place_of_value(first), count, sweep);
    else sweep_run(o, selected, {0, 0, first}, count, 0, sweep);
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
