// The per-channel algebra on some channels [first, first + count) of full arrays, as whole calls and parts use it.
#pragma once

#include "op/problem.hpp"

namespace renorm {

struct channels {
  std::size_t first, count;
};

// Optional arrays, moved to their element i.
inline double const* from(double const* a, std::size_t i) { return a == nullptr ? nullptr : a + i; }
inline double* from(double* a, std::size_t i) { return a == nullptr ? nullptr : a + i; }
inline std::size_t typed_offset(bool f64, std::size_t i) { return i * (f64 ? sizeof(double) : sizeof(float)); }
inline typed_in from(typed_in a, std::size_t i) {
  return {a.data == nullptr ? nullptr : static_cast<char const*>(a.data) + typed_offset(a.f64, i), a.f64};
}
inline typed_out from(typed_out a, std::size_t i) {
  return {a.data == nullptr ? nullptr : static_cast<char*>(a.data) + typed_offset(a.f64, i), a.f64};
}
inline statistics from(statistics const& s, std::size_t i) { return {from(s.mean, i), from(s.spread, i), s.is_var, s.eps}; }

struct corrected {
  double *sigma, *r, *d;
};

// running is read for batch renorm only.
inline void correct(problem const& p, isa const& code, channels at, std::int64_t count, double const* mean, double const* m2,
                    statistics const& running, double sigma_floor, corrected const& out) {
  statistics const reference = from(running, at.first);
  code.channel.correction(at.count, problem::divisor(count, p.unbiased), p.eps, mean + at.first, m2 + at.first,
                          p.batch_renorm ? &reference : nullptr, {p.rmin, p.rmax, p.dmax, sigma_floor}, out.sigma + at.first,
                          from(out.r, at.first), from(out.d, at.first));
}

struct affine_map {
  double *center, *scale, *shift;
};

inline void map_forward(problem const& p, isa const& code, channels at, double const* mean, double const* sigma, double const* r,
                        double const* d, void const* gamma, void const* beta, affine_map const& out) {
  std::size_t const c = at.first;
  code.channel.coefficients(at.count, mean + c, sigma + c, from(r, c), from(d, c), from(p.params(gamma), c), from(p.params(beta), c),
                            out.center + c, out.scale + c, out.shift + c);
}

// Moves the running statistics, where they are given, by weight, and returns the number of channels that are not finite.
inline std::int64_t follow(problem const& p, isa const& code, channels at, std::int64_t count, double weight, double const* mean,
                           double const* m2, void* running_mean, void* running_var) {
  running_update const u = {weight, problem::divisor(count, p.unbiased_running), p.track_sigma, p.eps, p.skip_nonfinite};
  return static_cast<std::int64_t>(code.channel.update_running(
      at.count, u, mean + at.first, m2 + at.first, from(p.running(running_mean), at.first), from(p.running(running_var), at.first)));
}

// The weight of a batch that comes after so many others.
inline double batch_weight(problem const& p, std::int64_t const* num_batches) {
  return p.cumulative ? 1 / (static_cast<double>(*num_batches) + 1) : p.momentum;
}

}  // namespace renorm
