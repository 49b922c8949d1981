// The choice of instruction set. CTest runs this program once for each value of RENORM_MAX_ISA that is of interest.
#include "capi/capi_call.hpp"
#include "isa/isa.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace {

using renorm::isas::entry;

renorm_isa best_up_to(renorm_isa limit) {
  renorm_isa found = RENORM_ISA_NONE;
  for (entry const& e : renorm::isas::compiled())
    if (e.id <= limit && e.runs_here()) found = e.id;
  return found;
}

std::vector<renorm_isa> compiled_ids() {
  std::vector<renorm_isa> ids;
  for (entry const& e : renorm::isas::compiled()) ids.push_back(e.id);
  return ids;
}

// RENORM_ISA_NONE if the variable holds no name of this build.
renorm_isa limit_of_the_environment() {
  char const* const value = std::getenv("RENORM_MAX_ISA");
  std::string const name = value == nullptr ? "" : value;
  if (name.empty()) return renorm_best_isa();
  for (renorm_isa const id : compiled_ids())
    if (name == renorm_isa_name(id)) return id;
  return RENORM_ISA_NONE;
}

void expect_every_operation_refused() {
  for (capi::operation const& op : capi::operations()) {
    capi::call c(op);
    capi::bytes const before = c.memory;
    EXPECT_EQ(c.run(), RENORM_ERROR_ISA) << op.name;
    EXPECT_NE(capi::last_error().find("RENORM_MAX_ISA"), std::string::npos) << capi::last_error();
    EXPECT_TRUE(c.memory == before) << op.name;
    char line[] = "untouched";
    EXPECT_EQ(renorm_explain(&c.desc(), op.id, nullptr, line, sizeof line), RENORM_ERROR_ISA) << op.name;
    EXPECT_STREQ(line, "untouched");
  }
}

// The first two tests of the program: nothing but the environment has set the limit yet.
TEST(Dispatch, TheEnvironmentBoundsTheChoice) { EXPECT_EQ(renorm_active_isa(), best_up_to(limit_of_the_environment())); }

TEST(Dispatch, AnUnknownNameFailsUntilTheSetterNamesAKnownOne) {
  if (limit_of_the_environment() != RENORM_ISA_NONE) GTEST_SKIP() << "RENORM_MAX_ISA is unset or a known name";
  EXPECT_EQ(renorm_active_isa(), RENORM_ISA_NONE);
  expect_every_operation_refused();
  EXPECT_EQ(renorm_set_max_isa(12345), RENORM_ERROR_ISA);
  EXPECT_EQ(renorm_active_isa(), RENORM_ISA_NONE) << "a refused setter changes nothing";
  EXPECT_EQ(renorm_set_max_isa(renorm_best_isa()), RENORM_OK);
  EXPECT_EQ(renorm_active_isa(), renorm_best_isa());
  for (capi::operation const& op : capi::operations()) EXPECT_EQ(capi::call(op).run(), RENORM_OK) << op.name;
}

// Whoever runs the tests on a processor says what that must come to.
TEST(Dispatch, BestIsWhatTheProcessorIsKnownFor) {
  char const* const expected = std::getenv("RENORM_TEST_BEST_ISA");
  if (expected == nullptr) GTEST_SKIP() << "RENORM_TEST_BEST_ISA is unset";
  EXPECT_STREQ(renorm_isa_name(renorm_best_isa()), expected);
}

TEST(Dispatch, BestIsTheLastThatTheProcessorHas) {
  EXPECT_EQ(renorm_best_isa(), best_up_to(std::numeric_limits<renorm_isa>::max()));
  EXPECT_NE(renorm_best_isa(), RENORM_ISA_NONE);
}

TEST(Dispatch, TheListGoesFromWorstToBestAndScalarRunsEverywhere) {
  auto const ids = compiled_ids();
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  ASSERT_EQ(ids.front(), RENORM_ISA_SCALAR);
  EXPECT_TRUE(renorm::isas::find(RENORM_ISA_SCALAR)->runs_here());
}

TEST(Dispatch, NamesOfKnownAndUnknownIds) {
  EXPECT_STREQ(renorm_isa_name(RENORM_ISA_SCALAR), "scalar");
  for (renorm_isa const id : compiled_ids()) EXPECT_STRNE(renorm_isa_name(id), "none");
#if RENORM_HAVE_AVX2
  EXPECT_STREQ(renorm_isa_name(RENORM_ISA_AVX2), "avx2");
#endif
#if RENORM_HAVE_AVX512
  EXPECT_STREQ(renorm_isa_name(RENORM_ISA_AVX512), "avx512");
#endif
  for (renorm_isa const id : {RENORM_ISA_NONE, -1, 2, 12345}) EXPECT_STREQ(renorm_isa_name(id), "none");
}

TEST(Dispatch, SetMaxIsaLowersAndRaisesUpToTheProcessor) {
  auto ids = compiled_ids();
  for (int const round : {0, 1}) {
    for (renorm_isa const id : ids) {
      ASSERT_EQ(renorm_set_max_isa(id), RENORM_OK) << round;
      EXPECT_EQ(renorm_active_isa(), best_up_to(id));
      EXPECT_LE(renorm_active_isa(), renorm_best_isa());
    }
    std::reverse(ids.begin(), ids.end());
  }
}

TEST(Dispatch, UnknownIdsAreRefusedAndChangeNothing) {
  ASSERT_EQ(renorm_set_max_isa(RENORM_ISA_SCALAR), RENORM_OK);
  for (renorm_isa const id : {RENORM_ISA_NONE, -1, 2, 12345, std::numeric_limits<renorm_isa>::max()}) {
    EXPECT_EQ(renorm_set_max_isa(id), RENORM_ERROR_ISA) << id;
    EXPECT_NE(capi::last_error().find("isa"), std::string::npos) << capi::last_error();
    EXPECT_EQ(renorm_active_isa(), RENORM_ISA_SCALAR);
  }
  ASSERT_EQ(renorm_set_max_isa(renorm_best_isa()), RENORM_OK);
}

// Every id has kernels of its own, and the active entry is the one a call uses.
TEST(Dispatch, TheForcedInstructionSetIsTheOneThatRuns) {
  for (entry const& e : renorm::isas::compiled()) {
    if (!e.runs_here()) continue;
    ASSERT_EQ(renorm_set_max_isa(e.id), RENORM_OK);
    EXPECT_EQ(renorm::isas::active(), &e);
    for (entry const& other : renorm::isas::compiled())
      if (&other != &e) {
        EXPECT_NE(other.code->f32.affine_plane, e.code->f32.affine_plane) << other.code->name << " and " << e.code->name;
        EXPECT_NE(other.code->f64.moments_pixels, e.code->f64.moments_pixels) << other.code->name << " and " << e.code->name;
      }
  }
  renorm_set_max_isa(renorm_best_isa());
}

}  // namespace
