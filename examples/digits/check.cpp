#include "check.hpp"

#include <stdexcept>
#include <string>

namespace digits {

void check(renorm_status status) {
  if (status == RENORM_OK) return;
  char reason[256];
  renorm_last_error(reason, sizeof reason);
  throw std::runtime_error(std::string(renorm_status_string(status)) + ": " + reason);
}

}  // namespace digits
