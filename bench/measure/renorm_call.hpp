#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"
#include "measure/tensors.hpp"

#include <memory>

namespace bench {

// The operation of s through the C ABI on the shared tensors, workspace given; x, if it is given, has the values for the shared one. What
// the operation takes from others is made here, once: for a backward pass alone the forward one is done.
call renorm_call(spec const& s, std::shared_ptr<pages const> x = nullptr);

}  // namespace bench
