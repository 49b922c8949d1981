// How far results may be from their definition. Derived from what the library rounds; see tolerance.cpp.
#pragma once

#include "support/problem.hpp"

namespace renorm_test {

// What the expected values themselves are good for, relative to the scales of data/golden/README.md.
constexpr double reference_error = 1e-12;

// carried: errors of the running statistics that the step starts from, none if they were exact. Only running_mean and running_var are read.
values training_tolerance(problem const& p, values const& want, double reference = reference_error, values const& carried = {});
values inference_tolerance(problem const& p, values const& want, double reference = reference_error, values const& carried = {});

// Half a unit in the last place of 1.
double unit_roundoff(renorm_dtype dtype);

}  // namespace renorm_test
