#include "measure/implementations.hpp"

#include "measure/floors.hpp"
#include "measure/renorm_call.hpp"

namespace bench {

std::vector<implementation> implementations(spec const& s) {
  return {{"renorm", false, [](spec const& what) { return std::vector<call>{renorm_call(what)}; }},
          {name_of(floor_kinds, floor_of(s)), true, floor_calls}};
}

}  // namespace bench
