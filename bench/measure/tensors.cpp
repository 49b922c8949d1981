#include "measure/tensors.hpp"

#include "measure/random.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

std::size_t const page_bytes = 4096;

template <class T> void fill(pages const& memory, std::uint64_t seed) {
  T* const values = static_cast<T*>(memory.data());
  random_values random(seed);
  for (std::size_t i = 0; i < memory.bytes() / sizeof(T); ++i) values[i] = static_cast<T>(random.next());
}

template <class T> std::shared_ptr<tensors const> make_tensors(std::size_t values) {
  auto made = std::make_shared<tensors const>(values * sizeof(T));
  fill<T>(made->x, 1);
  fill<T>(made->dy, 2);
  return made;
}

template <class T> std::shared_ptr<tensors const> kept_tensors(std::size_t values) {
  static std::shared_ptr<tensors const> kept;
  if (kept == nullptr || kept->x.bytes() < values * sizeof(T)) {
    kept.reset();
    kept = make_tensors<T>(values);
  }
  return kept;
}

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

std::shared_ptr<tensors const> shared_tensors(renorm_dtype dtype, std::size_t values) {
  return dtype == RENORM_F32 ? kept_tensors<float>(values) : kept_tensors<double>(values);
}

}  // namespace bench
