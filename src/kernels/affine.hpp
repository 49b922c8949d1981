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

template <class Units, class Fused, class V, class T> void affine_rows(Fused fused, pixels const& p, view<T const> const& x,
                                                                       affine_coefficients<T> const& a, view<T const> const& z,
                                                                       view<T> const& y, bool stream) {
  constexpr std::size_t tile_registers = 4;
  std::size_t const ahead = p.ahead * x.pitch.channel;
  auto const all_x = rows_of(x, p), all_z = rows_of(z, p);
  auto const all_y = rows_of(y, p);
  write_rows<V, tile_registers>(p, all_y, stream, [&](std::size_t first, std::size_t rows, bool streamed) RENORM_LAMBDA {
    T* const to = all_y.at(first, 0).values;
    sweep_tiles_to<V, tile_registers>(to, p.width, streamed, [&](std::size_t j, auto registers, auto k, auto store) RENORM_LAMBDA {
      constexpr std::size_t count = registers;
      affine_registers<Units, V> r[count];
      RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
        std::size_t const c = j + i * V::size;
        r[i] = affine_registers<Units, V>::load(a, [&](T const* values) RENORM_LAMBDA { return V::load(values + c, k, V::set(T(0))); });
      }
      auto x_row = all_x.at(first, j), z_row = all_z.at(first, j);
      auto y_row = all_y.at(first, j);
      for (std::size_t n = 0; n < rows; ++n, x_row.next(), z_row.next(), y_row.next()) {
        RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
          std::size_t const at = i * V::size;
          read_ahead<V>(store, x_row.values + at, j + at, ahead);
          store(finish(fused, r[i].map(V::load(x_row.values + at, k, r[i].from.filler())), z_row.values, at, k), y_row.values + at, k);
        }
      }
    });
  });
}

template <class V, class T = typename V::value> void affine_pixels(pixels const& p, view<T const> const& x, affine_coefficients<T> const& a,
                                                                   epilogue<T> const& e, view<T> const& y, bool stream) {
  if (a.half != nullptr) affine_rows<scaled, any_fused, V>({e.relu, e.add}, p, x, a, e.z, y, stream);
  else with_epilogue(e, [&](auto fused) RENORM_LAMBDA { affine_rows<plain, decltype(fused), V>(fused, p, x, a, e.z, y, stream); });
}

template <class Units, class Fused, class V, class T> void affine_runs(Fused fused, planes const& p, view<T const> const& x_view,
                                                                       affine_coefficients<T> const& a, view<T const> const& z_view,
                                                                       view<T> const& y_view, bool stream) {
  view<T const> const x = x_view, z = z_view;
  view<T> const y = y_view;
  std::size_t const ahead = p.ahead * x.pitch.channel;
  for (std::size_t i = 0; i < p.samples; ++i) {
    auto x_run = channels_of(x, i * p.step), z_run = channels_of(z, i * p.step);
    auto y_run = channels_of(y, i * p.step);
    for (std::size_t c = 0; c < p.channels; ++c, x_run.next(), z_run.next(), y_run.next()) {
      auto const r = affine_registers<Units, V>::load(a, [&](T const* values) RENORM_LAMBDA { return V::set(values[c]); });
      sweep_to<V>(y_run.values, p.length, stream && is_long_run<T>(p.length), [&](std::size_t j, auto k, auto store) RENORM_LAMBDA {
        read_ahead<V>(store, x_run.values + j, j, ahead);
        store(finish(fused, r.map(V::load(x_run.values + j, k, r.from.filler())), z_run.values, j, k), y_run.values + j, k);
      });
    }
  }
}

template <class Fused, class V, class T> void affine_planes(Fused fused, planes const& p, view<T const> const& x,
                                                            affine_coefficients<T> const& a, view<T const> const& z, view<T> const& y,
                                                            bool stream) {
  if (!p.flat) {
    affine_runs<plain, Fused, V>(fused, p, x, a, z, y, stream);
    return;
  }
  sweep_flat<V>(p, {a.center, a.scale, a.shift}, [&](pixels const& q, place const& at, auto const& rows) RENORM_LAMBDA {
    affine_rows<plain, Fused, V>(fused, q, x.from(at), {rows[0], rows[1], rows[2]}, z.from(at), y.from(at), stream);
  });
}

template <class V, class T = typename V::value> void affine_plane(planes const& p, view<T const> const& x, affine_coefficients<T> const& a,
                                                                  epilogue<T> const& e, view<T> const& y, bool stream) {
  if (a.half != nullptr) affine_runs<scaled, any_fused, V>({e.relu, e.add}, p, x, a, e.z, y, stream);
  else with_epilogue(e, [&](auto fused) RENORM_LAMBDA { affine_planes<decltype(fused), V>(fused, p, x, a, e.z, y, stream); });
}

}  // namespace
}  // namespace renorm
