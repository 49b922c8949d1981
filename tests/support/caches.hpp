// Sizes of caches that the library is told.
#pragma once

#include "isa/cache.hpp"

namespace renorm_test {

// As long as this is there; then it reads those of the machine again.
class told_caches {
 public:
  explicit told_caches(renorm::cpu::caches const& sizes) { renorm::cpu::set_caches(&sizes); }
  ~told_caches() { renorm::cpu::set_caches(nullptr); }
  told_caches(told_caches const&) = delete;
  told_caches& operator=(told_caches const&) = delete;
};

}  // namespace renorm_test
