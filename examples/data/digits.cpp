#include "data/digits.hpp"

#include <fstream>
#include <sstream>

namespace data {
namespace {

bool read_image(std::string const& line, digits& all) {
  std::istringstream fields(line);
  for (std::size_t i = 0; i < pixels_per_image; ++i) {
    int value;
    char comma;
    if (!(fields >> value >> comma) || comma != ',' || value < 0 || value > 16) return false;
    all.pixels.push_back(static_cast<float>(value));
  }
  int label;
  if (!(fields >> label) || label < 0 || label >= classes) return false;
  all.labels.push_back(label);
  return true;
}

}  // namespace

digits read_digits(std::string const& path) {
  digits all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (!read_image(line, all)) return {};
  return all;
}

}  // namespace data
