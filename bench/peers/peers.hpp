// oneDNN and PyTorch, as far as this build has them.
#pragma once

#include <string>

namespace bench {

// Lets them take part in measurements.
void invite_peers();

std::string peer_versions();  // "oneDNN 3.12.1, PyTorch 2.14.1", or "none"

}  // namespace bench
