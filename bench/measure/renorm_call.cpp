#include "measure/renorm_call.hpp"

#include "measure/normalization.hpp"
#include "measure/tensors.hpp"
#include "measure/threads.hpp"

#include <algorithm>
#include <memory>

namespace bench {
namespace {

renorm_desc describe(spec const& s) {
  renorm_desc desc;
  require(renorm_desc_init(&desc, sizeof desc));
  if (s.renormalizes()) desc.flags |= RENORM_FLAG_BATCH_RENORM;
  desc.layout = s.layout;
  desc.dtype = s.dtype;
  desc.epilogue = s.epilogue();
  desc.n = s.shape.n;
  desc.c = s.shape.c;
  desc.s = s.shape.h * s.shape.w;
  return desc;
}

std::size_t workspace_bytes(renorm_desc const& desc) {
  std::size_t largest = 0;
  for (renorm_op const op : {RENORM_OP_TRAIN, RENORM_OP_INFERENCE, RENORM_OP_BACKWARD}) {
    std::size_t bytes = 0;
    require(renorm_workspace_size(&desc, op, &bytes));
    largest = std::max(largest, bytes);
  }
  return largest;
}

template <class T> class workload {
 public:
  explicit workload(spec const& s)
      : layer_(describe(s)),
        exec_(make_exec(s.threads)),
        workspace_(workspace_bytes(layer_.desc)),
        y_of_step_(s.op == op::renorm_step ? s.tensor_bytes() : 0),
        data_(shared_tensors(s.dtype, s.shape.values())) {
    exec_.workspace = workspace_.data();
    exec_.workspace_bytes = workspace_.bytes();
  }

  void train() { layer_.train(x_, out_, &exec_, z_); }
  void inference() { layer_.inference(x_, out_, &exec_); }
  void backward() { layer_.backward(x_, dy_, out_, &exec_); }
  void step() {
    layer_.train(x_, static_cast<T*>(y_of_step_.data()), &exec_);
    backward();
  }

 private:
  normalization<T> layer_;
  renorm_exec exec_;
  pages workspace_, y_of_step_;
  std::shared_ptr<tensors const> data_;
  T const* x_ = static_cast<T const*>(data_->x.data());
  T const* dy_ = static_cast<T const*>(data_->dy.data());
  T const* z_ = static_cast<T const*>(data_->z().data());
  T* out_ = static_cast<T*>(data_->out.data());
};

template <class T> call call_of(spec const& s) {
  auto const made = std::make_shared<workload<T>>(s);
  if (s.plain().op == op::inference) return [=] { made->inference(); };
  if (s.op == op::renorm_step) return [=] { made->step(); };
  if (!s.is_backward()) return [=] { made->train(); };
  made->train();
  return [=] { made->backward(); };
}

}  // namespace

call renorm_call(spec const& s) { return s.dtype == RENORM_F32 ? call_of<float>(s) : call_of<double>(s); }

}  // namespace bench
