// dx = scale*((g - c1) - xhat*c2), xhat = (x - center)*inv + off; off makes up for the rounding of center. Not p*g + q*x + s:
// q = scale*inv*c2 underflows where the variance is huge. g is what the epilogue leaves of dy.
#pragma once

#include "kernels/deviation.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/flat.hpp"

namespace renorm {
namespace {

// Runs of all tensors of a gradient.
template <class T> struct gradient_runs {
  run_of<T const> x, dy, z;
  run_of<T> dx, dz;

  RENORM_INLINE gradient_runs at(std::size_t run, std::size_t column) const {
    return {x.at(run, column), dy.at(run, column), z.at(run, column), dx.at(run, column), dz.at(run, column)};
  }
  RENORM_INLINE void next() { x.next(), dy.next(), z.next(), dx.next(), dz.next(); }
};

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
  template <class T, class K, class Store>
  RENORM_INLINE void sweep(Fused fused, gradient_runs<T> const& t, std::size_t at, K n, Store const& store) const {
    V const deviation = from.of(V::load(t.x.values + at, n, from.filler()));
    V const g = before.open(fused, V::load(t.dy.values + at, n, c1), deviation, t.z.values, at, n);
    if (fused.add) {
      if (t.dz.values != nullptr) store(g, t.dz.values + at, n);
    }
    V const xhat = fma(from.in_units(deviation), inv, off);
    store(in_units(Units(), scale * ((g - c1) - xhat * c2)), t.dx.values + at, n);
  }

 private:
  RENORM_INLINE V in_units(plain, V v) const { return v; }
  RENORM_INLINE V in_units(scaled, V v) const { return v * dx_unit; }
};

template <class Units, class Fused, class V, class T>
void grad_affine_rows(Fused fused, pixels const& p, view<T const> const& x, view<T const> const& dy, xhat_coefficients<T> const& n,
                      grad_coefficients<T> const& g, grad_epilogue<T> const& e, view<T> const& dx, bool stream) {
  constexpr std::size_t tile_registers = 2;
  std::size_t const x_ahead = p.ahead * x.pitch.channel, dy_ahead = p.ahead * dy.pitch.channel;
  gradient_runs<T> const all = {rows_of(x, p), rows_of(dy, p), rows_of(e.z, p), rows_of(dx, p), rows_of(e.dz, p)};
  write_rows<V, tile_registers>(p, all.dx, stream, [&](std::size_t first, std::size_t rows, bool streamed) RENORM_LAMBDA {
    T* const to = all.dx.at(first, 0).values;
    sweep_tiles_to<V, tile_registers>(to, p.width, streamed, [&](std::size_t j, auto registers, auto k, auto store) RENORM_LAMBDA {
      constexpr std::size_t count = registers;
      grad_registers<Units, Fused, V> r[count];
      RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
        std::size_t const c = j + i * V::size;
        auto const load = [&](T const* values) RENORM_LAMBDA { return V::load(values + c, k, V::set(T(0))); };
        r[i] = grad_registers<Units, Fused, V>::load(fused, n, g, e, load);
      }
      auto row = all.at(first, j);
      for (std::size_t m = 0; m < rows; ++m, row.next()) {
        RENORM_UNROLL for (std::size_t i = 0; i < count; ++i) {
          std::size_t const at = i * V::size;
          read_ahead<V>(store, row.x.values + at, j + at, x_ahead);
          read_ahead<V>(store, row.dy.values + at, j + at, dy_ahead);
          r[i].sweep(fused, row, at, k, store);
        }
      }
    });
  });
}

template <class V, class T = typename V::value> void grad_affine_pixels(pixels const& p, view<T const> const& x, view<T const> const& dy,
                                                                        xhat_coefficients<T> const& n, grad_coefficients<T> const& g,
                                                                        grad_epilogue<T> const& e, view<T> const& dx, bool stream) {
  if (n.half != nullptr) grad_affine_rows<scaled, any_fused, V>({e.relu, e.add}, p, x, dy, n, g, e, dx, stream);
  else
    with_epilogue(e, [&](auto fused) RENORM_LAMBDA { grad_affine_rows<plain, decltype(fused), V>(fused, p, x, dy, n, g, e, dx, stream); });
}

template <class Fused, class V, class T>
void grad_affine_flat(Fused fused, planes const& p, view<T const> const& x, view<T const> const& dy, xhat_coefficients<T> const& n,
                      grad_coefficients<T> const& g, grad_epilogue<T> const& e, view<T> const& dx, bool stream) {
  auto const sweep = [&](pixels const& q, place const& at, auto const& rows) RENORM_LAMBDA {
    grad_epilogue<T> here = from(e, 0, at);
    if constexpr (Fused::relu) here.scale = rows[6], here.shift = rows[7];
    grad_affine_rows<plain, Fused, V>(fused, q, x.from(at), dy.from(at), {rows[0], rows[1], rows[2]}, {rows[3], rows[4], rows[5]}, here,
                                      dx.from(at), stream);
  };
  if constexpr (Fused::relu) sweep_flat<V>(p, {n.center, n.inv, n.off, g.scale, g.c1, g.c2, e.scale, e.shift}, sweep);
  else sweep_flat<V>(p, {n.center, n.inv, n.off, g.scale, g.c1, g.c2}, sweep);
}

template <class Units, class Fused, class V, class T> void grad_affine_runs(Fused fused, planes const& p, view<T const> const& x_view,
                                                                            view<T const> const& dy_view, xhat_coefficients<T> const& n,
                                                                            grad_coefficients<T> const& g, grad_epilogue<T> const& e,
                                                                            view<T> const& dx_view, bool stream) {
  view<T const> const x = x_view, dy = dy_view;
  view<T> const dx = dx_view;
  std::size_t const x_ahead = p.ahead * x.pitch.channel, dy_ahead = p.ahead * dy.pitch.channel;
  for (std::size_t i = 0; i < p.samples; ++i) {
    std::size_t const sample = i * p.step;
    gradient_runs<T> runs = {channels_of(x, sample), channels_of(dy, sample), channels_of(e.z, sample), channels_of(dx, sample),
                             channels_of(e.dz, sample)};
    for (std::size_t c = 0; c < p.channels; ++c, runs.next()) {
      auto const load = [&](T const* values) RENORM_LAMBDA { return V::set(values[c]); };
      auto const r = grad_registers<Units, Fused, V>::load(fused, n, g, e, load);
      sweep_to<V>(runs.dx.values, p.length, stream && is_long_run<T>(p.length), [&](std::size_t j, auto k, auto store) RENORM_LAMBDA {
        read_ahead<V>(store, runs.x.values + j, j, x_ahead);
        read_ahead<V>(store, runs.dy.values + j, j, dy_ahead);
        r.sweep(fused, runs, j, k, store);
      });
    }
  }
}

template <class V, class T = typename V::value> void grad_affine_plane(planes const& p, view<T const> const& x, view<T const> const& dy,
                                                                       xhat_coefficients<T> const& n, grad_coefficients<T> const& g,
                                                                       grad_epilogue<T> const& e, view<T> const& dx, bool stream) {
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
