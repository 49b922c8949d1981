// S1 = sum(g), S2 = sum(g*xhat), xhat = (x - center)*inv, g being what the epilogue leaves of dy. The factor inv keeps the products of
// denormal or huge x in range.
#pragma once

#include "kernels/deviation.hpp"
#include "kernels/epilogue.hpp"

namespace renorm {
namespace {

template <class V> RENORM_INLINE void add_grad_moments(V xhat, V g, V& sum_dy, V& sum_dy_xhat) {
  V const held = g.held();
  sum_dy = sum_dy + held;
  sum_dy_xhat = fma(held, xhat, sum_dy_xhat);
}

template <class Units, class Fused, class V, class T> void grad_moments_runs(Fused fused, planes const& p, T const* x, T const* dy,
                                                                             validity<T> const& valid, xhat_coefficients<T> const& n,
                                                                             grad_epilogue<T> const& e, T* sums) {
  with_validity<V>(valid, [&](auto values_of) RENORM_LAMBDA {
    sum_planes<V>(p, sums, [&](std::size_t i, std::size_t c, std::size_t run, lane_set<V>& s1, lane_set<V>& s2) RENORM_LAMBDA {
      auto const load = [&](T const* values) RENORM_LAMBDA { return V::set(values[c]); };
      auto const from = Units::template load<V>(n, load);
      V const inv = load(n.inv), zero = V::set(T(0));
      auto const before = gate<Fused, V>::load(fused, e, load);
      auto const values = values_of(i);
      for_each_lane<V>(p.length, [&](std::size_t r, std::size_t j, auto k) RENORM_LAMBDA {
        V const deviation = values.keep(from.of(V::load(x + run + j, k, from.filler())), zero, j, k);
        V const g = values.keep(before.open(fused, V::load(dy + run + j, k, zero), deviation, e.z, run + j, k), zero, j, k);
        add_grad_moments(from.in_units(deviation) * inv, g, s1.r[r], s2.r[r]);
      });
    });
  });
}

// sums[channel] = {lanes of S1, lanes of S2}, over all samples.
template <class V, class T = typename V::value> void grad_moments_plane(planes const& p, T const* x, T const* dy, validity<T> const& valid,
                                                                        xhat_coefficients<T> const& n, grad_epilogue<T> const& e, T* sums) {
  if (n.half != nullptr) grad_moments_runs<scaled, any_fused, V>({e.relu, e.add}, p, x, dy, valid, n, e, sums);
  else with_gate(e, [&](auto fused) RENORM_LAMBDA { grad_moments_runs<plain, decltype(fused), V>(fused, p, x, dy, valid, n, e, sums); });
}

template <class Units, class Fused, class V, class T> void grad_moments_rows(Fused fused, pixels const& p, T const* x, T const* dy,
                                                                             xhat_coefficients<T> const& n, grad_epilogue<T> const& e,
                                                                             T* sum_dy, T* sum_dy_xhat) {
  constexpr std::size_t tile_registers = 2;
  std::size_t const pitch = p.pitch;
  for_each_row_group<V, tile_registers>(p, [&](std::size_t first, std::size_t rows) RENORM_LAMBDA {
    sweep_tiles<V, tile_registers>(p.width, [&](std::size_t j, auto registers, auto k) RENORM_LAMBDA {
      using columns = tile<V, registers>;
      V const zero = V::set(T(0));
      auto const load_at = [&](std::size_t i) RENORM_LAMBDA {
        return [=](T const* values) RENORM_LAMBDA { return V::load(values + j + i * V::size, k, zero); };
      };
      auto const inv = columns::load(n.inv + j, k);
      typename Units::template deviation<V> from[columns::registers];
      gate<Fused, V> before[columns::registers];
      RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) {
        from[i] = Units::template load<V>(n, load_at(i));
        before[i] = gate<Fused, V>::load(fused, e, load_at(i));
      }
      auto s1 = columns::load(sum_dy + j, k), s2 = columns::load(sum_dy_xhat + j, k);
      std::size_t at = first * pitch + j;
      for (std::size_t r = 0; r < rows; ++r, at += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) {
          std::size_t const value = at + i * V::size;
          V const deviation = from[i].of(V::load(x + value, k, from[i].filler()));
          V const g = before[i].open(fused, V::load(dy + value, k, zero), deviation, e.z, value, k);
          add_grad_moments(from[i].in_units(deviation) * inv.r[i], g, s1.r[i], s2.r[i]);
        }
      }
      s1.store(sum_dy + j, k);
      s2.store(sum_dy_xhat + j, k);
    });
  });
}

// sum_dy[j], sum_dy_xhat[j] += over the rows of column j.
template <class V, class T = typename V::value> void grad_moments_pixels(pixels const& p, T const* x, T const* dy,
                                                                         xhat_coefficients<T> const& n, grad_epilogue<T> const& e,
                                                                         T* sum_dy, T* sum_dy_xhat) {
  if (n.half != nullptr) grad_moments_rows<scaled, any_fused, V>({e.relu, e.add}, p, x, dy, n, e, sum_dy, sum_dy_xhat);
  else
    with_gate(e,
              [&](auto fused) RENORM_LAMBDA { grad_moments_rows<plain, decltype(fused), V>(fused, p, x, dy, n, e, sum_dy, sum_dy_xhat); });
}

}  // namespace
}  // namespace renorm
