#define RENORM_ISA avx2
#define RENORM_ARCH xsimd::fma3<xsimd::avx2>
#include "isa/instantiate.inc"
