// A tensor of more than 2^31 values, in place, in both layouts: 8.6 GB. Its values are repeated from a few, so that the statistics are
// known exactly. Not among the default tests.
#include "renorm/renorm.h"
#include "support/executors.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <thread>

#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr std::int64_t n = 33, c = 8, s = (std::int64_t(1) << 23) + 1;  // 2^31 + 2^26 + ... values
static_assert(n * c * s > std::int64_t(1) << 31);
constexpr std::size_t bytes = static_cast<std::size_t>(n * c * s) * sizeof(float);

// Value j of a channel is offset + (j mod 4): its mean is offset + 1.5, but for what the last, incomplete four have too little.
double offset_of(std::int64_t channel) { return 100.0 * static_cast<double>(channel); }
float value_at(std::int64_t channel, std::int64_t j) { return static_cast<float>(offset_of(channel) + static_cast<double>(j % 4)); }

std::size_t index(renorm_layout layout, std::int64_t i, std::int64_t channel, std::int64_t k) {
  return static_cast<std::size_t>(layout == RENORM_NCHW ? (i * c + channel) * s + k : (i * s + k) * c + channel);
}

class Large : public testing::TestWithParam<renorm_layout> {
 protected:
  void SetUp() override {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    x_ = static_cast<float*>(memory);
    for_each_place([&](std::size_t at, std::int64_t channel, std::int64_t j) { x_[at] = value_at(channel, j); });
  }
  ~Large() override {
    if (x_ != nullptr) munmap(x_, bytes);
  }

  // f(place in memory, channel, number in the channel), in the order of memory.
  template <class F> void for_each_place(F const& f) const {
    bool const planes = GetParam() == RENORM_NCHW;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t outer = 0; outer < (planes ? c : s); ++outer)
        for (std::int64_t inner = 0; inner < (planes ? s : c); ++inner) {
          std::int64_t const channel = planes ? outer : inner, k = planes ? inner : outer;
          f(index(GetParam(), i, channel, k), channel, i * s + k);
        }
  }

  float* x_ = nullptr;
};

TEST_P(Large, TrainingInPlaceHasTheRightStatisticsAndOutput) {
  renorm_desc desc;
  renorm_desc_init(&desc, sizeof desc);
  desc.layout = GetParam();
  desc.n = n;
  desc.c = c;
  desc.s = s;
  double mean[c], sigma[c];
  std::int64_t count = 0;
  renorm_train_args args = {};
  args.struct_size = sizeof args;
  args.x = args.y = x_;
  args.mean = mean;
  args.sigma = sigma;
  args.count = &count;
  renorm_test::executor pool(static_cast<std::int32_t>(std::thread::hardware_concurrency()));
  renorm_exec exec = {};
  exec.struct_size = sizeof exec;
  exec.concurrency = pool.threads;
  exec.ctx = &pool;
  exec.parallel_for = renorm_test::fair_parallel_for;
  ASSERT_EQ(renorm_train(&desc, &args, &exec), RENORM_OK);
  ASSERT_EQ(count, n * s);

  // Sums over j mod 4, and their squares, of n*s values.
  std::int64_t const fours = n * s / 4, rest = n * s % 4;
  double const m = static_cast<double>(n * s);
  double const sum = static_cast<double>(6 * fours + rest * (rest - 1) / 2);
  double const squares = static_cast<double>(14 * fours + (rest - 1) * rest * (2 * rest - 1) / 6);
  double const expected_mean = sum / m, expected_sigma = std::sqrt(squares / m - expected_mean * expected_mean + desc.eps);
  for (std::int64_t channel = 0; channel < c; ++channel) {
    EXPECT_NEAR(mean[channel], offset_of(channel) + expected_mean, 1e-6) << channel;
    EXPECT_NEAR(sigma[channel], expected_sigma, 1e-6) << channel;
  }
  // The four values that come out; the worst of all places.
  float expected[4];
  for (int v = 0; v < 4; ++v) expected[v] = static_cast<float>((v - expected_mean) / expected_sigma);
  float worst = 0;
  for_each_place([&](std::size_t at, std::int64_t, std::int64_t j) {
    float const error = std::abs(x_[at] - expected[j % 4]);
    if (!(error <= worst)) worst = error;
  });
  EXPECT_LE(worst, 1e-5f);
}

INSTANTIATE_TEST_SUITE_P(Layouts, Large, testing::Values(RENORM_NCHW, RENORM_NHWC),
                         [](auto const& info) { return std::string(info.param == RENORM_NCHW ? "nchw" : "nhwc"); });

}  // namespace

// Where the memory is missing the whole program is skipped, with what CMakeLists.txt gives as SKIP_RETURN_CODE: to ctest, a skipped test
// of GoogleTest has passed.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::size_t const needed = bytes + (std::size_t(1) << 29);
  std::size_t const available = static_cast<std::size_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (available < needed) {
    std::cout << "needs " << (needed >> 20) << " MB of free memory, " << (available >> 20) << " MB are\n";
    return 77;
  }
  return RUN_ALL_TESTS();
}
