// Some channels of one group. Statistics are arrays [groups][c].
#pragma once

#include "pass/order.hpp"

namespace renorm {

struct channels {
  std::size_t first, count;
  std::size_t group, of_group;  // of_group: where the arrays of statistics have these channels

  channels(shape const& s, std::size_t group_index, std::size_t first_channel, std::size_t channel_count)
      : first(first_channel), count(channel_count), group(group_index), of_group(group_index * s.c + first_channel) {}
  channels(shape const& s, std::size_t group_index) : channels(s, group_index, 0, s.c) {}
};

// Loops, not memset and memcpy: arrays of no channels may be NULL.
template <class T> void clear(T* a, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) a[i] = 0;
}
inline void copy(double const* a, std::size_t count, double* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = a[i];
}

}  // namespace renorm
