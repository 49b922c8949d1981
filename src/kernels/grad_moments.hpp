// S1 = sum(g), S2 = sum(g*xhat), xhat = (x - center)*inv, g being what the epilogue leaves of dy. The factor inv keeps the products of
// denormal or huge x in range.
#pragma once

#include "kernels/deviation.hpp"
#include "kernels/epilogue.hpp"

namespace renorm {
namespace {

template <class Units, class Fused, class V, class T>
void grad_moments_runs(Fused fused, planes const& p, view<T const> const& x_view, view<T const> const& dy_view, view<T const> const& valid,
                       xhat_coefficients<T> const& n, grad_epilogue<T> const& e, T* sums) {
  view<T const> const x = x_view, dy = dy_view;
  with_validity<V>(valid, [&](auto values_of) RENORM_LAMBDA {
    sum_planes<V>(p, x, sums, [&](place const& at, std::size_t length, lane_sums<V>& to) RENORM_LAMBDA {
      auto const load = [&](T const* values) RENORM_LAMBDA { return V::set(values[at.channel]); };
      auto const from = Units::template load<V>(n, load);
      V const inv = load(n.inv), zero = V::set(T(0));
      auto const before = gate<Fused, V>::load(fused, e, load);
      auto const values = values_of(at);
      T const *const x_run = x.at(at), *const dy_run = dy.at(at), *const z_run = fused.add ? e.z.at(at) : nullptr;
      for_each_lane<V>(length, [&](std::size_t r, std::size_t j, auto k) RENORM_LAMBDA {
        V const deviation = values.keep(from.of(V::load(x_run + j, k, from.filler())), zero, j, k);
        V const g = values.keep(before.open(fused, V::load(dy_run + j, k, zero), deviation, z_run, j, k), zero, j, k);
        to.add(r, g.held(), from.in_units(deviation) * inv, next_term{});
      });
    });
  });
}

// sums[channel] = {lanes of S1, lanes of S2}, over all samples.
template <class V, class T = typename V::value> void grad_moments_plane(planes const& p, view<T const> const& x, view<T const> const& dy,
                                                                        view<T const> const& valid, xhat_coefficients<T> const& n,
                                                                        grad_epilogue<T> const& e, T* sums) {
  if (n.half != nullptr) grad_moments_runs<scaled, any_fused, V>({e.relu, e.add}, p, x, dy, valid, n, e, sums);
  else with_gate(e, [&](auto fused) RENORM_LAMBDA { grad_moments_runs<plain, decltype(fused), V>(fused, p, x, dy, valid, n, e, sums); });
}

template <class Units, class Fused, class V, class T> void grad_moments_rows(Fused fused, pixels const& p, view<T const> const& x,
                                                                             view<T const> const& dy, xhat_coefficients<T> const& n,
                                                                             grad_epilogue<T> const& e, T* sum_dy, T* sum_dy_xhat) {
  // Two columns took 1.2 to 1.4 times as long with 64 channels (Zen 5, AVX2 and AVX-512).
  constexpr std::size_t tile_registers = V::size * sizeof(T) < 32 ? 2 : 4;
  auto const all_x = rows_of(x, p), all_dy = rows_of(dy, p), all_z = rows_of(e.z, p);
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
      two_sums<V, registers> sums = {columns::load(sum_dy + j, k), columns::load(sum_dy_xhat + j, k)};
      sum_row_group(rows, rows_at_once<T>(p.width), sums, [&](std::size_t r, auto& to, auto which) RENORM_LAMBDA {
        T const *const x_row = all_x.at(first + r, j).values, *const dy_row = all_dy.at(first + r, j).values;
        T const* const z_row = all_z.at(first + r, j).values;
        RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) {
          std::size_t const at = i * V::size;
          V const deviation = from[i].of(V::load(x_row + at, k, from[i].filler()));
          V const g = before[i].open(fused, V::load(dy_row + at, k, zero), deviation, z_row, at, k);
          to.add(i, g.held(), from[i].in_units(deviation) * inv.r[i], which);
        }
      });
      sums.a.store(sum_dy + j, k);
      sums.b.store(sum_dy_xhat + j, k);
    });
  });
}

// sum_dy[j], sum_dy_xhat[j] += over the rows of column j.
template <class V, class T = typename V::value> void grad_moments_pixels(pixels const& p, view<T const> const& x, view<T const> const& dy,
                                                                         xhat_coefficients<T> const& n, grad_epilogue<T> const& e,
                                                                         T* sum_dy, T* sum_dy_xhat) {
  if (n.half != nullptr) grad_moments_rows<scaled, any_fused, V>({e.relu, e.add}, p, x, dy, n, e, sum_dy, sum_dy_xhat);
  else
    with_gate(e,
              [&](auto fused) RENORM_LAMBDA { grad_moments_rows<plain, decltype(fused), V>(fused, p, x, dy, n, e, sum_dy, sum_dy_xhat); });
}

}  // namespace
}  // namespace renorm
