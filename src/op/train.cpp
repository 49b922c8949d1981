// Training forward: moments, the correction, the map of both, its sweep, and the running statistics.
#include "op/affine.hpp"
#include "op/channel.hpp"
#include "op/moments.hpp"
#include "op/op.hpp"
#include "pass/passes.hpp"

namespace renorm::op {
namespace {

template <class T> struct train_scratch {
  moments_scratch<T> moments;
  caller_or_workspace<std::int64_t> count;
  caller_or_workspace<double> mean, m2, sigma, r, d;
  affine_scratch<T> affine;

  train_scratch(problem const& p, arena& memory)
      : moments(p, memory),
        count(memory, p.shape().groups),
        mean(memory, p.shape().statistics()),
        m2(memory, p.shape().statistics()),
        sigma(memory, p.shape().statistics()),
        r(memory, p.shape().statistics()),
        d(memory, p.shape().statistics()),
        affine(p.order, memory) {}
};

template <class T> void train_as(problem const& p, forward_tensors const& t, parameters const& params, running_arrays const& running,
                                 batch_moments const& batch_given, corrected const& corrected_given, std::int64_t* nonfinite,
                                 call const& on) {
  arena memory(on.workspace, on.workspace_bytes);
  train_scratch<T> const scratch(p, memory);
  order const& o = p.order;
  batch_moments const batch = {scratch.count.given(batch_given.count), scratch.mean.given(batch_given.mean),
                               scratch.m2.given(batch_given.m2)};
  corrected const saved = {scratch.sigma.given(corrected_given.sigma), scratch.r.given(corrected_given.r),
                           scratch.d.given(corrected_given.d)};

  selection<T> const selected(o, p.mask, scratch.moments.selected, t.mask, on.exec);
  selected.count_groups(batch.count);
  auto const sums = moments_of<T>(p, on, t.x);
  reduction<T, moments_sums<T>> const moments(o, scratch.moments.sums, selected, sums);
  auto const sweep = forward_sweep<T>(p, scratch.affine, t, on);
  auto const algebra = [&](channels const& at) {
    moments.combine(at, batch.mean, batch.m2);
    correct(p, on.code, at, batch, p.f64, running, 0, saved);
    map_forward(p, on.code, at, {batch.mean, saved.sigma, saved.r, saved.d}, params, scratch.affine.map);
    scratch.affine.narrow(o, on.code, at, scratch.affine.map);
  };
  run_passes(o, sizeof(T), on.exec, moments, algebra, sweep_after{o, selected, sweep});
  affine_maps const maps = maps_of(p, scratch.affine.map);
  follow(p, on.code, batch, &maps, running, nonfinite);
  spell_out<T>(p.shape(), on, batch);
}

// Without a value all groups have the same statistics. The running ones stay.
void train_empty(problem const& p, void const* mask, running_in const& running, batch_moments const& batch, corrected const& saved,
                 std::int64_t* nonfinite, call const& on) {
  double const zero[block_channels] = {};
  double sigma[block_channels], r[block_channels], d[block_channels];
  struct {
    double* to;
    double const* values;
  } const outputs[] = {{batch.mean, zero}, {batch.m2, zero}, {saved.sigma, sigma}, {saved.r, r}, {saved.d, d}};
  if (batch.count != nullptr) count_positions(p.order, p.mask, mask, batch.count);
  report(0, nonfinite);
  if (batch.mean == nullptr && batch.m2 == nullptr && saved.sigma == nullptr && saved.r == nullptr && saved.d == nullptr) return;
  for (std::size_t first = 0; first < p.shape().c; first += block_channels) {
    std::size_t const count = smaller(block_channels, p.shape().c - first);
    statistics const reference = from(p.running_statistics(running), first);
    on.code.channel.correction(count, {0, 1, p.eps, false}, zero, zero, p.batch_renorm ? &reference : nullptr, {p.rmin, p.rmax, p.dmax, 0},
                               sigma, r, d);
    for (auto const& output : outputs)
      for (std::size_t g = 0; output.to != nullptr && g < p.shape().groups; ++g)
        copy(output.values, count, output.to + g * p.shape().c + first);
  }
}

}  // namespace

void train(problem const& p, forward_tensors const& t, parameters const& params, running_arrays const& running, batch_moments const& batch,
           corrected const& saved, std::int64_t* nonfinite, call const& on) {
  if (p.shape().values() == 0) train_empty(p, t.mask, running, batch, saved, nonfinite, on);
  else with_element_type(p, [&](auto zero) { train_as<decltype(zero)>(p, t, params, running, batch, saved, nonfinite, on); });
}

std::size_t train_workspace(problem const& p) { return scratch_bytes<train_scratch>(p); }
footprint train_passes(problem const& p) { return {1, count_affine_tensors(p), true}; }

}  // namespace renorm::op
