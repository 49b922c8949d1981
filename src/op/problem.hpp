// What an operation computes, as the C ABI has checked and translated it.
#pragma once

#include "isa/code.hpp"
#include "op/arguments.hpp"
#include "pass/mask.hpp"

namespace renorm {

struct problem {
  renorm::order order;  // of the shape; that of inference, which knows no groups, is of one
  renorm::mask mask;
  bool relu, add;   // epilogue
  bool f64;         // tensors
  bool params_f64;  // gamma, beta and their gradients
  bool stats_f64;   // running statistics

  bool batch_renorm;
  bool track_sigma;
  bool unbiased;
  bool unbiased_running;
  bool keep_running;
  bool cumulative;
  bool skip_nonfinite;

  double eps, momentum;
  double rmin, rmax, dmax;

  renorm::shape const& shape() const { return order.shape; }
  typed_in params(void const* a) const { return {a, params_f64}; }
  typed_out params(void* a) const { return {a, params_f64}; }
  typed_out running(void* a) const { return {a, stats_f64}; }
  statistics running_statistics(running_in const& r) const { return {{r.mean, stats_f64}, {r.var, stats_f64}, !track_sigma, eps}; }
  std::size_t element_size() const { return f64 ? sizeof(double) : sizeof(float); }
  std::size_t element_lanes() const { return f64 ? lanes<double> : lanes<float>; }
  std::size_t tensor_bytes() const { return shape().values() * element_size(); }
};

// Where to compute it.
struct call {
  isa const& code;
  executor exec;
  void* workspace;
  std::size_t workspace_bytes;  // the operation's ..._workspace(problem)
};

// f(T()) for the element type of the tensors.
template <class F> auto with_element_type(problem const& p, F const& f) { return p.f64 ? f(double()) : f(float()); }

}  // namespace renorm
