// What the operations are given: arrays of a caller or of a workspace, complete and valid. What the manual lets a caller leave out is NULL.
// Statistics are arrays [groups][c], counts [groups].
#pragma once

#include "tensor/view.hpp"

#include <cstdint>

namespace renorm {

struct forward_tensors {
  view<void const> x, z;
  void const *mask;
  view<void> y;
};
struct gradient_tensors {
  view<void const> x, dy, z;
  void const *mask;
  view<void> dx, dz;
};

struct parameters {
  void const *gamma, *beta;
};
struct parameter_gradients {
  void *gamma, *beta;
};

struct running_in {
  void const *mean, *var;
};
struct running_arrays {
  void *mean, *var;  // both or neither
  std::int64_t *num_batches;

  operator running_in() const { return {mean, var}; }
};

struct batch_moments_in {
  std::int64_t const *count;
  double const *mean, *m2;
};
struct batch_moments {
  std::int64_t *count;
  double *mean, *m2;

  operator batch_moments_in() const { return {count, mean, m2}; }
};

struct corrected {
  double *sigma, *r, *d;
};

// What x is normalised with; r and d are NULL where they are 1 and 0.
struct normalization {
  double const *mean, *sigma, *r, *d;
};

struct affine_map_in {
  double const *center, *scale, *shift;
};
struct affine_map {
  double *center, *scale, *shift;

  operator affine_map_in() const { return {center, scale, shift}; }
};

struct gradient_sums_in {
  double const *dy, *dy_xhat;
};
struct gradient_sums {
  double *dy, *dy_xhat;

  operator gradient_sums_in() const { return {dy, dy_xhat}; }
};

// The layer that a batch norm is folded into.
struct layer {
  view<void const> weights;
  void const *bias;
};
struct folded_layer {
  void *scale;
  view<void> weights;
  void *bias;
};

}  // namespace renorm
