// What the CPU at hand can do: instruction sets and cache sizes. The only system- and vendor-specific questions.
#pragma once

#include <cstddef>

namespace renorm::cpu {

// Bits of the instruction set extensions that kernels ask for, each including the operating system's support for its registers.
enum feature : unsigned {
  none = 0,
  avx2 = 1u << 0,
  fma = 1u << 1,
  avx512 = 1u << 2,  // F, CD, DQ, BW and VL together
};

unsigned detect_features();

struct caches {
  std::size_t l2;  // bytes, of one core
  std::size_t l3;  // bytes, of the last level
  // Whether a store that misses L2 is faster past the caches than through L3. On Intel's L3, which holds what L2 evicts, it is:
  // Sapphire Rapids, one thread, training forward of 3 MB to 100 MB in percent of the limit: 98-120 streaming, 39-97 not.
  // Zen 4 loses half of its speed by streaming what L3 holds.
  bool stream_past_l2;
};

// Read once; 1 MB and 16 MB where the system does not say.
caches detect_caches();

}  // namespace renorm::cpu
