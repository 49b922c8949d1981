#include "support/compare.hpp"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace renorm_test {
namespace {

std::uint64_t bits(double v) {
  std::uint64_t b;
  std::memcpy(&b, &v, sizeof b);
  return std::isnan(v) ? ~std::uint64_t(0) : b;
}

void overflow_in(renorm_dtype dtype, array& a) {
  if (dtype != RENORM_F32) return;
  for (double& v : a)
    if (std::isinf(static_cast<float>(v))) v = static_cast<float>(v);
}

// Where an array is worst, in parts of what is allowed; NaN counts as worst.
struct mismatch {
  std::size_t at = 0;
  double excess = 0;

  void note(std::size_t i, double got, double want, double allowed) {
    double const now = got == want ? 0 : std::abs(got - want) / allowed;
    if (now <= excess) return;
    at = i;
    excess = std::isnan(now) ? HUGE_VAL : now;
  }
};

}  // namespace

values with_overflow(values v, renorm_desc const& desc) {
  renorm_dtype const running = dtype_or(desc.stats_dtype, desc.dtype);
  overflow_in(running, v.running_mean);
  overflow_in(running, v.running_var);
  return v;
}

void expect_close(values const& got, values const& want, values const& allowed) {
  for_each_array(
      [](char const* name, array const& g, array const& w, array const& a) {
        if (w.empty()) return;
        ASSERT_EQ(g.size(), w.size()) << name;
        ASSERT_EQ(a.size(), w.size()) << name;
        mismatch worst;
        for (std::size_t i = 0; i < w.size(); ++i) worst.note(i, g[i], w[i], a[i]);
        EXPECT_LE(worst.excess, 1) << "of the allowed error in " << name << '[' << worst.at << "]: got " << g[worst.at] << ", want "
                                   << w[worst.at] << " +- " << a[worst.at];
      },
      got, want, allowed);
}

void expect_same_bits(values const& got, values const& want) {
  for_each_array(
      [](char const* name, array const& g, array const& w) {
        ASSERT_EQ(g.size(), w.size()) << name;
        if (g.empty() || std::memcmp(g.data(), w.data(), g.size() * sizeof(double)) == 0) return;
        for (std::size_t i = 0; i < g.size(); ++i)
          if (bits(g[i]) != bits(w[i])) {
            ADD_FAILURE() << name << '[' << i << "]: got " << std::hexfloat << g[i] << ", want " << w[i];
            return;
          }
      },
      got, want);
}

std::uint64_t hash_bits(array const& a, std::uint64_t seed) {
  std::uint64_t hash = seed;
  for (double v : a) {
    hash = (hash ^ bits(v)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace renorm_test
