// Whether to run the thinned-out grids, for emulators and valgrind.
#pragma once

#include <cstdlib>

namespace renorm_test {

inline bool reduced() { return std::getenv("RENORM_TEST_REDUCED") != nullptr; }

}  // namespace renorm_test
