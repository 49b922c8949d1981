// Assertions of Debug builds and of those with sanitizers, about what nothing in the types of arguments keeps.
#pragma once

#ifdef RENORM_DEBUG
#  define RENORM_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#  define RENORM_ASSERT(condition) ((void)(false && (condition)))  // compiled, so that what only it uses is used
#endif
