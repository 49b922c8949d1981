// The operations. Arguments are the C ABI's, complete and valid; nothing here can fail.
#pragma once

#include "op/problem.hpp"

namespace renorm::op {

void train(problem const&, renorm_train_args const&, call const&);
void inference(problem const&, renorm_inference_args const&, call const&);
void backward(problem const&, renorm_backward_args const&, call const&);
void inference_backward(problem const&, renorm_inference_backward_args const&, call const&);

void moments(problem const&, renorm_moments_args const&, call const&);
void merge(problem const&, renorm_merge_args const&, call const&);
void update_running(problem const&, renorm_update_running_args const&, call const&);
void correction(problem const&, renorm_correction_args const&, call const&);
void coefficients(problem const&, renorm_coefficients_args const&, call const&);
void apply(problem const&, renorm_apply_args const&, call const&);
void backward_reduce(problem const&, renorm_backward_reduce_args const&, call const&);
void backward_apply(problem const&, renorm_backward_apply_args const&, call const&);

void fold(problem const&, renorm_fold_args const&, call const&);

// Bytes of workspace; the operations that are not here need none.
std::size_t train_workspace(problem const&);
std::size_t inference_workspace(problem const&);
std::size_t backward_workspace(problem const&);
std::size_t inference_backward_workspace(problem const&);
std::size_t moments_workspace(problem const&);
std::size_t apply_workspace(problem const&);
std::size_t backward_reduce_workspace(problem const&);
std::size_t backward_apply_workspace(problem const&);

}  // namespace renorm::op
