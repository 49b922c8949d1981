#include "layer.hpp"

namespace demo {
namespace {

renorm_desc describe(view const& v, std::uint32_t flags, double rmax, double dmax) {
  renorm_desc desc;
  bench::require(renorm_desc_init(&desc, sizeof desc));
  desc.flags = flags;
  desc.layout = v.layout;
  desc.c = static_cast<std::int64_t>(v.channels);
  desc.s = static_cast<std::int64_t>(v.positions);
  desc.rmax = rmax;
  desc.dmax = dmax;
  return desc;
}

}  // namespace

layer::layer(view const& v, std::uint32_t flags, double rmax, double dmax) : normalization(describe(v, flags, rmax, dmax)), images(v) {
  for (std::size_t c = 0; c < v.channels; ++c) {
    float const place = static_cast<float>(c) / static_cast<float>(v.channels);
    gamma[c] = 0.5f + place;
    beta[c] = place - 0.5f;
  }
}

void layer::run(renorm_op op, tensor const& x, bench::layer_tensors const& tensors) {
  desc.n = static_cast<std::int64_t>(x.size() / (images.channels * images.positions));
  normalization::run(op, tensors, nullptr);
}

tensor layer::train(tensor const& x) {
  tensor y(x.size());
  run(RENORM_OP_TRAIN, x, {x.data(), nullptr, y.data()});
  return y;
}

tensor layer::inference(tensor const& x) {
  tensor y(x.size());
  run(RENORM_OP_INFERENCE, x, {x.data(), nullptr, y.data()});
  return y;
}

tensor layer::backward(tensor const& x, tensor const& dy) {
  tensor dx(x.size());
  run(RENORM_OP_BACKWARD, x, {x.data(), dy.data(), nullptr, dx.data()});
  return dx;
}

}  // namespace demo
