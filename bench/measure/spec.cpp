#include "measure/spec.hpp"

namespace bench {

fusion fusion_of(op what) {
  if (what == op::train_relu) return {op::train, RENORM_EPILOGUE_RELU};
  if (what == op::train_add_relu) return {op::train, RENORM_EPILOGUE_ADD_RELU};
  if (what == op::inference_relu) return {op::inference, RENORM_EPILOGUE_RELU};
  if (what == op::backward_relu) return {op::backward, RENORM_EPILOGUE_RELU};
  return {what, RENORM_EPILOGUE_NONE};
}

std::vector<shape> const& shapes() {
  static std::vector<shape> const list = {
#define RENORM_SHAPE(group, n, c, h, w) {#group, n, c, h, w},
#include "shapes.inc"
#undef RENORM_SHAPE
  };
  return list;
}

std::string name_of(shape const& s) {
  return std::to_string(s.n) + 'x' + std::to_string(s.c) + 'x' + std::to_string(s.h) + 'x' + std::to_string(s.w);
}

std::string name_of(spec const& s) {
  return std::string(name_of(ops, s.op)) + '/' + name_of(layouts, s.layout) + '/' + name_of(dtypes, s.dtype) + '/' + name_of(s.shape) +
         "/t" + std::to_string(s.threads);
}

}  // namespace bench
