// Working arrays that several operations share.
#pragma once

#include "op/problem.hpp"
#include "pass/arena.hpp"
#include "pass/channels.hpp"

#include <atomic>
#include <initializer_list>

namespace renorm {

// Bytes of a Scratch<T>(problem, arena&). Empty tensors need none, whatever their other extents are.
template <template <class> class Scratch> std::size_t scratch_bytes(problem const& p) {
  if (p.shape().values() == 0) return 0;
  return with_element_type(p, [&](auto zero) {
    arena counter(nullptr, 0);
    Scratch<decltype(zero)> const scratch(p, counter);
    return counter.bytes();
  });
}

// An array that the caller may have given, else room for it in the workspace.
template <class U> struct caller_or_workspace {
  U* own;

  caller_or_workspace(arena& memory, std::size_t count) : own(memory.take<U>(count)) {}
  U* given(U* callers) const { return callers != nullptr ? callers : own; }
};

// Whether a channel of a call needs units (kernels/types.hpp). Whoever sweeps before another thread finds one gets the same bits: units of
// 1 change none.
class units_needed {
 public:
  explicit operator bool() const { return found_.load(std::memory_order_relaxed); }

  // Coefficients of some channels of a group have been narrowed, from a column on: notes whether they need units, whose arrays are
  // written only then, and repeats what is written for the sub-lanes.
  template <class T> void note(bool needed, order const& o, channels const& at, std::size_t column, std::initializer_list<T*> coefficients,
                               std::initializer_list<T*> units) const {
    RENORM_ASSERT(o.sublanes == 1 || at.count == o.shape.c);  // what is repeated is a whole row
    if (needed) found_.store(true, std::memory_order_relaxed);
    for (T* values : coefficients) repeat_for_sublanes(o, values + column);
    for (T* values : units)
      if (needed) repeat_for_sublanes(o, values + column);
      else fill(values + column, at.count * o.sublanes, T(1));
  }

 private:
  template <class T> static void repeat_for_sublanes(order const& o, T* row) {
    std::size_t const c = o.shape.c;
    for (std::size_t p = 1; p < o.sublanes; ++p)
      for (std::size_t j = 0; j < c; ++j) row[p * c + j] = row[j];
  }
  template <class T> static void fill(T* values, std::size_t count, T value) {
    for (std::size_t i = 0; i < count; ++i) values[i] = value;
  }

  mutable std::atomic<bool> found_{false};
};

}  // namespace renorm
