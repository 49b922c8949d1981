// A normalization layer on the C ABI: batch norm or batch renorm after a dense layer, with the state that training needs. gamma is 1,
// as in the paper: after ReLU the next dense layer can scale as well.
#pragma once

#include "matrix.hpp"
#include "sgd.hpp"

#include <renorm/renorm.h>

#include <vector>

namespace digits {

// How to normalize in training.
struct normalization {
  std::uint32_t flags;  // RENORM_FLAG_*
  std::int64_t groups;  // a batch is normalized in so many parts, the paper's microbatches
  std::int32_t group_order;
};

// The limits of r and d: 1 and 0 make batch norm of batch renorm.
struct limits {
  double rmax = 1, dmax = 0;
};

class layer {
 public:
  layer(Eigen::Index channels, normalization const& how);

  void set_limits(limits const& l);

  // Forward in training. Takes x, which backward needs again.
  matrix train(matrix x);

  // From the gradient of what train returned last, that of what it took, and that of beta.
  matrix backward(matrix dy);

  // Forward with the running statistics, and with those of the batch, which leave no trace.
  matrix infer(matrix x) const;
  matrix infer_with_batch_statistics(matrix x) const;

  // Replaces the running statistics by those of all values in the batches.
  void set_statistics(std::vector<matrix> const& batches);

  parameter beta;

 private:
  renorm_desc describe(matrix const& x) const;
  renorm_desc describe_training(matrix const& x) const;

  renorm_desc desc_;
  normalization how_;
  matrix x_;
  std::vector<double> running_mean_, running_var_;
  std::vector<double> mean_, sigma_, r_, d_;  // [groups][channels]: from train to backward
  std::vector<std::int64_t> count_;           // [groups]
};

}  // namespace digits
