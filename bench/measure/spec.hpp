// What is measured: an operation on a shape, and how its name is written.
#pragma once

#include <renorm/renorm.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

enum class op {
  train,
  renorm_train,
  inference,
  backward,
  renorm_backward,
  renorm_step,  // renorm_train, then renorm_backward
  train_relu,
  train_add_relu,
  inference_relu,
  backward_relu
};

template <class Value> struct named {
  char const* name;
  Value value;
};

inline constexpr named<op> ops[] = {{"train", op::train},
                                    {"renorm_train", op::renorm_train},
                                    {"inference", op::inference},
                                    {"backward", op::backward},
                                    {"renorm_backward", op::renorm_backward},
                                    {"renorm_step", op::renorm_step},
                                    {"train_relu", op::train_relu},
                                    {"train_add_relu", op::train_add_relu},
                                    {"inference_relu", op::inference_relu},
                                    {"backward_relu", op::backward_relu}};
inline constexpr named<renorm_layout> layouts[] = {{"nchw", RENORM_NCHW}, {"nhwc", RENORM_NHWC}};
inline constexpr named<renorm_dtype> dtypes[] = {{"f32", RENORM_F32}, {"f64", RENORM_F64}};

template <class Value, std::size_t count> char const* name_of(named<Value> const (&list)[count], Value value) {
  for (auto const& entry : list)
    if (entry.value == value) return entry.name;
  return "?";
}

// An operation as a plain one and what is fused to it.
struct fusion {
  op plain;
  renorm_epilogue epilogue;
};

fusion fusion_of(op what);

struct shape {
  char const* group;
  std::int64_t n, c, h, w;

  std::size_t values() const { return static_cast<std::size_t>(n * c * h * w); }
};

std::vector<shape> const& shapes();
std::string name_of(shape const& s);  // NxCxHxW

struct spec {
  bench::op op;
  renorm_layout layout;
  renorm_dtype dtype;
  bench::shape shape;
  int threads;

  bool renormalizes() const { return op == op::renorm_train || op == op::renorm_backward || op == op::renorm_step; }
  bool is_backward() const { return plain().op == op::backward || op == op::renorm_backward; }
  renorm_epilogue epilogue() const { return fusion_of(op).epilogue; }
  spec plain() const { return {fusion_of(op).plain, layout, dtype, shape, threads}; }
  std::size_t tensor_bytes() const { return shape.values() * (dtype == RENORM_F32 ? sizeof(float) : sizeof(double)); }

  // Compulsory traffic: every tensor of the operation once. x and y, and z where it is added, or x, dy and dx, or both for a step.
  std::size_t bytes() const { return tensor_bytes() * (op == op::renorm_step ? 5 : is_backward() || op == op::train_add_relu ? 3 : 2); }
};

std::string name_of(spec const& s);  // <op>/<layout>/<dtype>/<NxCxHxW>/t<threads>

}  // namespace bench
