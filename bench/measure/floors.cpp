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

// What a thread does to its part of the tensors. z is where dy is.
enum class pass {
  read_x,
  read_dy,
  copy,  // reads x, writes y
  triad  // reads x and dy, writes dx
};

struct floor_kind {
  char const* name;
  std::vector<pass> passes;
};

struct floor_run {
  std::vector<pass> passes;
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
    for (pass const p : passes) {
      if (p == pass::read_x) loops.read(x, size);
      if (p == pass::read_dy) loops.read(dy, size);
      if (p == pass::copy) loops.copy(x, y, size, stream);
      if (p == pass::triad) loops.triad(x, dy, y, size, stream);
    }
    loops.finish();
  }
};

floor_kind const read = {"read", {pass::read_x}};
floor_kind const read2 = {"read2", {pass::read_x, pass::read_dy}};
floor_kind const copy = {"copy", {pass::copy}};
floor_kind const read_copy = {"read_copy", {pass::read_x, pass::copy}};
floor_kind const triad = {"triad", {pass::triad}};
floor_kind const read_triad = {"read_triad", {pass::read_x, pass::triad}};
floor_kind const read2_triad = {"read2_triad", {pass::read_x, pass::read_dy, pass::triad}};

// NHWC has all of x and dy between its reduction and its sweep, so both come from memory twice.
std::vector<floor_kind> floors_of(renorm_op call, spec const& s) {
  switch (call) {
    case RENORM_OP_TRAIN:
      return {s.adds() ? read_triad : read_copy};
    case RENORM_OP_INFERENCE:
    case RENORM_OP_APPLY:
      return {s.adds() ? triad : copy};
    case RENORM_OP_FOLD:
      return {copy};
    case RENORM_OP_MOMENTS:
      return {read};
    case RENORM_OP_BACKWARD:
      return {s.desc.layout == RENORM_NCHW ? triad : read2_triad};
    case RENORM_OP_INFERENCE_BACKWARD:
    case RENORM_OP_BACKWARD_APPLY:
      return {triad};
    case RENORM_OP_BACKWARD_REDUCE:
      return {read2};
  }
  return {};  // reads no tensor
}

// z beside dy, and dz, are as much traffic as another pass over x and y.
std::vector<floor_kind> floors_of(spec const& s) {
  std::vector<floor_kind> floors;
  for (renorm_op const call : {s.op.first, s.op.second}) {
    for (floor_kind const& kind : floors_of(call, s)) floors.push_back(kind);
    if (s.writes_dz(call)) floors.push_back(copy);
    else if (spec::reads_dy(call) && s.reads_z(call)) floors.push_back(read);
  }
  return floors;
}

floor_run run_of(spec const& s, std::vector<pass> const& passes, bool stream) {
  return {passes,
          stream,
          s.tensor_bytes(),
          static_cast<std::size_t>(s.threads),
          make_exec(s.threads),
          shared_tensors(s.desc.dtype, s.shape.values())};
}

call floor_call(spec const& s, bool stream) {
  std::vector<floor_run> runs;
  for (floor_kind const& kind : floors_of(s)) runs.push_back(run_of(s, kind.passes, stream));
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
  return two_pass_run{samples, pitch, block, stream, shared_tensors(s.desc.dtype, s.shape.values())};
}

}  // namespace

std::string floor_name(spec const& s) {
  std::string name;
  for (floor_kind const& kind : floors_of(s)) name += (name.empty() ? "" : "_") + std::string(kind.name);
  return name;
}

std::vector<call> floor_calls(spec const& s) { return {floor_call(s, false), floor_call(s, true)}; }

call read_z_call(spec const& s) { return run_of(s, {pass::read_dy}, false); }

std::vector<call> two_pass_calls(spec const& s) { return {two_pass_call(s, false), two_pass_call(s, true)}; }

}  // namespace bench
