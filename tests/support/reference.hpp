// The definitions at the top of renorm.h, as naive loops: the sums in long double, with what they lose, the rest in double.
#pragma once

#include "support/problem.hpp"

namespace renorm_test {

// Sigma of the running statistics from before the step.
double running_sigma(problem const& p, std::size_t channel);

values reference_training(problem const& p);
values reference_inference(problem const& p);

}  // namespace renorm_test
