// A program that measures has no use for a call that fails.
#pragma once

#include <renorm/renorm.h>

#include <cstdio>
#include <cstdlib>

namespace bench {

[[noreturn]] inline void give_up(renorm_status status) {
  char text[256] = "";
  renorm_last_error(text, sizeof text);
  std::fprintf(stderr, "%s: %s\n", renorm_status_string(status), text);
  std::exit(1);
}

inline void require(renorm_status status) {
  if (status != RENORM_OK) give_up(status);
}

}  // namespace bench
