#include "measure/tensors.hpp"

#include "measure/random.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

std::size_t const page_bytes = 4096;

template <class T> void fill(void* memory, std::size_t bytes, std::uint64_t seed) {
  random_values random(seed);
  for (std::size_t i = 0; i < bytes / sizeof(T); ++i) static_cast<T*>(memory)[i] = static_cast<T>(random.next());
}

void fill(renorm_dtype dtype, pages const& memory, std::size_t bytes, std::uint64_t seed) {
  if (dtype == RENORM_F32) fill<float>(memory.data(), bytes, seed);
  else fill<double>(memory.data(), bytes, seed);
}

std::size_t bytes_of(renorm_dtype dtype, std::size_t values) { return values * (dtype == RENORM_F32 ? sizeof(float) : sizeof(double)); }

std::uint64_t const seed_of_x = 1, seed_of_dy = 2;

}  // namespace

pages::pages(std::size_t bytes) : bytes_((bytes / page_bytes + 1) * page_bytes) {
  data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data_ == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  madvise(data_, bytes_, MADV_NOHUGEPAGE);  // fails, harmlessly, on a kernel that has no huge pages
  std::memset(data_, 0, bytes_);
}

pages::~pages() { munmap(data_, bytes_); }

tensors::tensors(renorm_dtype dtype, std::size_t values)
    : x(bytes_of(dtype, values)), dy(bytes_of(dtype, values)), out(bytes_of(dtype, values)), dtype_(dtype) {
  fill(dtype, x, x.bytes(), seed_of_x);
  fill(dtype, dy, dy.bytes(), seed_of_dy);
}

pages const& tensors::y_of_step() const {
  if (!y_of_step_) y_of_step_ = std::make_unique<pages>(out.bytes());
  return *y_of_step_;
}

void tensors::hold(std::shared_ptr<pages const> const& values) const {
  if (values == held_) return;
  held_ = values;
  if (values) {
    std::size_t const bytes = std::min(values->bytes(), x.bytes());
    std::memcpy(x.data(), values->data(), bytes);
    changed_ = std::max(changed_, bytes);
  } else {
    fill(dtype_, x, changed_, seed_of_x);
    changed_ = 0;
  }
}

std::shared_ptr<tensors const> shared_tensors(renorm_dtype dtype, std::size_t values) {
  static std::shared_ptr<tensors const> of_float, of_double;
  std::shared_ptr<tensors const>& kept = dtype == RENORM_F32 ? of_float : of_double;
  if (kept == nullptr || kept->x.bytes() < bytes_of(dtype, values)) {
    kept.reset();
    kept = std::make_shared<tensors const>(dtype, values);
  }
  return kept;
}

}  // namespace bench
