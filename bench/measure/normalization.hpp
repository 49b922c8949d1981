// A normalization layer on top of the C ABI, the way a framework would wrap it: parameters, running and saved statistics.
#pragma once

#include "measure/require.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

template <class T> struct normalization {
  using parameter = std::vector<T>;
  using statistic = std::vector<double>;

  explicit normalization(renorm_desc const& what) : desc(what) {}

  // z: what the epilogue adds, if it does.
  void train(T const* x, T* y, renorm_exec const* exec, T const* z = nullptr) {
    renorm_train_args args = {};
    args.struct_size = sizeof args;
    args.x = x;
    args.gamma = gamma.data();
    args.beta = beta.data();
    args.running_mean = running_mean.data();
    args.running_var = running_var.data();
    args.y = y;
    args.mean = mean.data();
    args.sigma = sigma.data();
    args.r = r.data();
    args.d = d.data();
    args.count = &count;
    args.z = z;
    require(renorm_train(&desc, &args, exec));
  }

  void inference(T const* x, T* y, renorm_exec const* exec) const {
    renorm_inference_args args = {};
    args.struct_size = sizeof args;
    args.x = x;
    args.gamma = gamma.data();
    args.beta = beta.data();
    args.running_mean = running_mean.data();
    args.running_var = running_var.data();
    args.y = y;
    require(renorm_inference(&desc, &args, exec));
  }

  // Of the last train.
  void backward(T const* x, T const* dy, T* dx, renorm_exec const* exec) {
    renorm_backward_args args = {};
    args.struct_size = sizeof args;
    args.x = x;
    args.dy = dy;
    args.gamma = gamma.data();
    args.beta = beta.data();
    args.mean = mean.data();
    args.sigma = sigma.data();
    args.r = r.data();
    args.d = d.data();
    args.count = &count;
    args.dx = dx;
    args.dgamma = dgamma.data();
    args.dbeta = dbeta.data();
    require(renorm_backward(&desc, &args, exec));
  }

  renorm_desc desc;
  std::size_t channels = static_cast<std::size_t>(desc.c);
  parameter gamma = parameter(channels, T(1)), beta = parameter(channels, T(0));
  parameter running_mean = parameter(channels, T(0)), running_var = parameter(channels, T(1));
  parameter dgamma = parameter(channels), dbeta = parameter(channels);
  statistic mean = statistic(channels), sigma = statistic(channels), r = statistic(channels), d = statistic(channels);
  std::int64_t count = 0;
};

}  // namespace bench
