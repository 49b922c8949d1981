// How an operation is cut for caches and threads. Changes the speed only: results come from op/order.hpp.
#pragma once

#include "op/order.hpp"

namespace renorm {

// One portion of work: some channels of some segments. NHWC portions hold all channels.
struct portion {
  std::size_t channel, channels;
  std::size_t segment, segments;
};

// The most channels of an NCHW portion: their accumulators are on the stack, 256 bytes each.
inline constexpr std::size_t max_block_channels = 64;

struct schedule {
  // Fused: a portion has all segments of its channels, and does reduction, algebra and sweep back to back, so that the sweep finds
  // its input in the cache. Otherwise all reductions come first, then the algebra of all channels, then all sweeps.
  bool fused;
  std::size_t channel_blocks, block_channels;
  std::size_t segment_ranges, range_segments;
  std::size_t channels, segments;

  std::size_t portions() const { return channel_blocks * segment_ranges; }
  portion at(std::size_t i) const;
};

// threads >= 1
schedule make_schedule(order const& o, std::size_t element_size, std::size_t threads);

// How many portions a sweep of so many units is cut into that no reduction goes before.
std::size_t sweep_portions(order const& o, std::size_t element_size, std::size_t units, std::size_t threads);

// Whether output that is written once should go past the caches: touched is what the operation reads and writes in bytes.
bool output_bypasses_cache(std::size_t touched, std::size_t threads);

}  // namespace renorm
