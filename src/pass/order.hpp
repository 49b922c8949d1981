// The order of additions: which values share accumulator lanes, and how the partial results meet. A function of shape, groups and
// element type alone, never of ISA, threads or caches: this is what makes the bits the same everywhere. Cutting work into portions
// follows these borders and never moves them.
//
// A chunk is what one set of lanes sums, at most additions_per_lane values a lane; it never crosses a group. Consecutive chunks of a
// group form at most max_segments segments. Chunks merge in order inside a segment, then the segments of a group in order.
#pragma once

#include "kernels/types.hpp"
#include "pass/integers.hpp"

#include <cstddef>

namespace renorm {

// Of all tensors of a call.
struct shape {
  std::size_t n, c, s;
  std::size_t block;   // b of tensor/view.hpp: 1 or c
  std::size_t groups;  // >= 1
  bool interleaved;    // sample i is in group i mod groups, else groups are consecutive samples

  bool planes() const { return block == 1; }  // else rows of all channels
  std::size_t per_channel() const { return n * s; }
  std::size_t values() const { return n * c * s; }
  std::size_t statistics() const { return groups * c; }
  shape ungrouped() const { return {n, c, s, block, 1, false}; }
};

inline constexpr std::size_t max_segments = 64;

// Rows take this many accumulators at most when several rows share one pass (few or odd channels).
inline constexpr std::size_t max_row_accumulators = 2048;

// The positions of a group are runs of equal length, without a gap inside: a sample each, but where a channel has no gaps between the
// samples, in rows and where it is the only one, all of them are one run. A part of them is positions [first, first + length) of runs [run,
// run + runs).
struct part {
  std::size_t run, runs, first, length;
};

// How a group is cut into chunks and segments.
struct cut {
  std::size_t runs, length;
  std::size_t pieces, piece_length;  // chunks that a long run is cut into, 1 for short ones
  std::size_t runs_per_chunk;        // more than 1 for short runs
  std::size_t chunks, chunks_per_segment, segments;

  std::size_t first_chunk(std::size_t segment) const { return smaller(segment * chunks_per_segment, chunks); }
  part part_of(std::size_t chunk) const;
  std::size_t positions_before(std::size_t chunk) const;
};

// One group, and where it begins: its first sample, its first segment and chunk among those of all groups.
struct group {
  std::size_t index;
  renorm::cut const& cut;
  std::size_t sample, segment, chunk;
};

struct order {
  renorm::shape shape;
  std::size_t sublanes;       // rows that share one pass, row r of a run going to sub-lane r mod sublanes
  std::size_t group_samples;  // n div groups
  std::size_t larger_groups;  // n mod groups: the first groups have one more sample
  cut larger, other;
  std::size_t segments, chunks;  // of all groups

  group at(std::size_t index) const;
  std::size_t group_of_segment(std::size_t segment) const;
  std::size_t group_of_sample(std::size_t sample) const;
  std::size_t groups_with_samples() const { return smaller(shape.n, shape.groups); }

  std::size_t width() const { return shape.c * sublanes; }  // accumulators of one pass over rows
  std::size_t columns() const { return shape.groups * width(); }

  // From a run of a group to the next.
  place run_step() const { return {shape.interleaved ? shape.groups : 1, 0, 0}; }

  // Of the first position of a part of a group.
  place place_of(group const& g, part const& p, std::size_t channel = 0) const {
    return {g.sample + p.run * run_step().sample, channel, p.first};
  }

  // Of a value of planes by its number in [n][c][s].
  place place_of_value(std::size_t i) const {
    std::size_t const plane = i / other.length, sample = plane / shape.c;
    return {sample, plane - sample * shape.c, i - plane * other.length};
  }
};

// A run of more than a piece is cut into pieces; shorter ones share a lane set, as many of them as the additions to a lane allow. step:
// positions that one addition to each lane takes.
cut cut_runs(std::size_t runs, std::size_t length, std::size_t step, std::size_t additions);

// lanes: accumulator lanes of the element type.
order make_order(shape const& s, std::size_t lanes);

}  // namespace renorm
