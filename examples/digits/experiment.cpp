#include "experiment.hpp"

#include "check.hpp"
#include "network.hpp"

#include <algorithm>

namespace digits {
namespace {

Eigen::Index const batch_size = 32;
long const points_of_curve = 40;
sgd const update = {0.12f, 0.9f};

// The paper's schedule, for a run of another length than its 130 thousand steps.
limits limits_at(long step, long steps) {
  renorm_ramp ramp = {};
  ramp.struct_size = sizeof ramp;
  ramp.warm = steps * 5 / 130;
  ramp.rmax_end = steps * 40 / 130;
  ramp.dmax_end = steps * 25 / 130;
  ramp.rmax_final = 3;
  ramp.dmax_final = 5;
  limits l;
  check(renorm_ramp_at(&ramp, step, &l.rmax, &l.dmax));
  return l;
}

Eigen::Index hits(matrix const& logits, std::vector<int> const& labels) {
  Eigen::Index right = 0;
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    Eigen::Index best;
    logits.row(i).maxCoeff(&best);
    right += best == labels[static_cast<std::size_t>(i)];
  }
  return right;
}

double percent(Eigen::Index part, Eigen::Index whole) { return 100 * static_cast<double>(part) / static_cast<double>(whole); }

double accuracy(network const& net, examples const& e) { return percent(hits(net.infer(e.images), e.labels), e.size()); }

// Of as many images as e has, in batches like those of training.
double accuracy_by_batch_statistics(network const& net, examples const& e, drawing batches, std::uint32_t seed) {
  sampler draw(e, batches, seed);
  Eigen::Index right = 0, seen = 0;
  for (; seen < e.size(); seen += batch_size) {
    examples const batch = draw(batch_size);
    right += hits(net.infer_with_batch_statistics(batch.images), batch.labels);
  }
  return percent(right, seen);
}

}  // namespace

std::vector<experiment> const& experiments() {
  std::uint32_t const norm = RENORM_FLAG_UNBIASED_RUNNING, renorm = norm | RENORM_FLAG_BATCH_RENORM;
  normalization const batch_norm = {norm, 1, RENORM_GROUPS_CONTIGUOUS}, batch_renorm = {renorm, 1, RENORM_GROUPS_CONTIGUOUS};
  normalization const micro_norm = {norm, 8, RENORM_GROUPS_CONTIGUOUS}, micro_renorm = {renorm, 8, RENORM_GROUPS_CONTIGUOUS};
  normalization const half_norm = {norm, 2, RENORM_GROUPS_INTERLEAVED};  // of each pair of images, one goes into each half
  drawing const iid = drawing::independent, two = drawing::two_classes;
  judge const moving = judge::by_moving_averages, batch = judge::by_batch_statistics;
  static std::vector<experiment> const all = {
      {"i.i.d. batches of 32", {{"batch norm", batch_norm, iid, moving, 78.3}, {"batch renorm", batch_renorm, iid, moving, 78.5}}},
      {"microbatches of 4", {{"batch norm", micro_norm, iid, moving, 74.2}, {"batch renorm", micro_renorm, iid, moving, 76.5}}},
      {"batches of 32 from two classes",
       {{"batch norm", batch_norm, two, moving, 67.0},
        {"batch norm, evaluated by batch statistics", batch_norm, two, batch, 76.5},
        {"batch norm on half-minibatches", half_norm, two, moving, 77.4},
        {"batch renorm", batch_renorm, two, moving, 78.5}}}};
  return all;
}

outcome run(arm const& a, data_sets const& data, long steps, std::uint32_t seed, observer const& see) {
  std::mt19937 random(seed);
  network net(a.how, random);
  sampler draw(data.training, a.batches, seed);
  auto const judged = [&] {
    return a.judged == judge::by_moving_averages ? accuracy(net, data.validation)
                                                 : accuracy_by_batch_statistics(net, data.validation, a.batches, seed);
  };
  outcome result = {};
  long const interval = std::max(1l, steps / points_of_curve);
  for (long step = 0; step < steps; ++step) {
    net.set_limits(limits_at(step, steps));
    examples const batch = draw(batch_size);
    net.backward(cross_entropy_gradient(net.train(batch.images), batch.labels));
    net.step(update);
    if ((step + 1) % interval == 0 || step + 1 == steps) {
      result.curve.push_back({step + 1, judged()});
      see(result.curve.back());
    }
  }
  net.set_population_statistics(batches_of(data.training.images, batch_size));
  result.population = accuracy(net, data.validation);
  return result;
}

}  // namespace digits
