#include "support/memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

namespace renorm_test {
namespace {

constexpr std::size_t border = 64;
constexpr unsigned char untouched = 0xff;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

memory::memory(std::size_t bytes, std::size_t element_size, placement where) : bytes_(bytes), mapped_(where.guard != edge::none) {
  if (!mapped_) {
    std::size_t const before = border + where.offset * element_size;
    region_bytes_ = round_up(before + bytes + border, border);
    region_ = static_cast<unsigned char*>(std::aligned_alloc(border, region_bytes_));
    data_ = region_ + before;
  } else {
    std::size_t const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    region_bytes_ = round_up(std::max<std::size_t>(bytes, 1), page);
    void* const pages = mmap(nullptr, region_bytes_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) std::abort();
    region_ = static_cast<unsigned char*>(pages) + page;
    if (mprotect(region_, region_bytes_, PROT_READ | PROT_WRITE) != 0) std::abort();
    data_ = where.guard == edge::at_start ? region_ : region_ + region_bytes_ - bytes;
  }
  std::fill_n(region_, region_bytes_, untouched);
}

memory::memory(memory&& other) noexcept
    : region_(other.region_), data_(other.data_), region_bytes_(other.region_bytes_), bytes_(other.bytes_), mapped_(other.mapped_) {
  other.region_ = nullptr;
}

memory::~memory() {
  if (region_ == nullptr) return;
  if (!mapped_) {
    std::free(region_);
    return;
  }
  std::size_t const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  munmap(region_ - page, region_bytes_ + 2 * page);
}

bool memory::intact() const {
  auto const is_untouched = [](unsigned char byte) { return byte == untouched; };
  return std::all_of(region_, data_, is_untouched) && std::all_of(data_ + bytes_, region_ + region_bytes_, is_untouched);
}

std::size_t size_of(renorm_dtype dtype) { return dtype == RENORM_F64 ? sizeof(double) : sizeof(float); }

void store(std::vector<double> const& values, renorm_dtype dtype, void* to) {
  if (dtype == RENORM_F64) std::copy(values.begin(), values.end(), static_cast<double*>(to));
  else std::transform(values.begin(), values.end(), static_cast<float*>(to), [](double v) { return static_cast<float>(v); });
}

std::vector<double> load(void const* from, renorm_dtype dtype, std::size_t count) {
  if (dtype == RENORM_F64) return {static_cast<double const*>(from), static_cast<double const*>(from) + count};
  return {static_cast<float const*>(from), static_cast<float const*>(from) + count};
}

}  // namespace renorm_test
