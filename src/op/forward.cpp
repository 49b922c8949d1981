// Training forward, inference, and the parts of them that read tensors.
#include "op/op.hpp"
#include "op/reduce.hpp"
#include "op/scratch.hpp"
#include "op/sweep.hpp"

#include <atomic>

namespace renorm::op {
namespace {

template <class T> struct moments_scratch {
  renorm::order order;
  reduction_scratch<T> sums;

  moments_scratch(problem const& p, arena& memory) : order(make_order(p.shape, lanes<T>)), sums(order, memory) {}
};

template <class T> struct train_scratch {
  renorm::order order;
  reduction_scratch<T> sums;
  double *mean, *m2;
  corrected statistics;
  affine_scratch<T> affine;

  train_scratch(problem const& p, arena& memory)
      : order(make_order(p.shape, lanes<T>)),
        sums(order, memory),
        mean(memory.take<double>(p.shape.c)),
        m2(memory.take<double>(p.shape.c)),
        statistics{memory.take<double>(p.shape.c), memory.take<double>(p.shape.c), memory.take<double>(p.shape.c)},
        affine(order, memory) {}
};

template <class T> struct inference_scratch {
  renorm::order order;
  double *mean, *sigma;
  affine_scratch<T> affine;

  inference_scratch(problem const& p, arena& memory)
      : order(make_order(p.shape, lanes<T>)),
        mean(memory.take<double>(p.shape.c)),
        sigma(memory.take<double>(p.shape.c)),
        affine(order, memory) {}
};

template <class T> struct apply_scratch {
  renorm::order order;
  affine_scratch<T> affine;

  apply_scratch(problem const& p, arena& memory) : order(make_order(p.shape, lanes<T>)), affine(order, memory) {}
};

template <class T> moments_sums<T> sums_of(order const& o, call const& on, void const* x) {
  return {on.code.of<T>(), on.code.channel, o, static_cast<T const*>(x)};
}

bool bypass(problem const& p, call const& on) { return output_bypasses_cache(2 * p.tensor_bytes(), on.exec.threads); }

template <class T> void train_as(problem const& p, renorm_train_args const& a, call const& on) {
  arena memory(on.workspace);
  train_scratch<T> const scratch(p, memory);
  order const& o = scratch.order;
  double* const mean = given_or(a.mean, scratch.mean);
  corrected const saved = {given_or(a.sigma, scratch.statistics.sigma), given_or(a.r, scratch.statistics.r),
                           given_or(a.d, scratch.statistics.d)};
  statistics const running = p.running_statistics(a.running_mean, a.running_var);
  bool const empty = p.shape.values() == 0, update = !empty && !p.keep_running && a.running_mean != nullptr;
  double const weight = update ? batch_weight(p, a.num_batches) : 0;
  std::atomic<std::int64_t> nonfinite{0};

  auto const sums = sums_of<T>(o, on, a.x);
  reduction<T, moments_sums<T>> const moments(o, scratch.sums, sums);
  auto const algebra = [&](std::size_t first, std::size_t count) {
    channels const at = {first, count};
    affine_map const& map = scratch.affine.map;
    if (!empty) moments.combine(first, count, mean + first, scratch.m2 + first);
    correct(p, on.code, at, p.count(), mean, scratch.m2, running, 0, saved);
    map_forward(p, on.code, at, mean, saved.sigma, saved.r, saved.d, a.gamma, a.beta, map);
    scratch.affine.narrow(o, on.code, at, map.center, map.scale, map.shift);
    nonfinite +=
        follow(p, on.code, at, p.count(), weight, mean, scratch.m2, update ? a.running_mean : nullptr, update ? a.running_var : nullptr);
  };
  if (empty) {
    clear(mean, p.shape.c);
    clear(scratch.m2, p.shape.c);
    algebra(0, p.shape.c);
  } else {
    affine_sweep<T> const sweep(on.code.of<T>(), scratch.affine, a.x, a.y, bypass(p, on));
    run_passes(
        make_schedule(o, sizeof(T), on.exec.threads), on.exec, [&](portion const& q) { moments.reduce(q); }, algebra,
        [&](portion const& q) { sweep_portion(o, q, sweep); });
  }
  if (update && a.num_batches != nullptr) ++*a.num_batches;
  if (a.count != nullptr) *a.count = p.count();
  if (a.nonfinite != nullptr) *a.nonfinite = nonfinite;
}

template <class T> void moments_as(problem const& p, renorm_moments_args const& a, call const& on) {
  *a.count = p.count();
  if (p.shape.values() == 0) {
    clear(a.mean, p.shape.c);
    clear(a.m2, p.shape.c);
    return;
  }
  arena memory(on.workspace);
  moments_scratch<T> const scratch(p, memory);
  auto const sums = sums_of<T>(scratch.order, on, a.x);
  reduction<T, moments_sums<T>> const moments(scratch.order, scratch.sums, sums);
  run_passes(
      make_schedule(scratch.order, sizeof(T), on.exec.threads), on.exec, [&](portion const& q) { moments.reduce(q); },
      [&](std::size_t first, std::size_t count) { moments.combine(first, count, a.mean + first, a.m2 + first); }, [](portion const&) {});
}

template <class T> void sweep_affine(problem const& p, order const& o, affine_scratch<T> const& t, void const* x, void* y, call const& on) {
  sweep_all(o, sizeof(T), on.exec, affine_sweep<T>(on.code.of<T>(), t, x, y, bypass(p, on)));
}

template <class T> void inference_as(problem const& p, renorm_inference_args const& a, call const& on) {
  if (p.shape.values() == 0) return;
  arena memory(on.workspace);
  inference_scratch<T> const scratch(p, memory);
  channels const all = {0, p.shape.c};
  affine_map const& map = scratch.affine.map;
  on.code.channel.deviation(p.shape.c, p.running_statistics(a.running_mean, a.running_var), scratch.mean, scratch.sigma);
  map_forward(p, on.code, all, scratch.mean, scratch.sigma, nullptr, nullptr, a.gamma, a.beta, map);
  scratch.affine.narrow(scratch.order, on.code, all, map.center, map.scale, map.shift);
  sweep_affine(p, scratch.order, scratch.affine, a.x, a.y, on);
}

template <class T> void apply_as(problem const& p, renorm_apply_args const& a, call const& on) {
  if (p.shape.values() == 0) return;
  arena memory(on.workspace);
  apply_scratch<T> const scratch(p, memory);
  scratch.affine.narrow(scratch.order, on.code, {0, p.shape.c}, a.center, a.scale, a.shift);
  sweep_affine(p, scratch.order, scratch.affine, a.x, a.y, on);
}

}  // namespace

void train(problem const& p, renorm_train_args const& a, call const& on) {
  with_element_type(p, [&](auto zero) { train_as<decltype(zero)>(p, a, on); });
}
void moments(problem const& p, renorm_moments_args const& a, call const& on) {
  with_element_type(p, [&](auto zero) { moments_as<decltype(zero)>(p, a, on); });
}
void inference(problem const& p, renorm_inference_args const& a, call const& on) {
  with_element_type(p, [&](auto zero) { inference_as<decltype(zero)>(p, a, on); });
}
void apply(problem const& p, renorm_apply_args const& a, call const& on) {
  with_element_type(p, [&](auto zero) { apply_as<decltype(zero)>(p, a, on); });
}

std::size_t train_workspace(problem const& p) { return scratch_bytes<train_scratch>(p); }
std::size_t moments_workspace(problem const& p) { return scratch_bytes<moments_scratch>(p); }
std::size_t inference_workspace(problem const& p) { return scratch_bytes<inference_scratch>(p); }
std::size_t apply_workspace(problem const& p) { return scratch_bytes<apply_scratch>(p); }

}  // namespace renorm::op
