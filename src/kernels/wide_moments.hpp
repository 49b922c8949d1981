// Mean and M2 of the count valid values of one channel of a chunk in two passes of double, for the chunks that one pass of T cannot do.
#pragma once

#include "kernels/lanes.hpp"

namespace renorm {
namespace {

// sum of f(value) in eight interleaved partial sums: one would wait for each addition.
template <class T, class F> double wide_sum(strided const& p, T const* x, validity<T> const& valid, F const& f) {
  double part[8] = {};
  for (std::size_t o = 0; o < p.outer; ++o) {
    T const* const run = x + o * p.outer_pitch;
    for (std::size_t i = 0; i < p.inner; ++i)
      if (valid.at == nullptr || valid.at[o * valid.pitch + i] != 0) part[(o + i) % 8] += f(static_cast<double>(run[i * p.inner_pitch]));
  }
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

// M2 = sum(e^2) - sum(e)^2/count, e = x - mean: the second term takes back the rounding of the mean.
template <class V, class T = typename V::value>
void wide_moments(strided const& p, T const* x, validity<T> const& valid, double count, double* mean, double* m2) {
  double const mu = wide_sum(p, x, valid, [](double v) RENORM_LAMBDA { return v; }) / count;
  double const residue = wide_sum(p, x, valid, [=](double v) RENORM_LAMBDA { return v - mu; });
  double const squares = wide_sum(p, x, valid, [=](double v) RENORM_LAMBDA { return (v - mu) * (v - mu); });
  double const spread = squares - residue * residue / count;
  *mean = mu;
  *m2 = spread < 0 ? 0 : spread;
}

}  // namespace
}  // namespace renorm
