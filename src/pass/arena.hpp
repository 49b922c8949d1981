// Hands out a workspace piece by piece. Without memory it counts: an operation lays out its scratch once, for both.
#pragma once

#include "pass/check.hpp"

#include <cstddef>
#include <cstdint>

namespace renorm {

class arena {
 public:
  // Of a cache line, so that portions of different threads share none.
  static constexpr std::size_t alignment = 64;

  arena(void* memory, std::size_t bytes)
      : base_(memory == nullptr ? nullptr : static_cast<char*>(memory) + (alignment - address(memory) % alignment) % alignment),
        end_(static_cast<char*>(memory) + bytes) {}

  template <class U> U* take(std::size_t count) {
    std::size_t const at = used_;
    used_ += (count * sizeof(U) + alignment - 1) / alignment * alignment;
    RENORM_ASSERT(base_ == nullptr || base_ + used_ <= end_);
    return base_ == nullptr ? nullptr : reinterpret_cast<U*>(base_ + at);
  }

  // Enough for memory of any alignment.
  std::size_t bytes() const { return used_ == 0 ? 0 : used_ + alignment - 1; }

 private:
  static std::uintptr_t address(void* p) { return reinterpret_cast<std::uintptr_t>(p); }

  char* base_;
  char* end_;
  std::size_t used_ = 0;
};

}  // namespace renorm
