#include "peers/torch.hpp"

#include "measure/tensors.hpp"
#include "peers/agreement.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <malloc.h>
#include <torch/csrc/api/include/torch/version.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>
#include <tuple>

namespace bench {
namespace {

double const eps = 1e-5, momentum = 0.1, rmax = 3, dmax = 5;
std::int64_t const all_but_channels[] = {0, 2, 3};

// Freed memory stays with the process: page faults in the outputs that PyTorch allocates would otherwise be most of its time.
void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
}

at::MemoryFormat format_of(spec const& s) {
  return s.desc.layout == RENORM_NCHW ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
}

at::Tensor wrap(spec const& s, pages const& memory) {
  std::int64_t const n = s.shape.n, c = s.shape.c, h = s.shape.h, w = s.shape.w;
  auto const type = s.desc.dtype == RENORM_F32 ? at::kFloat : at::kDouble;
  if (s.desc.layout == RENORM_NCHW) return at::from_blob(memory.data(), {n, c, h, w}, type);
  return at::from_blob(memory.data(), {n, c, h, w}, {h * w * c, 1, w * c, c}, type);
}

struct layer {
  explicit layer(spec const& s)
      : data(shared_tensors(s.desc.dtype, s.shape.values())),
        format(format_of(s)),
        x(wrap(s, data->x)),
        dy(wrap(s, data->dy)),
        out(wrap(s, data->out)),
        gamma(at::ones({s.shape.c}, x.options())),
        beta(at::zeros_like(gamma)),
        running_mean(at::zeros_like(gamma)),
        running_var(at::ones_like(gamma)),
        mean(at::empty_like(gamma)),
        invstd(at::empty_like(gamma)) {}

  std::shared_ptr<tensors const> data;
  at::MemoryFormat format;
  at::Tensor x, dy, out, gamma, beta, running_mean, running_var, mean, invstd;
};

// ---------------------------------------------------------------- batch norm

// PyTorch 1.13 has the operator, but nothing behind it on CPUs.
bool can_reuse_output() {
  static bool const can =
      c10::Dispatcher::singleton().findSchemaOrThrow("aten::native_batch_norm", "out").hasKernelForDispatchKey(c10::DispatchKey::CPU);
  return can;
}

void forward(layer& l, bool training) {
  if (can_reuse_output()) {
    at::native_batch_norm_out(l.out, l.mean, l.invstd, l.x, l.gamma, l.beta, l.running_mean, l.running_var, training, momentum, eps);
    return;
  }
  l.out.reset();  // so that the allocator can hand out the same memory again
  std::tie(l.out, l.mean, l.invstd) = at::native_batch_norm(l.x, l.gamma, l.beta, l.running_mean, l.running_var, training, momentum, eps);
}

void backward(layer& l) {
  l.out.reset();
  l.out = std::get<0>(
      at::native_batch_norm_backward(l.dy, l.x, l.gamma, l.running_mean, l.running_var, l.mean, l.invstd, true, eps, {true, true, true}));
}

void batch_norm(layer& l, renorm_op what) {
  c10::InferenceMode const without_autograd;
  if (what == RENORM_OP_BACKWARD) backward(l);
  else forward(l, what == RENORM_OP_TRAIN);
}

// ---------------------------------------------------------------- batch renorm

at::Tensor per_channel(at::Tensor const& t) { return t.view({1, -1, 1, 1}); }

struct correction {
  at::Tensor r, d;
};

// From the running statistics before their update. Constants for the gradient: mean and sigma come detached.
correction correct(layer const& l, at::Tensor const& mean, at::Tensor const& sigma) {
  at::Tensor const running_sigma = (l.running_var + eps).sqrt();
  return {(sigma / running_sigma).clamp(1 / rmax, rmax), ((mean - l.running_mean) / running_sigma).clamp(-dmax, dmax)};
}

void update_running(layer& l, at::Tensor const& mean, at::Tensor const& var) {
  l.running_mean += momentum * (mean - l.running_mean);
  l.running_var += momentum * (var - l.running_var);
}

at::Tensor forward_py(layer& l) {
  at::Tensor const mean = l.x.mean(all_but_channels);
  at::Tensor const var = l.x.var(at::IntArrayRef(all_but_channels), false);
  at::Tensor const sigma = (var + eps).sqrt();
  correction const by = correct(l, mean.detach(), sigma.detach());
  at::Tensor const xhat = (l.x - per_channel(mean)) / per_channel(sigma);
  at::Tensor const y = per_channel(l.gamma) * (xhat * per_channel(by.r) + per_channel(by.d)) + per_channel(l.beta);
  update_running(l, mean.detach(), var.detach());
  return y;
}

at::Tensor forward_smart(layer& l) {
  at::Tensor const x = l.x.detach();
  auto const [var, mean] = at::var_mean(x, at::IntArrayRef(all_but_channels), false);
  correction const by = correct(l, mean, (var + eps).sqrt());
  at::Tensor const y = at::batch_norm(l.x, l.gamma * by.r, l.gamma * by.d + l.beta, {}, {}, true, momentum, eps, false);
  update_running(l, mean, var);
  return y;
}

using forward_function = at::Tensor(layer&);

void train_only(layer& l, forward_function* renormalized) {
  c10::InferenceMode const without_autograd;
  l.out.reset();
  l.out = renormalized(l);
}

void step(layer& l, forward_function* renormalized) {
  l.out.reset();
  l.out = torch::autograd::grad({renormalized(l)}, {l.x, l.gamma, l.beta}, {l.dy})[0];
}

// ---------------------------------------------------------------- calls

std::shared_ptr<layer> make_layer(spec const& s) {
  keep_freed_memory();
  at::set_num_threads(s.threads);
  return std::make_shared<layer>(s);
}

std::vector<call> checked(spec const& s, char const* who, std::shared_ptr<layer> const& l, call const& compute) {
  return {agreeing(s, who, compute, [l] {
    l->out = l->out.contiguous(l->format);
    return l->out.data_ptr();
  })};
}

std::vector<call> composed_calls(spec const& s, char const* who, forward_function* renormalized) {
  auto const l = make_layer(s);
  if (s.is(RENORM_OP_TRAIN)) return checked(s, who, l, [=] { train_only(*l, renormalized); });
  for (at::Tensor* const t : {&l->x, &l->gamma, &l->beta}) t->set_requires_grad(true);
  return checked(s, who, l, [=] { step(*l, renormalized); });
}

}  // namespace

std::string torch_version() { return "PyTorch " TORCH_VERSION; }

bool torch_has(spec const& s) { return !s.renormalizes(); }

std::vector<call> torch_calls(spec const& s) {
  auto const l = make_layer(s);
  if (s.is(RENORM_OP_BACKWARD)) batch_norm(*l, RENORM_OP_TRAIN);
  return checked(s, "torch", l, [l, what = s.op.first] { batch_norm(*l, what); });
}

bool torch_composes(spec const& s) { return s.renormalizes() && s.op.first == RENORM_OP_TRAIN; }

std::vector<call> torch_py_calls(spec const& s) { return composed_calls(s, "torch_py", forward_py); }

std::vector<call> torch_smart_calls(spec const& s) { return composed_calls(s, "torch_smart", forward_smart); }

}  // namespace bench
