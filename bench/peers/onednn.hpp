// oneDNN on plain layouts: primitives are made beforehand, outputs are reused.
#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"

#include <string>
#include <vector>

namespace bench {

std::string onednn_version();
bool onednn_has(spec const& s);  // no doubles, no batch renorm
std::vector<call> onednn_calls(spec const& s);

}  // namespace bench
