// Measurements as a person and as a program read them.
#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace bench {

struct result {
  std::string implementation;
  bool is_floor;
  timing time;
};

struct measurement {
  spec what;
  std::vector<result> results;  // one for each of implementations(what)
};

// How near r, one of m.results, comes to the limit: 1 is the limit, 0 where there is none.
double share_of_limit(measurement const& m, result const& r);

// All implementations of s, interleaved.
measurement measure(spec const& s, sampling const& how);

// One table for each operation, layout, dtype and number of threads, printed as it is measured.
std::vector<measurement> measure_and_print(std::vector<spec> const& specs, sampling const& how);

// One result a line, which renorm_report relies on.
void write_json(std::FILE* file, std::string const& peers, std::vector<measurement> const& measurements);

}  // namespace bench
