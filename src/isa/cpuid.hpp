// The CPUID instruction. A virtual machine's hypervisor executes it, which takes microseconds: results are to be kept.
#pragma once

namespace renorm::cpu {

struct registers {
  unsigned eax, ebx, ecx, edx;
};

}  // namespace renorm::cpu

#if defined(__x86_64__)

#  include <cpuid.h>

namespace renorm::cpu {
namespace {

inline registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  registers r{};
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

}  // namespace
}  // namespace renorm::cpu

#endif
