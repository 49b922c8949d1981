// The line of renorm_explain.
#pragma once

#include "op/problem.hpp"

#include <stddef.h>

namespace renorm::capi {

// Writes the line about an operation on p, which is what desc says, to buf, cut off at cap - 1 characters. cap > 0
void write_line(renorm_desc const& desc, problem const& p, renorm_op op, isa const& code, executor const& lent, char* buf, size_t cap);

}  // namespace renorm::capi
