// Images of handwritten digits and what they show; README.md names their source.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace data {

inline constexpr std::size_t pixels_per_image = 64;  // 8x8, row by row, whole numbers from 0 to 16
inline constexpr int classes = 10;

struct digits {
  std::vector<float> pixels;  // the images of a file, one after the other
  std::vector<int> labels;    // 0 to 9, one for each image

  std::size_t size() const { return labels.size(); }
};

// Empty if the file cannot be read or holds anything else.
digits read_digits(std::string const& path);

}  // namespace data
