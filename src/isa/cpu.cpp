#include "isa/cpu.hpp"

#include "isa/cpuid.hpp"

namespace renorm::cpu {

#if defined(__x86_64__)

namespace {

unsigned xgetbv() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has(unsigned reg, unsigned bits) { return (reg & bits) == bits; }

}  // namespace

// Intel SDM volume 1, sections 14.3, 14.7.1 and 15.2: CPUID says what the CPU has, XGETBV whether the system saves the registers.
unsigned detect_features() {
  unsigned const max_leaf = cpuid(0).eax;
  registers const leaf1 = cpuid(1);
  unsigned const osxsave_avx = (1u << 27) | (1u << 28);
  if (max_leaf < 7 || !has(leaf1.ecx, osxsave_avx)) return none;
  unsigned const saved = xgetbv();
  unsigned const ymm = 0x6, zmm = 0xe6;
  if (!has(saved, ymm)) return none;

  registers const leaf7 = cpuid(7);
  unsigned const avx512_bits = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);  // F DQ CD BW VL
  unsigned found = none;
  if (has(leaf7.ebx, 1u << 5)) found |= avx2;
  if (has(leaf1.ecx, 1u << 12)) found |= fma;
  if (has(saved, zmm) && has(leaf7.ebx, avx512_bits)) found |= avx512;
  return found;
}

#else

unsigned detect_features() { return none; }

#endif

}  // namespace renorm::cpu
