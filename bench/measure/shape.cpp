#include "measure/shape.hpp"

namespace bench {

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

}  // namespace bench
