#include "support/golden.hpp"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace renorm_test {
namespace {

array parse(std::string const& line, std::size_t count) {
  array values;
  char const* at = line.c_str();
  for (char* end; values.size() < count; at = end) {
    double const value = std::strtod(at, &end);
    if (end == at) break;
    values.push_back(value);
  }
  return values;
}

}  // namespace

golden_case::golden_case(std::string const& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key, value;
    words >> key >> value;
    if (key != "array") {
      scalars_[key] = value;
      continue;
    }
    std::size_t count = 0;
    words >> count;
    std::getline(file, line);
    arrays_[value] = parse(line, count);
    EXPECT_EQ(arrays_[value].size(), count) << path << ": " << value;
  }
  EXPECT_TRUE(has("op")) << path << " is not a golden case";
}

array golden_case::values(std::string const& name) const {
  auto const found = arrays_.find(name);
  return found == arrays_.end() ? array() : found->second;
}

}  // namespace renorm_test
