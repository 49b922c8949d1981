// Reader of the files in data/golden; their format is in its README.md.
#pragma once

#include "support/problem.hpp"

#include <map>
#include <string>

namespace renorm_test {

class golden_case {
 public:
  explicit golden_case(std::string const& path);

  bool has(std::string const& key) const { return scalars_.count(key) > 0; }
  std::string const& text(std::string const& key) const { return scalars_.at(key); }
  double number(std::string const& key) const { return std::stod(text(key)); }
  std::int64_t integer(std::string const& key) const { return std::stoll(text(key)); }
  bool flag(std::string const& key) const { return has(key) && text(key) == "1"; }
  array values(std::string const& name) const;  // empty if there is no such array

 private:
  std::map<std::string, std::string> scalars_;
  std::map<std::string, array> arrays_;
};

}  // namespace renorm_test
