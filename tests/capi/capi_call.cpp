#include "capi/capi_call.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <random>

namespace capi {
namespace {

unsigned char const canary = 0xA5;
std::size_t const margin = 128;  // more than the largest array of the small call, so that an array moved onto another meets no third

#define OPERATION(id, function, ...)                                                             \
  operation {                                                                                    \
#function, id, sizeof(renorm_##function##_args),                                               \
            [](renorm_desc const* d, void const* a, renorm_exec const* e) {                                \
              return renorm_##function(d, static_cast<renorm_##function##_args const*>(a), e);             \
            },                                                                                             \
            [] {                                                                                           \
              using args = renorm_##function##_args;                                                       \
              return std::vector<field>{__VA_ARGS__};                                                      \
            }() \
  }
#define FIELD(name, size, how, when) \
  field { #name, offsetof(args, name), extent::size, use::how, need::when }

std::vector<operation> list_operations() {
  return {
      OPERATION(RENORM_OP_TRAIN, train, FIELD(x, tensor, input, always), FIELD(gamma, parameter, input, optional),
                FIELD(beta, parameter, input, optional), FIELD(running_mean, running, updated, always),
                FIELD(running_var, running, updated, always), FIELD(num_batches, one, updated, optional), FIELD(y, tensor, output, always),
                FIELD(mean, channels, output, optional), FIELD(sigma, channels, output, optional), FIELD(r, channels, output, optional),
                FIELD(d, channels, output, optional), FIELD(count, counts, output, optional), FIELD(nonfinite, one, output, optional),
                FIELD(m2, channels, output, optional), FIELD(mask, mask, input, masked), FIELD(z, tensor, input, fused)),
      OPERATION(RENORM_OP_INFERENCE, inference, FIELD(x, tensor, input, always), FIELD(gamma, parameter, input, optional),
                FIELD(beta, parameter, input, optional), FIELD(running_mean, running, input, always),
                FIELD(running_var, running, input, always), FIELD(y, tensor, output, always), FIELD(mask, mask, input, masked),
                FIELD(z, tensor, input, fused), FIELD(nonfinite, one, output, optional)),
      OPERATION(RENORM_OP_BACKWARD, backward, FIELD(x, tensor, input, always), FIELD(dy, tensor, input, always),
                FIELD(gamma, parameter, input, optional), FIELD(mean, channels, input, always), FIELD(sigma, channels, input, always),
                FIELD(r, channels, input, renorm), FIELD(d, channels, input, renorm), FIELD(count, counts, input, optional),
                FIELD(dx, tensor, output, optional), FIELD(dgamma, parameter, output, optional), FIELD(dbeta, parameter, output, optional),
                FIELD(mask, mask, input, masked), FIELD(beta, parameter, input, maybe_fused), FIELD(z, tensor, input, fused),
                FIELD(dz, tensor, output, maybe_fused)),
      OPERATION(RENORM_OP_INFERENCE_BACKWARD, inference_backward, FIELD(x, tensor, input, always), FIELD(dy, tensor, input, always),
                FIELD(gamma, parameter, input, optional), FIELD(running_mean, running, input, always),
                FIELD(running_var, running, input, always), FIELD(dx, tensor, output, optional), FIELD(dgamma, parameter, output, optional),
                FIELD(dbeta, parameter, output, optional), FIELD(mask, mask, input, masked), FIELD(beta, parameter, input, maybe_fused),
                FIELD(z, tensor, input, fused), FIELD(dz, tensor, output, maybe_fused)),
      OPERATION(RENORM_OP_MOMENTS, moments, FIELD(x, tensor, input, always), FIELD(count, counts, output, always),
                FIELD(mean, channels, output, always), FIELD(m2, channels, output, always), FIELD(mask, mask, input, masked)),
      OPERATION(RENORM_OP_MERGE, merge, FIELD(count, counts, updated, always), FIELD(mean, channels, updated, always),
                FIELD(m2, channels, updated, always), FIELD(other_count, counts, input, always), FIELD(other_mean, channels, input, always),
                FIELD(other_m2, channels, input, always)),
      OPERATION(RENORM_OP_UPDATE_RUNNING, update_running, FIELD(count, counts, input, always), FIELD(mean, channels, input, always),
                FIELD(m2, channels, input, always), FIELD(running_mean, running, updated, always),
                FIELD(running_var, running, updated, always), FIELD(num_batches, one, updated, optional),
                FIELD(nonfinite, one, output, optional)),
      OPERATION(RENORM_OP_CORRECTION, correction, FIELD(count, counts, input, always), FIELD(mean, channels, input, always),
                FIELD(m2, channels, input, always), FIELD(running_mean, running, input, renorm), FIELD(running_var, running, input, renorm),
                FIELD(sigma, channels, output, always), FIELD(r, channels, output, optional), FIELD(d, channels, output, optional)),
      OPERATION(RENORM_OP_COEFFICIENTS, coefficients, FIELD(mean, channels, input, always), FIELD(sigma, channels, input, always),
                FIELD(r, channels, input, optional), FIELD(d, channels, input, optional), FIELD(running_mean, running, input, optional),
                FIELD(running_var, running, input, optional), FIELD(gamma, parameter, input, optional),
                FIELD(beta, parameter, input, optional), FIELD(center, channels, output, always), FIELD(scale, channels, output, always),
                FIELD(shift, channels, output, always), FIELD(nonfinite, one, output, optional)),
      OPERATION(RENORM_OP_APPLY, apply, FIELD(x, tensor, input, always), FIELD(center, channels, input, always),
                FIELD(scale, channels, input, always), FIELD(shift, channels, input, always), FIELD(y, tensor, output, always),
                FIELD(mask, mask, input, masked), FIELD(z, tensor, input, fused)),
      OPERATION(RENORM_OP_BACKWARD_REDUCE, backward_reduce, FIELD(x, tensor, input, always), FIELD(dy, tensor, input, always),
                FIELD(mean, channels, input, always), FIELD(sigma, channels, input, always), FIELD(sum_dy, channels, output, always),
                FIELD(sum_dy_xhat, channels, output, always), FIELD(mask, mask, input, masked), FIELD(gamma, parameter, input, maybe_fused),
                FIELD(beta, parameter, input, maybe_fused), FIELD(r, channels, input, fused), FIELD(d, channels, input, fused),
                FIELD(z, tensor, input, fused)),
      OPERATION(RENORM_OP_BACKWARD_APPLY, backward_apply, FIELD(x, tensor, input, always), FIELD(dy, tensor, input, always),
                FIELD(gamma, parameter, input, optional), FIELD(mean, channels, input, always), FIELD(sigma, channels, input, always),
                FIELD(r, channels, input, renorm), FIELD(d, channels, input, renorm), FIELD(count, counts, input, optional),
                FIELD(sum_dy, channels, input, always), FIELD(sum_dy_xhat, channels, input, always), FIELD(dx, tensor, output, optional),
                FIELD(dgamma, parameter, output, optional), FIELD(dbeta, parameter, output, optional), FIELD(mask, mask, input, masked),
                FIELD(beta, parameter, input, maybe_fused), FIELD(z, tensor, input, fused), FIELD(dz, tensor, output, maybe_fused)),
      OPERATION(RENORM_OP_FOLD, fold, FIELD(gamma, parameter, input, optional), FIELD(beta, parameter, input, optional),
                FIELD(running_mean, running, input, always), FIELD(running_var, running, input, always),
                FIELD(weights, tensor, input, always), FIELD(bias, parameter, input, optional), FIELD(scale, parameter, output, optional),
                FIELD(folded_weights, tensor, output, optional), FIELD(folded_bias, parameter, output, optional),
                FIELD(nonfinite, one, output, optional)),
  };
}

#undef FIELD
#undef OPERATION

template <class T> bytes as_bytes(T const& value) {
  bytes b(sizeof(T));
  std::memcpy(b.data(), &value, sizeof(T));
  return b;
}

std::uint32_t seed_of(std::string const& name) {
  std::uint32_t seed = 1;
  for (char const letter : name) seed = seed * 31 + static_cast<unsigned char>(letter);
  return seed;
}

renorm_dtype or_default(renorm_dtype chosen, renorm_dtype fallback) { return chosen == 0 ? fallback : chosen; }

std::size_t size_of(renorm_dtype dtype) { return dtype == RENORM_F64 ? sizeof(double) : sizeof(float); }

}  // namespace

std::vector<operation> const& operations() {
  static std::vector<operation> const list = list_operations();
  return list;
}

operation const& find_operation(renorm_op id) {
  for (operation const& op : operations())
    if (op.id == id) return op;
  assert(false);
  return operations().front();
}

field const& operation::find(std::string const& field_name) const {
  for (field const& f : fields)
    if (field_name == f.name) return f;
  assert(false);
  return fields.front();
}

bool operation::has(std::string const& field_name) const {
  return std::any_of(fields.begin(), fields.end(), [&](field const& f) { return field_name == f.name; });
}

bool operation::reads_z(renorm_epilogue epilogue) const {
  return has("z") && (epilogue == RENORM_EPILOGUE_ADD_RELU || (epilogue == RENORM_EPILOGUE_ADD && has("y")));
}

bool may_be_the_same(std::string const& output, std::string const& input) {
  if (output == "y") return input == "x" || input == "z";
  if (output == "dx") return input == "x" || input == "dy";
  if (output == "dz") return input == "dy" || input == "z";
  return output == "folded_" + input;
}

std::size_t element_size(extent size, renorm_desc const& desc) {
  switch (size) {
    case extent::tensor:
      return size_of(desc.dtype);
    case extent::parameter:
      return size_of(or_default(desc.param_dtype, desc.dtype));
    case extent::running:
      return size_of(or_default(desc.stats_dtype, desc.dtype));
    case extent::channels:
      return sizeof(double);
    case extent::mask:
      return desc.mask_kind == RENORM_MASK_LENGTHS ? sizeof(int64_t) : 1;
    case extent::counts:
    case extent::one:
      break;
  }
  return sizeof(int64_t);
}

std::size_t element_count(extent size, renorm_desc const& desc) {
  std::size_t const c = static_cast<std::size_t>(desc.c), positions = static_cast<std::size_t>(desc.n * desc.s);
  std::size_t const groups = desc.groups > 1 ? static_cast<std::size_t>(desc.groups) : 1;
  switch (size) {
    case extent::one:
      return 1;
    case extent::counts:
      return groups;
    case extent::mask:
      return desc.mask_kind == RENORM_MASK_LENGTHS ? static_cast<std::size_t>(desc.n) : desc.mask_kind == RENORM_MASK_BYTES ? positions : 0;
    case extent::tensor:
      return positions * c;
    case extent::channels:
      return groups * c;
    default:
      return c;
  }
}

renorm_desc small_desc() {
  renorm_desc desc;
  renorm_desc_init(&desc, sizeof desc);
  desc.flags = RENORM_FLAG_BATCH_RENORM;
  desc.n = 2;
  desc.c = 3;
  desc.s = 4;
  return desc;
}

renorm_desc full_desc() {
  renorm_desc desc = small_desc();
  desc.groups = 2;
  desc.group_order = RENORM_GROUPS_INTERLEAVED;
  desc.mask_kind = RENORM_MASK_BYTES;
  desc.epilogue = RENORM_EPILOGUE_ADD_RELU;
  return desc;
}

std::vector<renorm_desc> every_layout_and_dtype(std::vector<extents> const& shapes) {
  std::vector<renorm_desc> all;
  for (renorm_desc desc : {small_desc(), full_desc()})
    for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC})
      for (renorm_dtype const dtype : {RENORM_F32, RENORM_F64})
        for (extents const& e : shapes) {
          desc.layout = layout;
          desc.dtype = dtype;
          desc.n = e.n;
          desc.c = e.c;
          desc.s = e.s;
          all.push_back(desc);
        }
  return all;
}

std::string describe(operation const& op, renorm_desc const& d) {
  return std::string(op.name) + (d.layout == RENORM_NCHW ? " nchw " : " nhwc ") + (d.dtype == RENORM_F32 ? "f32 " : "f64 ") +
         std::to_string(d.n) + "x" + std::to_string(d.c) + "x" + std::to_string(d.s) + (d.groups > 1 ? " groups" : "");
}

call::call(operation const& operation, renorm_desc const& desc) : op(operation), made_for(desc) {
  renorm_exec exec = {};
  exec.struct_size = sizeof exec;
  parts = {as_bytes(desc), bytes(op.args_size, 0), as_bytes(exec)};
  set_struct_size(args_part, static_cast<std::uint32_t>(op.args_size));

  std::size_t workspace_bytes = 0;
  renorm_workspace_size(&desc, op.id, &workspace_bytes);

  std::vector<std::size_t> offsets;
  std::size_t end = margin;
  for (field const& f : op.fields) {
    offsets.push_back(end);
    end += (element_count(f.size, desc) * element_size(f.size, desc) + margin + 7) / 8 * 8;
  }
  memory.assign(end + workspace_bytes + margin, canary);
  for (std::size_t i = 0; i < op.fields.size(); ++i) {
    need const when = op.fields[i].when;
    if (when == need::masked && desc.mask_kind == RENORM_MASK_NONE) continue;
    if ((when == need::fused || when == need::maybe_fused) && desc.epilogue != RENORM_EPILOGUE_ADD_RELU) continue;
    point(op.fields[i].name, memory.data() + offsets[i]);
    if (op.fields[i].how != use::output) fill(op.fields[i]);
  }
  arrays_end = static_cast<std::ptrdiff_t>(end);
  this->exec().workspace = memory.data() + end;
  this->exec().workspace_bytes = workspace_bytes;
}

// Values that suit every array: tensors in [-2, 2); everything else, variances and deviations among it, in [0.5, 1.5);
// counts, num_batches too, are n*s. Of each sample the last position is masked.
void call::fill(field const& f) {
  if (f.integers()) {
    std::fill_n(&integer(f.name), length(f.name), made_for.n * made_for.s);
    return;
  }
  if (f.size == extent::mask) {
    auto* const mask = static_cast<unsigned char*>(pointer(f.name));
    for (std::size_t i = 0; i < length(f.name); ++i) mask[i] = (i + 1) % static_cast<std::size_t>(made_for.s) != 0 ? 0xff : 0;
    return;
  }
  std::mt19937 random(seed_of(f.name));
  void* const array = pointer(f.name);
  bool const narrow = element_size(f.size, made_for) == sizeof(float);
  std::size_t const count = length(f.name);
  for (std::size_t i = 0; i < count; ++i) {
    double const unit = (random() >> 8) / 16777216.0, value = f.size == extent::tensor ? 4 * unit - 2 : 0.5 + unit;
    if (narrow) static_cast<float*>(array)[i] = static_cast<float>(value);
    else static_cast<double*>(array)[i] = value;
  }
}

std::size_t call::length(std::string const& name) const { return element_count(op.find(name).size, made_for); }

std::size_t call::size_in_bytes(std::string const& name) const { return length(name) * element_size(op.find(name).size, made_for); }

void call::set_struct_size(part p, std::uint32_t size) { std::memcpy(parts[p].data(), &size, sizeof size); }

void* call::pointer(std::string const& name) const {
  void* target;
  std::memcpy(&target, parts[args_part].data() + op.find(name).offset, sizeof target);
  return target;
}

void call::point(std::string const& name, void const* target) {
  std::memcpy(parts[args_part].data() + op.find(name).offset, &target, sizeof target);
}

double call::value(std::string const& name, std::size_t i) const {
  if (element_size(op.find(name).size, made_for) == sizeof(float)) return static_cast<float const*>(pointer(name))[i];
  return static_cast<double const*>(pointer(name))[i];
}

void call::set_value(std::string const& name, std::size_t i, double v) {
  if (element_size(op.find(name).size, made_for) == sizeof(float)) static_cast<float*>(pointer(name))[i] = static_cast<float>(v);
  else static_cast<double*>(pointer(name))[i] = v;
}

std::size_t call::index(int64_t sample, int64_t channel, int64_t position) const {
  int64_t const i = made_for.layout == RENORM_NHWC ? (sample * made_for.s + position) * made_for.c + channel
                                                   : (sample * made_for.c + channel) * made_for.s + position;
  return static_cast<std::size_t>(i);
}

renorm_status call::run() const {
  auto const passed = [&](part p) -> void const* { return parts[p].empty() ? nullptr : parts[p].data(); };
  return op.run(static_cast<renorm_desc const*>(passed(desc_part)), passed(args_part), static_cast<renorm_exec const*>(passed(exec_part)));
}

results call::outputs() const {
  results all;
  for (field const& f : op.fields)
    if (auto const* data = static_cast<unsigned char const*>(pointer(f.name)); f.written() && data != nullptr)
      all[f.name] = bytes(data, data + size_in_bytes(f.name));
  return all;
}

std::string last_error() {
  std::string text(renorm_last_error(nullptr, 0), '\0');
  renorm_last_error(text.data(), text.size() + 1);
  return text;
}

}  // namespace capi
