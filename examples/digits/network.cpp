#include "network.hpp"

#include "data/digits.hpp"

#include <cmath>

namespace digits {
namespace {

int const normalized_layers = 4;
Eigen::Index const width = 64;

// Gaussian, of the variance that keeps that of activations after ReLU.
matrix random_weights(Eigen::Index inputs, Eigen::Index outputs, std::mt19937& random) {
  std::normal_distribution<float> draw(0, std::sqrt(2 / static_cast<float>(inputs)));
  return matrix::NullaryExpr(inputs, outputs, [&] { return draw(random); });
}

matrix relu(matrix const& y) { return y.cwiseMax(0); }

}  // namespace

dense::dense(Eigen::Index inputs, Eigen::Index outputs, std::mt19937& random) : weights(random_weights(inputs, outputs, random)) {}

matrix dense::train(matrix x) {
  x_ = std::move(x);
  return infer(x_);
}

matrix dense::infer(matrix const& x) const { return x * weights.value; }

matrix dense::backward(matrix const& dy) {
  weights.gradient.noalias() = x_.transpose() * dy;
  return dy * weights.value.transpose();
}

network::network(normalization const& how, std::mt19937& random) : classes_(width, data::classes, random) {
  for (int i = 0; i < normalized_layers; ++i) {
    Eigen::Index const inputs = i == 0 ? static_cast<Eigen::Index>(data::pixels_per_image) : width;
    blocks_.push_back({dense(inputs, width, random), layer(width, how), {}});
  }
}

void network::set_limits(limits const& l) {
  for (block& b : blocks_) b.normalize.set_limits(l);
}

void network::step(sgd const& update) {
  for (block& b : blocks_) {
    update(b.before.weights);
    update(b.normalize.beta);
  }
  update(classes_.weights);
}

matrix network::train(matrix x) {
  for (block& b : blocks_) x = b.y = relu(b.normalize.train(b.before.train(std::move(x))));
  return classes_.train(std::move(x));
}

void network::backward(matrix dlogits) {
  matrix dy = classes_.backward(dlogits);
  for (auto b = blocks_.rbegin(); b != blocks_.rend(); ++b) {
    dy.array() *= (b->y.array() > 0).cast<float>();
    dy = b->before.backward(b->normalize.backward(std::move(dy)));
  }
}

matrix network::infer(matrix x) const {
  for (block const& b : blocks_) x = relu(b.normalize.infer(b.before.infer(x)));
  return classes_.infer(x);
}

matrix network::infer_with_batch_statistics(matrix x) const {
  for (block const& b : blocks_) x = relu(b.normalize.infer_with_batch_statistics(b.before.infer(x)));
  return classes_.infer(x);
}

void network::set_population_statistics(std::vector<matrix> batches) {
  for (block& b : blocks_) {
    for (matrix& x : batches) x = b.before.infer(x);
    b.normalize.set_statistics(batches);
    for (matrix& x : batches) x = relu(b.normalize.infer(std::move(x)));
  }
}

matrix cross_entropy_gradient(matrix const& logits, std::vector<int> const& labels) {
  matrix p = (logits.colwise() - logits.rowwise().maxCoeff()).array().exp();
  p = p.array().colwise() / p.rowwise().sum().array();
  for (Eigen::Index i = 0; i < p.rows(); ++i) p(i, labels[static_cast<std::size_t>(i)]) -= 1;
  return p / static_cast<float>(p.rows());
}

}  // namespace digits
