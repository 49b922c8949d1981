// Where the values of a tensor are. Memory is [n][c/b][s][b]: with b = 1 planes of one channel each (NCHW), with b = c rows of all
// channels (NHWC). Each tensor of a call has pitches of its own, in values.
#pragma once

#include <cstddef>

// What kernels call: a copy that was compiled for one instruction set must not be that of the others (simd/vec.hpp).
#define RENORM_ALWAYS_INLINE __attribute__((always_inline))

namespace renorm {

// One value of all tensors of a call, or how far two of them are apart. Rows of all channels have no gap between samples: their positions
// are counted on beyond the end of one.
struct place {
  std::size_t sample, channel, position;

  friend place operator+(place const& a, place const& b) { return {a.sample + b.sample, a.channel + b.channel, a.position + b.position}; }
};

// From a sample, a channel and a position of a tensor to the next, in values.
struct pitches {
  std::size_t sample, channel, position;

  friend bool operator==(pitches const& a, pitches const& b) {
    return a.sample == b.sample && a.channel == b.channel && a.position == b.position;
  }
  RENORM_ALWAYS_INLINE std::size_t offset(place const& p) const { return p.sample * sample + p.channel * channel + p.position * position; }
};

// The values of a tensor from one of them on; NULL, and pitches of 0, where there is no such tensor. Loops that store have copies of their
// views: registers may be stored anywhere, for all that a compiler knows, and it would read the pitches again after each.
template <class E> struct view {
  E* data = nullptr;
  pitches pitch = {};

  RENORM_ALWAYS_INLINE E* at(place const& p) const { return data + pitch.offset(p); }
  RENORM_ALWAYS_INLINE view from(place const& p) const { return {at(p), pitch}; }
};

// That of elements known at run time, as those.
template <class E> view<E const> as(view<void const> const& v) { return {static_cast<E const*>(v.data), v.pitch}; }
template <class E> view<E> as(view<void> const& v) { return {static_cast<E*>(v.data), v.pitch}; }

}  // namespace renorm
