// The line of renorm_explain.
#pragma once

#include "op/plan.hpp"
#include "renorm/renorm.h"

#include <stddef.h>

namespace renorm::capi {

// Writes the line about an operation, called without renorm_, on p, which is what desc says, to buf, cut off at cap - 1 characters. cap > 0
void write_line(renorm_desc const& desc, problem const& p, char const* operation, footprint const& passes, isa const& code,
                executor const& lent, char* buf, size_t cap);

}  // namespace renorm::capi
