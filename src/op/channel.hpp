// The per-channel algebra on some channels of one group, as whole calls and parts use it. Statistics are arrays [groups][c].
#pragma once

#include "op/problem.hpp"

namespace renorm {

// Operations that need no workspace have statistics of so many channels at a time on the stack.
inline constexpr std::size_t block_channels = 64;

struct channels {
  std::size_t first, count;
  std::size_t group, of_group;  // of_group: where the arrays of statistics have these channels

  channels(shape const& s, std::size_t group_index, std::size_t first_channel, std::size_t channel_count)
      : first(first_channel), count(channel_count), group(group_index), of_group(group_index * s.c + first_channel) {}
  channels(shape const& s, std::size_t group_index) : channels(s, group_index, 0, s.c) {}
};

// Loops, not memset and memcpy: arrays of no channels may be NULL.
template <class T> void clear(T* a, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) a[i] = 0;
}
inline void copy(double const* a, std::size_t count, double* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = a[i];
}

// As from() of kernels/types.hpp.
inline typed_in from(typed_in a, std::size_t i) {
  std::size_t const size = a.f64 ? sizeof(double) : sizeof(float);
  return {a.data == nullptr ? nullptr : static_cast<char const*>(a.data) + i * size, a.f64};
}
inline statistics from(statistics const& s, std::size_t i) { return {from(s.mean, i), from(s.spread, i), s.is_var, s.eps}; }

struct corrected {
  double *sigma, *r, *d;
};

// running is read for batch renorm only. carried: m2 is as reductions carry it, not as users have it.
inline void correct(problem const& p, isa const& code, channels const& at, std::int64_t count, bool carried, double const* mean,
                    double const* m2, statistics const& running, double sigma_floor, corrected const& out) {
  statistics const reference = from(running, at.first);
  std::size_t const i = at.of_group;
  code.channel.correction(at.count, {static_cast<double>(count), divisor_of(count, p.unbiased), p.eps, carried}, mean + i, m2 + i,
                          p.batch_renorm ? &reference : nullptr, {p.rmin, p.rmax, p.dmax, sigma_floor}, out.sigma + i, from(out.r, i),
                          from(out.d, i));
}

struct affine_map {
  double *center, *scale, *shift;
};

inline void map_forward(problem const& p, isa const& code, channels const& at, double const* mean, double const* sigma, double const* r,
                        double const* d, void const* gamma, void const* beta, affine_map const& out) {
  std::size_t const c = at.first, i = at.of_group;
  code.channel.coefficients(at.count, mean + i, sigma + i, from(r, i), from(d, i), from(p.params(gamma), c), from(p.params(beta), c),
                            out.center + i, out.scale + i, out.shift + i);
}

// The weight of a batch that comes after so many others.
inline double batch_weight(problem const& p, std::int64_t const* num_batches) {
  return p.cumulative ? 1 / (static_cast<double>(*num_batches) + 1) : p.momentum;
}

// Whether a group has a value.
inline bool any_value(problem const& p, std::int64_t const* count) {
  for (std::size_t g = 0; g < p.shape.groups; ++g)
    if (count[g] > 0) return true;
  return false;
}

// The maps of all groups, as the sweeps of a problem have them.
inline affine_maps maps_of(problem const& p, std::size_t groups, affine_map const& m) {
  return {groups, p.shape.c, m.center, m.scale, m.shift, p.f64};
}

inline void report(std::size_t found, std::int64_t* nonfinite) {
  if (nonfinite != nullptr) *nonfinite = static_cast<std::int64_t>(found);
}

struct running_arrays {
  void *mean, *var;  // both or neither
  std::int64_t* num_batches;
};

// The end of a training step: moves the running statistics, where they are given and there is a batch, and counts the channels that are
// not finite. maps are those of the sweep, and m2 as its reduction carries it; without them it is as users have it.
inline void follow(problem const& p, isa const& code, std::int64_t const* count, double const* mean, double const* m2,
                   affine_maps const* maps, running_arrays const& running, std::int64_t* nonfinite) {
  if (p.shape.c == 0) {
    report(0, nonfinite);
    return;
  }
  bool const update = running.mean != nullptr && !p.keep_running && any_value(p, count);
  if (!update && nonfinite == nullptr) return;
  running_update const u = {update ? batch_weight(p, running.num_batches) : 0,
                            {p.shape.groups, p.shape.c, count},
                            p.unbiased_running,
                            p.track_sigma,
                            p.eps,
                            maps != nullptr && p.f64,
                            p.skip_nonfinite};
  std::size_t const found =
      code.channel.update_running(p.shape.c, u, mean, m2, nonfinite != nullptr ? maps : nullptr, p.running(update ? running.mean : nullptr),
                                  p.running(update ? running.var : nullptr));
  if (update && running.num_batches != nullptr) ++*running.num_batches;
  report(found, nonfinite);
}

}  // namespace renorm
