// A network of dense layers, each followed by normalization and ReLU, with one more dense layer for the classes.
#pragma once

#include "layer.hpp"
#include "matrix.hpp"
#include "sgd.hpp"

#include <random>
#include <vector>

namespace digits {

class dense {
 public:
  dense(Eigen::Index inputs, Eigen::Index outputs, std::mt19937& random);

  matrix train(matrix x);  // keeps x for backward
  matrix infer(matrix const& x) const;
  matrix backward(matrix const& dy);

  parameter weights;

 private:
  matrix x_;
};

class network {
 public:
  network(normalization const& how, std::mt19937& random);

  void set_limits(limits const& l);
  void step(sgd const& update);

  // Logits, a column for each class.
  matrix train(matrix x);
  void backward(matrix dlogits);
  matrix infer(matrix x) const;
  matrix infer_with_batch_statistics(matrix x) const;

  // Replaces moving averages by the statistics of the whole training set. Layer by layer: what a layer will see in inference comes
  // from layers that already have theirs.
  void set_population_statistics(std::vector<matrix> batches);

 private:
  struct block {
    dense before;
    layer normalize;
    matrix y;  // after ReLU
  };

  std::vector<block> blocks_;
  dense classes_;
};

// The mean of the cross entropy of softmax(logits), as its gradient.
matrix cross_entropy_gradient(matrix const& logits, std::vector<int> const& labels);

}  // namespace digits
