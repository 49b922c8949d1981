// What is measured: an operation on a shape, and how its name is written.
#pragma once

#include "measure/shape.hpp"

#include <renorm/renorm.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

// A call of the library, or two, one after the other; and what the name says of the descriptor.
struct op {
  char const* name;
  renorm_op first, second = 0;
  std::uint32_t flags = 0;
  renorm_epilogue epilogue = RENORM_EPILOGUE_NONE;
};

inline constexpr op ops[] = {{"train", RENORM_OP_TRAIN},
                             {"renorm_train", RENORM_OP_TRAIN, 0, RENORM_FLAG_BATCH_RENORM},
                             {"inference", RENORM_OP_INFERENCE},
                             {"backward", RENORM_OP_BACKWARD},
                             {"renorm_backward", RENORM_OP_BACKWARD, 0, RENORM_FLAG_BATCH_RENORM},
                             {"renorm_step", RENORM_OP_TRAIN, RENORM_OP_BACKWARD, RENORM_FLAG_BATCH_RENORM},
                             {"moments", RENORM_OP_MOMENTS},
                             {"train_relu", RENORM_OP_TRAIN, 0, 0, RENORM_EPILOGUE_RELU},
                             {"train_add_relu", RENORM_OP_TRAIN, 0, 0, RENORM_EPILOGUE_ADD_RELU},
                             {"inference_relu", RENORM_OP_INFERENCE, 0, 0, RENORM_EPILOGUE_RELU},
                             {"backward_relu", RENORM_OP_BACKWARD, 0, 0, RENORM_EPILOGUE_RELU}};

template <class Value> struct named {
  char const* name;
  Value value;
};

inline constexpr named<renorm_layout> layouts[] = {{"nchw", RENORM_NCHW}, {"nhwc", RENORM_NHWC}};
inline constexpr named<renorm_dtype> dtypes[] = {{"f32", RENORM_F32}, {"f64", RENORM_F64}};
inline constexpr named<renorm_mask_kind> masks[] = {
    {"none", RENORM_MASK_NONE}, {"bytes", RENORM_MASK_BYTES}, {"lengths", RENORM_MASK_LENGTHS}};

template <class Value, std::size_t count> char const* name_of(named<Value> const (&list)[count], Value value) {
  for (auto const& entry : list)
    if (entry.value == value) return entry.name;
  return "?";
}

// That of the name, or NULL.
template <class Entry, std::size_t count> Entry const* find(Entry const (&list)[count], std::string const& name) {
  for (Entry const& entry : list)
    if (name == entry.name) return &entry;
  return nullptr;
}

struct spec {
  spec(bench::op const& o, renorm_layout layout, renorm_dtype dtype, bench::shape const& s, int thread_count);

  bench::op op;
  bench::shape shape;
  int threads;
  renorm_desc desc;

  bool is(renorm_op call) const { return op.first == call && op.second == 0; }
  bool renormalizes() const { return (desc.flags & RENORM_FLAG_BATCH_RENORM) != 0; }
  bool adds() const { return desc.epilogue == RENORM_EPILOGUE_ADD || desc.epilogue == RENORM_EPILOGUE_ADD_RELU; }
  static bool reads_dy(renorm_op call);
  bool reads_z(renorm_op call) const;
  bool writes_dz(renorm_op call) const;
  spec plain() const;  // without its epilogue

  // Whether the descriptor has more than the name of the operation says.
  bool has_options() const { return !options().empty(); }
  std::string options() const;  // /<option>... as renorm_explain spells them

  std::size_t tensor_bytes() const { return shape.values() * (desc.dtype == RENORM_F32 ? sizeof(float) : sizeof(double)); }

  // Compulsory traffic: every tensor of a call once.
  std::size_t bytes() const;
};

// What the library says of its first call, and the call alone, which that begins with.
std::string explained(spec const& s);
std::string spelled(spec const& s);

std::string name_of(spec const& s);  // <op>/<layout>/<dtype>/<NxCxHxW>/t<threads>[/<option>...]

}  // namespace bench
