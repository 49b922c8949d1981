#pragma once

#include <renorm/renorm.h>

namespace digits {

// Throws the reason if a call of the library was refused.
void check(renorm_status status);

}  // namespace digits
