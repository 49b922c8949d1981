// A normalization layer on top of the C ABI, the way a framework would wrap it: parameters, running and saved statistics.
#pragma once

#include "measure/require.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

// What a layer is given; NULL where an operation has no use for it.
struct layer_tensors {
  void const *x = nullptr, *dy = nullptr;
  void *y = nullptr, *dx = nullptr;
  void const *z = nullptr, *mask = nullptr;
  void* dz = nullptr;
};

// Parameter and Running are param_dtype and stats_dtype of the descriptor.
template <class Parameter, class Running = Parameter> struct normalization {
  using parameter = std::vector<Parameter>;
  using running = std::vector<Running>;
  using statistic = std::vector<double>;
  using counts = std::vector<std::int64_t>;

  explicit normalization(renorm_desc const& what) : desc(what) {}

  // Every output that the operation has is wanted. What it takes from others is there if they were run before: backward after train.
  void run(renorm_op op, layer_tensors const& t, renorm_exec const* exec) {
    switch (op) {
#define RENORM_OPERATION(name, id) \
  case RENORM_OP_##id:             \
    return call(renorm_##name, t, exec);
#include "measure/operations.inc"
#undef RENORM_OPERATION
    }
    give_up(RENORM_ERROR_UNSUPPORTED);
  }

  renorm_desc desc;
  std::size_t channels = static_cast<std::size_t>(desc.c), groups = static_cast<std::size_t>(std::max<std::int64_t>(desc.groups, 1));
  std::size_t statistics = groups * channels;
  parameter gamma = parameter(channels, Parameter(1)), beta = parameter(channels, Parameter(0));
  parameter dgamma = parameter(channels), dbeta = parameter(channels);
  running running_mean = running(channels, Running(0)), running_var = running(channels, Running(1));
  statistic mean = statistic(statistics), m2 = statistic(statistics), sigma = statistic(statistics);
  statistic r = statistic(statistics), d = statistic(statistics);
  statistic center = statistic(statistics), scale = statistic(statistics), shift = statistic(statistics);
  statistic sum_dy = statistic(statistics), sum_dy_xhat = statistic(statistics);
  counts count = counts(groups);
  std::int64_t num_batches = 0, nonfinite = 0;
  // The part of the batch that is merged.
  statistic other_mean = statistic(statistics, 0.), other_m2 = statistic(statistics, 1.);
  counts other_count = counts(groups, 1);

 private:
  template <class Args>
  void call(renorm_status (*f)(renorm_desc const*, Args const*, renorm_exec const*), layer_tensors const& t, renorm_exec const* exec) {
    Args args = {};
    args.struct_size = sizeof args;
    give(args, t);
    require(f(&desc, &args, exec));
  }

  // The args of all operations name an array alike: each field is set in those that have it.
  template <class Args> void give(Args& args, layer_tensors const& t) {
#define RENORM_GIVE(field, value) \
  set_if_there(                   \
      args, [&](auto& a) -> decltype(void(a.field = value)) { a.field = value; }, 0)
    RENORM_GIVE(x, t.x);
    RENORM_GIVE(dy, t.dy);
    RENORM_GIVE(z, t.z);
    RENORM_GIVE(mask, t.mask);
    RENORM_GIVE(y, t.y);
    RENORM_GIVE(dx, t.dx);
    RENORM_GIVE(dz, t.dz);
    RENORM_GIVE(gamma, gamma.data());
    RENORM_GIVE(beta, beta.data());
    RENORM_GIVE(dgamma, dgamma.data());
    RENORM_GIVE(dbeta, dbeta.data());
    RENORM_GIVE(running_mean, running_mean.data());
    RENORM_GIVE(running_var, running_var.data());
    RENORM_GIVE(num_batches, &num_batches);
    RENORM_GIVE(mean, mean.data());
    RENORM_GIVE(m2, m2.data());
    RENORM_GIVE(sigma, sigma.data());
    RENORM_GIVE(r, r.data());
    RENORM_GIVE(d, d.data());
    RENORM_GIVE(count, count.data());
    RENORM_GIVE(center, center.data());
    RENORM_GIVE(scale, scale.data());
    RENORM_GIVE(shift, shift.data());
    RENORM_GIVE(sum_dy, sum_dy.data());
    RENORM_GIVE(sum_dy_xhat, sum_dy_xhat.data());
    RENORM_GIVE(other_count, other_count.data());
    RENORM_GIVE(other_mean, other_mean.data());
    RENORM_GIVE(other_m2, other_m2.data());
    RENORM_GIVE(nonfinite, &nonfinite);
    // Weights are folded into a layer with a bias; scale above is one of channels there.
    RENORM_GIVE(weights, t.x);
    RENORM_GIVE(bias, beta.data());
    RENORM_GIVE(folded_weights, t.y);
    RENORM_GIVE(folded_bias, dbeta.data());
#undef RENORM_GIVE
  }

  template <class Args, class Set> static auto set_if_there(Args& args, Set const& set, int) -> decltype(set(args)) { set(args); }
  template <class Args, class Set> static void set_if_there(Args&, Set const&, long) {}
};

}  // namespace bench
