// Training and inference steps through the library, forward and backward, in all the ways that must not change a result.
#pragma once

#include "support/memory.hpp"
#include "support/problem.hpp"

namespace renorm_test {

enum class aliasing {
  none,
  onto_dy,  // y = x, dx = dy
  onto_x,   // y = x, dx = x
};

struct way {
  bool parts = false;  // made of the parts instead of whole calls
  aliasing alias = aliasing::none;
  placement where = {};
  renorm_parallel_for parallel_for = nullptr;
  void* ctx = nullptr;
  std::int32_t concurrency = 0;
};

// Both steps expect success and that nothing outside the arrays was written. var is there only if made of the parts.
values train(problem const& p, way const& how = {});
values infer(problem const& p, way const& how = {});

}  // namespace renorm_test
