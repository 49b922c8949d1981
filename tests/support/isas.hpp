// The instruction sets that this build and this processor have, and a test fixture that goes through them.
#pragma once

#include "renorm/renorm.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace renorm_test {

inline std::vector<renorm_isa> available_isas() {
  std::vector<renorm_isa> found;
  renorm_isa const limit = renorm_active_isa();
  for (renorm_isa isa = 1; isa < 64; ++isa)
    if (renorm_set_max_isa(isa) == RENORM_OK && renorm_active_isa() == isa) found.push_back(isa);
  renorm_set_max_isa(limit);
  return found;
}

class IsaTest : public testing::Test {
 protected:
  ~IsaTest() override { renorm_set_max_isa(limit_); }

  // body() once for each instruction set, which is proven to be the one in use.
  template <class Body> void for_each_isa(Body const& body) {
    ASSERT_FALSE(isas_.empty());
    for (renorm_isa isa : isas_) {
      SCOPED_TRACE(renorm_isa_name(isa));
      ASSERT_EQ(renorm_set_max_isa(isa), RENORM_OK);
      ASSERT_EQ(renorm_active_isa(), isa);
      body();
      ASSERT_EQ(renorm_active_isa(), isa);
    }
  }

  renorm_isa const limit_ = renorm_active_isa();
  std::vector<renorm_isa> const isas_ = available_isas();
};

}  // namespace renorm_test
