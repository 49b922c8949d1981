#pragma once

#include "report/results.hpp"

namespace report {

// A line for each table: means and minima over its shapes.
void write_summary(std::FILE* file, results const& r);

// The summary, then every table.
void write_markdown(std::FILE* file, results const& r);

}  // namespace report
