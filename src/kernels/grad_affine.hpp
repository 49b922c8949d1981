// dx = scale*((g - c1) - xhat*c2), xhat = (x - center)*inv + off; off makes up for the rounding of center. Not p*g + q*x + s:
// q = scale*inv*c2 underflows where the variance is huge. g is what the epilogue leaves of dy.
#pragma once

#include "kernels/deviation.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/flat.hpp"

namespace renorm {
namespace {

// The coefficients of one register's channels.
template <class Units, class Fused, class V> struct grad_registers {
  typename Units::template deviation<V> from;
  V inv, off, scale, c1, c2, dx_unit;
  gate<Fused, V> before;

  // load(array) is the register's part of an array of coefficients.
  template <class T, class Load> RENORM_INLINE static grad_registers load(Fused fused, xhat_coefficients<T> const& n,
                                                                          grad_coefficients<T> const& g, grad_epilogue<T> const& e,
                                                                          Load const& load) {
    return {Units::template load<V>(n, load),
            load(n.inv),
            load(n.off),
            load(g.scale),
            load(g.c1),
            load(g.c2),
            g.dx_unit == nullptr ? V::set(T(1)) : load(g.dx_unit),
            gate<Fused, V>::load(fused, e, load)};
  }

  // One register of dx, and of dz where it is wanted.
  template <class T, class K, class Store> RENORM_INLINE void sweep(Fused fused, T const* x, T const* dy, grad_epilogue<T> const& e, T* dx,
                                                                    std::size_t at, K n, Store const& store) const {
    V const deviation = from.of(V::load(x + at, n, from.filler()));
    V const g = before.open(fused, V::load(dy + at, n, c1), deviation, e.z, at, n);
    if (fused.add) {
      if (e.dz != nullptr) store(g, e.dz + at, n);
    }
    V const xhat = fma(from.in_units(deviation), inv, off);
    store(in_units(Units(), scale * ((g - c1) - xhat * c2)), dx + at, n);
  }

 private:
  RENORM_INLINE V in_units(plain, V v) const { return v; }
  RENORM_INLINE V in_units(scaled, V v) const { return v * dx_unit; }
};

template <class Units, class Fused, class V, class T> void grad_affine_rows(Fused fused, pixels const& p, T const* x, T const* dy,
                                                                            xhat_coefficients<T> const& n, grad_coefficients<T> const& g,
                                                                            grad_epilogue<T> const& e, T* dx, bool stream) {
  constexpr std::size_t tile_registers = 2;
  std::size_t const pitch = p.pitch;
  write_rows<V, tile_registers, T>(p, stream, [&](std::size_t first, std::size_t rows, bool streamed) RENORM_LAMBDA {
    std::size_t const row = first * pitch;
    sweep_tiles_to<V, tile_registers>(dx + row, p.width, streamed, [&](std::size_t j, auto registers, auto k, auto store) RENORM_LAMBDA {
      constexpr std::size_t count = registers;
      grad_registers<Units, Fused, V> r[count];
      RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
        std::size_t const c = j + i * V::size;
        auto const load = [&](T const* values) RENORM_LAMBDA { return V::load(values + c, k, V::set(T(0))); };
        r[i] = grad_registers<Units, Fused, V>::load(fused, n, g, e, load);
      }
      std::size_t at = row + j;
      for (std::size_t m = 0; m < rows; ++m, at += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
          std::size_t const value = at + i * V::size;
          read_ahead<V>(store, x + value, j + i * V::size, p.ahead);
          read_ahead<V>(store, dy + value, j + i * V::size, p.ahead);
          r[i].sweep(fused, x, dy, e, dx, value, k, store);
        }
      }
    });
  });
}

template <class V, class T = typename V::value> void grad_affine_pixels(pixels const& p, T const* x, T const* dy,
                                                                        xhat_coefficients<T> const& n, grad_coefficients<T> const& g,
                                                                        grad_epilogue<T> const& e, T* dx, bool stream) {
  if (n.half != nullptr) grad_affine_rows<scaled, any_fused, V>({e.relu, e.add}, p, x, dy, n, g, e, dx, stream);
  else
    with_epilogue(e, [&](auto fused) RENORM_LAMBDA { grad_affine_rows<plain, decltype(fused), V>(fused, p, x, dy, n, g, e, dx, stream); });
}

template <class Fused, class V, class T> void grad_affine_flat(Fused fused, planes const& p, T const* x, T const* dy,
                                                               xhat_coefficients<T> const& n, grad_coefficients<T> const& g,
                                                               grad_epilogue<T> const& e, T* dx, bool stream) {
  auto const sweep = [&](pixels const& q, std::size_t offset, auto const& rows) RENORM_LAMBDA {
    grad_epilogue<T> here = epilogue_from(e, 0, offset);
    if constexpr (Fused::relu) here.scale = rows[6], here.shift = rows[7];
    grad_affine_rows<plain, Fused, V>(fused, q, x + offset, dy + offset, {rows[0], rows[1], rows[2]}, {rows[3], rows[4], rows[5]}, here,
                                      dx + offset, stream);
  };
  if constexpr (Fused::relu) sweep_flat<V>(p, {n.center, n.inv, n.off, g.scale, g.c1, g.c2, e.scale, e.shift}, sweep);
  else sweep_flat<V>(p, {n.center, n.inv, n.off, g.scale, g.c1, g.c2}, sweep);
}

template <class Units, class Fused, class V, class T> void grad_affine_runs(Fused fused, planes const& p, T const* x, T const* dy,
                                                                            xhat_coefficients<T> const& n, grad_coefficients<T> const& g,
                                                                            grad_epilogue<T> const& e, T* dx, bool stream) {
  for (std::size_t i = 0; i < p.samples; ++i)
    for (std::size_t c = 0; c < p.channels; ++c) {
      std::size_t const run = i * p.sample_pitch + c * p.channel_pitch;
      auto const load = [&](T const* values) RENORM_LAMBDA { return V::set(values[c]); };
      auto const r = grad_registers<Units, Fused, V>::load(fused, n, g, e, load);
      sweep_to<V>(dx + run, p.length, stream && is_long_run<T>(p.length), [&](std::size_t j, auto k, auto store) RENORM_LAMBDA {
        read_ahead<V>(store, x + run + j, j, p.ahead);
        read_ahead<V>(store, dy + run + j, j, p.ahead);
        r.sweep(fused, x, dy, e, dx, run + j, k, store);
      });
    }
}

template <class V, class T = typename V::value> void grad_affine_plane(planes const& p, T const* x, T const* dy,
                                                                       xhat_coefficients<T> const& n, grad_coefficients<T> const& g,
                                                                       grad_epilogue<T> const& e, T* dx, bool stream) {
  if (n.half != nullptr) {
    grad_affine_runs<scaled, any_fused, V>({e.relu, e.add}, p, x, dy, n, g, e, dx, stream);
    return;
  }
  with_epilogue(e, [&](auto fused) RENORM_LAMBDA {
    if (p.flat) grad_affine_flat<decltype(fused), V>(fused, p, x, dy, n, g, e, dx, stream);
    else grad_affine_runs<plain, decltype(fused), V>(fused, p, x, dy, n, g, e, dx, stream);
  });
}

}  // namespace
}  // namespace renorm
