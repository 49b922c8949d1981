#include "peers/agreement.hpp"

#include "measure/renorm_call.hpp"
#include "measure/tensors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace bench {
namespace {

// Of values of order 1. A peer may add up the m values of a channel one by one. Each addition is rounded by up to u of what was reached
// (u is 2^-24 for float), with either sign: the relative error of the sum is a random walk of sqrt(m)*u, and eight times that is allowed.
// On all but the largest m this is below 1e-4, which a peer with another eps or with m/(m-1) exceeds on some of the shapes.
double tolerance(spec const& s) {
  double const m = static_cast<double>(s.shape.n * s.shape.h * s.shape.w);
  double const u = s.desc.dtype == RENORM_F32 ? 0x1p-24 : 0x1p-53;
  return std::max(1e-4, 8 * std::sqrt(m) * u);
}

// The largest difference, of values below 1 absolute, of others relative. A NaN counts as infinite.
template <class T> double difference(T const* result, T const* expected, std::size_t values) {
  double largest = 0;
  for (std::size_t i = 0; i < values; ++i) {
    double const value = static_cast<double>(expected[i]);
    double const d = std::fabs(static_cast<double>(result[i]) - value) / std::max(1.0, std::fabs(value));
    if (!(d <= largest)) largest = std::isnan(d) ? HUGE_VAL : d;
  }
  return largest;
}

double difference(spec const& s, void const* result, void const* expected) {
  std::size_t const values = s.shape.values();
  if (s.desc.dtype == RENORM_F32) return difference(static_cast<float const*>(result), static_cast<float const*>(expected), values);
  return difference(static_cast<double const*>(result), static_cast<double const*>(expected), values);
}

}  // namespace

call agreeing(spec const& s, char const* who, call const& compute, output const& result) {
  auto const data = shared_tensors(s.desc.dtype, s.shape.values());
  auto* const out = static_cast<std::byte*>(data->out.data());
  renorm_call(s)();
  std::vector<std::byte> const expected(out, out + s.tensor_bytes());
  std::memset(out, 0, s.tensor_bytes());  // or an implementation that does nothing would agree
  compute();
  double const off = difference(s, result(), expected.data());
  if (off > tolerance(s)) {
    std::fprintf(stderr, "%s/%s: its result is not that of renorm, but off by %.2g\n", name_of(s).c_str(), who, off);
    std::exit(1);
  }
  return compute;
}

}  // namespace bench
