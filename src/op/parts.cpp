// The parts that whole calls are made of.
#include "op/affine.hpp"
#include "op/channel.hpp"
#include "op/gradient.hpp"
#include "op/moments.hpp"
#include "op/op.hpp"
#include "pass/passes.hpp"

namespace renorm::op {
namespace {

// ---------------------------------------------------------------- parts that see no tensor

// Means become sums and meet as in a reduction.
void merge_block(call const& on, std::size_t channels, double count, double other_count, double* mean, double* m2, double const* other_mean,
                 double const* other_m2) {
  double sum[block_channels], other_sum[block_channels], other_carried[block_channels];
  on.code.channel.carry_means(channels, count, mean, m2, sum, m2);
  on.code.channel.carry_means(channels, other_count, other_mean, other_m2, other_sum, other_carried);
  on.code.channel.merge(channels, false, true, count, other_count, sum, m2, other_sum, other_carried);
  on.code.channel.means_of_sums(channels, count + other_count, sum, m2, mean);
  on.code.channel.spell_out_m2(channels, count + other_count, m2);
}

void merge_group(problem const& p, batch_moments_in const& other, batch_moments const& to, call const& on, std::size_t g) {
  std::int64_t const count = to.count[g], more = other.count[g];
  std::size_t const c = p.shape().c, at = g * c;
  if (more == 0) return;
  to.count[g] = count + more;
  if (count == 0) {
    copy(other.mean + at, c, to.mean + at);
    copy(other.m2 + at, c, to.m2 + at);
    return;
  }
  for (std::size_t first = 0; first < c; first += block_channels) {
    std::size_t const i = at + first;
    merge_block(on, smaller(block_channels, c - first), static_cast<double>(count), static_cast<double>(more), to.mean + i, to.m2 + i,
                other.mean + i, other.m2 + i);
  }
}

// ---------------------------------------------------------------- parts that read a tensor

template <class T> struct apply_scratch {
  selection_scratch<T> selected;
  affine_scratch<T> affine;

  apply_scratch(problem const& p, arena& memory) : selected(p.order, p.mask, memory), affine(p.order, memory) {}
};

template <class T> struct backward_reduce_scratch {
  gradient_inputs<T> inputs;
  reduction_scratch<T> reduced;

  backward_reduce_scratch(problem const& p, arena& memory) : inputs(p, memory), reduced(p.order, memory) {}
};

template <class T> struct backward_apply_scratch {
  gradient_inputs<T> inputs;
  gradient_scratch<T> gradient;
  std::int64_t* count;

  backward_apply_scratch(problem const& p, arena& memory)
      : inputs(p, memory), gradient(p.order, memory), count(memory.take<std::int64_t>(p.shape().groups)) {}
};

template <class T> void moments_as(problem const& p, view<void const> const& x, void const* mask, batch_moments const& to, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  moments_scratch<T> const scratch(p, memory);
  selection<T> const selected(p.order, p.mask, scratch.selected, mask, on.exec);
  selected.count_groups(to.count);
  auto const sums = moments_of<T>(p, on, x);
  reduction<T, moments_sums<T>> const moments(p.order, scratch.sums, selected, sums);
  auto const algebra = [&](channels const& at) { moments.combine(at, to.mean, to.m2); };
  run_passes(p.order, sizeof(T), on.exec, moments, algebra, no_sweep());
  spell_out<T>(p.shape(), on, to);
}

void moments_empty(problem const& p, void const* mask, batch_moments const& to) {
  count_positions(p.order, p.mask, mask, to.count);
  clear(to.mean, p.shape().statistics());
  clear(to.m2, p.shape().statistics());
}

template <class T> void apply_as(problem const& p, forward_tensors const& t, affine_map_in const& map, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  apply_scratch<T> const scratch(p, memory);
  selection<T> const selected(p.order, p.mask, scratch.selected, t.mask, on.exec);
  for_each_group(p.order, on.exec, [&](std::size_t g) { scratch.affine.narrow(p.order, on.code, {p.shape(), g}, map); });
  sweep_all(p.order, selected, on.exec, forward_sweep<T>(p, scratch.affine, t, on));
}

template <class T> void backward_reduce_as(problem const& p, gradient_tensors const& t, parameters const& params, normalization const& by,
                                           gradient_sums const& to, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  backward_reduce_scratch<T> const s(p, memory);
  selection<T> const selected(p.order, p.mask, s.inputs.selected, t.mask, on.exec);
  s.inputs.narrow(p, on, by, params);
  auto const sums = grad_sums_of<T>(p, on, s.inputs, t.x, t.dy, s.inputs.gate.epilogue(p, t.z, {}));
  reduction<T, grad_sums<T>> const reduction(p.order, s.reduced, selected, sums);
  auto const algebra = [&](channels const& at) { finish_sums(reduction, on.code, at, by, to); };
  run_passes(p.order, sizeof(T), on.exec, reduction, algebra, no_sweep());
}

template <class T> void backward_apply_as(problem const& p, gradient_tensors const& t, parameters const& params, normalization const& by,
                                          std::int64_t const* given, gradient_sums_in const& sums, call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  backward_apply_scratch<T> const s(p, memory);
  selection<T> const selected(p.order, p.mask, s.inputs.selected, t.mask, on.exec);
  std::int64_t const* const count = counts_of(given, selected, s.count);
  s.inputs.narrow(p, on, by, params);
  for_each_group(p.order, on.exec, [&](std::size_t g) {
    narrow_gradient(p, on.code, {p.shape(), g}, count, by, params.gamma, sums, s.gradient);
  });
  grad_epilogue<T> const e = s.inputs.gate.epilogue(p, t.z, t.dz);
  sweep_all(p.order, selected, on.exec, backward_sweep<T>(p, s.inputs, s.gradient, t.x, t.dy, e, t.dx, on));
}

}  // namespace

void merge(problem const& p, batch_moments_in const& other, batch_moments const& to, call const& on) {
  for (std::size_t g = 0; g < p.shape().groups; ++g) merge_group(p, other, to, on, g);
}

void update_running(problem const& p, batch_moments_in const& batch, running_arrays const& running, std::int64_t* nonfinite,
                    call const& on) {
  follow(p, on.code, batch, nullptr, running, nonfinite);
}

// Here and below the groups of no channels are not visited: there may be any number of them.
void correction(problem const& p, batch_moments_in const& batch, running_in const& running, double sigma_floor, corrected const& to,
                call const& on) {
  if (p.shape().c == 0) return;
  for (std::size_t g = 0; g < p.shape().groups; ++g) correct(p, on.code, {p.shape(), g}, batch, false, running, sigma_floor, to);
}

void coefficients(problem const& p, parameters const& params, running_in const& running, normalization const& given, affine_map const& to,
                  std::int64_t* nonfinite, call const& on) {
  shape const& s = p.shape();
  if (s.c == 0) {
    report(0, nonfinite);
    return;
  }
  normalization by = given;
  if (by.mean == nullptr) {
    // The outputs hold mean and sigma on the way: each is read before its place is written.
    for (std::size_t g = 0; g < s.groups; ++g)
      on.code.channel.deviation(s.c, p.running_statistics(running), to.center + g * s.c, to.scale + g * s.c);
    by.mean = to.center;
    by.sigma = to.scale;
  }
  for (std::size_t g = 0; g < s.groups; ++g) map_forward(p, on.code, {s, g}, by, params, to);
  if (nonfinite != nullptr) report(on.code.channel.count_nonfinite(s.c, maps_of(p, to)), nonfinite);
}

void moments(problem const& p, view<void const> const& x, void const* mask, batch_moments const& to, call const& on) {
  if (p.shape().values() == 0) moments_empty(p, mask, to);
  else with_element_type(p, [&](auto zero) { moments_as<decltype(zero)>(p, x, mask, to, on); });
}
void apply(problem const& p, forward_tensors const& t, affine_map_in const& map, call const& on) {
  if (p.shape().values() == 0) return;
  with_element_type(p, [&](auto zero) { apply_as<decltype(zero)>(p, t, map, on); });
}
void backward_reduce(problem const& p, gradient_tensors const& t, parameters const& params, normalization const& by,
                     gradient_sums const& to, call const& on) {
  if (p.shape().values() == 0) {
    clear(to.dy, p.shape().statistics());
    clear(to.dy_xhat, p.shape().statistics());
    return;
  }
  with_element_type(p, [&](auto zero) { backward_reduce_as<decltype(zero)>(p, t, params, by, to, on); });
}
void backward_apply(problem const& p, gradient_tensors const& t, parameters const& params, normalization const& by,
                    std::int64_t const* count, gradient_sums_in const& sums, parameter_gradients const& to, call const& on) {
  if (p.shape().c > 0) write_parameters(p, on.code, by, sums, to);
  if (t.dx.data == nullptr || p.shape().values() == 0) return;
  with_element_type(p, [&](auto zero) { backward_apply_as<decltype(zero)>(p, t, params, by, count, sums, on); });
}

std::size_t moments_workspace(problem const& p) { return scratch_bytes<moments_scratch>(p); }
std::size_t apply_workspace(problem const& p) { return scratch_bytes<apply_scratch>(p); }
std::size_t backward_reduce_workspace(problem const& p) { return scratch_bytes<backward_reduce_scratch>(p); }
std::size_t backward_apply_workspace(problem const& p) { return scratch_bytes<backward_apply_scratch>(p); }

footprint moments_passes(problem const&) { return {1, 0, false}; }
footprint apply_passes(problem const& p) { return {0, count_affine_tensors(p), false}; }
footprint backward_reduce_passes(problem const&) { return {2, 0, false}; }
footprint backward_apply_passes(problem const& p) { return {0, count_gradient_tensors(true, p.relu && p.add, p.add), false}; }

}  // namespace renorm::op
