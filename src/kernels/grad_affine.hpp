// dx = scale*((dy - c1) - xhat*c2), xhat = (x - center)*inv + off; off makes up for the rounding of center. Not p*dy + q*x + s:
// q = scale*inv*c2 underflows where the variance is huge.
#pragma once

#include "kernels/flat.hpp"

namespace renorm {
namespace {

template <class V> struct grad_registers {
  V center, inv, off, scale, c1, c2;

  RENORM_INLINE V dx(V x, V dy) const {
    V const xhat = fma(x - center, inv, off);
    return scale * ((dy - c1) - xhat * c2);
  }
};

template <class V, class T = typename V::value>
void grad_affine_pixels(pixels const& p, T const* x, T const* dy, grad_coefficients<T> const& g, T* dx, bool stream) {
  write_rows<V, T>(p, stream, [&](std::size_t first, auto rows, bool streamed) RENORM_LAMBDA {
    std::size_t const row = first * p.pitch;
    sweep_to<V>(dx + row, p.width, streamed, [&](std::size_t j, auto n, auto store) RENORM_LAMBDA {
      auto const load = [&](T const* a) RENORM_LAMBDA { return V::load(a + j, n, V::set(T(0))); };
      grad_registers<V> const k = {load(g.center), load(g.inv), load(g.off), load(g.scale), load(g.c1), load(g.c2)};
      for (std::size_t r = 0; r < rows; ++r) {
        std::size_t const at = row + r * p.pitch + j;
        store(k.dx(V::load(x + at, n, k.center), V::load(dy + at, n, k.c1)), dx + at, n);
      }
    });
  });
}

template <class V, class T = typename V::value>
void grad_affine_plane(planes const& p, T const* x, T const* dy, grad_coefficients<T> const& g, T* dx, bool stream) {
  if (is_flat<T>(p, stream)) {
    sweep_flat<V>(
        p, {g.center, g.inv, g.off, g.scale, g.c1, g.c2}, [&](pixels const& q, std::size_t offset, auto const& rows) RENORM_LAMBDA {
          grad_affine_pixels<V>(q, x + offset, dy + offset, {rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]}, dx + offset, stream);
        });
    return;
  }
  for (std::size_t i = 0; i < p.samples; ++i)
    for (std::size_t c = 0; c < p.channels; ++c) {
      std::size_t const run = i * p.sample_pitch + c * p.channel_pitch;
      grad_registers<V> const k = {V::set(g.center[c]), V::set(g.inv[c]), V::set(g.off[c]),
                                   V::set(g.scale[c]),  V::set(g.c1[c]),  V::set(g.c2[c])};
      sweep_to<V>(dx + run, p.length, stream && is_long_run<T>(p.length), [&](std::size_t j, auto n, auto store) RENORM_LAMBDA {
        read_ahead<V>(x + run + j, j, p.ahead);
        read_ahead<V>(dy + run + j, j, p.ahead);
        store(k.dx(V::load(x + run + j, n, k.center), V::load(dy + run + j, n, k.c1)), dx + run + j, n);
      });
    }
}

}  // namespace
}  // namespace renorm
