// What a test computes, and what comes of it. Everything is double here and tensors are in the order (n, c, s), whatever layout
// and element type the library is given.
#pragma once

#include "renorm/renorm.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace renorm_test {

using array = std::vector<double>;

struct problem {
  renorm_desc desc;
  array x, dy;
  array gamma, beta;                // empty: not given
  array running_mean, running_var;  // empty: not given
  std::int64_t num_batches = 0;

  std::size_t n() const { return static_cast<std::size_t>(desc.n); }
  std::size_t c() const { return static_cast<std::size_t>(desc.c); }
  std::size_t s() const { return static_cast<std::size_t>(desc.s); }
  std::size_t per_channel() const { return n() * s(); }
  std::size_t at(std::size_t i, std::size_t channel, std::size_t k) const { return (i * c() + channel) * s() + k; }

  bool has(std::uint32_t flag) const { return (desc.flags & flag) != 0; }
  double gamma_of(std::size_t channel) const { return gamma.empty() ? 1 : gamma[channel]; }
  double beta_of(std::size_t channel) const { return beta.empty() ? 0 : beta[channel]; }
};

// Forward and backward results, and also how far each may be off. An empty array is not there.
struct values {
  array y, mean, var, sigma, r, d, running_mean, running_var;
  array dx, dgamma, dbeta;
};

// f(name, array of each...) for every kind of result.
template <class F, class... V> void for_each_array(F const& f, V&... v) {
  f("y", v.y...);
  f("mean", v.mean...);
  f("var", v.var...);
  f("sigma", v.sigma...);
  f("r", v.r...);
  f("d", v.d...);
  f("running_mean", v.running_mean...);
  f("running_var", v.running_var...);
  f("dx", v.dx...);
  f("dgamma", v.dgamma...);
  f("dbeta", v.dbeta...);
}

inline renorm_desc make_desc(std::int64_t n, std::int64_t c, std::int64_t s) {
  renorm_desc desc;
  renorm_desc_init(&desc, sizeof desc);
  desc.n = n;
  desc.c = c;
  desc.s = s;
  return desc;
}

inline renorm_dtype dtype_or(renorm_dtype dtype, renorm_dtype absent) { return dtype == 0 ? absent : dtype; }

}  // namespace renorm_test
