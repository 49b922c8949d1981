#include "digits.hpp"

#include <fstream>
#include <sstream>

namespace demo {
namespace {

// The pixels of one line, which ends with the label of the image.
bool read_image(std::string const& line, std::vector<float>& pixels) {
  std::istringstream fields(line);
  for (std::size_t i = 0; i < pixels_per_image; ++i) {
    int value;
    char comma;
    if (!(fields >> value >> comma) || comma != ',' || value < 0 || value > 16) return false;
    pixels.push_back(static_cast<float>(value));
  }
  int label;
  return static_cast<bool>(fields >> label);
}

}  // namespace

std::vector<float> read_digits(std::string const& path) {
  std::vector<float> pixels;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (!read_image(line, pixels)) return {};
  return pixels;
}

}  // namespace demo
