// The line of renorm_explain.
#pragma once

#include "op/problem.hpp"

#include <stddef.h>

namespace renorm::capi {

struct operation {
  renorm_op id;
  char const* name;  // without renorm_
};

// Writes the line about an operation on p, which is what desc says, to buf, cut off at cap - 1 characters. cap > 0
void write_line(renorm_desc const& desc, problem const& p, operation const& what, isa const& code, executor const& lent, char* buf,
                size_t cap);

}  // namespace renorm::capi
