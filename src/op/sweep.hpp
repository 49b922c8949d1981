// Element-wise passes. A Sweep is what is done to values:
//
//   planes(p, offset, channel)    runs of NCHW, the first of them of a channel
//   pixels(p, offset)             rows of NHWC, width() columns
//   finish()                      after the last of a portion
#pragma once

#include "op/integers.hpp"
#include "op/problem.hpp"
#include "op/schedule.hpp"

#include <atomic>

namespace renorm {

// The release by which a thread hands over its results does not cover streaming stores; a full fence does.
inline void publish(bool streamed) {
  if (streamed) std::atomic_thread_fence(std::memory_order_seq_cst);
}

// Rows that one step of a backwards sweep takes: enough to run, few enough to still be in the cache.
inline constexpr std::size_t step_values = 8192;

// Rows [first, last) of NHWC, the last ones first; first is a multiple of sublanes.
template <class Sweep> void sweep_rows(order const& o, std::size_t first, std::size_t last, Sweep const& sweep) {
  std::size_t const c = o.shape.c, width = o.width();
  std::size_t const step = (step_values / width + 1) * o.sublanes;
  for (std::size_t steps = (last - first + step - 1) / step; steps > 0; --steps) {
    std::size_t const row = first + (steps - 1) * step;
    std::size_t const rows = last - row < step ? last - row : step, passes = rows / o.sublanes, left = rows % o.sublanes;
    sweep.pixels({passes, width, width}, row * c);
    if (left > 0) sweep.pixels({1, width, left * c}, row * c + passes * width);
  }
}

// Chunks [first, last) of some channels of NCHW, the last ones first.
template <class Sweep> void sweep_planes(order const& o, portion const& p, std::size_t first, std::size_t last, Sweep const& sweep) {
  std::size_t const s = o.shape.s, sample_pitch = o.shape.c * s;
  for (std::size_t chunk = last; chunk-- > first;) {
    plane_chunk const part = o.planes_of(chunk);
    sweep.planes({part.samples, sample_pitch, p.channels, s, part.length}, part.sample * sample_pitch + p.channel * s + part.first,
                 p.channel);
  }
}

// What a reduction of the same portion has just read, backwards: the end of it is still in the cache.
template <class Sweep> void sweep_portion(order const& o, portion const& p, Sweep const& sweep) {
  std::size_t const first = o.first_chunk(p.segment), end = o.first_chunk(p.segment + p.segments);
  std::size_t const last = end < o.chunks ? end : o.chunks;
  if (o.shape.layout == layout::nhwc) sweep_rows(o, o.values_before(first), o.values_before(last), sweep);
  else sweep_planes(o, p, first, last, sweep);
  sweep.finish();
}

// Values [first, last) of NCHW in memory order: the end of a plane, whole planes, the start of one.
template <class Sweep> void sweep_values(order const& o, std::size_t first, std::size_t last, Sweep const& sweep) {
  std::size_t const s = o.shape.s, c = o.shape.c;
  while (first < last) {
    std::size_t const plane = first / s, channel = plane % c, skipped = first % s;
    std::size_t const whole_planes = (last - first) / s;
    std::size_t const channels = skipped > 0 || whole_planes == 0 ? 1 : (whole_planes < c - channel ? whole_planes : c - channel);
    std::size_t const rest = s - skipped, length = last - first < rest ? last - first : rest;
    sweep.planes({1, c * s, channels, s, length}, first, channel);
    first += (channels - 1) * s + length;
  }
}

// A sweep of memory order, in equal parts.
template <class Sweep> void sweep_linear(order const& o, std::size_t element_size, executor const& e, Sweep const& sweep) {
  bool const nchw = o.shape.layout == layout::nchw;
  std::size_t const unit = nchw ? step_values : o.sublanes, end = nchw ? o.shape.values() : o.shape.per_channel();
  std::size_t const units = divide_up(end, unit), parts = sweep_portions(o, element_size, units, e.threads);
  parallel(e, parts, [&](std::size_t i) {
    auto const border = [&](std::size_t k) { return smaller((units / parts * k + smaller(k, units % parts)) * unit, end); };
    if (nchw) sweep_values(o, border(i), border(i + 1), sweep);
    else sweep_rows(o, border(i), border(i + 1), sweep);
    sweep.finish();
  });
}

// A sweep that no reduction goes before. Short planes go by channel blocks: kernels take several samples of them at once.
template <class Sweep> void sweep_all(order const& o, std::size_t element_size, executor const& e, Sweep const& sweep) {
  if (o.shape.layout == layout::nhwc || o.samples_per_chunk < flat_samples || o.shape.n < flat_samples) {
    sweep_linear(o, element_size, e, sweep);
    return;
  }
  schedule const s = make_schedule(o, element_size, e.threads);
  parallel(e, s.portions(), [&](std::size_t i) { sweep_portion(o, s.at(i), sweep); });
}

// Reduction, algebra and sweep of an operation as its schedule has it.
template <class Reduce, class Algebra, class Sweep>
void run_passes(schedule const& s, executor const& e, Reduce const& reduce, Algebra const& algebra, Sweep const& sweep) {
  if (s.fused) {
    parallel(e, s.portions(), [&](std::size_t i) {
      portion const p = s.at(i);
      reduce(p);
      algebra(p.channel, p.channels);
      sweep(p);
    });
    return;
  }
  parallel(e, s.portions(), [&](std::size_t i) { reduce(s.at(i)); });
  algebra(std::size_t(0), s.channels);
  parallel(e, s.portions(), [&](std::size_t i) { sweep(s.at(i)); });
}

}  // namespace renorm
