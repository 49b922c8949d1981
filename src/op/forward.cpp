// Training forward, inference, and the parts of them that read tensors.
#include "op/moments.hpp"
#include "op/op.hpp"
#include "op/plan.hpp"
#include "op/scratch.hpp"
#include "op/sweep.hpp"

namespace renorm::op {
namespace {

template <class T> struct moments_scratch {
  renorm::order const& order;
  selection_scratch<T> selected;
  reduction_scratch<T> sums;

  moments_scratch(problem const& p, arena& memory) : order(p.order), selected(p, order, memory, true), sums(order, memory, true) {}
};

template <class T> struct train_scratch {
  renorm::order const& order;
  selection_scratch<T> selected;
  reduction_scratch<T> sums;
  caller_or_workspace<std::int64_t> count;
  caller_or_workspace<double> mean, m2, sigma, r, d;
  affine_scratch<T> affine;

  train_scratch(problem const& p, arena& memory)
      : order(p.order),
        selected(p, order, memory, true),
        sums(order, memory, true),
        count(memory, p.shape.groups),
        mean(memory, p.shape.statistics()),
        m2(memory, p.shape.statistics()),
        sigma(memory, p.shape.statistics()),
        r(memory, p.shape.statistics()),
        d(memory, p.shape.statistics()),
        affine(order, memory) {}
};

template <class T> struct inference_scratch {
  renorm::order order;
  selection_scratch<T> selected;
  double *mean, *sigma;
  affine_scratch<T> affine;

  inference_scratch(problem const& p, arena& memory)
      : order(ungrouped_order(p)),
        selected(p, order, memory),
        mean(memory.take<double>(p.shape.c)),
        sigma(memory.take<double>(p.shape.c)),
        affine(order, memory) {}
};

template <class T> struct apply_scratch {
  renorm::order const& order;
  selection_scratch<T> selected;
  affine_scratch<T> affine;

  apply_scratch(problem const& p, arena& memory) : order(p.order), selected(p, order, memory), affine(order, memory) {}
};

template <class T> moments_sums<T> sums_of(problem const& p, order const& o, call const& on, void const* x) {
  return {on.code.of<T>(), on.code.channel, o, static_cast<T const*>(x), p.eps < tiny_eps<T>};
}

// The m2 that callers get, where reductions carried another one.
template <class T> void spell_out(shape const& s, call const& on, std::int64_t const* count, double* m2) {
  if (sizeof(T) == sizeof(float)) return;
  for (std::size_t g = 0; g < s.groups; ++g) on.code.channel.spell_out_m2(s.c, static_cast<double>(count[g]), m2 + g * s.c);
}

template <class T>
affine_sweep<T> sweep_of(problem const& p, affine_scratch<T> const& t, void const* x, void const* z, void* y, call const& on) {
  epilogue<T> const e = {p.relu, p.add, p.add ? static_cast<T const*>(z) : nullptr};
  return {on.code.of<T>(), t, x, e, y, bypass(p, forward_tensors(p), on.exec.threads)};
}

template <class T> void train_as(problem const& p, renorm_train_args const& a, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  train_scratch<T> const scratch(p, memory);
  order const& o = scratch.order;
  std::int64_t* const count = scratch.count.given(a.count);
  double *const mean = scratch.mean.given(a.mean), *const m2 = scratch.m2.given(a.m2);
  corrected const saved = {scratch.sigma.given(a.sigma), scratch.r.given(a.r), scratch.d.given(a.d)};
  statistics const running = p.running_statistics(a.running_mean, a.running_var);

  selection<T> const selected(p, o, scratch.selected, a.mask, on.exec);
  selected.count_groups(count);
  auto const sums = sums_of<T>(p, o, on, a.x);
  reduction<T, moments_sums<T>> const moments(o, scratch.sums, selected, sums);
  auto const sweep = sweep_of<T>(p, scratch.affine, a.x, a.z, a.y, on);
  auto const algebra = [&](channels const& at) {
    affine_map const& map = scratch.affine.map;
    moments.combine(at, mean, m2);
    correct(p, on.code, at, count[at.group], p.f64, mean, m2, running, 0, saved);
    map_forward(p, on.code, at, mean, saved.sigma, saved.r, saved.d, a.gamma, a.beta, map);
    scratch.affine.narrow(o, on.code, at, map.center, map.scale, map.shift);
  };
  run_passes(o, sizeof(T), on.exec, moments, algebra, sweep_after{o, selected, sweep});
  affine_maps const maps = maps_of(p, p.shape.groups, scratch.affine.map);
  follow(p, on.code, count, mean, m2, &maps, {a.running_mean, a.running_var, a.num_batches}, a.nonfinite);
  spell_out<T>(p.shape, on, count, m2);
}

// Without a value all groups have the same statistics. The running ones stay.
void train_empty(problem const& p, renorm_train_args const& a, call const& on) {
  double const zero[block_channels] = {};
  double sigma[block_channels], r[block_channels], d[block_channels];
  struct {
    double* to;
    double const* values;
  } const outputs[] = {{a.mean, zero}, {a.m2, zero}, {a.sigma, sigma}, {a.r, r}, {a.d, d}};
  if (a.count != nullptr) count_positions(p, a.mask, a.count);
  report(0, a.nonfinite);
  if (a.mean == nullptr && a.m2 == nullptr && a.sigma == nullptr && a.r == nullptr && a.d == nullptr) return;
  statistics const running = p.running_statistics(a.running_mean, a.running_var);
  for (std::size_t first = 0; first < p.shape.c; first += block_channels) {
    std::size_t const count = smaller(block_channels, p.shape.c - first);
    statistics const reference = from(running, first);
    on.code.channel.correction(count, {0, 1, p.eps, false}, zero, zero, p.batch_renorm ? &reference : nullptr, {p.rmin, p.rmax, p.dmax, 0},
                               sigma, r, d);
    for (auto const& output : outputs)
      for (std::size_t g = 0; output.to != nullptr && g < p.shape.groups; ++g)
        copy(output.values, count, output.to + g * p.shape.c + first);
  }
}

template <class T> void moments_as(problem const& p, renorm_moments_args const& a, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  moments_scratch<T> const scratch(p, memory);
  order const& o = scratch.order;
  selection<T> const selected(p, o, scratch.selected, a.mask, on.exec);
  selected.count_groups(a.count);
  auto const sums = sums_of<T>(p, o, on, a.x);
  reduction<T, moments_sums<T>> const moments(o, scratch.sums, selected, sums);
  run_passes(
      o, sizeof(T), on.exec, moments, [&](channels const& at) { moments.combine(at, a.mean, a.m2); }, no_sweep());
  spell_out<T>(p.shape, on, a.count, a.m2);
}

void moments_empty(problem const& p, renorm_moments_args const& a) {
  count_positions(p, a.mask, a.count);
  clear(a.mean, p.shape.statistics());
  clear(a.m2, p.shape.statistics());
}

template <class T> void inference_as(problem const& p, renorm_inference_args const& a, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  inference_scratch<T> const scratch(p, memory);
  channels const all(scratch.order.shape, 0);
  affine_map const& map = scratch.affine.map;
  selection<T> const selected(p, scratch.order, scratch.selected, a.mask, on.exec);
  on.code.channel.deviation(p.shape.c, p.running_statistics(a.running_mean, a.running_var), scratch.mean, scratch.sigma);
  map_forward(p, on.code, all, scratch.mean, scratch.sigma, nullptr, nullptr, a.gamma, a.beta, map);
  scratch.affine.narrow(scratch.order, on.code, all, map.center, map.scale, map.shift);
  sweep_all(scratch.order, selected, on.exec, sweep_of<T>(p, scratch.affine, a.x, a.z, a.y, on));
  if (a.nonfinite != nullptr) report(on.code.channel.count_nonfinite(p.shape.c, maps_of(p, 1, map)), a.nonfinite);
}

template <class T> void apply_as(problem const& p, renorm_apply_args const& a, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  apply_scratch<T> const scratch(p, memory);
  order const& o = scratch.order;
  selection<T> const selected(p, o, scratch.selected, a.mask, on.exec);
  for_each_group(o, on.exec, [&](std::size_t g) { scratch.affine.narrow(o, on.code, {o.shape, g}, a.center, a.scale, a.shift); });
  sweep_all(o, selected, on.exec, sweep_of<T>(p, scratch.affine, a.x, a.z, a.y, on));
}

}  // namespace

void train(problem const& p, renorm_train_args const& a, call const& on) {
  if (p.shape.values() == 0) train_empty(p, a, on);
  else with_element_type(p, [&](auto zero) { train_as<decltype(zero)>(p, a, on); });
}
void moments(problem const& p, renorm_moments_args const& a, call const& on) {
  if (p.shape.values() == 0) moments_empty(p, a);
  else with_element_type(p, [&](auto zero) { moments_as<decltype(zero)>(p, a, on); });
}
void inference(problem const& p, renorm_inference_args const& a, call const& on) {
  if (p.shape.values() == 0) report(0, a.nonfinite);
  else with_element_type(p, [&](auto zero) { inference_as<decltype(zero)>(p, a, on); });
}
void apply(problem const& p, renorm_apply_args const& a, call const& on) {
  if (p.shape.values() == 0) return;
  with_element_type(p, [&](auto zero) { apply_as<decltype(zero)>(p, a, on); });
}

std::size_t train_workspace(problem const& p) { return scratch_bytes<train_scratch>(p); }
std::size_t moments_workspace(problem const& p) { return scratch_bytes<moments_scratch>(p); }
std::size_t inference_workspace(problem const& p) { return scratch_bytes<inference_scratch>(p); }
std::size_t apply_workspace(problem const& p) { return scratch_bytes<apply_scratch>(p); }

}  // namespace renorm::op
