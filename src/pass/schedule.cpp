#include "pass/schedule.hpp"

#include "isa/cache.hpp"
#include "pass/integers.hpp"

namespace renorm {
namespace {

// Contiguous bytes per sample and tensor that make DRAM pages and prefetchers work: 4-16 KB measured alike, less is slower. Down to the
// least, they are fewer where the inputs of a block would take more than a quarter of the L2 cache, which has the block's output and the
// next block as well: backward of 32x1024x14x14 and 32x2048x7x7, reading ahead, took 0.9 and 0.84 of the time (Zen 5, L2 of 1 MB).
constexpr std::size_t run_bytes = 8192, least_run_bytes = 2048;

// Portions for each thread: enough that the last ones to finish cost little.
constexpr std::size_t portions_per_thread = 4;

void set_channel_blocks(schedule& p, std::size_t channels_per_block) {
  p.block_channels = channels_per_block;
  p.channel_blocks = divide_up(p.channels, channels_per_block);
}

// Channels of short planes, in few samples, up to a register of the algebra's doubles: training of 1x64x56x56 and 1x256x28x28 took 0.84 of
// the time (Sapphire Rapids; 0.89 with blocks of 32 KB). What a block reads is then twice as large as an L1 cache, or less.
constexpr std::size_t small_block_bytes = 65536, small_block_channels = 8;

// So many planes end where a cache line does, if the first begins with one.
std::size_t planes_of_lines(std::size_t plane_bytes) {
  std::size_t planes = 1;
  while (planes * plane_bytes % 64 != 0) planes *= 2;
  return planes;
}

// Short planes of several samples, whose output goes past the caches: streaming stores take whole cache lines, in which planes begin and
// end anywhere. So many of them go together that the last one ends with a line, or it is not worth it: 13x13, of which that is 16 and more
// than a row, took 1.5 times as long as without streaming (Zen 5). Nor is it without streaming: Sapphire Rapids, in the caches, 14x14 and
// 7x7, took 0.96 to 1.04 of the time forward and 1.06 to 1.12 backward.
bool worth_sweeping_flat(order const& o, traffic const& what) {
  bool const several = o.shape.c > 1 && smaller(o.other.runs, o.other.runs_per_chunk) >= flat_samples;
  std::size_t const plane_bytes = o.shape.s * what.element_size;
  return o.shape.planes() && what.streams && several && plane_bytes < long_run_bytes &&
         planes_of_lines(plane_bytes) * plane_bytes <= flat_row_bytes;
}

// Blocks of channels where there are enough of them for all threads; else their segments are divided, too.
void cut_planes(schedule& p, order const& o, traffic const& what, std::size_t wanted) {
  std::size_t const plane_bytes = larger(1, o.shape.s * what.element_size), planes_of_channel = larger(1, what.inputs) * o.shape.n;
  std::size_t const most_bytes = larger(least_run_bytes, cpu::detect_caches().l2.bytes / 4 / planes_of_channel);
  std::size_t const run_channels = larger(1, smaller(divide_up(run_bytes, plane_bytes), most_bytes / plane_bytes)),
                    small = smaller(small_block_bytes / (planes_of_channel * plane_bytes), small_block_channels);
  std::size_t const shared_channels = larger(1, p.channels / wanted);
  std::size_t const channels = smaller(smaller(larger(run_channels, small), shared_channels), max_block_channels);
  std::size_t const together = planes_of_lines(plane_bytes);
  set_channel_blocks(p, p.flat && together <= shared_channels ? divide_up(channels, together) * together : channels);
  p.fused = wanted == 1 || p.channel_blocks >= wanted;
  p.segment_ranges = p.fused ? 1 : smaller(divide_up(wanted, p.channel_blocks), o.segments);
}

// Groups where there are enough of them for all threads; else their segments.
void cut_rows(schedule& p, order const& o, std::size_t wanted) {
  std::size_t const groups = o.groups_with_samples(), portions = smaller(wanted, row_slots(o));
  p.fused = groups > 1 && groups >= portions;
  set_channel_blocks(p, p.channels);
  p.segment_ranges = portions;
}

// Blocks in short runs of tensors that no cache holds, if a block and the next one fit the L2 cache together: training of 56x56 and 28x28
// took 0.85 to 0.93 of the time, backward 0.91 to 1.07. Runs of 50 KB took 1.03 to 1.11, the hardware's own prefetch being as good there;
// blocks too large for the cache 1.12 to 1.3; tensors in the L3 cache 1.16.
bool worth_reading_ahead(order const& o, traffic const& what, std::size_t block_channels) {
  constexpr std::size_t short_run = 16384;
  std::size_t const l2 = cpu::detect_caches().l2.bytes, run = block_channels * o.shape.s * what.element_size;
  std::size_t const block = what.inputs * o.shape.n * run, read = o.shape.values() * what.inputs * what.element_size;
  return run <= short_run && 2 * block <= l2 && read >= 6 * l2;
}

std::size_t wanted_portions(std::size_t threads) { return threads == 1 ? 1 : threads * portions_per_thread; }

}  // namespace

portion schedule::at(order const& o, std::size_t i) const {
  std::size_t const channel = i % channel_blocks * block_channels, range = i / channel_blocks;
  auto const first_segment = [&](std::size_t k) {
    return fused ? o.at(border(o.groups_with_samples(), segment_ranges, k)).segment : border(o.segments, segment_ranges, k);
  };
  std::size_t const segment = first_segment(range), next = channel + block_channels;
  return {channel,
          smaller(block_channels, channels - channel),
          segment,
          first_segment(range + 1) - segment,
          reads_ahead && next < channels ? block_channels : 0,
          flat,
          range};
}

schedule make_schedule(order const& o, traffic const& what, std::size_t threads) {
  schedule p{};
  p.channels = o.shape.c;
  std::size_t const wanted = wanted_portions(threads);
  if (!o.shape.planes()) {
    cut_rows(p, o, wanted);
    return p;
  }
  p.flat = worth_sweeping_flat(o, what);
  cut_planes(p, o, what, wanted);
  p.reads_ahead = p.fused && what.streams && what.inputs > 0 && o.shape.groups == 1 && worth_reading_ahead(o, what, p.block_channels);
  return p;
}

bool sweeps_in_memory_order(order const& o, traffic const& what) {
  return !worth_sweeping_flat(o, what) && (o.shape.groups == 1 || (o.shape.planes() && o.shape.c > 1));
}

std::size_t equal_portions(std::size_t units, std::size_t threads) { return smaller(units, wanted_portions(threads)); }

memory_order cut_in_memory_order(order const& o, std::size_t threads) {
  bool const planes = o.shape.planes();
  std::size_t const unit = planes ? step_values : o.sublanes, end = planes ? o.shape.values() : o.shape.per_channel();
  return {unit, end, equal_portions(divide_up(end, unit), threads)};
}

// Thresholds are measured alone and with a reader of the output behind the call, and the sum of both decides. Intel with an L3 of 480 MB
// (AVX-512, FP16; one thread, planes of 56x56, time streaming over plain): training of 5 to 18 MB 0.97-1.02 alone and 1.29-1.69 with a
// reader, 25 MB 0.91 and 1.23, 37 MB 0.83 and 1.11, 49 MB 0.71 and 0.84, 98 MB 0.52 and 0.70; inference neutral from 49 MB on. Sapphire
// Rapids, alone: training of 3 to 100 MB reached 98-120 percent of the limit streaming, 39-97 not. Zen 5, a copy: 24 MB 0.73 and 1.14,
// 32 MB 0.86 and 1.10, 64 MB 0.80 and 0.88; Zen 4 loses half of its speed by streaming what its L3 holds.
bool output_bypasses_cache(std::size_t touched, std::size_t threads) {
  cpu::caches const sizes = cpu::detect_caches();
  if (sizes.victim_l3) return touched / threads > larger(sizes.l2.bytes, sizes.l3.bytes / 20);
  std::size_t const complexes = sizes.l3_threads == 0 ? 1 : divide_up(threads, sizes.l3_threads);
  return touched / complexes > sizes.l3.bytes;
}

}  // namespace renorm
