#include "error.hpp"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

namespace renorm::capi {
namespace {

thread_local char text[256];

}  // namespace

renorm_status fail(renorm_status status, char const* format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof(text), format, values);
  va_end(values);
  return status;
}

}  // namespace renorm::capi

extern "C" size_t renorm_last_error(char* buf, size_t cap) {
  char const* const text = renorm::capi::text;
  size_t const length = strlen(text);
  if (buf != nullptr && cap > 0) {
    size_t const copied = length < cap - 1 ? length : cap - 1;
    memcpy(buf, text, copied);
    buf[copied] = '\0';
  }
  return length;
}

extern "C" const char* renorm_status_string(renorm_status status) {
  switch (status) {
    case RENORM_OK:
      return "ok";
    case RENORM_ERROR_NULL:
      return "a required pointer is NULL";
    case RENORM_ERROR_STRUCT_SIZE:
      return "struct_size is wrong";
    case RENORM_ERROR_VALUE:
      return "a value is out of its range";
    case RENORM_ERROR_UNSUPPORTED:
      return "not supported";
    case RENORM_ERROR_OVERFLOW:
      return "the sizes overflow";
    case RENORM_ERROR_ALIAS:
      return "arrays overlap";
    case RENORM_ERROR_WORKSPACE:
      return "the workspace is too small";
    case RENORM_ERROR_OUT_OF_MEMORY:
      return "out of memory";
    case RENORM_ERROR_ISA:
      return "unknown instruction set";
    default:
      return "unknown status";
  }
}
