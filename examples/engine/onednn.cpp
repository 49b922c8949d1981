// The same engine with oneDNN's batch norm in place of renorm's: batch norm with its own ReLU, and batch norm followed by an addition with
// a ReLU. Both take turns in one run; prints medians and their ratio. Exits with 1 if renorm's is slower.
// Usage: renorm_engine_onednn [threads]
extern "C" {
#include "engine.h"
#include "reference.h"
}

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <oneapi/dnnl/dnnl.hpp>
#include <omp.h>
#include <vector>

namespace {

using batch_norm = dnnl::batch_normalization_forward;
using dnnl::memory;
using dnnl::normalization_flags;

normalization_flags const inference =
    normalization_flags::use_scale | normalization_flags::use_shift | normalization_flags::use_global_stats;

dnnl::primitive_attr with_relu() {
  dnnl::post_ops after;
#if DNNL_VERSION_MAJOR >= 3
  after.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
#else
  after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
#endif
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);
  return attributes;
}

#if DNNL_VERSION_MAJOR >= 3
batch_norm make_norm(dnnl::engine const& cpu, memory::desc const& tensor, float eps, normalization_flags flags) {
  return batch_norm({cpu, dnnl::prop_kind::forward_inference, tensor, tensor, eps, flags});
}
dnnl::binary make_add_relu(dnnl::engine const& cpu, memory::desc const& tensor) {
  return dnnl::binary({cpu, dnnl::algorithm::binary_add, tensor, tensor, tensor, with_relu()});
}
#else
batch_norm make_norm(dnnl::engine const& cpu, memory::desc const& tensor, float eps, normalization_flags flags) {
  return batch_norm({{dnnl::prop_kind::forward_inference, tensor, eps, flags}, cpu});
}
dnnl::binary make_add_relu(dnnl::engine const& cpu, memory::desc const& tensor) {
  return dnnl::binary({{dnnl::algorithm::binary_add, tensor, tensor, tensor}, with_relu(), cpu});
}
#endif

class norms {
 public:
  norms(model const& m)
      : tensor_({m.n, m.c, 1, m.s}, memory::data_type::f32, m.layout == RENORM_NCHW ? memory::format_tag::nchw : memory::format_tag::nhwc),
        norm_(make_norm(cpu_, tensor_, static_cast<float>(m.eps), inference)),
        norm_relu_(make_norm(cpu_, tensor_, static_cast<float>(m.eps), inference | normalization_flags::fuse_norm_relu)),
        add_relu_(make_add_relu(cpu_, tensor_)) {
    for (norm_params const& p : m.norm)
      parameters_.push_back({channels(p.gamma, p.c), channels(p.beta, p.c), channels(p.mean, p.c), channels(p.var, p.c)});
  }

  // A norm_function.
  static renorm_status run(void* ctx, int layer, float const* x, float const* z, float* y) {
    static_cast<norms*>(ctx)->run(static_cast<std::size_t>(layer), x, z, y);
    return RENORM_OK;
  }

 private:
  struct parameters {
    memory gamma, beta, mean, var;
  };

  memory channels(float* values, std::int64_t c) { return {{{c}, memory::data_type::f32, memory::format_tag::x}, cpu_, values}; }

  void run(std::size_t layer, float const* x, float const* z, float* y) {
    x_.set_data_handle(const_cast<float*>(x));
    y_.set_data_handle(y);
    parameters const& p = parameters_[layer];
    execute(z == nullptr ? norm_relu_ : norm_, {{DNNL_ARG_SRC, x_.get()},
                                                {DNNL_ARG_DST, y_.get()},
                                                {DNNL_ARG_MEAN, p.mean.get()},
                                                {DNNL_ARG_VARIANCE, p.var.get()},
                                                {DNNL_ARG_SCALE, p.gamma.get()},
                                                {DNNL_ARG_SHIFT, p.beta.get()}});
    if (z == nullptr) return;
    z_.set_data_handle(const_cast<float*>(z));
    execute(add_relu_, {{DNNL_ARG_SRC_0, y_.get()}, {DNNL_ARG_SRC_1, z_.get()}, {DNNL_ARG_DST, y_.get()}});
  }

  // The C call takes its arguments as they are; that of the C++ interface would copy them each time.
  template <std::size_t count> void execute(dnnl::primitive const& what, dnnl_exec_arg_t const (&arguments)[count]) {
    dnnl::error::wrap_c_api(dnnl_primitive_execute(what.get(), stream_.get(), static_cast<int>(count), arguments), "execute");
    stream_.wait();
  }

  dnnl::engine cpu_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{cpu_};
  memory::desc tensor_;
  memory x_{tensor_, cpu_, nullptr}, y_{tensor_, cpu_, nullptr}, z_{tensor_, cpu_, nullptr};
  batch_norm norm_, norm_relu_;
  dnnl::binary add_relu_;
  std::vector<parameters> parameters_;
};

void require(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

// Everything that a candidate needs to run.
struct candidate {
  engine e;
  std::vector<float> logits;
  std::vector<double> milliseconds;
};

void plan(candidate& c, model const& m, pool* threads) {
  require(engine_plan(&c.e, &m, threads) == RENORM_OK, "engine_plan failed");
  c.logits.resize(static_cast<std::size_t>(model_outputs(&m)));
}

void run(candidate& c, std::vector<float> const& x) {
  require(engine_run(&c.e, x.data(), c.logits.data()) == RENORM_OK, "engine_run failed");
}

// A run that nobody times goes first: caches and threads are then as the candidate itself leaves them.
void sample(candidate& c, std::vector<float> const& x) {
  int const runs = 10;
  run(c, x);
  auto const start = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; ++i) run(c, x);
  c.milliseconds.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / runs);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double error_of(candidate const& c, std::vector<approximation> const& reference) {
  return compare(c.logits.data(), reference.data(), static_cast<std::int64_t>(reference.size())).error;
}

// Whether renorm is at least as fast.
bool compare_in(renorm_layout layout, pool* threads) {
  model m;
  require(model_create(&m, layout) == 0, "no memory");
  std::vector<float> x(static_cast<std::size_t>(model_inputs(&m)));
  std::vector<approximation> reference(static_cast<std::size_t>(model_outputs(&m)));
  generate(x.data(), model_inputs(&m), -2, 2, 0);
  require(reference_run(&m, x.data(), reference.data()) == 0, "no memory");

  candidate ours, theirs;
  plan(ours, m, threads);
  plan(theirs, m, threads);
  norms peer(m);
  theirs.e.run_norm = norms::run;
  theirs.e.norm_ctx = &peer;
  for (int round = 0; round < 31; ++round) {
    sample(ours, x);
    sample(theirs, x);
  }
  double const renorm_ms = median(ours.milliseconds), onednn_ms = median(theirs.milliseconds);
  std::printf("%-8s %10.3f %10.3f %14.2f %14.1e %14.1e\n", layout == RENORM_NCHW ? "NCHW" : "NHWC", renorm_ms, onednn_ms,
              onednn_ms / renorm_ms, error_of(ours, reference), error_of(theirs, reference));
  engine_destroy(&ours.e);
  engine_destroy(&theirs.e);
  model_destroy(&m);
  return renorm_ms <= onednn_ms;
}

}  // namespace

int main(int argc, char** argv) {
  int const count = argc > 1 ? std::atoi(argv[1]) : 1;
  require(count > 0, "usage: renorm_engine_onednn [threads]");
  omp_set_num_threads(count);  // before primitives are made: they divide their work by it
  pool* const threads = pool_create(count);
  require(threads != nullptr, "no threads");
  dnnl_version_t const* const v = dnnl_version();
  std::printf("engine with %s; with oneDNN %d.%d.%d; %d threads, milliseconds a run, medians\n", renorm_build_info(), v->major, v->minor,
              v->patch, count);
  std::printf("%-8s %10s %10s %14s %14s %14s\n", "", "renorm", "oneDNN", "oneDNN/renorm", "renorm error", "oneDNN error");
  bool const nchw = compare_in(RENORM_NCHW, threads), nhwc = compare_in(RENORM_NHWC, threads);
  pool_destroy(threads);
  require(nchw && nhwc, "renorm is slower");
}
