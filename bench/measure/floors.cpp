#include "measure/floors.hpp"

#include "measure/tensors.hpp"
#include "measure/threads.hpp"

#include <algorithm>
#include <memory>

namespace bench {
namespace {

// The best of this machine, whatever instruction set the library is limited to.
floor_loops const& best_loops() {
#ifdef RENORM_FLOORS_X86
  if (renorm_best_isa() == RENORM_ISA_AVX512) return floors_avx512;
  if (renorm_best_isa() == RENORM_ISA_AVX2) return floors_avx2;
#endif
  return floors_portable;
}

struct floor_run {
  floor_kind kind;
  bool stream;
  std::size_t bytes;
  std::size_t threads;
  renorm_exec exec;
  std::shared_ptr<tensors const> data;
  floor_loops const& loops = best_loops();

  void operator()() const {
    if (threads == 1) part(0);
    else exec.parallel_for(exec.ctx, threads, task, const_cast<floor_run*>(this));
  }

 private:
  static void task(void* self, std::size_t index) { static_cast<floor_run const*>(self)->part(index); }

  // Parts meet at page borders: no two threads write to one line.
  std::size_t border(std::size_t index) const { return index == threads ? bytes : bytes / threads * index / 4096 * 4096; }

  void part(std::size_t index) const {
    std::size_t const first = border(index), size = border(index + 1) - first;
    std::byte const* const x = static_cast<std::byte const*>(data->x.data()) + first;
    std::byte const* const dy = static_cast<std::byte const*>(data->dy.data()) + first;
    std::byte* const y = static_cast<std::byte*>(data->out.data()) + first;
    if (kind == floor_kind::read_copy || kind == floor_kind::read2_triad) loops.read(x, size);
    if (kind == floor_kind::read2_triad) loops.read(dy, size);
    if (kind == floor_kind::copy || kind == floor_kind::read_copy) loops.copy(x, y, size, stream);
    else loops.triad(x, dy, y, size, stream);
    loops.finish();
  }
};

// NHWC has all of x and dy between its reduction and its sweep, so both come from memory twice.
std::vector<floor_kind> floors_of(spec const& s) {
  floor_kind const of_backward = s.layout == RENORM_NCHW ? floor_kind::triad : floor_kind::read2_triad;
  if (s.op == op::inference) return {floor_kind::copy};
  if (s.op == op::renorm_step) return {floor_kind::read_copy, of_backward};
  return {s.is_backward() ? of_backward : floor_kind::read_copy};
}

call floor_call(spec const& s, bool stream) {
  auto const data = shared_tensors(s.dtype, s.shape.values());
  std::vector<floor_run> runs;
  for (floor_kind const kind : floors_of(s))
    runs.push_back({kind, stream, s.tensor_bytes(), static_cast<std::size_t>(s.threads), make_exec(s.threads), data});
  return [=] {
    for (floor_run const& run : runs) run();
  };
}

struct two_pass_run {
  std::size_t samples, pitch, block;
  bool stream;
  std::shared_ptr<tensors const> data;
  floor_loops const& loops = best_loops();

  void operator()() const {
    for (std::size_t first = 0; first < pitch; first += block) {
      std::size_t const size = std::min(block, pitch - first);
      for_each_run(first, [&](std::byte const* x, std::byte const* dy, std::byte*) {
        loops.read(x, size);
        loops.read(dy, size);
      });
      for_each_run(first, [&](std::byte const* x, std::byte const* dy, std::byte* y) { loops.triad(x, dy, y, size, stream); });
    }
    loops.finish();
  }

 private:
  template <class F> void for_each_run(std::size_t first, F const& f) const {
    for (std::size_t i = 0; i < samples; ++i) {
      std::size_t const at = i * pitch + first;
      f(static_cast<std::byte const*>(data->x.data()) + at, static_cast<std::byte const*>(data->dy.data()) + at,
        static_cast<std::byte*>(data->out.data()) + at);
    }
  }
};

call two_pass_call(spec const& s, bool stream) {
  constexpr std::size_t line = 64, least = 8192;
  std::size_t const samples = static_cast<std::size_t>(s.shape.n), pitch = s.tensor_bytes() / samples / line * line;
  std::size_t const plane = s.tensor_bytes() / samples / static_cast<std::size_t>(s.shape.c);
  std::size_t const block = (least + plane - 1) / plane * plane / line * line;
  return two_pass_run{samples, pitch, block, stream, shared_tensors(s.dtype, s.shape.values())};
}

}  // namespace

std::string floor_name(spec const& s) {
  std::string name;
  for (floor_kind const kind : floors_of(s)) name += (name.empty() ? "" : "_") + std::string(name_of(floor_kinds, kind));
  return name;
}

std::vector<call> floor_calls(spec const& s) { return {floor_call(s, false), floor_call(s, true)}; }

std::vector<call> two_pass_calls(spec const& s) { return {two_pass_call(s, false), two_pass_call(s, true)}; }

}  // namespace bench
