#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"

namespace bench {

// The operation of s through the C ABI on the shared tensors, workspace given. For a backward pass alone the forward one is
// done once, here.
call renorm_call(spec const& s);

}  // namespace bench
