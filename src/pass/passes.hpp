// What every operation on a tensor is: a reduction, the algebra of its channels, and a sweep, in the order that the caches like best.
#pragma once

#include "pass/channels.hpp"
#include "pass/parallel.hpp"
#include "pass/reduce.hpp"
#include "pass/schedule.hpp"
#include "pass/sweep.hpp"

namespace renorm {

// Reduction, algebra and sweep of an operation as its schedule has it. Groups without a sample have algebra alone.
template <class Reduce, class Algebra, class Sweep> void run_passes(order const& o, std::size_t element_size, executor const& lent,
                                                                    Reduce const& reduce, Algebra const& algebra, Sweep const& sweep) {
  executor const e = lent.for_bytes(o.shape.values() * element_size);
  schedule const cuts = make_schedule(o, {element_size, Reduce::inputs, sweep.streams()}, e.threads);
  auto const for_all_pieces = [&](auto const& f, auto const& publish) {
    parallel(
        e, cuts.portions(), [&](std::size_t i) { for_each_piece(o, cuts.at(o, i), f); }, publish);
  };
  auto const publish = [&] { sweep.publish(); };
  if (cuts.fused) {
    auto const all_passes = [&](piece const& q) {
      reduce(q);
      algebra(channels(o.shape, q.group.index, q.channel, q.channels));
      sweep(q);
    };
    for_all_pieces(all_passes, publish);
    for (std::size_t g = o.groups_with_samples(); g < o.shape.groups; ++g) algebra(channels(o.shape, g));
    return;
  }
  for_all_pieces(reduce, [] {});
  for_each_group(o, lent, [&](std::size_t g) { algebra(channels(o.shape, g)); });
  if constexpr (Sweep::writes) for_all_pieces(sweep, publish);
}

// f(group) for all groups: a loop over statistics.
template <class F> void for_each_group(order const& o, executor const& lent, F const& f) {
  parallel(lent.for_bytes(o.shape.statistics() * sizeof(double)), o.shape.groups, f);
}

// A Sweep as run_passes takes it: what has been reduced.
template <class T, class Sweep> struct sweep_after {
  static constexpr bool writes = true;
  order const& o;
  selection<T> const& selected;
  Sweep const& sweep;

  void operator()(piece const& q) const { sweep_piece(o, selected, q, sweep); }
  bool streams() const { return sweep.streams(); }
  void publish() const { sweep.publish(); }
};
template <class T, class Sweep> sweep_after(order const&, selection<T> const&, Sweep const&) -> sweep_after<T, Sweep>;

struct no_sweep {
  static constexpr bool writes = false;

  void operator()(piece const&) const {}
  bool streams() const { return false; }
  void publish() const {}
};

}  // namespace renorm
