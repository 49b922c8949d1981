// Random problems. Values are exact in float. Running statistics are near enough to those of the batch for some corrections to be
// clipped and some not; with RENORM_FLAG_TRACK_SIGMA in desc, running_var is a deviation.
#pragma once

#include "support/problem.hpp"

namespace renorm_test {

enum class kind {
  moderate,       // channels of different mean and deviation, both of the order of 1
  large_mean,     // mean 1e4, deviation 1
  outlier_first,  // the same, and 0 as the first value
  drifting,       // the mean goes from 0 to 1e4
  huge,           // 1e30
  tiny,           // 1e-21, the squares of which are denormal
  denormal,       // 1e-40
  constant,
  not_finite,  // moderate, one value NaN or infinite
};

problem random_problem(renorm_desc const& desc, std::uint64_t seed, kind data = kind::moderate);

// All kinds in turn, a channel each.
problem mixed_problem(renorm_desc const& desc, std::uint64_t seed);

// With an epilogue, and z where it adds. Where the argument of ReLU is nearer to 0 than margin, or too near for its sign to be known after
// rounding, dy is 0.
problem fused(problem p, renorm_epilogue epilogue, bool training, double margin = 0);

// With a mask of the given kind. What is masked is NaN.
problem masked(problem p, renorm_mask_kind kind, position_mask mask);

// The same with a random one, in spans of some positions, with samples that are valid as a whole and not at all.
problem masked(problem p, renorm_mask_kind kind, std::uint64_t seed);

}  // namespace renorm_test
