// The masks that are measured.
#pragma once

#include <renorm/renorm.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

// Of the kind, and for the extents, that a descriptor has; the same whenever it is made. Of bytes half are valid, anywhere; lengths are a
// quarter of the positions, and at least one.
class mask {
 public:
  explicit mask(renorm_desc const& desc);

  void const* data() const;  // NULL: every position is valid
  bool valid(std::size_t sample, std::size_t position) const;

 private:
  renorm_mask_kind kind_;
  std::size_t positions_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::int64_t> lengths_;
};

}  // namespace bench
