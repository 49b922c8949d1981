// What x holds: operations should take as long on any of it as on random values.
#pragma once

#include "measure/implementations.hpp"

#include <cstddef>
#include <vector>

namespace bench {

// Numbers of a type: squares of tiny values are lost, and those of huge ones are beyond it.
struct range {
  double tiny, huge, least_normal;
};

// Where a value of x is, and what it would be at random.
struct place {
  std::size_t sample, channel, position, positions;  // of so many positions of a sample
  bool first_of_sample, first_of_batch;              // of the valid positions
  bool sampled;                                      // it is one of those that the library takes the pivot of its chunk from
  range type;
  double random;
};

struct content {
  char const* name;
  double (*value)(place const& at);
  bool without_eps = false;
};

extern content const contents[16];

// Implementations named after contents: renorm on values of theirs, kept while they are measured.
std::vector<implementation> on_contents(std::vector<content> const& chosen);

}  // namespace bench
