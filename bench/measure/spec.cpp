#include "measure/spec.hpp"

#include "measure/require.hpp"
#include "measure/threads.hpp"

#include <algorithm>

namespace bench {
namespace {

std::size_t tensors_of(renorm_op call, spec const& s) {
  std::size_t const z = s.reads_z(call), dz = s.writes_dz(call);
  switch (call) {
    case RENORM_OP_TRAIN:
    case RENORM_OP_INFERENCE:
    case RENORM_OP_APPLY:
    case RENORM_OP_FOLD:
      return 2 + z;  // x and y
    case RENORM_OP_BACKWARD:
    case RENORM_OP_INFERENCE_BACKWARD:
    case RENORM_OP_BACKWARD_APPLY:
      return 3 + z + dz;  // x, dy and dx
    case RENORM_OP_BACKWARD_REDUCE:
      return 2 + z;  // x and dy
    case RENORM_OP_MOMENTS:
      return 1;
  }
  return 0;
}

}  // namespace

spec::spec(bench::op const& o, renorm_layout layout, renorm_dtype dtype, bench::shape const& s, int thread_count)
    : op(o), shape(s), threads(thread_count) {
  require(renorm_desc_init(&desc, sizeof desc));
  desc.flags = o.flags;
  desc.layout = layout;
  desc.dtype = dtype;
  desc.epilogue = o.epilogue;
  desc.n = s.n;
  desc.c = s.c;
  desc.s = s.positions();
}

bool spec::reads_dy(renorm_op call) {
  return call == RENORM_OP_BACKWARD || call == RENORM_OP_INFERENCE_BACKWARD || call == RENORM_OP_BACKWARD_REDUCE ||
         call == RENORM_OP_BACKWARD_APPLY;
}

bool spec::reads_z(renorm_op call) const {
  if (call == RENORM_OP_TRAIN || call == RENORM_OP_INFERENCE || call == RENORM_OP_APPLY) return adds();
  return reads_dy(call) && desc.epilogue == RENORM_EPILOGUE_ADD_RELU;
}

bool spec::writes_dz(renorm_op call) const { return reads_dy(call) && call != RENORM_OP_BACKWARD_REDUCE && adds(); }

spec spec::plain() const {
  spec s = *this;
  s.desc.epilogue = RENORM_EPILOGUE_NONE;
  return s;
}

std::string spec::options() const {
  spec unnamed = *this;
  unnamed.desc.flags &= ~op.flags;
  if (op.epilogue != RENORM_EPILOGUE_NONE) unnamed.desc.epilogue = RENORM_EPILOGUE_NONE;
  std::string const call = spelled(unnamed);
  std::size_t end = 0;  // of operation, layout, type, shape, threads
  for (int part = 0; part < 5; ++part) end = std::min(call.find('/', end + 1), call.size());
  return call.substr(end);
}

std::size_t spec::bytes() const {
  return tensor_bytes() * (tensors_of(op.first, *this) + (op.second == 0 ? 0 : tensors_of(op.second, *this)));
}

std::string explained(spec const& s) {
  char line[RENORM_EXPLAIN_BYTES];
  renorm_exec const exec = make_exec(s.threads);
  require(renorm_explain(&s.desc, s.op.first, &exec, line, sizeof line));
  return line;
}

std::string spelled(spec const& s) {
  std::string const line = explained(s);
  return line.substr(0, line.find(": "));
}

std::string name_of(spec const& s) {
  return std::string(s.op.name) + '/' + name_of(layouts, s.desc.layout) + '/' + name_of(dtypes, s.desc.dtype) + '/' + name_of(s.shape) +
         "/t" + std::to_string(s.threads) + s.options();
}

}  // namespace bench
