#include "measure/mask.hpp"

#include "measure/random.hpp"

#include <algorithm>

namespace bench {

mask::mask(renorm_desc const& desc) : kind_(desc.mask_kind), positions_(static_cast<std::size_t>(desc.s)) {
  auto const samples = static_cast<std::size_t>(desc.n);
  if (kind_ == RENORM_MASK_LENGTHS) lengths_.assign(samples, std::max<std::int64_t>(desc.s / 4, 1));
  if (kind_ != RENORM_MASK_BYTES) return;
  bytes_.resize(samples * positions_);
  random_values random(3);
  for (std::uint8_t& byte : bytes_) byte = random.next() < 0.5;
}

void const* mask::data() const {
  if (kind_ == RENORM_MASK_BYTES) return bytes_.data();
  return kind_ == RENORM_MASK_LENGTHS ? lengths_.data() : nullptr;
}

bool mask::valid(std::size_t sample, std::size_t position) const {
  if (kind_ == RENORM_MASK_BYTES) return bytes_[sample * positions_ + position] != 0;
  return kind_ != RENORM_MASK_LENGTHS || position < static_cast<std::size_t>(lengths_[sample]);
}

}  // namespace bench
