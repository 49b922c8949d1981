#include "measure/renorm_call.hpp"

#include "measure/mask.hpp"
#include "measure/normalization.hpp"
#include "measure/threads.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace bench {
namespace {

// Whose outputs an operation takes.
std::vector<renorm_op> taken_by(renorm_op op) {
  switch (op) {
    case RENORM_OP_TRAIN:
    case RENORM_OP_INFERENCE:
    case RENORM_OP_INFERENCE_BACKWARD:
    case RENORM_OP_MOMENTS:
    case RENORM_OP_FOLD:
      return {};
    case RENORM_OP_APPLY:
      return {RENORM_OP_TRAIN, RENORM_OP_COEFFICIENTS};
    case RENORM_OP_BACKWARD_APPLY:
      return {RENORM_OP_TRAIN, RENORM_OP_BACKWARD_REDUCE};
  }
  return {RENORM_OP_TRAIN};
}

std::vector<renorm_op> calls_of(op const& what) {
  return what.second == 0 ? std::vector<renorm_op>{what.first} : std::vector<renorm_op>{what.first, what.second};
}

// Of any of the operations that are run.
std::size_t workspace_bytes(spec const& s) {
  std::vector<renorm_op> run = taken_by(s.op.first);
  for (renorm_op const op : calls_of(s.op)) run.push_back(op);
  std::size_t largest = 0;
  for (renorm_op const op : run) {
    std::size_t bytes = 0;
    require(renorm_workspace_size(&s.desc, op, &bytes));
    largest = std::max(largest, bytes);
  }
  return largest;
}

template <class Parameter, class Running> class workload {
 public:
  workload(spec const& s, std::shared_ptr<pages const> x)
      : calls_(calls_of(s.op)),
        layer_(s.desc),
        exec_(make_exec(s.threads)),
        workspace_(workspace_bytes(s)),
        z_beside_dy_(has_z_beside_dy(s) ? s.tensor_bytes() : 0),
        dz_(s.writes_dz(s.op.first) ? s.tensor_bytes() : 0),
        mask_(s.desc),
        data_(shared_tensors(s.desc.dtype, s.shape.values())),
        x_(std::move(x)) {
    exec_.workspace = workspace_.data();
    exec_.workspace_bytes = workspace_.bytes();
    tensors_.x = data_->x.data();
    tensors_.dy = data_->dy.data();
    tensors_.y = (calls_.size() > 1 ? data_->y_of_step() : data_->out).data();
    tensors_.dx = data_->out.data();
    tensors_.z = (has_z_beside_dy(s) ? z_beside_dy_ : data_->z()).data();
    tensors_.dz = s.writes_dz(s.op.first) ? dz_.data() : nullptr;
    tensors_.mask = mask_.data();
    std::memcpy(z_beside_dy_.data(), data_->dy.data(), std::min(z_beside_dy_.bytes(), data_->dy.bytes()));
    for (renorm_op const op : taken_by(s.op.first)) run(op);
  }

  void operator()() {
    for (renorm_op const op : calls_) run(op);
  }

 private:
  void run(renorm_op op) {
    data_->hold(x_);
    layer_.run(op, tensors_, &exec_);
  }

  static bool has_z_beside_dy(spec const& s) { return spec::reads_dy(s.op.first) && s.adds(); }

  std::vector<renorm_op> calls_;
  normalization<Parameter, Running> layer_;
  renorm_exec exec_;
  pages workspace_, z_beside_dy_, dz_;
  mask mask_;
  std::shared_ptr<tensors const> data_;
  std::shared_ptr<pages const> x_;
  layer_tensors tensors_;
};

template <class Parameter, class Running> call call_of(spec const& s, std::shared_ptr<pages const> x) {
  auto const made = std::make_shared<workload<Parameter, Running>>(s, std::move(x));
  return [made] { (*made)(); };
}

}  // namespace

call renorm_call(spec const& s, std::shared_ptr<pages const> x) {
  auto const is_f64 = [&](renorm_dtype own) { return s.desc.dtype == RENORM_F64 || own == RENORM_F64; };
  bool const running_f64 = is_f64(s.desc.stats_dtype);
  if (is_f64(s.desc.param_dtype)) return running_f64 ? call_of<double, double>(s, x) : call_of<double, float>(s, x);
  return running_f64 ? call_of<float, double>(s, x) : call_of<float, float>(s, x);
}

}  // namespace bench
