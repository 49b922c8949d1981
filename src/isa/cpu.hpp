// What the CPU at hand can do.
#pragma once

namespace renorm::cpu {

// Bits of the instruction set extensions that kernels ask for, each including the operating system's support for its registers.
enum feature : unsigned {
  none = 0,
  avx2 = 1u << 0,
  fma = 1u << 1,
  avx512 = 1u << 2,  // F, CD, DQ, BW and VL together
};

unsigned detect_features();

}  // namespace renorm::cpu
