// Arrays to hand to the library, at any alignment or against an unmapped page, that notice writes outside them.
#pragma once

#include "renorm/renorm.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace renorm_test {

enum class edge { none, at_end, at_start };  // where the array touches an unmapped page

struct placement {
  std::size_t offset = 0;  // elements past a 64 byte border; without an edge
  edge guard = edge::none;
};

// All bytes start as 0xff, which is NaN: what the library fails to write does not go unnoticed.
class memory {
 public:
  memory(std::size_t bytes, std::size_t element_size, placement where);
  memory(memory&&) noexcept;
  memory& operator=(memory&&) = delete;
  ~memory();

  void* data() const { return data_; }
  bool intact() const;  // nothing around the array has changed

 private:
  unsigned char *region_, *data_;
  std::size_t region_bytes_, bytes_;
  bool mapped_;
};

std::size_t size_of(renorm_dtype dtype);

// To and from an array of dtype; the values of a test are double.
void store(std::vector<double> const& values, renorm_dtype dtype, void* to);
std::vector<double> load(void const* from, renorm_dtype dtype, std::size_t count);

}  // namespace renorm_test
