// How an operation is cut for caches and threads. Changes the speed only: results come from pass/order.hpp.
#pragma once

#include "pass/order.hpp"

namespace renorm {

// One portion of work: some channels of some segments, which are numbered across all groups. Those of rows hold all channels.
struct portion {
  std::size_t channel, channels;
  std::size_t segment, segments;
  std::size_t ahead;  // channels from one to that of the portion that comes next, where that is to be read ahead, else 0
  bool flat;          // short planes are swept side by side
  std::size_t slot;   // rows: a number below row_slots() that no other portion has
};

// What a portion has of one group; segment is the group's own number.
struct piece {
  renorm::group group;
  std::size_t channel, channels;
  std::size_t segment, segments;
  std::size_t ahead;
  bool flat;
  std::size_t slot;
};

template <class F> void for_each_piece(order const& o, portion const& p, F const& f) {
  for (std::size_t next = p.segment, end = p.segment + p.segments; next < end;) {
    group const g = o.at(o.group_of_segment(next));
    std::size_t const first = next - g.segment, last = smaller(g.cut.segments, end - g.segment);
    f(piece{g, p.channel, p.channels, first, last - first, p.ahead, p.flat, p.slot});
    next = g.segment + last;
  }
}

// The most portions of rows: each has a row of accumulators in the workspace.
inline std::size_t row_slots(order const& o) { return smaller(o.segments, max_segments); }

// The most channels of a portion of planes: their accumulators are on the stack, 256 bytes each.
inline constexpr std::size_t max_block_channels = 64;

struct schedule {
  // Fused: a portion has whole groups of its channels, and does reduction, algebra and sweep of each back to back, so that the sweep
  // finds its input in the cache. Otherwise all reductions come first, then the algebra of all channels, then all sweeps.
  bool fused;
  std::size_t channel_blocks, block_channels;
  std::size_t segment_ranges;
  std::size_t channels;
  bool reads_ahead;
  bool flat;  // short planes of several samples are swept side by side, as kernels/flat.hpp does

  std::size_t portions() const { return channel_blocks * segment_ranges; }
  portion at(order const& o, std::size_t i) const;
};

// What is to be cut: inputs are the tensors that are reduced, if any; streams is whether the sweep's output goes past the caches.
struct traffic {
  std::size_t element_size, inputs;
  bool streams;
};

// threads >= 1
schedule make_schedule(order const& o, traffic const& what, std::size_t threads);

// Planes of fewer samples are swept one by one.
inline constexpr std::size_t flat_samples = 8;

// Whether a sweep that no reduction goes before is in memory order, in equal parts, instead of as a schedule has it: unless short planes
// are to be swept side by side. Groups of rows, and of one channel, go one by one.
bool sweeps_in_memory_order(order const& o, traffic const& what);

// Values that one step of a backwards sweep takes, and the unit that planes are cut in: enough to run, few enough to still be in the cache.
inline constexpr std::size_t step_values = 8192;

// Equal parts of so many units: of values of planes, of positions of rows, of which there are end.
struct memory_order {
  std::size_t unit, end, parts;

  std::size_t border(std::size_t k) const { return smaller(renorm::border(divide_up(end, unit), parts, k) * unit, end); }
};
memory_order cut_in_memory_order(order const& o, std::size_t threads);

// How many portions a loop over so many units is cut into.
std::size_t equal_portions(std::size_t units, std::size_t threads);

// Whether output that is written once should go past the caches: touched is what the operation reads and writes in bytes.
bool output_bypasses_cache(std::size_t touched, std::size_t threads);

}  // namespace renorm
