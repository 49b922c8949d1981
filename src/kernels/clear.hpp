// Masked positions of planes become 0, after a sweep that knows nothing of masks.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

template <class V, class T = typename V::value> void clear_plane(planes const& p, view<T const> const& valid, view<T> const& y) {
  for (std::size_t i = 0; i < p.samples; ++i) {
    valid_values<V> const values = {valid.at({i * p.step, 0, 0})};
    for (std::size_t c = 0; c < p.channels; ++c) {
      T* const run = y.at({i * p.step, c, 0});
      V const zero = V::set(T(0));
      sweep<V>(p.length,
               [&](std::size_t j, auto k) RENORM_LAMBDA { values.keep(V::load(run + j, k, zero), zero, j, k).store(run + j, k); });
    }
  }
}

}  // namespace
}  // namespace renorm
