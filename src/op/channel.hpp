// The per-channel algebra on some channels of one group, as whole calls and parts use it. Statistics are arrays [groups][c].
#pragma once

#include "op/problem.hpp"
#include "pass/channels.hpp"

namespace renorm {

// Operations that need no workspace have statistics of so many channels at a time on the stack.
inline constexpr std::size_t block_channels = 64;

// As from() of kernels/types.hpp.
inline typed_in from(typed_in a, std::size_t i) {
  std::size_t const size = a.f64 ? sizeof(double) : sizeof(float);
  return {a.data == nullptr ? nullptr : static_cast<char const*>(a.data) + i * size, a.f64};
}
inline statistics from(statistics const& s, std::size_t i) { return {from(s.mean, i), from(s.spread, i), s.is_var, s.eps}; }

// running is read for batch renorm only. carried: m2 is as reductions carry it, not as users have it.
inline void correct(problem const& p, isa const& code, channels const& at, batch_moments_in const& batch, bool carried,
                    running_in const& running, double sigma_floor, corrected const& out) {
  statistics const reference = from(p.running_statistics(running), at.first);
  std::size_t const i = at.of_group;
  std::int64_t const count = batch.count[at.group];
  code.channel.correction(at.count, {static_cast<double>(count), divisor_of(count, p.unbiased), p.eps, carried}, batch.mean + i,
                          batch.m2 + i, p.batch_renorm ? &reference : nullptr, {p.rmin, p.rmax, p.dmax, sigma_floor}, out.sigma + i,
                          from(out.r, i), from(out.d, i));
}

inline void map_forward(problem const& p, isa const& code, channels const& at, normalization const& n, parameters const& of,
                        affine_map const& out) {
  std::size_t const c = at.first, i = at.of_group;
  code.channel.coefficients(at.count, n.mean + i, n.sigma + i, from(n.r, i), from(n.d, i), from(p.params(of.gamma), c),
                            from(p.params(of.beta), c), out.center + i, out.scale + i, out.shift + i);
}

// The weight of a batch that comes after so many others.
inline double batch_weight(problem const& p, std::int64_t const* num_batches) {
  return p.cumulative ? 1 / (static_cast<double>(*num_batches) + 1) : p.momentum;
}

// Whether a group has a value.
inline bool any_value(problem const& p, std::int64_t const* count) {
  for (std::size_t g = 0; g < p.shape().groups; ++g)
    if (count[g] > 0) return true;
  return false;
}

// The maps of all groups, as the sweeps of a problem have them.
inline affine_maps maps_of(problem const& p, affine_map_in const& m) {
  return {p.shape().groups, p.shape().c, m.center, m.scale, m.shift, p.f64};
}

inline void report(std::size_t found, std::int64_t* nonfinite) {
  if (nonfinite != nullptr) *nonfinite = static_cast<std::int64_t>(found);
}

// The end of a training step: moves the running statistics, where they are given and there is a batch, and counts the channels that are
// not finite. maps are those of the sweep, and m2 as its reduction carries it; without them it is as users have it.
inline void follow(problem const& p, isa const& code, batch_moments_in const& batch, affine_maps const* maps, running_arrays const& running,
                   std::int64_t* nonfinite) {
  if (p.shape().c == 0) {
    report(0, nonfinite);
    return;
  }
  bool const update = running.mean != nullptr && !p.keep_running && any_value(p, batch.count);
  if (!update && nonfinite == nullptr) return;
  running_update const u = {update ? batch_weight(p, running.num_batches) : 0,
                            {p.shape().groups, p.shape().c, batch.count},
                            p.unbiased_running,
                            p.track_sigma,
                            p.eps,
                            maps != nullptr && p.f64,
                            p.skip_nonfinite};
  std::size_t const found =
      code.channel.update_running(p.shape().c, u, batch.mean, batch.m2, nonfinite != nullptr ? maps : nullptr,
                                  p.running(update ? running.mean : nullptr), p.running(update ? running.var : nullptr));
  if (update && running.num_batches != nullptr) ++*running.num_batches;
  report(found, nonfinite);
}

}  // namespace renorm
