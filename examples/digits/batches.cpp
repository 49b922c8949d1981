#include "batches.hpp"

#include "data/digits.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace digits {
namespace {

using indices = std::vector<Eigen::Index>;

indices counted(Eigen::Index size) {
  indices i(static_cast<std::size_t>(size));
  std::iota(i.begin(), i.end(), Eigen::Index(0));
  return i;
}

examples select(examples const& from, indices const& chosen) {
  examples some;
  some.images = from.images(chosen, Eigen::all);
  for (Eigen::Index const i : chosen) some.labels.push_back(from.labels[static_cast<std::size_t>(i)]);
  return some;
}

examples read(std::string const& path) {
  data::digits const file = data::read_digits(path);
  if (file.size() == 0) throw std::runtime_error(path + ": no images there");
  float const white = 16;
  auto const rows = static_cast<Eigen::Index>(file.size()), columns = static_cast<Eigen::Index>(data::pixels_per_image);
  return {Eigen::Map<matrix const>(file.pixels.data(), rows, columns) / white, file.labels};
}

}  // namespace

data_sets load(std::string const& path, std::uint32_t seed) {
  examples const all = read(path);
  indices order = counted(all.size());
  std::mt19937 random(seed);
  std::shuffle(order.begin(), order.end(), random);
  auto const border = order.begin() + all.size() * 3 / 4;
  return {select(all, indices(order.begin(), border)), select(all, indices(border, order.end()))};
}

std::vector<matrix> batches_of(matrix const& images, Eigen::Index size) {
  std::vector<matrix> batches;
  for (Eigen::Index first = 0; first < images.rows(); first += size)
    batches.push_back(images.middleRows(first, std::min(size, images.rows() - first)));
  return batches;
}

sampler::sampler(examples const& from, drawing how, std::uint32_t seed)
    : from_(from), how_(how), random_(seed), all_(counted(from.size())), of_label_(data::classes) {
  for (Eigen::Index const i : all_) of_label_[static_cast<std::size_t>(from.labels[static_cast<std::size_t>(i)])].push_back(i);
}

Eigen::Index sampler::any_of(indices const& some) { return some[std::uniform_int_distribution<std::size_t>(0, some.size() - 1)(random_)]; }

sampler::indices sampler::choose(Eigen::Index size) {
  indices chosen;
  if (how_ == drawing::independent) {
    for (Eigen::Index i = 0; i < size; ++i) chosen.push_back(any_of(all_));
  } else {
    std::vector<indices> two;
    std::sample(of_label_.begin(), of_label_.end(), std::back_inserter(two), 2, random_);
    for (Eigen::Index i = 0; i < size; ++i) chosen.push_back(any_of(two[static_cast<std::size_t>(i / 2 % 2)]));
  }
  return chosen;
}

examples sampler::operator()(Eigen::Index size) { return select(from_, choose(size)); }

}  // namespace digits
