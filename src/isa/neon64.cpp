#define RENORM_ISA neon64
#define RENORM_ARCH xsimd::neon64
#include "isa/instantiate.inc"
