// How large the caches are. What a machine says of them need not be true, in virtual machines above all: it is read here, and believed as
// far as it can be.
#pragma once

#include "isa/cpuid.hpp"

#include <cstddef>

namespace renorm::cpu {

// Where a size is from.
enum class cache_source {
  unknown,  // nothing says it
  leaf_4,   // CPUID
  leaf_8000001d,
  leaf_80000006,
  family,  // no core complex of this family has more than this
  sysfs,
  sysconf,
  user,  // RENORM_CACHES
};

char const* name_of(cache_source source);

struct cache_size {
  std::size_t bytes;
  cache_source source;
};

struct caches {
  cache_size l2;           // of one core
  cache_size l3;           // the last level, of the cores that share it
  std::size_t l3_threads;  // that share it; 0: all
  bool victim_l3;          // it holds what L2 evicts, as Intel's does since Skylake-X
  bool user_ignored;       // RENORM_CACHES is malformed
};

// What a machine says.
struct cache_readings {
  enum class maker { intel, amd, other };  // Hygon's are AMD's
  maker made_by;
  unsigned signature;    // EAX of CPUID leaf 1: family and model
  registers levels[8];   // CPUID leaf 4, of AMD 0x8000001D; a type of 0 behind the last
  registers l2_l3;       // CPUID leaf 0x80000006, AMD alone
  cache_size system[2];  // L2 and L3 as the operating system has them, 0 bytes if it does not say
  char const* user;      // RENORM_CACHES, or nullptr
};

// What is believed.
caches decide_caches(cache_readings const& r);

// Those of the machine, read once.
caches detect_caches();

// For tests: from now on these, with nullptr what the machine says when it is read again. No call may run meanwhile.
void set_caches(caches const* sizes);

}  // namespace renorm::cpu
