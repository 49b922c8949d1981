#include "checks.hpp"

#include "data/digits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace demo {
namespace {

double const u = 0x1p-24;  // the largest relative error of one rounding to float
double const unlimited = std::numeric_limits<double>::infinity();
std::size_t const images_per_batch = 128;

// The largest of some errors, in parts of what is allowed. NaN is worse than any.
class largest_error {
 public:
  void see(double error, double allowed) {
    if (error <= parts_ * allowed) return;
    double const parts = error / allowed;
    parts_ = std::isnan(parts) ? unlimited : parts;
  }

  double parts() const { return parts_; }

 private:
  double parts_ = 0;
};

tensor slice(tensor const& x, std::size_t first, std::size_t count) {
  auto const begin = x.begin() + static_cast<std::ptrdiff_t>(first);
  return tensor(begin, begin + static_cast<std::ptrdiff_t>(std::min(count, x.size() - first)));
}

template <class F> std::vector<double> per_channel_mean(view const& v, std::size_t values, F const& value) {
  std::vector<double> sum(v.channels, 0.);
  for (std::size_t i = 0; i < values; ++i) sum[v.channel_of(i)] += value(i);
  for (double& s : sum) s *= static_cast<double>(v.channels) / static_cast<double>(values);
  return sum;
}

std::vector<double> mean_of(view const& v, tensor const& t) {
  return per_channel_mean(v, t.size(), [&](std::size_t i) { return t[i]; });
}

template <class F> std::vector<double> per_channel_max(view const& v, std::size_t values, F const& value) {
  std::vector<double> largest(v.channels, 0.);
  for (std::size_t i = 0; i < values; ++i) {
    double& so_far = largest[v.channel_of(i)];
    so_far = std::max<double>(so_far, std::fabs(value(i)));
  }
  return largest;
}

// The largest terms that meet in y = scale*(x - center) + shift, shift = gamma*d + beta. Each of scale, x - center, shift and y is
// rounded once: an output is wrong by at most 4u of this. The sums behind the statistics are exact, since pixels are small whole
// numbers. With the running mean as center, x - center grows by what gamma*d stands for here, and shift shrinks by it.
std::vector<double> forward_scale(layer const& l, tensor const& x) {
  std::vector<double> size = per_channel_max(l.images, x.size(), [&](std::size_t i) { return x[i]; });
  for (std::size_t c = 0; c < size.size(); ++c) {
    double const scale = l.gamma[c] * l.r[c] / l.sigma[c];
    size[c] = scale * (size[c] + std::fabs(l.mean[c])) + l.gamma[c] * std::fabs(l.d[c]) + std::fabs(l.beta[c]);
  }
  return size;
}

// Batch renorm without limits is inference with the running statistics from before the step: two forward passes, 4u each.
finding renorm_is_inference(view const& v, tensor const& images) {
  largest_error largest;
  layer l(v, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA, unlimited, unlimited);
  for (std::size_t first = 0; first < images.size(); first += images_per_batch * data::pixels_per_image) {
    tensor const x = slice(images, first, images_per_batch * data::pixels_per_image);
    tensor const expected = l.inference(x), y = l.train(x);
    std::vector<double> const scale = forward_scale(l, x);
    for (std::size_t i = 0; i < x.size(); ++i) largest.see(std::fabs(y[i] - expected[i]), 8 * u * scale[v.channel_of(i)]);
  }
  return {"unlimited batch renorm is inference by earlier statistics", largest.parts()};
}

finding output_has_mean_beta(layer const& l, tensor const& x, tensor const& y) {
  largest_error largest;
  std::vector<double> const scale = forward_scale(l, x), mean = mean_of(l.images, y);
  for (std::size_t c = 0; c < mean.size(); ++c) largest.see(std::fabs(mean[c] - l.beta[c]), 4 * u * scale[c]);
  return {"batch norm: channels come out with mean beta", largest.parts()};
}

// eps keeps the deviation a little under gamma; a channel without variance comes out as beta alone.
finding output_has_deviation_gamma(layer const& l, tensor const& x, tensor const& y) {
  largest_error largest;
  view const& v = l.images;
  std::vector<double> const scale = forward_scale(l, x), mean = mean_of(v, y);
  std::vector<double> const var = per_channel_mean(v, y.size(), [&](std::size_t i) {
    double const e = y[i] - mean[v.channel_of(i)];
    return e * e;
  });
  for (std::size_t c = 0; c < var.size(); ++c) {
    double const below = std::sqrt(std::max(0., 1 - l.desc.eps / (l.sigma[c] * l.sigma[c])));
    largest.see(std::fabs(std::sqrt(var[c]) - l.gamma[c] * below), 4 * u * scale[c]);
  }
  return {"batch norm: channels come out with deviation gamma", largest.parts()};
}

// The largest terms that meet in dx = scale*((dy - S1/m) - xhat*S2/m): |S1/m| and |S2/m| are at most max|dy|.
std::vector<double> gradient_scale(layer const& l, tensor const& x, tensor const& dy) {
  view const& v = l.images;
  std::vector<double> size = per_channel_max(v, dy.size(), [&](std::size_t i) { return dy[i]; });
  std::vector<double> const xhat = per_channel_max(v, x.size(), [&](std::size_t i) {
    std::size_t const c = v.channel_of(i);
    return (x[i] - l.mean[c]) / l.sigma[c];
  });
  for (std::size_t c = 0; c < v.channels; ++c) size[c] *= l.gamma[c] * l.r[c] / l.sigma[c] * (2 + xhat[c]);
  return size;
}

// A constant added to a channel changes no output, so the gradient sums to 0. A lane of the sums S1, S2 takes at most 128 roundings;
// the sweep takes 8.
finding gradient_sums_to_zero(layer const& l, tensor const& x, tensor const& dy, tensor const& dx) {
  largest_error largest;
  std::vector<double> const scale = gradient_scale(l, x, dy), mean = mean_of(l.images, dx);
  for (std::size_t c = 0; c < mean.size(); ++c) largest.see(std::fabs(mean[c]), (128 + 8) * u * scale[c]);
  return {"batch norm: the gradient of each channel sums to 0", largest.parts()};
}

// r is a constant to the gradient: batch renorm's is r times batch norm's, the sums behind both being the same. 8 roundings each.
finding renorm_gradient_is_scaled(layer const& l, tensor const& x, tensor const& dy, tensor const& dx, tensor const& batch_norm_dx) {
  largest_error largest;
  std::vector<double> const scale = gradient_scale(l, x, dy);
  for (std::size_t i = 0; i < dx.size(); ++i) {
    std::size_t const channel = l.images.channel_of(i);
    largest.see(std::fabs(dx[i] - l.r[channel] * batch_norm_dx[i]), 16 * u * scale[channel]);
  }
  return {"batch renorm: the gradient is r times that of batch norm", largest.parts()};
}

// Gradient of the loss sum(max(0, y)^2)/2. A loss without a bend would not do: the gradient of one that is quadratic in y vanishes.
tensor loss_gradient(tensor const& y) {
  tensor dy(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) dy[i] = std::max(0.f, y[i]);
  return dy;
}

}  // namespace

std::vector<finding> check_view(view const& v, tensor const& images) {
  layer batch_norm(v, 0, 1, 0), batch_renorm(v, RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA, 3, 5);
  tensor const y = batch_norm.train(images), dy = loss_gradient(y), dx = batch_norm.backward(images, dy);
  batch_renorm.train(images);
  tensor const renorm_dx = batch_renorm.backward(images, dy);

  return {renorm_is_inference(v, images), output_has_mean_beta(batch_norm, images, y), output_has_deviation_gamma(batch_norm, images, y),
          gradient_sums_to_zero(batch_norm, images, dy, dx), renorm_gradient_is_scaled(batch_renorm, images, dy, renorm_dx, dx)};
}

}  // namespace demo
