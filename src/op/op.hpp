// The operations. Nothing here can fail.
#pragma once

#include "op/arguments.hpp"
#include "op/plan.hpp"
#include "op/problem.hpp"

namespace renorm::op {

void train(problem const&, forward_tensors const&, parameters const&, running_arrays const&, batch_moments const&, corrected const&,
           std::int64_t* nonfinite, call const&);
void inference(problem const&, forward_tensors const&, parameters const&, running_in const&, std::int64_t* nonfinite, call const&);
void backward(problem const&, gradient_tensors const&, parameters const&, normalization const&, std::int64_t const* count,
              parameter_gradients const&, call const&);
void inference_backward(problem const&, gradient_tensors const&, parameters const&, running_in const&, parameter_gradients const&,
                        call const&);

void moments(problem const&, view<void const> const& x, void const* mask, batch_moments const&, call const&);
void merge(problem const&, batch_moments_in const& other, batch_moments const&, call const&);
void update_running(problem const&, batch_moments_in const&, running_arrays const&, std::int64_t* nonfinite, call const&);
void correction(problem const&, batch_moments_in const&, running_in const&, double sigma_floor, corrected const&, call const&);
// Where there is no mean and sigma those of the running statistics.
void coefficients(problem const&, parameters const&, running_in const&, normalization const&, affine_map const&, std::int64_t* nonfinite,
                  call const&);
void apply(problem const&, forward_tensors const&, affine_map_in const&, call const&);
void backward_reduce(problem const&, gradient_tensors const&, parameters const&, normalization const&, gradient_sums const&, call const&);
void backward_apply(problem const&, gradient_tensors const&, parameters const&, normalization const&, std::int64_t const* count,
                    gradient_sums_in const&, parameter_gradients const&, call const&);

void fold(problem const&, layer const&, parameters const&, running_in const&, folded_layer const&, std::int64_t* nonfinite, call const&);

// Bytes of workspace; the operations that are not here need none.
std::size_t train_workspace(problem const&);
std::size_t inference_workspace(problem const&);
std::size_t backward_workspace(problem const&);
std::size_t inference_backward_workspace(problem const&);
std::size_t moments_workspace(problem const&);
std::size_t apply_workspace(problem const&);
std::size_t backward_reduce_workspace(problem const&);
std::size_t backward_apply_workspace(problem const&);

// The passes of an operation on dense, aligned tensors, none in place of another, with all outputs wanted. Those of operations that are
// not here are none.
footprint train_passes(problem const&);
footprint inference_passes(problem const&);
footprint backward_passes(problem const&);
footprint inference_backward_passes(problem const&);
footprint moments_passes(problem const&);
footprint apply_passes(problem const&);
footprint backward_reduce_passes(problem const&);
footprint backward_apply_passes(problem const&);

}  // namespace renorm::op
