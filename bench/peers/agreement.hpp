// Nobody is timed who computes something else.
#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"

#include <functional>

namespace bench {

// What an implementation leaves behind: y of a forward operation, else dx, in the layout of the spec.
using output = std::function<void const*()>;

// The call itself, after its first result has been compared with that of renorm's first call. Ends the program if they differ.
call agreeing(spec const& s, char const* who, call const& compute, output const& result);

}  // namespace bench
