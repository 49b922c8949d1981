#include "measure/implementations.hpp"

#include "measure/floors.hpp"
#include "measure/renorm_call.hpp"

namespace bench {
namespace {

std::vector<implementation> (*invited)(spec const&) = nullptr;

}  // namespace

std::vector<implementation> implementations(spec const& s) {
  std::vector<implementation> all = {{"renorm", false, [](spec const& what) { return std::vector<call>{renorm_call(what)}; }}};
  if (invited != nullptr)
    for (implementation const& guest : invited(s)) all.push_back(guest);
  all.push_back({floor_name(s), true, floor_calls});
  return all;
}

void invite(std::vector<implementation> (*guests)(spec const&)) { invited = guests; }

}  // namespace bench
