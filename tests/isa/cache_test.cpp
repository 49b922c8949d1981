// What is believed of what machines say of their caches. The function is pure, so that every reading is tested on every machine.
#include "isa/cache.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace renorm::cpu;
using maker = cache_readings::maker;

constexpr std::size_t kb = 1024, mb = 1024 * kb;

// Levels as CPUID leaf 4 or 0x8000001D had them, from L1 on.
using leaves = std::vector<registers>;

cache_readings reading(maker made_by, unsigned signature, leaves const& levels, registers const& l2_l3 = {}) {
  cache_readings r = {};
  r.made_by = made_by;
  r.signature = signature;
  for (std::size_t i = 0; i < levels.size(); ++i) r.levels[i] = levels[i];
  r.l2_l3 = l2_l3;
  return r;
}

cache_readings by_system(std::size_t l2, std::size_t l3, cache_source source) {
  cache_readings r = {};
  r.made_by = maker::other;
  r.system[0] = {l2, source};
  r.system[1] = {l3, source};
  return r;
}

leaves intel(registers const& l2, registers const& l3) {
  return {{0x1c004121, 0x01c0003f, 0x3f, 0}, {0x1c004122, 0x01c0003f, 0x3f, 0}, l2, l3};
}
leaves amd(registers const& l2, registers const& l3) { return {{0x4121, 0x01c0003f, 0x3f, 0}, {0x4122, 0x01c0003f, 0x3f, 0}, l2, l3}; }

registers const zen_l2 = {0x4143, 0x01c0003f, 0x3ff, 2}, zen4_l2 = {0x4143, 0x01c0003f, 0x7ff, 2};
registers const intel_2mb = {0x1c004143, 0x03c0003f, 0x7ff, 0};

struct machine {
  char const* name;
  cache_readings says;
  std::size_t l2;
  cache_source l2_from;
  std::size_t l3;
  cache_source l3_from;
  std::size_t l3_threads;
  bool victim_l3;
};

auto const leaf_4 = cache_source::leaf_4, leaf_1d = cache_source::leaf_8000001d, leaf_6 = cache_source::leaf_80000006;
auto const family = cache_source::family, unknown = cache_source::unknown, sysfs = cache_source::sysfs;

// clang-format off
machine const machines[] = {
    {"Xeon (Granite Rapids' L3) in a guest of 2 CPUs", reading(maker::intel, 0xa0671, {{0x4000121, 0x2c0003f, 0x3f, 0}, {0x4000122, 0x3c0003f, 0x3f, 0},
      {0x4000143, 0x3c0003f, 0x7ff, 0}, {0x4004163, 0x3c0003f, 0x77fff, 4}}), 2 * mb, leaf_4, 480 * mb, leaf_4, 0, true},
    {"Sapphire Rapids 8480+", reading(maker::intel, 0x806f8, intel(intel_2mb, {0x1c1fc163, 0x0380003f, 0x1bfff, 4})),
      2 * mb, leaf_4, 105 * mb, leaf_4, 0, true},
    {"Skylake-X 7800X", reading(maker::intel, 0x50654, intel({0x1c004143, 0x03c0003f, 0x3ff, 0}, {0x1c03c163, 0x0280003f, 0x2fff, 4})),
      mb, leaf_4, 8448 * kb, leaf_4, 0, true},
    {"Nehalem, whose L3 holds what L2 holds", reading(maker::intel, 0x106a2, intel({0x1c004143, 0x01c0003f, 0x1ff, 0}, {0x1c03c163, 0x03c0003f, 0x1fff, 2})),
      256 * kb, leaf_4, 8 * mb, leaf_4, 0, false},
    {"Sandy Bridge", reading(maker::intel, 0x206a7, intel({0x1c004143, 0x01c0003f, 0x1ff, 0}, {0x1c03c163, 0x02c0003f, 0x1fff, 6})),
      256 * kb, leaf_4, 6 * mb, leaf_4, 0, false},
    {"Broadwell i7-5600U", reading(maker::intel, 0x306d4, intel({0x1c004143, 0x01c0003f, 0x1ff, 0}, {0x1c03c163, 0x03c0003f, 0xfff, 6})),
      256 * kb, leaf_4, 4 * mb, leaf_4, 0, false},
    {"Alder Lake, asked on a large core", reading(maker::intel, 0x90672, intel({0x1c004143, 0x0240003f, 0x7ff, 0}, {0x1c1fc163, 0x02c0003f, 0x9fff, 4})),
      1280 * kb, leaf_4, 30 * mb, leaf_4, 0, true},
    {"Alder Lake, asked on a small core", reading(maker::intel, 0x90672, intel({0x1c00c143, 0x03c0003f, 0x7ff, 0}, {0x1c1fc163, 0x02c0003f, 0x9fff, 4})),
      2 * mb, leaf_4, 30 * mb, leaf_4, 0, true},
    {"Core 2, which has no L3", reading(maker::intel, 0x6f6, {{0x4000121, 0x1c0003f, 0x3f, 1}, {0x4000122, 0x1c0003f, 0x3f, 1}, {0x4004143, 0x3c0003f, 0xfff, 1}}),
      4 * mb, leaf_4, 32 * mb, unknown, 0, true},
    {"an Intel guest with a leaf of zeros", reading(maker::intel, 0x806f8, {}), mb, unknown, 32 * mb, unknown, 0, true},
    {"Zhaoxin", reading(maker::other, 0x507b0, intel({0x1c004143, 0x01c0003f, 0x1ff, 0}, {0x1c01c163, 0x03c0003f, 0xfff, 0})),
      256 * kb, leaf_4, 4 * mb, leaf_4, 0, false},

    {"Ryzen 1700X (Zen 1)", reading(maker::amd, 0x800f11, amd(zen_l2, {0x1c163, 0x03c0003f, 0x1fff, 1}), {0, 0, 0x02006140, 0x00808140}),
      512 * kb, leaf_1d, 8 * mb, leaf_1d, 8, false},
    {"the same, where a guest sees 0x80000006 alone", reading(maker::amd, 0x800f11, {}, {0, 0, 0x02006140, 0x00808140}),
      512 * kb, leaf_6, 8 * mb, family, 16, false},
    {"Hygon Dhyana, whose guest is told of 64 MB", reading(maker::amd, 0x900f02, amd(zen_l2, {0xfc163, 0x03c0003f, 0xffff, 1})),
      512 * kb, leaf_1d, 8 * mb, family, 16, false},
    {"Ryzen 3900X (Zen 2)", reading(maker::amd, 0x870f10, amd(zen_l2, {0x14163, 0x03c0003f, 0x3fff, 1})), 512 * kb, leaf_1d, 16 * mb, leaf_1d, 6, false},
    {"EPYC 7742 (Zen 2) in a guest that is told of 256 MB", reading(maker::amd, 0x830f10, {}, {0, 0, 0x02006140, 0x08006140}),
      512 * kb, leaf_6, 16 * mb, family, 16, false},
    {"Ryzen 5600G (Zen 3)", reading(maker::amd, 0xa50f00, amd(zen_l2, {0x2c163, 0x03c0003f, 0x3fff, 1})), 512 * kb, leaf_1d, 16 * mb, leaf_1d, 12, false},
    {"Ryzen 5800X3D (Zen 3, stacked)", reading(maker::amd, 0xa20f12, amd(zen_l2, {0x3c163, 0x03c0003f, 0x17fff, 1})),
      512 * kb, leaf_1d, 96 * mb, leaf_1d, 16, false},
    {"EPYC 7713 (Zen 3) in a guest that shares with nobody", reading(maker::amd, 0xa00f11, {{0x121, 0x1c0003f, 0x3f, 0}, {0x122, 0x1c0003f, 0x3f, 0},
      {0x143, 0x1c0003f, 0x3ff, 2}, {0x163, 0x3c0003f, 0x7fff, 1}}), 512 * kb, leaf_1d, 32 * mb, leaf_1d, 16, false},
    {"the same in a Firecracker guest of two CPUs, template T2A", reading(maker::amd, 0xa00f11, {{0x121, 0x1c0003f, 0x3f, 0}, {0x122, 0x1c0003f, 0x3f, 0},
      {0x143, 0x1c0003f, 0x3ff, 2}, {0x4163, 0x3c0003f, 0x7fff, 1}}), 512 * kb, leaf_1d, 32 * mb, leaf_1d, 2, false},
    {"EPYC 9654 (Zen 4)", reading(maker::amd, 0xa10f11, amd(zen4_l2, {0x3c163, 0x03c0003f, 0x7fff, 1})), mb, leaf_1d, 32 * mb, leaf_1d, 16, false},
    {"EPYC Turin (Zen 5) in a guest that is told of 508 MB, associativity as in 0x8000001D, which is empty",
      reading(maker::amd, 0xb00f21, {}, {0, 0, 0x04008140, 0x0fe09140}), mb, leaf_6, 32 * mb, unknown, 16, false},
    {"the same, told of 512 MB for 128 CPUs", reading(maker::amd, 0xb00f21, amd(zen4_l2, {0x1fc163, 0x03c0003f, 0x7ffff, 1})),
      mb, leaf_1d, 32 * mb, family, 16, false},
    {"FX-8150", reading(maker::amd, 0x600f12, {{0x121, 0xc0003f, 0x3f, 0}, {0x4122, 0x40003f, 0x1ff, 0}, {0x4143, 0x3c0003f, 0x7ff, 1},
      {0x1c163, 0xfc0003f, 0x7ff, 1}}), 2 * mb, leaf_1d, 8 * mb, leaf_1d, 8, false},
    {"an AMD guest with leaves of zeros", reading(maker::amd, 0xa10f11, {}), mb, unknown, 32 * mb, unknown, 16, false},
    {"an AMD guest with leaves of ones", reading(maker::amd, 0xa10f11, {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u, ~0u, ~0u}}, {~0u, ~0u, ~0u, ~0u}),
      64 * mb - kb, leaf_6, 32 * mb, unknown, 16, false},

    {"Graviton 3", by_system(mb, 32 * mb, sysfs), mb, sysfs, 32 * mb, sysfs, 0, false},
    {"an AArch64 guest that says nothing", by_system(0, 0, cache_source::sysconf), mb, unknown, 32 * mb, unknown, 0, false},
    {"an L3 of 2 GB, an L2 of 16 KB", by_system(16 * kb, 2048 * mb, sysfs), mb, unknown, 32 * mb, unknown, 0, false},
};
// clang-format on

TEST(Caches, OfRecordedReadings) {
  for (machine const& m : machines) {
    SCOPED_TRACE(m.name);
    caches const c = decide_caches(m.says);
    EXPECT_EQ(c.l2.bytes, m.l2);
    EXPECT_EQ(c.l2.source, m.l2_from);
    EXPECT_EQ(c.l3.bytes, m.l3);
    EXPECT_EQ(c.l3.source, m.l3_from);
    EXPECT_EQ(c.l3_threads, m.l3_threads);
    EXPECT_EQ(c.victim_l3, m.victim_l3);
    EXPECT_FALSE(c.user_ignored);
  }
}

TEST(Caches, TheUserIsBelieved) {
  for (machine const& m : machines) {
    cache_readings r = m.says;
    r.user = "123456,7890123456";
    caches const c = decide_caches(r);
    EXPECT_EQ(c.l2.bytes, 123456u);
    EXPECT_EQ(c.l3.bytes, 7890123456u);
    EXPECT_EQ(c.l2.source, cache_source::user);
    EXPECT_EQ(c.l3.source, cache_source::user);
    EXPECT_EQ(c.victim_l3, m.victim_l3);
    EXPECT_FALSE(c.user_ignored);
  }
}

TEST(Caches, AMalformedWishIsIgnoredAndSaid) {
  cache_readings r = machines[0].says;
  for (char const* user : {"1", "1,", ",1", "1,2,3", "1,2 ", " 1,2", "1;2", "0,1", "1,0", "-1,2", "+1,2", "1k,2", "0x10,2", "1.5,2",
                           "1099511627777,1", "1,99999999999999999999999999", "a,b", ","}) {
    r.user = user;
    caches const c = decide_caches(r);
    EXPECT_TRUE(c.user_ignored) << user;
    EXPECT_EQ(c.l2.bytes, machines[0].l2) << user;
    EXPECT_EQ(c.l3.bytes, machines[0].l3) << user;
  }
  r.user = "1,1099511627776";
  EXPECT_FALSE(decide_caches(r).user_ignored);
  for (char const* none : {static_cast<char const*>(nullptr), ""}) {
    r.user = none;
    EXPECT_FALSE(decide_caches(r).user_ignored);
  }
}

// Read once, and again when a test says so.
TEST(Caches, TheEnvironmentIsReadOnce) {
  set_caches(nullptr);
  setenv("RENORM_CACHES", "65537,1048577", 1);
  EXPECT_EQ(detect_caches().l2.bytes, 65537u);
  setenv("RENORM_CACHES", "1,2", 1);
  EXPECT_EQ(detect_caches().l3.bytes, 1048577u);
  unsetenv("RENORM_CACHES");
  set_caches(nullptr);
  EXPECT_NE(detect_caches().l2.source, cache_source::user);
  caches const given = {{1, unknown}, {2, unknown}, 3, true, true};
  set_caches(&given);
  EXPECT_EQ(detect_caches().l3_threads, 3u);
  set_caches(nullptr);
}

TEST(Caches, HaveNames) {
  std::vector<std::string> names;
  for (cache_source s : {unknown, leaf_4, leaf_1d, leaf_6, family, sysfs, cache_source::sysconf, cache_source::user}) {
    for (std::string const& other : names) EXPECT_NE(name_of(s), other);
    names.push_back(name_of(s));
  }
}

}  // namespace
