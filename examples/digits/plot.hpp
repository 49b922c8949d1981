#pragma once

#include "results.hpp"

namespace digits {

// Validation accuracy against step as SVG, a panel for each experiment, like the paper's figures 1 to 3.
void write_plot(std::FILE* file, std::vector<figure> const& figures);

}  // namespace digits
