// Stochastic gradient descent with momentum.
#pragma once

#include "matrix.hpp"

#include <utility>

namespace digits {

struct parameter {
  explicit parameter(matrix initial) : value(std::move(initial)), gradient(value.rows(), value.cols()) {
    velocity.setZero(value.rows(), value.cols());
  }

  matrix value, gradient, velocity;
};

struct sgd {
  float rate, momentum;

  void operator()(parameter& p) const {
    p.velocity = momentum * p.velocity - rate * p.gradient;
    p.value += p.velocity;
  }
};

}  // namespace digits
