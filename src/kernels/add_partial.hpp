// The sum of a level over rows goes to those before it, and is begun anew: additions_per_level (kernels/types.hpp) says what for.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

template <class V, class T = typename V::value> void add_partial(std::size_t n, T* partial, T* sum) {
  V const zero = V::set(T(0));
  sweep<V>(n, [&](std::size_t i, auto k) RENORM_LAMBDA {
    (V::load(sum + i, k, zero) + V::load(partial + i, k, zero)).store(sum + i, k);
    zero.store(partial + i, k);
  });
}

}  // namespace
}  // namespace renorm
