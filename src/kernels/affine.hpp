// y = scale*(x - center) + shift, and what the epilogue makes of it. Three coefficients: a*x + b would lose 1e-3 at mean 1e4,
// deviation 1.
#pragma once

#include "kernels/deviation.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/flat.hpp"

namespace renorm {
namespace {

// The coefficients of one register's channels.
template <class Units, class V> struct affine_registers {
  typename Units::template deviation<V> from;
  V scale, shift;

  template <class T, class Load> RENORM_INLINE static affine_registers load(affine_coefficients<T> const& a, Load const& load) {
    return {Units::template load<V>(a, load), load(a.scale), load(a.shift)};
  }
  RENORM_INLINE V map(V x) const { return fma(scale, from.in_units(from.of(x)), shift); }
};

template <class Units, class Fused, class V, class T>
void affine_rows(Fused fused, pixels const& p, T const* x, affine_coefficients<T> const& a, T const* z, T* y, bool stream) {
  constexpr std::size_t tile_registers = 4;
  std::size_t const pitch = p.pitch;
  write_rows<V, tile_registers, T>(p, stream, [&](std::size_t first, std::size_t rows, bool streamed) RENORM_LAMBDA {
    std::size_t const row = first * pitch;
    sweep_tiles_to<V, tile_registers>(y + row, p.width, streamed, [&](std::size_t j, auto registers, auto k, auto store) RENORM_LAMBDA {
      constexpr std::size_t count = registers;
      affine_registers<Units, V> r[count];
      RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
        std::size_t const c = j + i * V::size;
        r[i] = affine_registers<Units, V>::load(a, [&](T const* values) RENORM_LAMBDA { return V::load(values + c, k, V::set(T(0))); });
      }
      std::size_t at = row + j;
      for (std::size_t n = 0; n < rows; ++n, at += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
          std::size_t const value = at + i * V::size;
          read_ahead<V>(store, x + value, j + i * V::size, p.ahead);
          store(finish(fused, r[i].map(V::load(x + value, k, r[i].from.filler())), z, value, k), y + value, k);
        }
      }
    });
  });
}

template <class V, class T = typename V::value>
void affine_pixels(pixels const& p, T const* x, affine_coefficients<T> const& a, epilogue<T> const& e, T* y, bool stream) {
  if (a.half != nullptr) affine_rows<scaled, any_fused, V>({e.relu, e.add}, p, x, a, e.z, y, stream);
  else with_epilogue(e, [&](auto fused) RENORM_LAMBDA { affine_rows<plain, decltype(fused), V>(fused, p, x, a, e.z, y, stream); });
}

template <class Units, class Fused, class V, class T>
void affine_runs(Fused fused, planes const& p, T const* x, affine_coefficients<T> const& a, T const* z, T* y, bool stream) {
  for (std::size_t i = 0; i < p.samples; ++i)
    for (std::size_t c = 0; c < p.channels; ++c) {
      std::size_t const run = i * p.sample_pitch + c * p.channel_pitch;
      auto const r = affine_registers<Units, V>::load(a, [&](T const* values) RENORM_LAMBDA { return V::set(values[c]); });
      sweep_to<V>(y + run, p.length, stream && is_long_run<T>(p.length), [&](std::size_t j, auto k, auto store) RENORM_LAMBDA {
        read_ahead<V>(store, x + run + j, j, p.ahead);
        store(finish(fused, r.map(V::load(x + run + j, k, r.from.filler())), z, run + j, k), y + run + j, k);
      });
    }
}

template <class Fused, class V, class T>
void affine_planes(Fused fused, planes const& p, T const* x, affine_coefficients<T> const& a, T const* z, T* y, bool stream) {
  if (!p.flat) {
    affine_runs<plain, Fused, V>(fused, p, x, a, z, y, stream);
    return;
  }
  sweep_flat<V>(p, {a.center, a.scale, a.shift}, [&](pixels const& q, std::size_t offset, auto const& rows) RENORM_LAMBDA {
    affine_rows<plain, Fused, V>(fused, q, x + offset, {rows[0], rows[1], rows[2]}, fused.add ? z + offset : nullptr, y + offset, stream);
  });
}

template <class V, class T = typename V::value>
void affine_plane(planes const& p, T const* x, affine_coefficients<T> const& a, epilogue<T> const& e, T* y, bool stream) {
  if (a.half != nullptr) affine_runs<scaled, any_fused, V>({e.relu, e.add}, p, x, a, e.z, y, stream);
  else with_epilogue(e, [&](auto fused) RENORM_LAMBDA { affine_planes<decltype(fused), V>(fused, p, x, a, e.z, y, stream); });
}

}  // namespace
}  // namespace renorm
