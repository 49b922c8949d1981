// The experiments of S. Ioffe, "Batch Renormalization" (2017), section 4, in small: which networks are trained, how, and how well they do.
#pragma once

#include "batches.hpp"
#include "layer.hpp"

#include <functional>
#include <vector>

namespace digits {

enum class judge { by_moving_averages, by_batch_statistics };

// One curve of a figure.
struct arm {
  char const* name;
  normalization how;
  drawing batches;
  judge judged;
  double paper;  // final accuracy there, percent: Inception v3 on ImageNet
};

struct experiment {
  char const* name;
  std::vector<arm> arms;
};

std::vector<experiment> const& experiments();

struct point {
  long step;
  double accuracy;  // on the validation set, percent
};

struct outcome {
  std::vector<point> curve;
  double population;  // final accuracy with the statistics of the training set instead of moving averages
};

using observer = std::function<void(point const&)>;

// Trains a network for so many steps, and shows each point of the curve as it is reached.
outcome run(arm const& a, data_sets const& data, long steps, std::uint32_t seed, observer const& see);

}  // namespace digits
