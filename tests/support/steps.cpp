#include "support/steps.hpp"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>

namespace renorm_test {
namespace {

// The arrays of one step, where `how` wants them.
class step_memory {
 public:
  step_memory(problem const& p, way const& how)
      : p_(p),
        how_(how),
        tensor_dtype_(p.desc.dtype),
        param_dtype_(dtype_or(p.desc.param_dtype, tensor_dtype_)),
        running_dtype_(dtype_or(p.desc.stats_dtype, tensor_dtype_)) {}
  ~step_memory() {
    for (memory const& m : arrays_) EXPECT_TRUE(m.intact()) << "written outside an array";
  }

  void* tensor() { return take(p_.x.size(), size_of(tensor_dtype_)); }
  void* tensor(array const& values) {
    void* const a = tensor();
    store(p_.desc.layout == RENORM_NCHW ? values : channels_last(values), tensor_dtype_, a);
    return a;
  }
  void* params() { return take(p_.c(), size_of(param_dtype_)); }
  void* params(array const& values) { return filled(values, param_dtype_); }
  void* running(array const& values) { return filled(values, running_dtype_); }
  double* saved() { return static_cast<double*>(take(p_.statistics(), sizeof(double))); }
  std::int64_t* integers(std::size_t count, std::int64_t value) {
    auto* const a = static_cast<std::int64_t*>(take(count, sizeof value));
    std::fill(a, a + count, value);
    return a;
  }
  std::int64_t* integer(std::int64_t value) { return integers(1, value); }
  void const* mask() {
    if (p_.desc.mask_kind == RENORM_MASK_NONE) return nullptr;
    if (p_.desc.mask_kind == RENORM_MASK_BYTES) {
      void* const a = take(p_.mask.size(), 1);
      std::copy(p_.mask.begin(), p_.mask.end(), static_cast<std::uint8_t*>(a));
      return a;
    }
    std::int64_t* const lengths = integers(p_.n(), 0);
    for_each_position(p_, all_groups, [&](std::size_t i, std::size_t) { ++lengths[i]; });
    return lengths;
  }

  array read_tensor(void const* a) const {
    array const values = load(a, tensor_dtype_, p_.x.size());
    return p_.desc.layout == RENORM_NCHW ? values : channels_first(values);
  }
  array read_params(void const* a) const { return load(a, param_dtype_, p_.c()); }
  array read_running(void const* a) const { return a == nullptr ? array() : load(a, running_dtype_, p_.c()); }
  array read_saved(double const* a) const { return load(a, RENORM_F64, p_.statistics()); }

  // Where to run op, with a workspace of just the right size.
  renorm_exec exec(renorm_op op) {
    renorm_exec e{};
    e.struct_size = sizeof e;
    e.concurrency = how_.concurrency;
    e.ctx = how_.ctx;
    e.parallel_for = how_.parallel_for;
    EXPECT_EQ(renorm_workspace_size(&p_.desc, op, &e.workspace_bytes), RENORM_OK);
    e.workspace = take(e.workspace_bytes, 1);
    return e;
  }

 private:
  void* take(std::size_t count, std::size_t element_size) {
    return arrays_.emplace_back(count * element_size, element_size, how_.where).data();
  }
  void* filled(array const& values, renorm_dtype dtype) {
    if (values.empty()) return nullptr;
    void* const a = take(values.size(), size_of(dtype));
    store(values, dtype, a);
    return a;
  }

  // move(first, last): the place of a value in (n, c, s) and in (n, s, c)
  template <class F> void for_each_place(F const& move) const {
    for (std::size_t i = 0; i < p_.n(); ++i)
      for (std::size_t k = 0; k < p_.s(); ++k)
        for (std::size_t channel = 0; channel < p_.c(); ++channel) move(p_.at(i, channel, k), (i * p_.s() + k) * p_.c() + channel);
  }
  array channels_last(array const& values) const {
    array moved(values.size());
    for_each_place([&](std::size_t first, std::size_t last) { moved[last] = values[first]; });
    return moved;
  }
  array channels_first(array const& values) const {
    array moved(values.size());
    for_each_place([&](std::size_t first, std::size_t last) { moved[first] = values[last]; });
    return moved;
  }

  problem const& p_;
  way const& how_;
  renorm_dtype tensor_dtype_, param_dtype_, running_dtype_;
  std::deque<memory> arrays_;
};

template <class Args> Args make_args() {
  Args a{};
  a.struct_size = sizeof a;
  return a;
}

#define RENORM_EXPECT_OK(call)                                     \
  do {                                                             \
    renorm_status const status_of_call = call;                     \
    EXPECT_EQ(status_of_call, RENORM_OK) << last_error() << #call; \
  } while (false)

std::string last_error() {
  char text[256] = "";
  renorm_last_error(text, sizeof text);
  return std::string(text) + ": ";
}

// What a training step leaves for its backward pass.
struct saved_statistics {
  double *mean, *sigma, *r, *d;
  std::int64_t* count;
};

struct running_statistics {
  void *mean, *var;
  std::int64_t* num_batches;
};

class step {
 public:
  step(problem const& p, way const& how) : p_(p), how_(how), memory_(p, how) {}

  values train() {
    saved_statistics const saved = {memory_.saved(), memory_.saved(), memory_.saved(), memory_.saved(), memory_.integers(p_.groups(), -1)};
    running_statistics const running = {memory_.running(p_.running_mean), memory_.running(p_.running_var), memory_.integer(p_.num_batches)};
    double* const m2 = memory_.saved();
    if (how_.parts) forward_in_parts(saved, running, m2);
    else forward(saved, running, m2);
    out_.running_mean = memory_.read_running(running.mean);
    out_.running_var = memory_.read_running(running.var);
    if (p_.per_channel() > 0) {  // else there are no statistics to speak of
      out_.mean = memory_.read_saved(saved.mean);
      out_.var = memory_.read_saved(m2);
      for (std::size_t i = 0; i < out_.var.size(); ++i) out_.var[i] /= std::max(1.0, static_cast<double>(saved.count[i / p_.c()]));
      out_.sigma = memory_.read_saved(saved.sigma);
      out_.r = memory_.read_saved(saved.r);
      out_.d = memory_.read_saved(saved.d);
    }
    for (std::size_t g = 0; g < p_.groups(); ++g) EXPECT_EQ(saved.count[g], p_.count(g)) << "of group " << g;
    bool const counted = !p_.running_mean.empty() && p_.c() > 0 && p_.count(all_groups) > 0 && !p_.has(RENORM_FLAG_KEEP_RUNNING);
    EXPECT_EQ(*running.num_batches, p_.num_batches + (counted ? 1 : 0));

    backward_arrays b = prepare_backward();
    if (how_.parts) backward_in_parts(saved, b);
    else backward(saved, b);
    read_gradients(b);
    return out_;
  }

  values infer() {
    void *const mean = memory_.running(p_.running_mean), *const var = memory_.running(p_.running_var);
    if (how_.parts) infer_in_parts(mean, var);
    else infer_whole(mean, var);

    backward_arrays const b = prepare_backward();
    auto a = make_args<renorm_inference_backward_args>();
    a.x = b.x;
    a.dy = b.dy;
    a.gamma = memory_.params(p_.gamma);
    a.running_mean = mean;
    a.running_var = var;
    a.dx = b.dx;
    a.dgamma = b.dgamma;
    a.dbeta = b.dbeta;
    a.beta = memory_.params(p_.beta);
    a.z = b.z;
    a.dz = b.dz;
    a.mask = memory_.mask();
    renorm_exec const exec = memory_.exec(RENORM_OP_INFERENCE_BACKWARD);
    RENORM_EXPECT_OK(renorm_inference_backward(&p_.desc, &a, &exec));
    read_gradients(b);
    return out_;
  }

 private:
  struct backward_arrays {
    void *x, *dy, *dx, *dgamma, *dbeta, *z, *dz;
  };

  void* addend() { return p_.add() ? memory_.tensor(p_.z) : nullptr; }
  void* output_of_forward(void* x, void* z) {
    return how_.alias == aliasing::none ? memory_.tensor() : how_.alias == aliasing::onto_dy && z != nullptr ? z : x;
  }

  void forward(saved_statistics const& saved, running_statistics const& running, double* m2) {
    void *const x = memory_.tensor(p_.x), *const z = addend(), *const y = output_of_forward(x, z);
    std::int64_t* const nonfinite = memory_.integer(-1);
    auto a = make_args<renorm_train_args>();
    a.x = x;
    a.gamma = memory_.params(p_.gamma);
    a.beta = memory_.params(p_.beta);
    a.running_mean = running.mean;
    a.running_var = running.var;
    a.num_batches = running.num_batches;
    a.y = y;
    a.z = z;
    a.mean = saved.mean;
    a.sigma = saved.sigma;
    a.r = saved.r;
    a.d = saved.d;
    a.count = saved.count;
    a.nonfinite = nonfinite;
    a.m2 = m2;
    a.mask = memory_.mask();
    renorm_exec const exec = memory_.exec(RENORM_OP_TRAIN);
    RENORM_EXPECT_OK(renorm_train(&p_.desc, &a, &exec));
    out_.y = memory_.read_tensor(y);
  }

  void forward_in_parts(saved_statistics const& saved, running_statistics const& running, double* m2) {
    void* const x = memory_.tensor(p_.x);
    auto moments = make_args<renorm_moments_args>();
    moments.x = x;
    moments.count = saved.count;
    moments.mean = saved.mean;
    moments.m2 = m2;
    moments.mask = memory_.mask();
    renorm_exec exec = memory_.exec(RENORM_OP_MOMENTS);
    RENORM_EXPECT_OK(renorm_moments(&p_.desc, &moments, &exec));

    auto correction = make_args<renorm_correction_args>();
    correction.count = saved.count;
    correction.mean = saved.mean;
    correction.m2 = m2;
    correction.running_mean = running.mean;
    correction.running_var = running.var;
    correction.sigma_floor = how_.sigma_floor;
    correction.sigma = saved.sigma;
    correction.r = saved.r;
    correction.d = saved.d;
    exec = memory_.exec(RENORM_OP_CORRECTION);
    RENORM_EXPECT_OK(renorm_correction(&p_.desc, &correction, &exec));

    auto coefficients = make_args<renorm_coefficients_args>();
    coefficients.mean = saved.mean;
    coefficients.sigma = saved.sigma;
    coefficients.r = saved.r;
    coefficients.d = saved.d;
    apply(coefficients, x);

    if (running.mean == nullptr) return;
    auto update = make_args<renorm_update_running_args>();
    update.count = saved.count;
    update.mean = saved.mean;
    update.m2 = m2;
    update.running_mean = running.mean;
    update.running_var = running.var;
    update.num_batches = running.num_batches;
    exec = memory_.exec(RENORM_OP_UPDATE_RUNNING);
    RENORM_EXPECT_OK(renorm_update_running(&p_.desc, &update, &exec));
  }

  void infer_whole(void const* mean, void const* var) {
    void *const x = memory_.tensor(p_.x), *const z = addend(), *const y = output_of_forward(x, z);
    auto a = make_args<renorm_inference_args>();
    a.x = x;
    a.gamma = memory_.params(p_.gamma);
    a.beta = memory_.params(p_.beta);
    a.running_mean = mean;
    a.running_var = var;
    a.y = y;
    a.z = z;
    a.mask = memory_.mask();
    renorm_exec const exec = memory_.exec(RENORM_OP_INFERENCE);
    RENORM_EXPECT_OK(renorm_inference(&p_.desc, &a, &exec));
    out_.y = memory_.read_tensor(y);
  }

  void infer_in_parts(void const* mean, void const* var) {
    auto coefficients = make_args<renorm_coefficients_args>();
    coefficients.running_mean = mean;
    coefficients.running_var = var;
    apply(coefficients, memory_.tensor(p_.x));
  }

  void apply(renorm_coefficients_args coefficients, void* x) {
    coefficients.gamma = memory_.params(p_.gamma);
    coefficients.beta = memory_.params(p_.beta);
    coefficients.center = memory_.saved();
    coefficients.scale = memory_.saved();
    coefficients.shift = memory_.saved();
    renorm_exec exec = memory_.exec(RENORM_OP_COEFFICIENTS);
    RENORM_EXPECT_OK(renorm_coefficients(&p_.desc, &coefficients, &exec));

    auto a = make_args<renorm_apply_args>();
    a.x = x;
    a.center = coefficients.center;
    a.scale = coefficients.scale;
    a.shift = coefficients.shift;
    void* const z = addend();
    a.z = z;
    a.y = output_of_forward(x, z);
    a.mask = memory_.mask();
    exec = memory_.exec(RENORM_OP_APPLY);
    RENORM_EXPECT_OK(renorm_apply(&p_.desc, &a, &exec));
    out_.y = memory_.read_tensor(a.y);
  }

  backward_arrays prepare_backward() {
    void *const x = memory_.tensor(p_.x), *const dy = memory_.tensor(p_.dy);
    void* const dx = how_.alias == aliasing::onto_dy ? dy : how_.alias == aliasing::onto_x ? x : memory_.tensor();
    void* const z = addend();
    void* const dz = z == nullptr ? nullptr : how_.alias == aliasing::onto_dy ? z : how_.alias == aliasing::onto_x ? dy : memory_.tensor();
    return {x, dy, dx, memory_.params(), memory_.params(), z, dz};
  }

  void read_gradients(backward_arrays const& b) {
    out_.dx = memory_.read_tensor(b.dx);
    out_.dgamma = memory_.read_params(b.dgamma);
    out_.dbeta = memory_.read_params(b.dbeta);
    if (b.dz != nullptr) out_.dz = memory_.read_tensor(b.dz);
  }

  template <class Args> Args gradient_args(saved_statistics const& saved, backward_arrays const& b) {
    Args a = make_args<Args>();
    a.x = b.x;
    a.dy = b.dy;
    a.gamma = memory_.params(p_.gamma);
    a.mean = saved.mean;
    a.sigma = saved.sigma;
    a.r = saved.r;
    a.d = saved.d;
    a.count = saved.count;
    a.dx = b.dx;
    a.dgamma = b.dgamma;
    a.dbeta = b.dbeta;
    a.beta = memory_.params(p_.beta);
    a.z = b.z;
    a.dz = b.dz;
    a.mask = memory_.mask();
    return a;
  }

  void backward(saved_statistics const& saved, backward_arrays const& b) {
    auto const a = gradient_args<renorm_backward_args>(saved, b);
    renorm_exec const exec = memory_.exec(RENORM_OP_BACKWARD);
    RENORM_EXPECT_OK(renorm_backward(&p_.desc, &a, &exec));
  }

  void backward_in_parts(saved_statistics const& saved, backward_arrays const& b) {
    auto sums = make_args<renorm_backward_reduce_args>();
    sums.x = b.x;
    sums.dy = b.dy;
    sums.mean = saved.mean;
    sums.sigma = saved.sigma;
    sums.sum_dy = memory_.saved();
    sums.sum_dy_xhat = memory_.saved();
    sums.mask = memory_.mask();
    sums.gamma = memory_.params(p_.gamma);
    sums.beta = memory_.params(p_.beta);
    sums.r = saved.r;
    sums.d = saved.d;
    sums.z = b.z;
    renorm_exec exec = memory_.exec(RENORM_OP_BACKWARD_REDUCE);
    RENORM_EXPECT_OK(renorm_backward_reduce(&p_.desc, &sums, &exec));

    auto a = gradient_args<renorm_backward_apply_args>(saved, b);
    a.sum_dy = sums.sum_dy;
    a.sum_dy_xhat = sums.sum_dy_xhat;
    exec = memory_.exec(RENORM_OP_BACKWARD_APPLY);
    RENORM_EXPECT_OK(renorm_backward_apply(&p_.desc, &a, &exec));
  }

  problem const& p_;
  way const& how_;
  step_memory memory_;
  values out_;
};

// Some of the samples of a batch, on a machine of its own.
struct shard {
  problem p;
  way how;
  step_memory memory;
  void *x, *dy, *y, *dx, *z, *dz;
  void const* mask;

  shard(problem const& batch, std::size_t first, std::size_t last)
      : p(samples_of(batch, first, last)),
        memory(p, how),
        x(memory.tensor(p.x)),
        dy(memory.tensor(p.dy)),
        y(memory.tensor()),
        dx(memory.tensor()),
        z(p.add() ? memory.tensor(p.z) : nullptr),
        dz(p.add() ? memory.tensor() : nullptr),
        mask(memory.mask()) {}

  static problem samples_of(problem batch, std::size_t first, std::size_t last) {
    auto const keep = [&](auto& a, std::size_t size) {
      if (a.empty()) return;
      a.erase(a.begin() + static_cast<std::ptrdiff_t>(last * size), a.end());
      a.erase(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(first * size));
    };
    for (array* tensor : {&batch.x, &batch.dy, &batch.z}) keep(*tensor, batch.c() * batch.s());
    keep(batch.mask, batch.s());
    batch.desc.n = static_cast<std::int64_t>(last - first);
    return batch;
  }
};

// What all machines have after they have exchanged their moments.
struct batch_statistics {
  std::int64_t count = 0;
  array mean, m2, sigma, r, d;
};

void add_moments(shard& part, batch_statistics& all) {
  auto moments = make_args<renorm_moments_args>();
  moments.x = part.x;
  moments.count = part.memory.integer(-1);
  moments.mean = part.memory.saved();
  moments.m2 = part.memory.saved();
  moments.mask = part.mask;
  RENORM_EXPECT_OK(renorm_moments(&part.p.desc, &moments, nullptr));
  merge_moments(part.p.desc, all.count, all.mean, all.m2, *moments.count, part.memory.read_saved(moments.mean),
                part.memory.read_saved(moments.m2));
}

void correct(problem const& p, step_memory& memory, batch_statistics& all) {
  auto a = make_args<renorm_correction_args>();
  a.count = &all.count;
  a.mean = all.mean.data();
  a.m2 = all.m2.data();
  a.running_mean = memory.running(p.running_mean);
  a.running_var = memory.running(p.running_var);
  a.sigma = all.sigma.data();
  a.r = all.r.data();
  a.d = all.d.data();
  RENORM_EXPECT_OK(renorm_correction(&p.desc, &a, nullptr));
}

void apply(shard& part, batch_statistics const& all) {
  auto map = make_args<renorm_coefficients_args>();
  map.mean = all.mean.data();
  map.sigma = all.sigma.data();
  map.r = all.r.data();
  map.d = all.d.data();
  map.gamma = part.memory.params(part.p.gamma);
  map.beta = part.memory.params(part.p.beta);
  map.center = part.memory.saved();
  map.scale = part.memory.saved();
  map.shift = part.memory.saved();
  RENORM_EXPECT_OK(renorm_coefficients(&part.p.desc, &map, nullptr));
  auto a = make_args<renorm_apply_args>();
  a.x = part.x;
  a.center = map.center;
  a.scale = map.scale;
  a.shift = map.shift;
  a.y = part.y;
  a.mask = part.mask;
  a.z = part.z;
  RENORM_EXPECT_OK(renorm_apply(&part.p.desc, &a, nullptr));
}

void add_gradient_sums(shard& part, batch_statistics const& all, array& sum_dy, array& sum_dy_xhat) {
  auto a = make_args<renorm_backward_reduce_args>();
  a.x = part.x;
  a.dy = part.dy;
  a.mean = all.mean.data();
  a.sigma = all.sigma.data();
  a.sum_dy = part.memory.saved();
  a.sum_dy_xhat = part.memory.saved();
  a.mask = part.mask;
  a.gamma = part.memory.params(part.p.gamma);
  a.beta = part.memory.params(part.p.beta);
  a.r = all.r.data();
  a.d = all.d.data();
  a.z = part.z;
  RENORM_EXPECT_OK(renorm_backward_reduce(&part.p.desc, &a, nullptr));
  for (std::size_t c = 0; c < part.p.c(); ++c) {
    sum_dy[c] += part.memory.read_saved(a.sum_dy)[c];
    sum_dy_xhat[c] += part.memory.read_saved(a.sum_dy_xhat)[c];
  }
}

void apply_gradient(shard& part, batch_statistics const& all, array const& sum_dy, array const& sum_dy_xhat, values& got) {
  auto a = make_args<renorm_backward_apply_args>();
  a.x = part.x;
  a.dy = part.dy;
  a.gamma = part.memory.params(part.p.gamma);
  a.mean = all.mean.data();
  a.sigma = all.sigma.data();
  a.r = all.r.data();
  a.d = all.d.data();
  a.count = &all.count;
  a.sum_dy = sum_dy.data();
  a.sum_dy_xhat = sum_dy_xhat.data();
  a.dx = part.dx;
  a.dgamma = part.memory.params();
  a.dbeta = part.memory.params();
  a.mask = part.mask;
  a.beta = part.memory.params(part.p.beta);
  a.z = part.z;
  a.dz = part.dz;
  RENORM_EXPECT_OK(renorm_backward_apply(&part.p.desc, &a, nullptr));
  got.dgamma = part.memory.read_params(a.dgamma);
  got.dbeta = part.memory.read_params(a.dbeta);
}

void append(array const& from, array& to) { to.insert(to.end(), from.begin(), from.end()); }

}  // namespace

void merge_moments(renorm_desc const& desc, std::int64_t& count, array& mean, array& m2, std::int64_t other_count, array const& other_mean,
                   array const& other_m2) {
  auto a = make_args<renorm_merge_args>();
  a.count = &count;
  a.mean = mean.data();
  a.m2 = m2.data();
  a.other_count = &other_count;
  a.other_mean = other_mean.data();
  a.other_m2 = other_m2.data();
  RENORM_EXPECT_OK(renorm_merge(&desc, &a, nullptr));
}

void update_running(problem const& p, std::int64_t count, array const& mean, array const& m2, array& running_mean, array& running_var) {
  way const how;
  step_memory memory(p, how);
  auto a = make_args<renorm_update_running_args>();
  a.count = &count;
  a.mean = mean.data();
  a.m2 = m2.data();
  a.running_mean = memory.running(p.running_mean);
  a.running_var = memory.running(p.running_var);
  RENORM_EXPECT_OK(renorm_update_running(&p.desc, &a, nullptr));
  running_mean = memory.read_running(a.running_mean);
  running_var = memory.read_running(a.running_var);
}

folded fold(problem const& p) {
  way const how;
  step_memory memory(p, how);
  auto a = make_args<renorm_fold_args>();
  a.gamma = memory.params(p.gamma);
  a.beta = memory.params(p.beta);
  a.running_mean = memory.running(p.running_mean);
  a.running_var = memory.running(p.running_var);
  a.weights = memory.tensor(p.x);
  a.bias = a.beta;
  a.scale = memory.params();
  a.folded_weights = memory.tensor();
  a.folded_bias = memory.params();
  RENORM_EXPECT_OK(renorm_fold(&p.desc, &a, nullptr));
  return {memory.read_params(a.scale), memory.read_tensor(a.folded_weights), memory.read_params(a.folded_bias)};
}

values train_in_shards(problem const& p, std::vector<std::size_t> const& borders) {
  std::deque<shard> shards;
  for (std::size_t i = 0; i + 1 < borders.size(); ++i) shards.emplace_back(p, borders[i], borders[i + 1]);

  array const zeros(p.c());
  batch_statistics all = {0, zeros, zeros, zeros, zeros, zeros};
  for (shard& part : shards) add_moments(part, all);
  EXPECT_EQ(all.count, p.count(all_groups));
  correct(p, shards.front().memory, all);

  values got;
  got.mean = all.mean;
  got.sigma = all.sigma;
  got.r = all.r;
  got.d = all.d;
  for (double m2 : all.m2) got.var.push_back(m2 / std::max(1.0, static_cast<double>(all.count)));
  update_running(p, all.count, all.mean, all.m2, got.running_mean, got.running_var);

  array sum_dy = zeros, sum_dy_xhat = zeros;
  for (shard& part : shards) {
    apply(part, all);
    append(part.memory.read_tensor(part.y), got.y);
    add_gradient_sums(part, all, sum_dy, sum_dy_xhat);
  }
  for (shard& part : shards) {
    apply_gradient(part, all, sum_dy, sum_dy_xhat, got);
    append(part.memory.read_tensor(part.dx), got.dx);
    if (part.dz != nullptr) append(part.memory.read_tensor(part.dz), got.dz);
  }
  return got;
}

values train(problem const& p, way const& how) { return step(p, how).train(); }
values infer(problem const& p, way const& how) { return step(p, how).infer(); }

}  // namespace renorm_test
