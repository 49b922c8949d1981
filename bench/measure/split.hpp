#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace bench {

// What is between the separators of a list: one item more than there are of them.
inline std::vector<std::string> split(std::string const& list, char separator) {
  std::vector<std::string> items;
  for (std::size_t from = 0; from <= list.size();) {
    std::size_t const to = std::min(list.find(separator, from), list.size());
    items.push_back(list.substr(from, to - from));
    from = to + 1;
  }
  return items;
}

}  // namespace bench
