// What the networks of all seeds came to.
#pragma once

#include "experiment.hpp"

#include <cstdio>
#include <vector>

namespace digits {

struct series {
  arm const* of;
  std::vector<outcome> seeds;

  std::vector<point> mean_curve() const;
  double final_accuracy() const;   // the last point of the mean curve
  double final_deviation() const;  // of the seeds, 0 for one seed
  double population() const;       // mean
};

// The series of one experiment, in the order of its arms.
struct figure {
  experiment const* of;
  std::vector<series> curves;
};

void print_table(std::vector<figure> const& figures);

// A line for each point: experiment, arm, seed, step, accuracy.
void write_csv(std::FILE* file, std::vector<figure> const& figures, std::uint32_t first_seed);

}  // namespace digits
