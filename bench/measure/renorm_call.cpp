#include "measure/renorm_call.hpp"

#include "measure/mask.hpp"
#include "measure/normalization.hpp"
#include "measure/threads.hpp"

#include <algorithm>
#include <memory>

namespace bench {
namespace {

std::size_t workspace_bytes(renorm_desc const& desc) {
  std::size_t largest = 0;
  for (renorm_op op = RENORM_OP_TRAIN; op <= RENORM_OP_FOLD; ++op) {
    std::size_t bytes = 0;
    require(renorm_workspace_size(&desc, op, &bytes));
    largest = std::max(largest, bytes);
  }
  return largest;
}

template <class Parameter, class Running> class workload {
 public:
  workload(spec const& s, std::shared_ptr<pages const> x)
      : op_(s.op),
        layer_(s.desc),
        exec_(make_exec(s.threads)),
        workspace_(workspace_bytes(s.desc)),
        mask_(s.desc),
        data_(shared_tensors(s.desc.dtype, s.shape.values())),
        x_(std::move(x)) {
    exec_.workspace = workspace_.data();
    exec_.workspace_bytes = workspace_.bytes();
    tensors_.x = data_->x.data();
    tensors_.dy = data_->dy.data();
    tensors_.z = data_->z().data();
    tensors_.mask = mask_.data();
    tensors_.y = (s.op.second != 0 ? data_->y_of_step() : data_->out).data();
    tensors_.dx = data_->out.data();
    if (op_.first == RENORM_OP_BACKWARD) run(RENORM_OP_TRAIN);
  }

  void operator()() {
    run(op_.first);
    if (op_.second != 0) run(op_.second);
  }

 private:
  void run(renorm_op op) {
    data_->hold(x_);
    layer_.run(op, tensors_, &exec_);
  }

  bench::op op_;
  normalization<Parameter, Running> layer_;
  renorm_exec exec_;
  pages workspace_;
  mask mask_;
  std::shared_ptr<tensors const> data_;
  std::shared_ptr<pages const> x_;
  layer_tensors tensors_;
};

template <class T> call call_of(spec const& s, std::shared_ptr<pages const> x) {
  auto const made = std::make_shared<workload<T, T>>(s, std::move(x));
  return [made] { (*made)(); };
}

}  // namespace

call renorm_call(spec const& s, std::shared_ptr<pages const> x) {
  return s.desc.dtype == RENORM_F32 ? call_of<float>(s, std::move(x)) : call_of<double>(s, std::move(x));
}

}  // namespace bench
