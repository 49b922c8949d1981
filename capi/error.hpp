// The text behind renorm_last_error.
#pragma once

#include "renorm/renorm.h"

namespace renorm::capi {

// Keeps the text for this thread and returns status.
__attribute__((format(printf, 2, 3))) renorm_status fail(renorm_status status, char const* format, ...);

}  // namespace renorm::capi
