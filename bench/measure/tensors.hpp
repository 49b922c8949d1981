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

struct tensors {
  explicit tensors(std::size_t bytes) : x(bytes), dy(bytes), out(bytes) {}

  pages const& z() const { return dy; }  // no operation has both

  pages x, dy, out;
};

// Tensors of at least so many values, x and dy filled with finite numbers of variance near 1. They are kept and handed out again:
// making them takes longer than measuring.
std::shared_ptr<tensors const> shared_tensors(renorm_dtype dtype, std::size_t values);

}  // namespace bench
