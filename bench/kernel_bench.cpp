// kernel/<name>/<isa>/<dtype>/<length>: every kernel of src/kernels/list.inc alone, on every instruction set of this CPU.
//
// One function of `jobs` for each kernel, of the same name: a listed kernel without one does not compile. The type of its last
// parameter says what a length is and which lengths are measured.
#include "isa/isa.hpp"
#include "measure/tensors.hpp"
#include "register.hpp"
#include "timed_loop.hpp"

#include <string>
#include <vector>

namespace bench {
namespace {

using namespace renorm;

struct run_values {  // values of one plane
  std::size_t n;
  static constexpr std::size_t lengths[] = {49, 1024, 32768, 4194304};
};

struct row_values {  // values of a channels-last tensor
  std::size_t n;
  static constexpr std::size_t lengths[] = {64, 1024, 32768, 4194304};
};

struct channel_count {
  std::size_t n;
  static constexpr std::size_t lengths[] = {3, 64, 2048};
};

std::size_t const max_channels = 2048;
std::size_t const row_width = 64;
std::size_t const sublanes_of_pixels = 4;
double const values_per_channel = 1000;
std::int64_t const values_of_group = 1000;

// What kernels work on. Inputs are positive where a kernel takes their root or divides by them; outputs share no input.
template <class T> struct arrays {
  std::shared_ptr<tensors const> data = shared_tensors(sizeof(T) == sizeof(float) ? RENORM_F32 : RENORM_F64, 4194304);
  T const* x = static_cast<T const*>(data->x.data());
  T const* dy = static_cast<T const*>(data->dy.data());
  T* out = static_cast<T*>(data->out.data());

  std::vector<T> t_in = std::vector<T>(max_channels, T(1.5));
  std::vector<std::vector<T>> t_out = std::vector<std::vector<T>>(5, std::vector<T>(max_channels));
  std::vector<T> lane_sums = std::vector<T>(max_channels * 2 * lanes<T>, T(1.5));
  std::vector<double> in = std::vector<double>(max_channels, 1.5);
  std::vector<double> squares = std::vector<double>(max_channels, 1.5 * 1.5 * values_per_channel);
  std::vector<double> d_out[3] = {std::vector<double>(max_channels), std::vector<double>(max_channels), std::vector<double>(max_channels)};
};

// Bytes that a call reads and writes, every array once, and the call.
template <class Run> struct job {
  std::size_t bytes;
  Run run;
};
template <class Run> job(std::size_t, Run) -> job<Run>;

planes one_run(run_values length) { return {1, 1, 1, length.n}; }
pixels all_rows(row_values length) { return {length.n / row_width, {0, 0, 1}, row_width}; }

// Of one run, or of all rows.
template <class E> view<E> run(E* data, run_values length) { return {data, {length.n, length.n, 1}}; }
template <class E> view<E> run(E* data, row_values) { return {data, {0, 1, row_width}}; }

namespace jobs {

template <class T> auto moments_plane(kernels<T> const& k, arrays<T>& a, run_values n) {
  return job{n.n * sizeof(T), [&k, &a, n] { k.moments_plane(one_run(n), run(a.x, n), {}, a.t_in.data(), nullptr, a.lane_sums.data()); }};
}

template <class T> auto moments_pixels(kernels<T> const& k, arrays<T>& a, row_values n) {
  return job{n.n * sizeof(T),
             [&k, &a, n] { k.moments_pixels(all_rows(n), run(a.x, n), a.t_in.data(), nullptr, a.t_out[0].data(), a.t_out[1].data()); }};
}

template <class T> xhat_coefficients<T> xhat(arrays<T> const& a) { return {a.t_in.data(), a.t_in.data(), a.t_in.data()}; }

template <class T> auto grad_moments_plane(kernels<T> const& k, arrays<T>& a, run_values n) {
  return job{2 * n.n * sizeof(T),
             [&k, &a, n] { k.grad_moments_plane(one_run(n), run(a.x, n), run(a.dy, n), {}, xhat(a), {}, a.lane_sums.data()); }};
}

template <class T> auto grad_moments_pixels(kernels<T> const& k, arrays<T>& a, row_values n) {
  return job{2 * n.n * sizeof(T), [&k, &a, n] {
               k.grad_moments_pixels(all_rows(n), run(a.x, n), run(a.dy, n), xhat(a), {}, a.t_out[0].data(), a.t_out[1].data());
             }};
}

template <class T> auto add_partial(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * 4 * sizeof(T), [&k, &a, c] { k.add_partial(c.n, a.t_out[0].data(), a.t_out[1].data()); }};
}

template <class T> auto fold_plane(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * (2 * lanes<T> * sizeof(T) + 2 * sizeof(double)),
             [&k, &a, c] { k.fold_plane(c.n, a.lane_sums.data(), a.d_out[0].data(), a.d_out[1].data(), nullptr); }};
}

template <class T> auto fold_pixels(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * 2 * (sublanes_of_pixels * sizeof(T) + sizeof(double)), [&k, &a, c] {
               T const *const sum_a = a.lane_sums.data(), *const sum_b = sum_a + sublanes_of_pixels * c.n;
               k.fold_pixels(c.n, sublanes_of_pixels, c.n, sum_a, sum_b, a.d_out[0].data(), a.d_out[1].data(), nullptr);
             }};
}

template <class T> auto median_rows(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * 4 * sizeof(T),
             [&k, &a, c] { k.median_rows(c.n, a.t_in.data(), a.t_out[0].data(), a.t_out[1].data(), a.t_out[2].data()); }};
}
template <class T> auto median_planes(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * 4 * sizeof(T),
             [&k, &a, c] { k.median_planes(c.n, 1, a.t_in.data(), a.t_out[0].data(), a.t_out[1].data(), a.t_out[2].data()); }};
}

template <class T> auto settle_moments(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * (sizeof(T) + 6 * sizeof(double)), [&k, &a, c] {
               k.settle_moments(c.n, values_per_channel, false, a.t_in.data(), a.in.data(), a.in.data(), a.squares.data(),
                                a.d_out[0].data(), a.d_out[1].data(), a.d_out[2].data());
             }};
}

template <class T> affine_coefficients<T> affine(arrays<T> const& a) { return {a.t_in.data(), a.t_in.data(), a.t_in.data()}; }

template <class T> auto affine_plane(kernels<T> const& k, arrays<T>& a, run_values n) {
  return job{2 * n.n * sizeof(T), [&k, &a, n] { k.affine_plane(one_run(n), run(a.x, n), affine(a), {}, run(a.out, n), false); }};
}

template <class T> auto clear_plane(kernels<T> const& k, arrays<T>& a, run_values n) {
  return job{3 * n.n * sizeof(T), [&k, &a, n] { k.clear_plane(one_run(n), run(a.x, n), run(a.out, n)); }};
}

template <class T> auto affine_pixels(kernels<T> const& k, arrays<T>& a, row_values n) {
  return job{2 * n.n * sizeof(T), [&k, &a, n] { k.affine_pixels(all_rows(n), run(a.x, n), affine(a), {}, run(a.out, n), false); }};
}

template <class T> grad_coefficients<T> grad(arrays<T> const& a) { return {a.t_in.data(), a.t_in.data(), a.t_in.data()}; }

template <class T> auto grad_affine_plane(kernels<T> const& k, arrays<T>& a, run_values n) {
  return job{3 * n.n * sizeof(T),
             [&k, &a, n] { k.grad_affine_plane(one_run(n), run(a.x, n), run(a.dy, n), xhat(a), grad(a), {}, run(a.out, n), false); }};
}

template <class T> auto grad_affine_pixels(kernels<T> const& k, arrays<T>& a, row_values n) {
  return job{3 * n.n * sizeof(T),
             [&k, &a, n] { k.grad_affine_pixels(all_rows(n), run(a.x, n), run(a.dy, n), xhat(a), grad(a), {}, run(a.out, n), false); }};
}

template <class T> auto narrow_affine(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * 3 * (sizeof(T) + sizeof(double)), [&k, &a, c] {
               k.narrow_affine(c.n, a.in.data(), a.in.data(), a.in.data(), a.t_out[0].data(), a.t_out[1].data(), a.t_out[2].data(),
                               a.t_out[3].data(), a.t_out[4].data());
             }};
}

template <class T> auto narrow_xhat(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * (5 * sizeof(T) + 2 * sizeof(double)), [&k, &a, c] {
               k.narrow_xhat(c.n, a.in.data(), a.in.data(), a.t_out[0].data(), a.t_out[1].data(), a.t_out[2].data(), a.t_out[3].data(),
                             a.t_out[4].data());
             }};
}

template <class T> auto narrow_grad(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * (4 * sizeof(T) + 4 * sizeof(double)), [&k, &a, c] {
               typed_in const gamma = {a.t_in.data(), sizeof(T) == sizeof(double)};
               k.narrow_grad(c.n, values_per_channel, values_per_channel, a.in.data(), gamma, a.in.data(), a.in.data(), a.in.data(),
                             a.t_out[0].data(), a.t_out[1].data(), a.t_out[2].data(), a.t_out[3].data());
             }};
}

template <class T> auto settle_grad(kernels<T> const& k, arrays<T>& a, channel_count c) {
  return job{c.n * 5 * sizeof(double), [&k, &a, c] { k.settle_grad(c.n, a.in.data(), a.in.data(), a.in.data(), a.d_out[0].data()); }};
}

// Per-channel algebra: double throughout.
using doubles = arrays<double>;

auto merge(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 6 * sizeof(double), [&k, &a, c] {
               k.merge(c.n, true, false, 100, values_per_channel, a.d_out[0].data(), a.d_out[1].data(), a.in.data(), a.squares.data());
             }};
}

auto carry_means(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 4 * sizeof(double),
             [&k, &a, c] { k.carry_means(c.n, 100, a.in.data(), a.squares.data(), a.d_out[0].data(), a.d_out[1].data()); }};
}

auto means_of_sums(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 3 * sizeof(double), [&k, &a, c] { k.means_of_sums(c.n, 100, a.in.data(), a.squares.data(), a.d_out[0].data()); }};
}

auto spell_out_m2(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 2 * sizeof(double), [&k, &a, c] { k.spell_out_m2(c.n, 100, a.squares.data()); }};
}

auto accumulate(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 3 * sizeof(double), [&k, &a, c] { k.accumulate(c.n, a.d_out[0].data(), a.in.data()); }};
}

statistics running_statistics(doubles const& a) { return {{a.in.data(), true}, {a.in.data(), true}, true, 1e-5}; }

auto deviation(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 4 * sizeof(double), [&k, &a, c] { k.deviation(c.n, running_statistics(a), a.d_out[0].data(), a.d_out[1].data()); }};
}

auto correction(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 7 * sizeof(double), [&k, &a, c] {
               statistics const running = running_statistics(a);
               k.correction(c.n, {values_per_channel, values_per_channel, 1e-5, false}, a.in.data(), a.squares.data(), &running,
                            {1. / 3, 3, 5, 0}, a.d_out[0].data(), a.d_out[1].data(), a.d_out[2].data());
             }};
}

auto coefficients(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 9 * sizeof(double), [&k, &a, c] {
               typed_in const parameter = {a.in.data(), true};
               k.coefficients(c.n, a.in.data(), a.in.data(), a.in.data(), a.in.data(), parameter, parameter, a.d_out[0].data(),
                              a.d_out[1].data(), a.d_out[2].data());
             }};
}

auto count_nonfinite(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 3 * sizeof(double), [&k, &a, c] {
               benchmark::DoNotOptimize(k.count_nonfinite(c.n, {1, c.n, a.in.data(), a.in.data(), a.in.data(), true}));
             }};
}

auto update_running(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 6 * sizeof(double), [&k, &a, c] {
               k.update_running(c.n, {0.1, {1, c.n, &values_of_group}, false, false, 1e-5, false, false}, a.in.data(), a.squares.data(),
                                nullptr, {a.d_out[0].data(), true}, {a.d_out[1].data(), true});
             }};
}

auto grad_parameters(channel_kernels const& k, doubles& a, channel_count c) {
  return job{c.n * 6 * sizeof(double), [&k, &a, c] {
               k.grad_parameters(c.n, 1, c.n, a.in.data(), a.in.data(), a.in.data(), a.in.data(), {a.d_out[0].data(), true},
                                 {a.d_out[1].data(), true});
             }};
}

}  // namespace jobs

template <class Table, class T, class Length, class Job>
void add(char const* kernel, char const* dtype, isa const& code, Table const& table, Job (*make)(Table const&, arrays<T>&, Length)) {
  for (std::size_t const length : Length::lengths) {
    std::string const name = std::string("kernel/") + kernel + '/' + code.name + '/' + dtype + '/' + std::to_string(length);
    benchmark::RegisterBenchmark(name.c_str(), [=, &table](benchmark::State& state) {
      arrays<T> a;
      Job const j = make(table, a, {length});
      timed_loop(state, j.bytes, j.run);
    });
  }
}

template <class T> void add_kernels(char const* dtype, isa const& code) {
#define RENORM_KERNEL(name, ret, args) add(#name, dtype, code, code.of<T>(), &jobs::name<T>);
#define RENORM_CHANNEL_KERNEL(name, ret, args)
#include "kernels/list.inc"
#undef RENORM_KERNEL
#undef RENORM_CHANNEL_KERNEL
}

void add_channel_kernels(isa const& code) {
#define RENORM_KERNEL(name, ret, args)
#define RENORM_CHANNEL_KERNEL(name, ret, args) add(#name, "f64", code, code.channel, &jobs::name);
#include "kernels/list.inc"
#undef RENORM_KERNEL
#undef RENORM_CHANNEL_KERNEL
}

}  // namespace

void register_kernels() {
  for (isas::entry const& e : isas::compiled()) {
    if (!e.runs_here()) continue;
    add_kernels<float>("f32", *e.code);
    add_kernels<double>("f64", *e.code);
    add_channel_kernels(*e.code);
  }
}

}  // namespace bench
