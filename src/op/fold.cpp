// Inference folded into the weights of the layer before it: done once, when a network is made ready, and kept simple.
#include "op/channel.hpp"
#include "op/op.hpp"

namespace renorm::op {
namespace {

struct coefficients_block {
  double mean[block_channels], scale[block_channels], beta[block_channels];
  bool finite[block_channels];  // all of a channel that was folded
};

double load(typed_in a, std::size_t i) {
  return a.f64 ? static_cast<double const*>(a.data)[i] : static_cast<double>(static_cast<float const*>(a.data)[i]);
}

void store(typed_out a, std::size_t i, double v) {
  if (a.f64) static_cast<double*>(a.data)[i] = v;
  else static_cast<float*>(a.data)[i] = static_cast<float>(v);
}

template <class T> bool is_finite(T v) { return v - v == 0; }
bool is_finite_as(bool f64, double v) { return f64 ? is_finite(v) : is_finite(static_cast<float>(v)); }

void fold_bias(problem const& p, void const* given, void* to, channels const& at, coefficients_block& k) {
  for (std::size_t i = 0; i < at.count; ++i) {
    double const bias = given == nullptr ? 0 : load(p.params(given), at.first + i);
    double const folded = k.scale[i] * (bias - k.mean[i]) + k.beta[i];
    k.finite[i] = is_finite_as(p.params_f64, k.scale[i]) && is_finite_as(p.params_f64, folded);
    if (to != nullptr) store(p.params(to), at.first + i, folded);
  }
}

// In memory order: planes a channel at a time, rows all of the block's.
template <class T>
void fold_weights(shape const& s, view<T const> const& given, view<T> const& to, channels const& at, coefficients_block& k) {
  std::size_t const together = s.planes() ? 1 : at.count;
  for (std::size_t sample = 0; sample < s.n; ++sample)
    for (std::size_t first = 0; first < at.count; first += together)
      for (std::size_t position = 0; position < s.s; ++position)
        for (std::size_t c = first; c < first + together; ++c) {
          place const p = {sample, at.first + c, position};
          T const value = static_cast<T>(k.scale[c] * static_cast<double>(*given.at(p)));
          *to.at(p) = value;
          k.finite[c] &= is_finite(value);
        }
}

// Returns how many channels are not finite.
std::size_t fold_block(problem const& p, layer const& of, parameters const& params, running_in const& running, folded_layer const& to,
                       call const& on, channels const& at) {
  coefficients_block k;
  on.code.channel.deviation(at.count, from(p.running_statistics(running), at.first), k.mean, k.scale);
  on.code.channel.coefficients(at.count, k.mean, k.scale, nullptr, nullptr, from(p.params(params.gamma), at.first),
                               from(p.params(params.beta), at.first), k.mean, k.scale, k.beta);
  for (std::size_t i = 0; to.scale != nullptr && i < at.count; ++i) store(p.params(to.scale), at.first + i, k.scale[i]);
  fold_bias(p, of.bias, to.bias, at, k);
  if (to.weights.data != nullptr && p.shape().values() > 0)
    with_element_type(p, [&](auto zero) {
      using T = decltype(zero);
      fold_weights(p.shape(), as<T>(of.weights), as<T>(to.weights), at, k);
    });
  std::size_t found = 0;
  for (std::size_t i = 0; i < at.count; ++i) found += !k.finite[i];
  return found;
}

}  // namespace

void fold(problem const& p, layer const& of, parameters const& params, running_in const& running, folded_layer const& to,
          std::int64_t* nonfinite, call const& on) {
  if (to.scale == nullptr && to.weights.data == nullptr && to.bias == nullptr && nonfinite == nullptr) return;
  std::size_t found = 0;
  for (std::size_t first = 0; first < p.shape().c; first += block_channels)
    found += fold_block(p, of, params, running, to, on, {p.shape(), 0, first, smaller(block_channels, p.shape().c - first)});
  report(found, nonfinite);
}

}  // namespace renorm::op
