// pass/parallel.hpp: every portion once, and on every thread publish() after its last portion, whatever the executor does.
#include "pass/parallel.hpp"
#include "support/executors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace renorm_test {
namespace {

std::int32_t idle_parallel_for(void*, std::size_t, renorm_task, void*) { return 0; }

struct way {
  char const* name;
  renorm_parallel_for parallel_for;
};

class Parallel : public testing::TestWithParam<way> {};

INSTANTIATE_TEST_SUITE_P(Ways, Parallel,
                         testing::Values(way{"serial", nullptr}, way{"fair", &fair_parallel_for}, way{"hostile", &hostile_parallel_for},
                                         way{"idle", &idle_parallel_for}),
                         [](auto const& info) { return std::string(info.param.name); });

TEST_P(Parallel, RunsAndPublishesEveryPortion) {
  for (std::size_t portions : {0, 1, 2, 7, 512, 513, 2000}) {
    SCOPED_TRACE(portions);
    executor threads(3);
    renorm::executor const e = {GetParam().parallel_for, &threads, 3};
    std::vector<std::atomic<int>> runs(portions);
    std::mutex guard;
    std::vector<std::thread::id> unpublished;
    auto const run = [&](std::size_t i) {
      ++runs[i];
      std::lock_guard<std::mutex> const lock(guard);
      unpublished.push_back(std::this_thread::get_id());
    };
    auto const publish = [&] {
      std::lock_guard<std::mutex> const lock(guard);
      std::thread::id const self = std::this_thread::get_id();
      unpublished.erase(std::remove(unpublished.begin(), unpublished.end(), self), unpublished.end());
    };
    renorm::parallel(e, portions, run, publish);
    for (std::size_t i = 0; i < portions; ++i) EXPECT_EQ(runs[i], 1) << i;
    EXPECT_TRUE(unpublished.empty());
  }
}

}  // namespace
}  // namespace renorm_test
