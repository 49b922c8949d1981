// A normalization layer for 8x8 images.
#pragma once

#include "measure/normalization.hpp"

namespace demo {

using tensor = std::vector<float>;

// How the 64 pixels of an image are split into channels and positions. The same memory is rows as channels in NCHW, and columns as
// channels in NHWC.
struct view {
  char const* name;
  renorm_layout layout;
  std::size_t channels, positions;

  std::size_t channel_of(std::size_t i) const { return layout == RENORM_NCHW ? i / positions % channels : i % channels; }
};

struct layer : bench::normalization<float> {
  // flags are RENORM_FLAG_*. gamma and beta get a different value for each channel.
  layer(view const& v, std::uint32_t flags, double rmax, double dmax);

  tensor train(tensor const& x);
  tensor inference(tensor const& x);
  tensor backward(tensor const& x, tensor const& dy);

  view images;

 private:
  void run(renorm_op op, tensor const& x, bench::layer_tensors const& tensors);
};

}  // namespace demo
