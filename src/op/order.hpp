// The order of additions: which values share accumulator lanes, and how the partial results meet. A function of shape and element
// type alone, never of ISA, threads or caches: this is what makes the bits the same everywhere. Cutting work into portions
// follows these borders and never moves them.
//
// A chunk is what one set of lanes sums, at most additions_per_lane values a lane. Consecutive chunks form at most max_segments
// segments. Chunks merge in order inside a segment, then the segments in order.
#pragma once

#include "kernels/types.hpp"

#include <cstddef>

namespace renorm {

enum class layout { nchw, nhwc };

struct shape {
  renorm::layout layout;
  std::size_t n, c, s;

  std::size_t per_channel() const { return n * s; }
  std::size_t values() const { return n * c * s; }
};

inline constexpr std::size_t max_segments = 64;

// NHWC rows take this many accumulators at most when several rows share one pass (few or odd channels).
inline constexpr std::size_t max_row_accumulators = 2048;

// The part of a channel that a chunk covers.
// NCHW: positions [first, first + length) of samples [sample, sample + samples). NHWC: rows [row, row + rows) of n*s.
struct plane_chunk {
  std::size_t sample, samples, first, length;
};
struct row_chunk {
  std::size_t row, rows;
};

struct order {
  renorm::shape shape;
  std::size_t chunks;
  std::size_t chunks_per_segment;
  std::size_t segments;

  std::size_t pieces;  // NCHW: chunks a plane is cut into, 1 for short planes
  std::size_t piece_length;
  std::size_t samples_per_chunk;  // NCHW: more than 1 for short planes

  std::size_t sublanes;  // NHWC: rows that share one pass, row r going to sub-lane r mod sublanes
  std::size_t rows_per_chunk;

  std::size_t first_chunk(std::size_t segment) const { return segment * chunks_per_segment; }
  std::size_t width() const { return shape.c * sublanes; }  // NHWC: accumulators of one pass
  std::size_t values_before(std::size_t chunk) const;       // of a channel
  plane_chunk planes_of(std::size_t chunk) const;
  row_chunk rows_of(std::size_t chunk) const;
};

// lanes: accumulator lanes of the element type.
order make_order(shape const& s, std::size_t lanes);

}  // namespace renorm
