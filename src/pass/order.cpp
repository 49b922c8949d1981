#include "pass/order.hpp"

namespace renorm {
namespace {

// Rows of c values fill whole registers only if c is a multiple of lanes, a power of two: otherwise as many rows go together as make it
// one. common is the greatest common divisor.
std::size_t rows_of_a_pass(std::size_t c, std::size_t lanes) {
  std::size_t const common = c & (~c + 1), fitting = 0 < common && common < lanes ? lanes / common : 1;
  return c * fitting <= max_row_accumulators ? fitting : 1;
}

cut cut_group(shape const& s, std::size_t samples, std::size_t step) {
  bool const one_run = s.block == s.c && !s.interleaved;
  return one_run ? cut_runs(1, samples * s.s, step, additions_per_lane) : cut_runs(samples, s.s, step, additions_per_lane);
}

}  // namespace

cut cut_runs(std::size_t runs, std::size_t length, std::size_t step, std::size_t additions) {
  cut k{};
  k.runs = runs;
  k.length = length;
  if (runs == 0 || length == 0) return k;
  std::size_t const piece = step * additions;
  k.pieces = divide_up(length, piece);
  k.piece_length = smaller(length, piece);
  k.runs_per_chunk = k.pieces > 1 ? 1 : additions / divide_up(length, step);
  k.chunks = k.pieces * divide_up(runs, k.runs_per_chunk);
  k.chunks_per_segment = divide_up(k.chunks, max_segments);
  k.segments = divide_up(k.chunks, k.chunks_per_segment);
  return k;
}

order make_order(shape const& s, std::size_t lanes) {
  order o{};
  o.shape = s;
  o.sublanes = 1;
  if (s.per_channel() == 0) return o;
  if (!s.planes()) o.sublanes = rows_of_a_pass(s.c, lanes);
  std::size_t const step = s.planes() ? lanes : o.sublanes;
  o.group_samples = s.groups == 1 ? s.n : s.n / s.groups;
  o.larger_groups = s.n - o.group_samples * s.groups;
  if (o.larger_groups > 0) o.larger = cut_group(s, o.group_samples + 1, step);
  o.other = cut_group(s, o.group_samples, step);
  o.segments = o.larger_groups * o.larger.segments + (s.groups - o.larger_groups) * o.other.segments;
  o.chunks = o.larger_groups * o.larger.chunks + (s.groups - o.larger_groups) * o.other.chunks;
  return o;
}

group order::at(std::size_t index) const {
  std::size_t const before = smaller(index, larger_groups), others = index - before;
  std::size_t const sample = shape.interleaved ? index : index * group_samples + before;
  return {index, index < larger_groups ? larger : other, sample, before * larger.segments + others * other.segments,
          before * larger.chunks + others * other.chunks};
}

std::size_t order::group_of_segment(std::size_t segment) const {
  std::size_t const in_larger = larger_groups * larger.segments;
  return segment < in_larger ? segment / larger.segments : larger_groups + (segment - in_larger) / other.segments;
}

std::size_t order::group_of_sample(std::size_t sample) const {
  if (shape.interleaved) return sample % shape.groups;
  std::size_t const in_larger = larger_groups * (group_samples + 1);
  return sample < in_larger ? sample / (group_samples + 1) : larger_groups + (sample - in_larger) / group_samples;
}

part cut::part_of(std::size_t chunk) const {
  std::size_t const whole_runs = pieces == 1 ? chunk : chunk / pieces, piece = chunk - whole_runs * pieces;
  std::size_t const run = whole_runs * runs_per_chunk, first = piece * piece_length;
  return {run, smaller(runs_per_chunk, runs - run), first, smaller(piece_length, length - first)};
}

std::size_t cut::positions_before(std::size_t chunk) const {
  if (chunk >= chunks) return runs * length;
  part const p = part_of(chunk);
  return p.run * length + p.first;
}

}  // namespace renorm
