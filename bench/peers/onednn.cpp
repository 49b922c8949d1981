#include "peers/onednn.hpp"

#include "measure/tensors.hpp"
#include "peers/agreement.hpp"

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <omp.h>

namespace bench {
namespace {

using forward = dnnl::batch_normalization_forward;
using backward = dnnl::batch_normalization_backward;
using dnnl::memory;
using dnnl::normalization_flags;
using dnnl::prop_kind;

float const eps = 1e-5f;
normalization_flags const affine = normalization_flags::use_scale | normalization_flags::use_shift;

using format = memory::format_tag;

// The layout; with one position a sample, blocks of 16 channels are the same memory, and ten times as fast in oneDNN 2.6.
std::vector<format> formats_of(spec const& s) {
  std::vector<format> formats = {s.desc.layout == RENORM_NCHW ? format::nchw : format::nhwc};
  if (s.shape.h * s.shape.w == 1 && s.shape.c % 16 == 0) formats.push_back(format::nChw16c);
  return formats;
}

memory::desc describe(spec const& s, format how) { return {{s.shape.n, s.shape.c, s.shape.h, s.shape.w}, memory::data_type::f32, how}; }

#if DNNL_VERSION_MAJOR >= 3
forward::primitive_desc forward_of(dnnl::engine const& engine, prop_kind kind, memory::desc const& tensor, normalization_flags flags) {
  return {engine, kind, tensor, tensor, eps, flags};
}

backward::primitive_desc backward_of(dnnl::engine const& engine, memory::desc const& tensor, forward::primitive_desc const& hint) {
  return {engine, prop_kind::backward, tensor, tensor, tensor, eps, affine, hint};
}
#else
forward::primitive_desc forward_of(dnnl::engine const& engine, prop_kind kind, memory::desc const& tensor, normalization_flags flags) {
  return {forward::desc(kind, tensor, eps, flags), engine};
}

backward::primitive_desc backward_of(dnnl::engine const& engine, memory::desc const& tensor, forward::primitive_desc const& hint) {
  return {backward::desc(prop_kind::backward, tensor, tensor, eps, affine), engine, hint};
}
#endif

// A primitive with its arguments. The C call takes them as they are; that of the C++ interface would copy them each time.
class execution {
 public:
  execution(dnnl::primitive made, dnnl::stream stream) : primitive_(std::move(made)), stream_(std::move(stream)) {}

  void give(int role, memory const& what) { arguments_.push_back({role, what.get()}); }

  void operator()() {
    dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data()),
                            "execute");
    stream_.wait();
  }

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

class layer {
 public:
  layer(spec const& s, format how)
      : data_(shared_tensors(s.desc.dtype, s.shape.values())),
        tensor_(describe(s, how)),
        channels_({s.shape.c}, memory::data_type::f32, format::x),
        count_(static_cast<std::size_t>(s.shape.c)) {}

  execution train() { return forward_pass(prop_kind::forward_training, affine); }
  execution inference() { return forward_pass(prop_kind::forward_inference, affine | normalization_flags::use_global_stats); }

  execution backward_of_train() {
    train()();
    execution pass(backward(backward_of(engine_, tensor_, forward_of(engine_, prop_kind::forward_training, tensor_, affine))), stream_);
    pass.give(DNNL_ARG_SRC, x_);
    pass.give(DNNL_ARG_DIFF_DST, dy_);
    pass.give(DNNL_ARG_DIFF_SRC, out_);
    pass.give(DNNL_ARG_MEAN, mean_);
    pass.give(DNNL_ARG_VARIANCE, var_);
    pass.give(DNNL_ARG_SCALE, gamma_);
    pass.give(DNNL_ARG_SHIFT, beta_);
    pass.give(DNNL_ARG_DIFF_SCALE, dgamma_);
    pass.give(DNNL_ARG_DIFF_SHIFT, dbeta_);
    return pass;
  }

 private:
  execution forward_pass(prop_kind kind, normalization_flags flags) {
    execution pass(forward(forward_of(engine_, kind, tensor_, flags)), stream_);
    pass.give(DNNL_ARG_SRC, x_);
    pass.give(DNNL_ARG_DST, out_);
    pass.give(DNNL_ARG_MEAN, mean_);
    pass.give(DNNL_ARG_VARIANCE, var_);
    pass.give(DNNL_ARG_SCALE, gamma_);
    pass.give(DNNL_ARG_SHIFT, beta_);
    return pass;
  }

  memory tensor(pages const& where) { return {tensor_, engine_, where.data()}; }
  memory channels(std::vector<float>& where) { return {channels_, engine_, where.data()}; }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::shared_ptr<tensors const> data_;
  memory::desc tensor_, channels_;
  std::size_t count_;
  std::vector<float> zeros_ = std::vector<float>(count_, 0.0f), ones_ = std::vector<float>(count_, 1.0f);
  std::vector<float> mean_values_ = zeros_, var_values_ = ones_, dgamma_values_ = zeros_, dbeta_values_ = zeros_;
  memory x_ = tensor(data_->x), dy_ = tensor(data_->dy), out_ = tensor(data_->out);
  memory gamma_ = channels(ones_), beta_ = channels(zeros_), mean_ = channels(mean_values_), var_ = channels(var_values_);
  memory dgamma_ = channels(dgamma_values_), dbeta_ = channels(dbeta_values_);
};

execution execution_of(layer& made, renorm_op what) {
  if (what == RENORM_OP_TRAIN) return made.train();
  if (what == RENORM_OP_INFERENCE) return made.inference();
  return made.backward_of_train();
}

call call_of(spec const& s, format how) {
  auto const made = std::make_shared<layer>(s, how);
  auto const pass = std::make_shared<execution>(execution_of(*made, s.op.first));
  auto const data = shared_tensors(s.desc.dtype, s.shape.values());
  return agreeing(
      s, "onednn", [made, pass] { (*pass)(); }, [data] { return data->out.data(); });
}

}  // namespace

std::string onednn_version() {
  dnnl_version_t const* const v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + '.' + std::to_string(v->minor) + '.' + std::to_string(v->patch);
}

bool onednn_has(spec const& s) { return s.desc.dtype == RENORM_F32 && !s.renormalizes(); }

std::vector<call> onednn_calls(spec const& s) {
  omp_set_num_threads(s.threads);  // before primitives are made: they divide their work by it
  std::vector<call> calls;
  for (format const how : formats_of(s)) calls.push_back(call_of(s, how));
  return calls;
}

}  // namespace bench
