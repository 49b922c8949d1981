#include "op/order.hpp"

#include "op/integers.hpp"

namespace renorm {
namespace {

std::size_t greatest_common_divisor(std::size_t a, std::size_t b) {
  while (b != 0) {
    std::size_t const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// A plane of at least a piece is cut into pieces; shorter ones share a lane set over as many samples as additions_per_lane allows.
void cut_planes(order& o, std::size_t lanes) {
  std::size_t const piece = lanes * additions_per_lane;
  if (o.shape.s > piece) {
    o.piece_length = piece;
    o.pieces = divide_up(o.shape.s, piece);
    o.samples_per_chunk = 1;
  } else {
    o.piece_length = o.shape.s;
    o.pieces = 1;
    o.samples_per_chunk = additions_per_lane / divide_up(o.shape.s, lanes);
  }
  o.chunks = o.pieces * divide_up(o.shape.n, o.samples_per_chunk);
}

// Rows of c values fill whole registers only if c is a multiple of lanes: otherwise as many rows go together as make it one.
void cut_rows(order& o, std::size_t lanes) {
  std::size_t const fitting = lanes / greatest_common_divisor(o.shape.c, lanes);
  o.sublanes = o.shape.c * fitting <= max_row_accumulators ? fitting : 1;
  o.rows_per_chunk = additions_per_lane * o.sublanes;
  o.chunks = divide_up(o.shape.per_channel(), o.rows_per_chunk);
}

}  // namespace

order make_order(shape const& s, std::size_t lanes) {
  order o{};
  o.shape = s;
  o.sublanes = 1;
  if (s.values() == 0) return o;
  if (s.layout == layout::nchw) cut_planes(o, lanes);
  else cut_rows(o, lanes);
  o.chunks_per_segment = divide_up(o.chunks, max_segments);
  o.segments = divide_up(o.chunks, o.chunks_per_segment);
  return o;
}

std::size_t order::values_before(std::size_t chunk) const {
  if (chunk >= chunks) return shape.per_channel();
  if (shape.layout == layout::nhwc) return rows_of(chunk).row;
  plane_chunk const part = planes_of(chunk);
  return part.sample * shape.s + part.first;
}

plane_chunk order::planes_of(std::size_t chunk) const {
  std::size_t const sample = chunk / pieces * samples_per_chunk;
  std::size_t const first = chunk % pieces * piece_length;
  return {sample, smaller(samples_per_chunk, shape.n - sample), first, smaller(piece_length, shape.s - first)};
}

row_chunk order::rows_of(std::size_t chunk) const {
  std::size_t const row = chunk * rows_per_chunk;
  return {row, smaller(rows_per_chunk, shape.per_channel() - row)};
}

}  // namespace renorm
