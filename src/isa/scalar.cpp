#define RENORM_ISA scalar  // no RENORM_ARCH: plain C++, the reference that every other instruction set is compared with
#include "isa/instantiate.inc"
