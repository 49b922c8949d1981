// y = scale*(x - center) + shift, and what the epilogue makes of it. Three coefficients: a*x + b would lose 1e-3 at mean 1e4,
// deviation 1.
#pragma once

#include "kernels/epilogue.hpp"
#include "kernels/flat.hpp"

namespace renorm {
namespace {

template <class Fused, class V, class T>
void affine_rows(pixels const& p, T const* x, affine_coefficients<T> const& a, T const* z, T* y, bool stream) {
  constexpr std::size_t tile_registers = 4;
  std::size_t const pitch = p.pitch;
  write_rows<V, tile_registers, T>(p, stream, [&](std::size_t first, std::size_t rows, bool streamed) RENORM_LAMBDA {
    std::size_t const row = first * pitch;
    sweep_tiles_to<V, tile_registers>(y + row, p.width, streamed, [&](std::size_t j, auto registers, auto k, auto store) RENORM_LAMBDA {
      using columns = tile<V, registers>;
      auto const center = columns::load(a.center + j, k), scale = columns::load(a.scale + j, k), shift = columns::load(a.shift + j, k);
      std::size_t at = row + j;
      for (std::size_t r = 0; r < rows; ++r, at += pitch) {
        RENORM_UNROLL for (std::size_t i = 0; i < columns::registers; ++i) {
          std::size_t const value = at + i * V::size;
          V const deviation = V::load(x + value, k, center.r[i]) - center.r[i];
          store(finish<Fused>(fma(scale.r[i], deviation, shift.r[i]), z, value, k), y + value, k);
        }
      }
    });
  });
}

template <class V, class T = typename V::value>
void affine_pixels(pixels const& p, T const* x, affine_coefficients<T> const& a, epilogue<T> const& e, T* y, bool stream) {
  with_epilogue(e, [&](auto fused) RENORM_LAMBDA { affine_rows<decltype(fused), V>(p, x, a, e.z, y, stream); });
}

template <class Fused, class V, class T>
void affine_runs(planes const& p, T const* x, affine_coefficients<T> const& a, T const* z, T* y, bool stream) {
  if (is_flat<T>(p, stream)) {
    sweep_flat<V>(p, {a.center, a.scale, a.shift}, [&](pixels const& q, std::size_t offset, auto const& rows) RENORM_LAMBDA {
      affine_rows<Fused, V>(q, x + offset, {rows[0], rows[1], rows[2]}, Fused::add ? z + offset : nullptr, y + offset, stream);
    });
    return;
  }
  for (std::size_t i = 0; i < p.samples; ++i)
    for (std::size_t c = 0; c < p.channels; ++c) {
      std::size_t const run = i * p.sample_pitch + c * p.channel_pitch;
      V const center = V::set(a.center[c]), scale = V::set(a.scale[c]), shift = V::set(a.shift[c]);
      sweep_to<V>(y + run, p.length, stream && is_long_run<T>(p.length), [&](std::size_t j, auto k, auto store) RENORM_LAMBDA {
        read_ahead<V>(store, x + run + j, j, p.ahead);
        V const value = fma(scale, V::load(x + run + j, k, center) - center, shift);
        store(finish<Fused>(value, z, run + j, k), y + run + j, k);
      });
    }
}

template <class V, class T = typename V::value>
void affine_plane(planes const& p, T const* x, affine_coefficients<T> const& a, epilogue<T> const& e, T* y, bool stream) {
  with_epilogue(e, [&](auto fused) RENORM_LAMBDA { affine_runs<decltype(fused), V>(p, x, a, e.z, y, stream); });
}

}  // namespace
}  // namespace renorm
