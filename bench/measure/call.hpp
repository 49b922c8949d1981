// Calls as the lines of renorm_explain begin with them: somebody's slow call can be measured by someone else.
#pragma once

#include "measure/spec.hpp"

#include <optional>
#include <string>

namespace bench {

// The call that a line of renorm_explain begins with; the rest of it may be there. Nothing if this library would not spell it so, or if it
// has no values. Its positions are the H of a shape.
std::optional<spec> read_call(std::string const& line);

}  // namespace bench
