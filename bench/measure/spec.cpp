#include "measure/spec.hpp"

#include "measure/require.hpp"

namespace bench {
namespace {

// x and y; x, dy and dx; x alone; and z where it is added.
std::size_t tensors_of(renorm_op call, spec const& s) {
  if (call == RENORM_OP_MOMENTS) return 1;
  if (call == RENORM_OP_BACKWARD) return 3;
  return s.adds() ? 3 : 2;
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

spec spec::plain() const {
  spec s = *this;
  s.desc.epilogue = RENORM_EPILOGUE_NONE;
  return s;
}

std::string spec::options() const {
  std::string all;
  if (desc.groups > 1) all += "/groups=" + std::to_string(desc.groups);
  if (desc.mask_kind != RENORM_MASK_NONE) all += std::string("/mask=") + name_of(masks, desc.mask_kind);
  return all;
}

std::size_t spec::bytes() const {
  return tensor_bytes() * (tensors_of(op.first, *this) + (op.second == 0 ? 0 : tensors_of(op.second, *this)));
}

std::string name_of(spec const& s) {
  return std::string(s.op.name) + '/' + name_of(layouts, s.desc.layout) + '/' + name_of(dtypes, s.desc.dtype) + '/' + name_of(s.shape) +
         "/t" + std::to_string(s.threads) + s.options();
}

}  // namespace bench
