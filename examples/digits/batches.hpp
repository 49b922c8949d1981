// The digits, as a training and a validation set, and batches drawn from them.
#pragma once

#include "matrix.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace digits {

struct examples {
  matrix images;
  std::vector<int> labels;

  Eigen::Index size() const { return images.rows(); }
};

struct data_sets {
  examples training, validation;
};

// Three quarters of the file's images, chosen by the seed, are for training. Throws if the file has none.
data_sets load(std::string const& path, std::uint32_t seed);

// Consecutive batches of the given size, the last one with what is left.
std::vector<matrix> batches_of(matrix const& images, Eigen::Index size);

enum class drawing {
  independent,  // i.i.d.: each image anew from the whole set
  two_classes,  // two labels, then pairs of images: two of the one, two of the other, and so on
};

class sampler {
 public:
  sampler(examples const& from, drawing how, std::uint32_t seed);

  examples operator()(Eigen::Index size);

 private:
  using indices = std::vector<Eigen::Index>;

  Eigen::Index any_of(indices const& some);
  indices choose(Eigen::Index size);

  examples const& from_;
  drawing how_;
  std::mt19937 random_;
  indices all_;
  std::vector<indices> of_label_;
};

}  // namespace digits
