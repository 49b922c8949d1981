// What renorm_table --json wrote, as tables.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace report {

struct entry {
  std::string implementation;
  double seconds;
  double share;  // of the limit: 1 is as fast as the floor
};

struct row {
  std::string shape;
  std::vector<entry> entries;  // renorm first, then the peers, or what stands in their place

  entry const& ours() const { return entries.front(); }
  entry const* best_peer() const;  // NULL: nobody took part
  entry const* find(std::string const& implementation) const;
};

double speed_up(row const& r, entry const& peer);

struct table {
  std::string op, layout, dtype, threads;  // as in the names of benchmarks; options stand behind the operation
  std::vector<row> rows;

  std::vector<std::string> peers() const;  // of any row
};

std::string title(table const& t);

// What counts in means and minima: all but the tiny shape, which shows the cost of a call.
std::vector<row> counted_rows(table const& t);

double geometric_mean(std::vector<double> const& values);

struct results {
  std::string build, isa, peers;
  std::vector<table> tables;
};

// Adds what a file holds to r, in place of what r has of the same name. False if it is not such a file.
bool read_results(std::FILE* file, results& r);

}  // namespace report
