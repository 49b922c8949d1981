// Who takes part in a measurement.
#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"

#include <functional>
#include <string>
#include <vector>

namespace bench {

struct implementation {
  std::string name;
  bool is_floor;
  // Ways to do the same; the fastest one counts. The calls keep alive what they work on.
  std::function<std::vector<call>(spec const&)> prepare;
};

// In the order in which they take turns: renorm first, the floor last, if there is one.
std::vector<implementation> implementations(spec const& s);

// From now on guests(s) take part as well, in the place of earlier ones. Specs that differ in their shape alone have the same guests.
void invite(std::function<std::vector<implementation>(spec const& s)> guests);

}  // namespace bench
