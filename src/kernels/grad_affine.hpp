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
  constexpr std::size_t tile_registers = 2;
  std::size_t const pitch = p.pitch;
  write_rows<V, tile_registers, T>(p, stream, [&](std::size_t first, std::size_t rows, bool streamed) RENORM_LAMBDA {
    std::size_t const row = first * pitch;
    sweep_tiles_to<V, tile_registers>(dx + row, p.width, streamed, [&](std::size_t j, auto registers, auto n, auto store) RENORM_LAMBDA {
      constexpr std::size_t count = registers;
      grad_registers<V> k[count];
      auto const load = [&](T const* values) RENORM_LAMBDA { return V::load(values, n, V::set(T(0))); };
      RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
        std::size_t const c = j + i * V::size;
        k[i] = {load(g.center + c), load(g.inv + c), load(g.off + c), load(g.scale + c), load(g.c1 + c), load(g.c2 + c)};
      }
      std::size_t at = row + j;
      for (std::size_t r = 0; r < rows; ++r, at += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
          std::size_t const value = at + i * V::size;
          store(k[i].dx(V::load(x + value, n, k[i].center), V::load(dy + value, n, k[i].c1)), dx + value, n);
        }
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
