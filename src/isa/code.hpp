// What is compiled for an instruction set.
#pragma once

#include "kernels/table.hpp"

namespace renorm {

struct isa {
  char const* name;
  kernels<float> f32;
  kernels<double> f64;
  channel_kernels channel;

  template <class T> kernels<T> const& of() const {
    if constexpr (sizeof(T) == sizeof(float)) return f32;
    else return f64;
  }
};

}  // namespace renorm
