// What the library says about itself, and the helpers around a call.
#include "capi/capi_call.hpp"
#include "support/isas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <thread>

namespace {

TEST(Library, VersionIsTheHeaders) {
  EXPECT_EQ(renorm_version(), RENORM_VERSION_MAJOR * 10000u + RENORM_VERSION_MINOR * 100u + RENORM_VERSION_PATCH);
}

TEST(Library, BuildInfoIsOneLineWithVersionAndInstructionSets) {
  std::string const info = renorm_build_info();
  std::string const version =
      std::to_string(RENORM_VERSION_MAJOR) + "." + std::to_string(RENORM_VERSION_MINOR) + "." + std::to_string(RENORM_VERSION_PATCH);
  EXPECT_NE(info.find(version), std::string::npos) << info;
  for (renorm_isa const isa : renorm_test::available_isas()) EXPECT_NE(info.find(renorm_isa_name(isa)), std::string::npos) << info;
  EXPECT_EQ(info.find('\n'), std::string::npos) << info;
}

TEST(Library, EveryStatusHasItsOwnText) {
  std::set<std::string> texts;
  for (renorm_status s = RENORM_OK; s >= RENORM_ERROR_ISA; --s) texts.insert(renorm_status_string(s));
  EXPECT_EQ(texts.size(), 10u);
  EXPECT_EQ(texts.count("unknown status"), 0u);
  using limits = std::numeric_limits<renorm_status>;
  for (renorm_status const unknown : {1, RENORM_ERROR_ISA - 1, limits::min(), limits::max()})
    EXPECT_STREQ(renorm_status_string(unknown), "unknown status");
}

TEST(Library, LastErrorIsCutToTheBufferAndTerminated) {
  renorm_desc_init(nullptr, 0);
  std::string const text = capi::last_error();
  ASSERT_GT(text.size(), 4u);
  char buffer[8];
  for (size_t const cap : {size_t{0}, size_t{1}, size_t{4}}) {
    std::memset(buffer, '#', sizeof buffer);
    EXPECT_EQ(renorm_last_error(buffer, cap), text.size());
    if (cap > 0) {
      EXPECT_EQ(std::string(buffer), text.substr(0, cap - 1));
    }
    for (size_t i = cap; i < sizeof buffer; ++i) EXPECT_EQ(buffer[i], '#') << i;
  }
  EXPECT_EQ(renorm_last_error(nullptr, 100), text.size());
}

TEST(Library, LastErrorStaysUntilTheNextFailure) {
  renorm_desc_init(nullptr, 0);
  std::string const text = capi::last_error();
  renorm_desc desc;
  EXPECT_EQ(renorm_desc_init(&desc, sizeof desc), RENORM_OK);
  EXPECT_EQ(capi::last_error(), text);
}

TEST(Library, LastErrorIsEmptyOnAThreadWithoutFailure) {
  renorm_desc_init(nullptr, 0);
  std::string text = "unset";
  std::thread([&] { text = capi::last_error(); }).join();
  EXPECT_EQ(text, "");
}

TEST(Library, DescInitSetsTheDocumentedDefaults) {
  renorm_desc desc;
  std::memset(&desc, 0xA5, sizeof desc);
  ASSERT_EQ(renorm_desc_init(&desc, sizeof desc), RENORM_OK);
  renorm_desc expected;
  std::memset(&expected, 0, sizeof expected);
  expected.struct_size = sizeof expected;
  expected.layout = RENORM_NCHW;
  expected.dtype = RENORM_F32;
  expected.groups = 1;
  expected.eps = 1e-5;
  expected.momentum = 0.1;
  expected.rmax = 3;
  expected.dmax = 5;
  EXPECT_EQ(std::memcmp(&desc, &expected, sizeof desc), 0);
}

TEST(Library, DescInitWritesExactlyStructSizeBytes) {
  renorm_desc full;
  renorm_desc_init(&full, sizeof full);
  for (size_t const size : {offsetof(renorm_desc, rmin), sizeof full + 24}) {
    std::vector<unsigned char> memory(size + 8, 0xA5);
    ASSERT_EQ(renorm_desc_init(reinterpret_cast<renorm_desc*>(memory.data()), size), RENORM_OK);
    std::vector<unsigned char> expected(size, 0);
    std::memcpy(expected.data(), &full, std::min(size, sizeof full));
    uint32_t const struct_size = static_cast<uint32_t>(size);
    std::memcpy(expected.data(), &struct_size, sizeof struct_size);
    expected.resize(size + 8, 0xA5);
    EXPECT_EQ(memory, expected);
  }
}

TEST(Library, WorkspaceSizeIsAFunctionOfDescAndOpAlone) {
  renorm_desc const desc = capi::small_desc();
  renorm_isa const before = renorm_active_isa();
  for (capi::operation const& op : capi::operations()) {
    std::set<size_t> sizes;
    for (renorm_isa const isa : renorm_test::available_isas()) {
      ASSERT_EQ(renorm_set_max_isa(isa), RENORM_OK);
      size_t size = 0;
      EXPECT_EQ(renorm_workspace_size(&desc, op.id, &size), RENORM_OK);
      sizes.insert(size);
    }
    EXPECT_EQ(sizes.size(), 1u) << op.name;
  }
  renorm_set_max_isa(before);
}

TEST(Library, RampIsLinearBetweenItsEnds) {
  renorm_ramp ramp = {};
  ramp.struct_size = sizeof ramp;
  ramp.warm = 5000;
  ramp.rmax_end = 40000;
  ramp.dmax_end = 25000;
  ramp.rmax_final = 3;
  ramp.dmax_final = 5;
  struct {
    int64_t step;
    double rmax, dmax;
  } const points[] = {{0, 1, 0},         {5000, 1, 0},  {15000, 1 + 2 * (10000 / 35000.0), 2.5},    {25000, 1 + 2 * (20000 / 35000.0), 5},
                      {22500, 2, 4.375}, {40000, 3, 5}, {std::numeric_limits<int64_t>::max(), 3, 5}};
  for (auto const& point : points) {
    double rmax = 0, dmax = 0;
    ASSERT_EQ(renorm_ramp_at(&ramp, point.step, &rmax, &dmax), RENORM_OK);
    // A quotient, a product and a sum, each of at most 5: three roundings.
    EXPECT_NEAR(rmax, point.rmax, 3 * 5 * std::numeric_limits<double>::epsilon()) << point.step;
    EXPECT_NEAR(dmax, point.dmax, 3 * 5 * std::numeric_limits<double>::epsilon()) << point.step;
  }
}

}  // namespace
