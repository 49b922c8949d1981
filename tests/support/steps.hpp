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
  bool parts = false;      // made of the parts instead of whole calls
  double sigma_floor = 0;  // of the correction, in parts
  aliasing alias = aliasing::none;
  placement where = {};
  renorm_parallel_for parallel_for = nullptr;
  void* ctx = nullptr;
  std::int32_t concurrency = 0;
};

// Both steps expect success and that nothing outside the arrays was written.
values train(problem const& p, way const& how = {});
values infer(problem const& p, way const& how = {});

// A training step without groups on several machines, each with samples [borders[i], borders[i + 1]) of the batch, maybe none.
values train_in_shards(problem const& p, std::vector<std::size_t> const& borders);

struct folded {
  array scale, weights, bias;
};

// renorm_fold, the weights being x and the bias beta.
folded fold(problem const& p);

// renorm_merge and renorm_update_running by themselves.
void merge_moments(renorm_desc const& desc, std::int64_t& count, array& mean, array& m2, std::int64_t other_count, array const& other_mean,
                   array const& other_m2);
void update_running(problem const& p, std::int64_t count, array const& mean, array const& m2, array& running_mean, array& running_var);

}  // namespace renorm_test
