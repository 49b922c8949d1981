#define RENORM_ISA avx512
#define RENORM_ARCH xsimd::avx512bw
#include "isa/instantiate.inc"
