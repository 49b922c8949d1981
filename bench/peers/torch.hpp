// PyTorch through its C++ operators.
#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"

#include <string>
#include <vector>

namespace bench {

std::string torch_version();

// Batch norm: native_batch_norm, with its output reused where this version can, and its backward, which allocates.
bool torch_has(spec const& s);
std::vector<call> torch_calls(spec const& s);

// Batch renorm, which PyTorch does not have, made of tensor operations: the formulas written down, and one extra var_mean with the
// correction folded into the parameters of batch_norm. The gradient is autograd's, hence renorm_step and not renorm_backward.
bool torch_composes(spec const& s);
std::vector<call> torch_py_calls(spec const& s);
std::vector<call> torch_smart_calls(spec const& s);

}  // namespace bench
