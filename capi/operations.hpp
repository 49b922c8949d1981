// What each operation of the C ABI takes, checks and needs, and how its arguments become those of op.
#pragma once

#include "op/op.hpp"
#include "validate.hpp"

namespace renorm::capi {
namespace {

std::size_t param_bytes(problem const& p) { return p.shape().c * (p.params_f64 ? sizeof(double) : sizeof(float)); }
std::size_t running_bytes(problem const& p) { return p.shape().c * (p.stats_f64 ? sizeof(double) : sizeof(float)); }
std::size_t statistics_bytes(problem const& p) { return p.shape().statistics() * sizeof(double); }
std::size_t count_bytes(problem const& p) { return p.shape().groups * sizeof(std::int64_t); }
std::size_t mask_bytes(problem const& p) {
  return p.mask == mask::bytes ? p.shape().per_channel() : p.mask == mask::lengths ? p.shape().n * sizeof(std::int64_t) : 0;
}

// A tensor of the caller's, which has no gaps, or NULL.
template <class V> view<V> tensor(problem const& p, V* data) {
  shape const& s = p.shape();
  if (data == nullptr) return {};
  return {data, s.planes() ? pitches{s.c * s.s, s.s, 1} : pitches{s.s * s.c, 1, s.c}};
}
template <class Args> forward_tensors forward_of(problem const& p, Args const& a) {
  return {tensor(p, a.x), tensor(p, a.z), a.mask, tensor(p, a.y)};
}
template <class Args> gradient_tensors gradient_of(problem const& p, Args const& a) {
  return {tensor(p, a.x), tensor(p, a.dy), tensor(p, a.z), a.mask, tensor(p, a.dx), tensor(p, a.dz)};
}

renorm_status check_counts(char const* function, char const* name, std::int64_t const* count, std::size_t counts) {
  for (std::size_t i = 0; count != nullptr && i < counts; ++i)
    if (count[i] < 0 || count[i] == INT64_MAX)
      return fail(RENORM_ERROR_VALUE, "%s: %s[%zu] is %lld", function, name, i, static_cast<long long>(count[i]));
  return RENORM_OK;
}

// Without a channel nothing depends on the counts of the groups, however many these are.
renorm_status check_group_counts(char const* function, problem const& p, std::int64_t const* count) {
  return check_counts(function, "args->count", count, p.shape().c > 0 ? p.shape().groups : 0);
}

renorm_status check_lengths(char const* function, problem const& p, void const* mask) {
  auto const* const length = static_cast<std::int64_t const*>(mask);
  for (std::size_t i = 0; p.mask == mask::lengths && i < p.shape().n; ++i)
    if (length[i] < 0 || static_cast<std::size_t>(length[i]) > p.shape().s)
      return fail(RENORM_ERROR_VALUE, "%s: args->mask[%zu] is %lld, not a length in [0, s]", function, i,
                  static_cast<long long>(length[i]));
  return RENORM_OK;
}

renorm_status need(bool present, char const* function, char const* name, char const* why) {
  return present ? RENORM_OK : fail(RENORM_ERROR_NULL, "%s: %s is NULL, but needed %s", function, name, why);
}

// What a backward pass recomputes the argument of relu from, beyond what it reads anyway. Returns the number of z, or of dy if it has none.
template <class Args> std::size_t list_gate(problem const& p, Args const& a, std::size_t dy, arrays& v) {
  if (!p.relu) return dy;
  v.optional_input("args->beta", a.beta, param_bytes(p));
  return p.add ? v.input("args->z", a.z, p.tensor_bytes()) : dy;
}

template <class Args> void list_dz(problem const& p, Args const& a, std::size_t dy, std::size_t z, arrays& v) {
  if (p.add) v.optional_output("args->dz", a.dz, p.tensor_bytes(), {dy, z});
}

// dz is written by the sweep that writes dx.
renorm_status check_dz(char const* function, problem const& p, void const* dx, void const* dz) {
  return need(!p.add || dz == nullptr || dx != nullptr || p.shape().values() == 0, function, "args->dx", "with args->dz");
}

bool updates_by_momentum(problem const& p) { return !p.keep_running && !p.cumulative; }

template <class Args> normalization normalization_of(problem const& p, Args const& a) {
  return {a.mean, a.sigma, p.batch_renorm ? a.r : nullptr, p.batch_renorm ? a.d : nullptr};
}

// Each operation: its name, its number, whether it keeps the groups of desc, the options it reads whatever its arguments are, its arrays,
// the checks that need more than sizes, its workspace and passes, its body. Inference, which has the same statistics for all samples, drops
// the groups; fold keeps them and looks at none.

struct without_tensor_passes {
  static std::size_t workspace(problem const&) { return 0; }
  static footprint passes(problem const&) { return {}; }
};

struct train {
  using args = renorm_train_args;
  static constexpr char const* name = "renorm_train";
  static constexpr renorm_op id = RENORM_OP_TRAIN;
  static constexpr bool grouped = true;
  static options reads(problem const& p) { return {true, false, p.batch_renorm}; }
  static void list(problem const& p, args const& a, arrays& v) {
    std::size_t const x = v.input("args->x", a.x, p.tensor_bytes());
    std::size_t const z = p.add ? v.input("args->z", a.z, p.tensor_bytes()) : x;
    v.input("args->mask", a.mask, mask_bytes(p));
    v.optional_input("args->gamma", a.gamma, param_bytes(p));
    v.optional_input("args->beta", a.beta, param_bytes(p));
    v.optional_output("args->running_mean", a.running_mean, running_bytes(p));
    v.optional_output("args->running_var", a.running_var, running_bytes(p));
    v.optional_output("args->num_batches", a.num_batches, sizeof(std::int64_t));
    v.optional_output("args->mean", a.mean, statistics_bytes(p));
    v.optional_output("args->sigma", a.sigma, statistics_bytes(p));
    v.optional_output("args->r", a.r, statistics_bytes(p));
    v.optional_output("args->d", a.d, statistics_bytes(p));
    v.optional_output("args->count", a.count, count_bytes(p));
    v.optional_output("args->nonfinite", a.nonfinite, sizeof(std::int64_t));
    v.optional_output("args->m2", a.m2, statistics_bytes(p));
    v.output("args->y", a.y, p.tensor_bytes(), {x, z});
  }
  static renorm_status check(problem const& p, args const& a) {
    bool const any = a.running_mean != nullptr || a.running_var != nullptr || (p.batch_renorm && p.shape().c > 0);
    if (auto s = need(!any || a.running_mean != nullptr, name, "args->running_mean", "with running_var or batch renorm")) return s;
    if (auto s = need(!any || a.running_var != nullptr, name, "args->running_var", "with running_mean or batch renorm")) return s;
    if (auto s = need(!p.cumulative || a.num_batches != nullptr, name, "args->num_batches", "with RENORM_FLAG_CUMULATIVE")) return s;
    if (auto s = check_counts(name, "args->num_batches", a.num_batches, 1)) return s;
    if (auto s = check_options(p, {false, a.running_mean != nullptr && updates_by_momentum(p), false}, name)) return s;
    return check_lengths(name, p, a.mask);
  }
  static std::size_t workspace(problem const& p) { return op::train_workspace(p); }
  static footprint passes(problem const& p) { return op::train_passes(p); }
  static void run(problem const& p, args const& a, call const& on) {
    op::train(p, forward_of(p, a), {a.gamma, a.beta}, {a.running_mean, a.running_var, a.num_batches}, {a.count, a.mean, a.m2},
              {a.sigma, a.r, a.d}, a.nonfinite, on);
  }
};

struct inference {
  using args = renorm_inference_args;
  static constexpr char const* name = "renorm_inference";
  static constexpr renorm_op id = RENORM_OP_INFERENCE;
  static constexpr bool grouped = false;
  static options reads(problem const& p) { return {!p.track_sigma, false, false}; }
  static void list(problem const& p, args const& a, arrays& v) {
    std::size_t const x = v.input("args->x", a.x, p.tensor_bytes());
    std::size_t const z = p.add ? v.input("args->z", a.z, p.tensor_bytes()) : x;
    v.input("args->mask", a.mask, mask_bytes(p));
    v.optional_input("args->gamma", a.gamma, param_bytes(p));
    v.optional_input("args->beta", a.beta, param_bytes(p));
    v.input("args->running_mean", a.running_mean, running_bytes(p));
    v.input("args->running_var", a.running_var, running_bytes(p));
    v.output("args->y", a.y, p.tensor_bytes(), {x, z});
    v.optional_output("args->nonfinite", a.nonfinite, sizeof(std::int64_t));
  }
  static renorm_status check(problem const& p, args const& a) { return check_lengths(name, p, a.mask); }
  static std::size_t workspace(problem const& p) { return op::inference_workspace(p); }
  static footprint passes(problem const& p) { return op::inference_passes(p); }
  static void run(problem const& p, args const& a, call const& on) {
    op::inference(p, forward_of(p, a), {a.gamma, a.beta}, {a.running_mean, a.running_var}, a.nonfinite, on);
  }
};

struct backward {
  using args = renorm_backward_args;
  static constexpr char const* name = "renorm_backward";
  static constexpr renorm_op id = RENORM_OP_BACKWARD;
  static constexpr bool grouped = true;
  static options reads(problem const&) { return {}; }
  static void list(problem const& p, args const& a, arrays& v) {
    std::size_t const x = v.input("args->x", a.x, p.tensor_bytes()), dy = v.input("args->dy", a.dy, p.tensor_bytes());
    std::size_t const z = list_gate(p, a, dy, v);
    v.input("args->mask", a.mask, mask_bytes(p));
    v.optional_input("args->gamma", a.gamma, param_bytes(p));
    v.input("args->mean", a.mean, statistics_bytes(p));
    v.input("args->sigma", a.sigma, statistics_bytes(p));
    if (p.batch_renorm) {
      v.input("args->r", a.r, statistics_bytes(p));
      v.input("args->d", a.d, statistics_bytes(p));
    }
    v.optional_input("args->count", a.count, count_bytes(p));
    v.optional_output("args->dgamma", a.dgamma, param_bytes(p));
    v.optional_output("args->dbeta", a.dbeta, param_bytes(p));
    v.optional_output("args->dx", a.dx, p.tensor_bytes(), {x, dy});
    list_dz(p, a, dy, z, v);
  }
  static renorm_status check(problem const& p, args const& a) {
    if (auto s = check_dz(name, p, a.dx, a.dz)) return s;
    if (auto s = check_group_counts(name, p, a.count)) return s;
    return check_lengths(name, p, a.mask);
  }
  static std::size_t workspace(problem const& p) { return op::backward_workspace(p); }
  static footprint passes(problem const& p) { return op::backward_passes(p); }
  static void run(problem const& p, args const& a, call const& on) {
    op::backward(p, gradient_of(p, a), {a.gamma, a.beta}, normalization_of(p, a), a.count, {a.dgamma, a.dbeta}, on);
  }
};

struct inference_backward {
  using args = renorm_inference_backward_args;
  static constexpr char const* name = "renorm_inference_backward";
  static constexpr renorm_op id = RENORM_OP_INFERENCE_BACKWARD;
  static constexpr bool grouped = false;
  static options reads(problem const& p) { return {!p.track_sigma, false, false}; }
  static void list(problem const& p, args const& a, arrays& v) {
    std::size_t const x = v.input("args->x", a.x, p.relu || a.dgamma != nullptr ? p.tensor_bytes() : 0);
    std::size_t const dy = v.input("args->dy", a.dy, p.tensor_bytes());
    std::size_t const z = list_gate(p, a, dy, v);
    v.input("args->mask", a.mask, mask_bytes(p));
    v.optional_input("args->gamma", a.gamma, param_bytes(p));
    v.input("args->running_mean", a.running_mean, running_bytes(p));
    v.input("args->running_var", a.running_var, running_bytes(p));
    v.optional_output("args->dgamma", a.dgamma, param_bytes(p));
    v.optional_output("args->dbeta", a.dbeta, param_bytes(p));
    v.optional_output("args->dx", a.dx, p.tensor_bytes(), {x, dy});
    list_dz(p, a, dy, z, v);
  }
  static renorm_status check(problem const& p, args const& a) {
    if (auto s = check_dz(name, p, a.dx, a.dz)) return s;
    return check_lengths(name, p, a.mask);
  }
  static std::size_t workspace(problem const& p) { return op::inference_backward_workspace(p); }
  static footprint passes(problem const& p) { return op::inference_backward_passes(p); }
  static void run(problem const& p, args const& a, call const& on) {
    op::inference_backward(p, gradient_of(p, a), {a.gamma, a.beta}, {a.running_mean, a.running_var}, {a.dgamma, a.dbeta}, on);
  }
};

struct moments {
  using args = renorm_moments_args;
  static constexpr char const* name = "renorm_moments";
  static constexpr renorm_op id = RENORM_OP_MOMENTS;
  static constexpr bool grouped = true;
  static options reads(problem const&) { return {true, false, false}; }
  static void list(problem const& p, args const& a, arrays& v) {
    v.input("args->x", a.x, p.tensor_bytes());
    v.input("args->mask", a.mask, mask_bytes(p));
    v.output("args->count", a.count, count_bytes(p));
    v.output("args->mean", a.mean, statistics_bytes(p));
    v.output("args->m2", a.m2, statistics_bytes(p));
  }
  static renorm_status check(problem const& p, args const& a) { return check_lengths(name, p, a.mask); }
  static std::size_t workspace(problem const& p) { return op::moments_workspace(p); }
  static footprint passes(problem const& p) { return op::moments_passes(p); }
  static void run(problem const& p, args const& a, call const& on) { op::moments(p, tensor(p, a.x), a.mask, {a.count, a.mean, a.m2}, on); }
};

struct merge : without_tensor_passes {
  using args = renorm_merge_args;
  static constexpr char const* name = "renorm_merge";
  static constexpr renorm_op id = RENORM_OP_MERGE;
  static constexpr bool grouped = true;
  static options reads(problem const&) { return {}; }
  static void list(problem const& p, args const& a, arrays& v) {
    v.input("args->other_count", a.other_count, count_bytes(p));
    v.input("args->other_mean", a.other_mean, statistics_bytes(p));
    v.input("args->other_m2", a.other_m2, statistics_bytes(p));
    v.output("args->count", a.count, count_bytes(p));
    v.output("args->mean", a.mean, statistics_bytes(p));
    v.output("args->m2", a.m2, statistics_bytes(p));
  }
  static renorm_status check(problem const& p, args const& a) {
    if (auto s = check_counts(name, "args->count", a.count, p.shape().groups)) return s;
    if (auto s = check_counts(name, "args->other_count", a.other_count, p.shape().groups)) return s;
    for (std::size_t g = 0; g < p.shape().groups; ++g)
      if (a.count[g] >= INT64_MAX - a.other_count[g])
        return fail(RENORM_ERROR_OVERFLOW, "%s: args->count[%zu] + args->other_count[%zu] overflows", name, g, g);
    return RENORM_OK;
  }
  static void run(problem const& p, args const& a, call const& on) {
    op::merge(p, {a.other_count, a.other_mean, a.other_m2}, {a.count, a.mean, a.m2}, on);
  }
};

struct update_running : without_tensor_passes {
  using args = renorm_update_running_args;
  static constexpr char const* name = "renorm_update_running";
  static constexpr renorm_op id = RENORM_OP_UPDATE_RUNNING;
  static constexpr bool grouped = true;
  static options reads(problem const& p) { return {p.track_sigma, updates_by_momentum(p), false}; }
  static void list(problem const& p, args const& a, arrays& v) {
    v.input("args->count", a.count, count_bytes(p));
    v.input("args->mean", a.mean, statistics_bytes(p));
    v.input("args->m2", a.m2, statistics_bytes(p));
    v.output("args->running_mean", a.running_mean, running_bytes(p));
    v.output("args->running_var", a.running_var, running_bytes(p));
    v.optional_output("args->num_batches", a.num_batches, sizeof(std::int64_t));
    v.optional_output("args->nonfinite", a.nonfinite, sizeof(std::int64_t));
  }
  static renorm_status check(problem const& p, args const& a) {
    if (auto s = need(!p.cumulative || a.num_batches != nullptr, name, "args->num_batches", "with RENORM_FLAG_CUMULATIVE")) return s;
    if (auto s = check_group_counts(name, p, a.count)) return s;
    return check_counts(name, "args->num_batches", a.num_batches, 1);
  }
  static void run(problem const& p, args const& a, call const& on) {
    op::update_running(p, {a.count, a.mean, a.m2}, {a.running_mean, a.running_var, a.num_batches}, a.nonfinite, on);
  }
};

struct correction : without_tensor_passes {
  using args = renorm_correction_args;
  static constexpr char const* name = "renorm_correction";
  static constexpr renorm_op id = RENORM_OP_CORRECTION;
  static constexpr bool grouped = true;
  static options reads(problem const& p) { return {true, false, p.batch_renorm}; }
  static void list(problem const& p, args const& a, arrays& v) {
    v.input("args->count", a.count, count_bytes(p));
    v.input("args->mean", a.mean, statistics_bytes(p));
    v.input("args->m2", a.m2, statistics_bytes(p));
    if (p.batch_renorm) {
      v.input("args->running_mean", a.running_mean, running_bytes(p));
      v.input("args->running_var", a.running_var, running_bytes(p));
    }
    v.output("args->sigma", a.sigma, statistics_bytes(p));
    v.optional_output("args->r", a.r, statistics_bytes(p));
    v.optional_output("args->d", a.d, statistics_bytes(p));
  }
  static renorm_status check(problem const& p, args const& a) {
    if (!(a.sigma_floor >= 0 && a.sigma_floor < __builtin_inf()))
      return fail(RENORM_ERROR_VALUE, "%s: args->sigma_floor is %g, not finite and >= 0", name, a.sigma_floor);
    return check_group_counts(name, p, a.count);
  }
  static void run(problem const& p, args const& a, call const& on) {
    op::correction(p, {a.count, a.mean, a.m2}, {a.running_mean, a.running_var}, a.sigma_floor, {a.sigma, a.r, a.d}, on);
  }
};

struct coefficients : without_tensor_passes {
  using args = renorm_coefficients_args;
  static constexpr char const* name = "renorm_coefficients";
  static constexpr renorm_op id = RENORM_OP_COEFFICIENTS;
  static constexpr bool grouped = true;
  static bool from_running(args const& a) { return a.mean == nullptr && a.sigma == nullptr; }
  static options reads(problem const&) { return {}; }
  static void list(problem const& p, args const& a, arrays& v) {
    if (from_running(a)) {
      v.input("args->running_mean", a.running_mean, running_bytes(p));
      v.input("args->running_var", a.running_var, running_bytes(p));
    } else {
      v.input("args->mean", a.mean, statistics_bytes(p));
      v.input("args->sigma", a.sigma, statistics_bytes(p));
    }
    v.optional_input("args->r", a.r, statistics_bytes(p));
    v.optional_input("args->d", a.d, statistics_bytes(p));
    v.optional_input("args->gamma", a.gamma, param_bytes(p));
    v.optional_input("args->beta", a.beta, param_bytes(p));
    v.output("args->center", a.center, statistics_bytes(p));
    v.output("args->scale", a.scale, statistics_bytes(p));
    v.output("args->shift", a.shift, statistics_bytes(p));
    v.optional_output("args->nonfinite", a.nonfinite, sizeof(std::int64_t));
  }
  static renorm_status check(problem const& p, args const& a) {
    return check_options(p, {from_running(a) && !p.track_sigma, false, false}, name);
  }
  static void run(problem const& p, args const& a, call const& on) {
    op::coefficients(p, {a.gamma, a.beta}, {a.running_mean, a.running_var}, {a.mean, a.sigma, a.r, a.d}, {a.center, a.scale, a.shift},
                     a.nonfinite, on);
  }
};

struct apply {
  using args = renorm_apply_args;
  static constexpr char const* name = "renorm_apply";
  static constexpr renorm_op id = RENORM_OP_APPLY;
  static constexpr bool grouped = true;
  static options reads(problem const&) { return {}; }
  static void list(problem const& p, args const& a, arrays& v) {
    std::size_t const x = v.input("args->x", a.x, p.tensor_bytes());
    std::size_t const z = p.add ? v.input("args->z", a.z, p.tensor_bytes()) : x;
    v.input("args->mask", a.mask, mask_bytes(p));
    v.input("args->center", a.center, statistics_bytes(p));
    v.input("args->scale", a.scale, statistics_bytes(p));
    v.input("args->shift", a.shift, statistics_bytes(p));
    v.output("args->y", a.y, p.tensor_bytes(), {x, z});
  }
  static renorm_status check(problem const& p, args const& a) { return check_lengths(name, p, a.mask); }
  static std::size_t workspace(problem const& p) { return op::apply_workspace(p); }
  static footprint passes(problem const& p) { return op::apply_passes(p); }
  static void run(problem const& p, args const& a, call const& on) { op::apply(p, forward_of(p, a), {a.center, a.scale, a.shift}, on); }
};

struct backward_reduce {
  using args = renorm_backward_reduce_args;
  static constexpr char const* name = "renorm_backward_reduce";
  static constexpr renorm_op id = RENORM_OP_BACKWARD_REDUCE;
  static constexpr bool grouped = true;
  static options reads(problem const&) { return {}; }
  static void list(problem const& p, args const& a, arrays& v) {
    v.input("args->x", a.x, p.tensor_bytes());
    v.input("args->dy", a.dy, p.tensor_bytes());
    list_gate(p, a, 0, v);
    if (p.relu) v.optional_input("args->gamma", a.gamma, param_bytes(p));
    if (p.relu && p.batch_renorm) {
      v.input("args->r", a.r, statistics_bytes(p));
      v.input("args->d", a.d, statistics_bytes(p));
    }
    v.input("args->mask", a.mask, mask_bytes(p));
    v.input("args->mean", a.mean, statistics_bytes(p));
    v.input("args->sigma", a.sigma, statistics_bytes(p));
    v.output("args->sum_dy", a.sum_dy, statistics_bytes(p));
    v.output("args->sum_dy_xhat", a.sum_dy_xhat, statistics_bytes(p));
  }
  static renorm_status check(problem const& p, args const& a) { return check_lengths(name, p, a.mask); }
  static std::size_t workspace(problem const& p) { return op::backward_reduce_workspace(p); }
  static footprint passes(problem const& p) { return op::backward_reduce_passes(p); }
  static void run(problem const& p, args const& a, call const& on) {
    op::backward_reduce(p, {tensor(p, a.x), tensor(p, a.dy), tensor(p, a.z), a.mask, {}, {}}, {a.gamma, a.beta}, normalization_of(p, a),
                        {a.sum_dy, a.sum_dy_xhat}, on);
  }
};

struct backward_apply {
  using args = renorm_backward_apply_args;
  static constexpr char const* name = "renorm_backward_apply";
  static constexpr renorm_op id = RENORM_OP_BACKWARD_APPLY;
  static constexpr bool grouped = true;
  static options reads(problem const&) { return {}; }
  static void list(problem const& p, args const& a, arrays& v) {
    bool const sweeps = a.dx != nullptr;
    std::size_t const x = v.input("args->x", a.x, sweeps ? p.tensor_bytes() : 0),
                      dy = v.input("args->dy", a.dy, sweeps ? p.tensor_bytes() : 0);
    std::size_t const z = sweeps ? list_gate(p, a, dy, v) : dy;
    v.input("args->mask", a.mask, sweeps ? mask_bytes(p) : 0);
    v.input("args->mean", a.mean, sweeps ? statistics_bytes(p) : 0);
    v.input("args->sigma", a.sigma, sweeps ? statistics_bytes(p) : 0);
    v.optional_input("args->gamma", a.gamma, param_bytes(p));
    if (p.batch_renorm) {
      v.input("args->r", a.r, statistics_bytes(p));
      v.input("args->d", a.d, statistics_bytes(p));
    }
    v.optional_input("args->count", a.count, count_bytes(p));
    v.input("args->sum_dy", a.sum_dy, statistics_bytes(p));
    v.input("args->sum_dy_xhat", a.sum_dy_xhat, statistics_bytes(p));
    v.optional_output("args->dgamma", a.dgamma, param_bytes(p));
    v.optional_output("args->dbeta", a.dbeta, param_bytes(p));
    v.optional_output("args->dx", a.dx, p.tensor_bytes(), {x, dy});
    list_dz(p, a, dy, z, v);
  }
  static renorm_status check(problem const& p, args const& a) {
    if (auto s = check_dz(name, p, a.dx, a.dz)) return s;
    if (auto s = check_group_counts(name, p, a.count)) return s;
    if (a.dx == nullptr) return RENORM_OK;
    return check_lengths(name, p, a.mask);
  }
  static std::size_t workspace(problem const& p) { return op::backward_apply_workspace(p); }
  static footprint passes(problem const& p) { return op::backward_apply_passes(p); }
  static void run(problem const& p, args const& a, call const& on) {
    op::backward_apply(p, gradient_of(p, a), {a.gamma, a.beta}, normalization_of(p, a), a.count, {a.sum_dy, a.sum_dy_xhat},
                       {a.dgamma, a.dbeta}, on);
  }
};

struct fold : without_tensor_passes {
  using args = renorm_fold_args;
  static constexpr char const* name = "renorm_fold";
  static constexpr renorm_op id = RENORM_OP_FOLD;
  static constexpr bool grouped = true;
  static options reads(problem const& p) { return {!p.track_sigma, false, false}; }
  static void list(problem const& p, args const& a, arrays& v) {
    std::size_t const weights = v.input("args->weights", a.weights, a.folded_weights != nullptr ? p.tensor_bytes() : 0);
    std::size_t const bias = v.optional_input("args->bias", a.bias, param_bytes(p));
    v.optional_input("args->gamma", a.gamma, param_bytes(p));
    v.optional_input("args->beta", a.beta, param_bytes(p));
    v.input("args->running_mean", a.running_mean, running_bytes(p));
    v.input("args->running_var", a.running_var, running_bytes(p));
    v.optional_output("args->scale", a.scale, param_bytes(p));
    v.optional_output("args->folded_weights", a.folded_weights, p.tensor_bytes(), {weights, weights});
    v.optional_output("args->folded_bias", a.folded_bias, param_bytes(p), {bias, bias});
    v.optional_output("args->nonfinite", a.nonfinite, sizeof(std::int64_t));
  }
  static renorm_status check(problem const&, args const&) { return RENORM_OK; }
  static void run(problem const& p, args const& a, call const& on) {
    op::fold(p, {tensor(p, a.weights), a.bias}, {a.gamma, a.beta}, {a.running_mean, a.running_var},
             {a.scale, tensor(p, a.folded_weights), a.folded_bias}, a.nonfinite, on);
  }
};

}  // namespace
}  // namespace renorm::capi
