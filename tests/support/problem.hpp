// What a test computes, and what comes of it. Everything is double here and tensors are in the order (n, c, s), whatever layout
// and element type the library is given.
#pragma once

#include "renorm/renorm.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace renorm_test {

using array = std::vector<double>;
using position_mask = std::vector<std::uint8_t>;  // (n, s)

struct problem {
  renorm_desc desc;
  array x, dy, z;
  array gamma, beta;                // empty: not given
  array running_mean, running_var;  // empty: not given
  std::int64_t num_batches = 0;
  position_mask mask;  // read with desc.mask_kind

  std::size_t n() const { return static_cast<std::size_t>(desc.n); }
  std::size_t c() const { return static_cast<std::size_t>(desc.c); }
  std::size_t s() const { return static_cast<std::size_t>(desc.s); }
  std::size_t per_channel() const { return n() * s(); }
  std::size_t at(std::size_t i, std::size_t channel, std::size_t k) const { return (i * c() + channel) * s() + k; }

  // As numpy's array_split has them: the first groups have a sample more.
  std::size_t groups() const { return desc.groups > 1 ? static_cast<std::size_t>(desc.groups) : 1; }
  std::size_t statistics() const { return groups() * c(); }
  std::size_t group_of(std::size_t i) const {
    if (desc.group_order == RENORM_GROUPS_INTERLEAVED) return i % groups();
    std::size_t const samples = n() / groups(), in_larger = n() % groups() * (samples + 1);
    return i < in_larger ? i / (samples + 1) : n() % groups() + (i - in_larger) / samples;
  }
  bool valid(std::size_t i, std::size_t k) const { return desc.mask_kind == RENORM_MASK_NONE || mask[i * s() + k] != 0; }
  double count(std::size_t group) const;

  bool relu() const { return desc.epilogue == RENORM_EPILOGUE_RELU || desc.epilogue == RENORM_EPILOGUE_ADD_RELU; }
  bool add() const { return desc.epilogue == RENORM_EPILOGUE_ADD || desc.epilogue == RENORM_EPILOGUE_ADD_RELU; }
  double activated(double v, std::size_t j) const {
    double const argument = add() ? v + z[j] : v;
    return relu() && argument < 0 ? 0 : argument;
  }
  // What of dy comes from before the activation whose result is y.
  double gradient(double y, std::size_t j) const { return relu() && y <= 0 ? 0 : dy[j]; }
  bool has(std::uint32_t flag) const { return (desc.flags & flag) != 0; }
  double gamma_of(std::size_t channel) const { return gamma.empty() ? 1 : gamma[channel]; }
  double beta_of(std::size_t channel) const { return beta.empty() ? 0 : beta[channel]; }
};

constexpr std::size_t all_groups = static_cast<std::size_t>(-1);

// f(sample, position) for what is valid of a group.
template <class F> void for_each_position(problem const& p, std::size_t group, F const& f) {
  for (std::size_t i = 0; i < p.n(); ++i)
    if (group == all_groups || p.group_of(i) == group)
      for (std::size_t k = 0; k < p.s(); ++k)
        if (p.valid(i, k)) f(i, k);
}

inline double problem::count(std::size_t group) const {
  double count = 0;
  for_each_position(*this, group, [&](std::size_t, std::size_t) { ++count; });
  return count;
}

// Forward and backward results, and also how far each may be off. Statistics are [groups][c]. An empty array is not there.
struct values {
  array y, mean, var, sigma, r, d, running_mean, running_var;
  array dx, dgamma, dbeta, dz;
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
  f("dz", v.dz...);
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
