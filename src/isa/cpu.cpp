#include "isa/cpu.hpp"

#include <atomic>
#include <unistd.h>

#if defined(__x86_64__)
#  include <cpuid.h>
#endif

namespace renorm::cpu {

#if defined(__x86_64__)

namespace {

struct registers {
  unsigned eax, ebx, ecx, edx;
};

registers cpuid(unsigned leaf, unsigned subleaf) {
  registers r{};
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

unsigned xgetbv() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has(unsigned reg, unsigned bits) { return (reg & bits) == bits; }

}  // namespace

// Intel SDM volume 1, sections 14.3, 14.7.1 and 15.2: CPUID says what the CPU has, XGETBV whether the system saves the registers.
unsigned detect_features() {
  unsigned const max_leaf = cpuid(0, 0).eax;
  registers const leaf1 = cpuid(1, 0);
  unsigned const osxsave_avx = (1u << 27) | (1u << 28);
  if (max_leaf < 7 || !has(leaf1.ecx, osxsave_avx)) return none;
  unsigned const saved = xgetbv();
  unsigned const ymm = 0x6, zmm = 0xe6;
  if (!has(saved, ymm)) return none;

  registers const leaf7 = cpuid(7, 0);
  unsigned const avx512_bits = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);  // F DQ CD BW VL
  unsigned found = none;
  if (has(leaf7.ebx, 1u << 5)) found |= avx2;
  if (has(leaf1.ecx, 1u << 12)) found |= fma;
  if (has(saved, zmm) && has(leaf7.ebx, avx512_bits)) found |= avx512;
  return found;
}

namespace {

bool is_intel() {
  registers const vendor = cpuid(0, 0);
  return vendor.ebx == 0x756e6547 && vendor.edx == 0x49656e69 && vendor.ecx == 0x6c65746e;  // "Genu" "ineI" "ntel"
}

}  // namespace

#else

unsigned detect_features() { return none; }

static bool is_intel() { return false; }

#endif

namespace {

std::size_t cache_size(int name, std::size_t fallback) {
  long const bytes = sysconf(name);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : fallback;
}

}  // namespace

// CPUID traps to the hypervisor in a virtual machine, and sysconf executes it as well (tens of microseconds): hence read once.
// Threads that race write the same values; l2 is the last of them.
caches detect_caches() {
  static std::atomic<std::size_t> l2{0}, l3{0};
  static std::atomic<bool> stream_past_l2{false};
  if (l2.load(std::memory_order_acquire) == 0) {
    l3.store(cache_size(_SC_LEVEL3_CACHE_SIZE, 16u << 20), std::memory_order_relaxed);
    stream_past_l2.store(is_intel(), std::memory_order_relaxed);
    l2.store(cache_size(_SC_LEVEL2_CACHE_SIZE, 1u << 20), std::memory_order_release);
  }
  return {l2.load(std::memory_order_relaxed), l3.load(std::memory_order_relaxed), stream_past_l2.load(std::memory_order_relaxed)};
}

}  // namespace renorm::cpu
