#define RENORM_ISA sse2
#define RENORM_ARCH xsimd::sse2
#include "isa/instantiate.inc"
