// The tables of function pointers that list.inc describes; each ISA fills one.
#pragma once

#include "kernels/types.hpp"

namespace renorm {

template <class T> struct kernels {
#define RENORM_KERNEL(name, ret, args) ret(*name) args;
#define RENORM_CHANNEL_KERNEL(name, ret, args)
#include "kernels/list.inc"
#undef RENORM_KERNEL
#undef RENORM_CHANNEL_KERNEL
};

struct channel_kernels {
#define RENORM_KERNEL(name, ret, args)
#define RENORM_CHANNEL_KERNEL(name, ret, args) ret(*name) args;
#include "kernels/list.inc"
#undef RENORM_KERNEL
#undef RENORM_CHANNEL_KERNEL
};

}  // namespace renorm
