// What an operation computes, as the C ABI has checked and translated it.
#pragma once

#include "isa/isa.hpp"
#include "op/order.hpp"
#include "op/parallel.hpp"

#include <utility>

namespace renorm {

struct problem {
  renorm::shape shape;
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

  typed_in params(void const* a) const { return {a, params_f64}; }
  typed_out params(void* a) const { return {a, params_f64}; }
  typed_out running(void* a) const { return {a, stats_f64}; }
  statistics running_statistics(void const* mean, void const* var) const {
    return {{mean, stats_f64}, {var, stats_f64}, !track_sigma, eps};
  }
  std::size_t tensor_bytes() const { return shape.values() * (f64 ? sizeof(double) : sizeof(float)); }
  std::int64_t count() const { return static_cast<std::int64_t>(shape.per_channel()); }

  // What sums of squares over count values are divided by: Bessel's correction, which is none for a single value.
  static double divisor(std::int64_t count, bool bessel) {
    std::int64_t const values = count > 0 ? count : 1;
    return static_cast<double>(bessel && values > 1 ? values - 1 : values);
  }
};

// Where to compute it.
struct call {
  isa const& code;
  executor exec;
  void* workspace;  // as large as the operation's ..._workspace(problem)
};

// f(T()) for the element type of the tensors.
template <class F> auto with_element_type(problem const& p, F const& f) { return p.f64 ? f(double()) : f(float()); }

}  // namespace renorm
