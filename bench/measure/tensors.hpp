// The memory that is measured: all implementations of an operation work on the same tensors.
#pragma once

#include <renorm/renorm.h>

#include <cstddef>
#include <memory>

namespace bench {

// Zeroed memory of 4 KiB pages, each touched, so that no page fault is left for the measurement.
class pages {
 public:
  explicit pages(std::size_t bytes);
  ~pages();
  pages(pages const&) = delete;
  pages& operator=(pages const&) = delete;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  void* data_;
};

class tensors {
 public:
  tensors(renorm_dtype dtype, std::size_t values);

  pages const& z() const { return dy; }  // of operations that do not read dy

  // Where a step keeps y, when out is dx. It is made for the first one.
  pages const& y_of_step() const;

  // From now on x holds these values; none: random ones, as in the beginning. One memory serves all, for the same operation on another one
  // was seen to take a third longer.
  void hold(std::shared_ptr<pages const> const& values) const;

  pages x, dy, out;

 private:
  renorm_dtype dtype_;
  mutable std::shared_ptr<pages const> held_;
  mutable std::size_t changed_ = 0;  // so many bytes of x may not be random
  mutable std::unique_ptr<pages> y_of_step_;
};

// Tensors of at least so many values, x and dy filled with random numbers of variance near 1. They are kept and handed out again:
// making them takes longer than measuring.
std::shared_ptr<tensors const> shared_tensors(renorm_dtype dtype, std::size_t values);

}  // namespace bench
