// Structs of the C ABI grow at their end, so those of a caller are of any version.
#pragma once

#include <stddef.h>
#include <string.h>

namespace renorm::capi {

// Whether a size that a caller gives is believed: smaller or larger ones, and ones that cut a pointer in two, are memory that was never
// set.
inline bool is_struct_size(size_t bytes) {
  constexpr size_t least = 8, most = 4096;  // least: struct_size and flags
  return bytes >= least && bytes <= most && bytes % alignof(void*) == 0;
}

// Fills a caller's struct: fields that it does not have are left out, those that only it has are 0.
template <class S> void write_struct(S const& from, S* to, size_t size) {
  memset(static_cast<void*>(to), 0, size);
  memcpy(static_cast<void*>(to), &from, size < sizeof(S) ? size : sizeof(S));
}

}  // namespace renorm::capi
