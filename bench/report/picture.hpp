#pragma once

#include "report/results.hpp"

namespace report {

// Bars of percent of the limit, as SVG: a row of panels for each operation, a column for each layout.
void write_picture(std::FILE* file, results const& r, std::string const& dtype, std::string const& threads);

}  // namespace report
