#include "support/executors.hpp"

#include <thread>
#include <vector>

namespace renorm_test {
namespace {

// work(thread) on each thread, the calling one among them.
template <class Work> void on_threads(std::int32_t threads, Work const& work) {
  std::vector<std::thread> others;
  for (std::int32_t t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
}

}  // namespace

std::int32_t fair_parallel_for(void* ctx, std::size_t n, renorm_task task, void* arg) {
  auto& e = *static_cast<executor*>(ctx);
  ++e.calls;
  std::atomic<std::size_t> next{0};
  on_threads(e.threads, [&](std::int32_t) {
    for (std::size_t i; (i = next++) < n;) task(arg, i);
  });
  return 0;
}

std::int32_t hostile_parallel_for(void* ctx, std::size_t n, renorm_task task, void* arg) {
  auto& e = *static_cast<executor*>(ctx);
  ++e.calls;
  std::size_t const threads = static_cast<std::size_t>(e.threads);
  on_threads(e.threads, [&](std::size_t thread) {
    for (std::size_t i = n; i-- > 0;) {
      if (i % 3 == 0) continue;
      bool const mine = i % threads == thread, again = i % 2 == 0 && (i + 1) % threads == thread;
      if (mine) task(arg, i);
      if (again) task(arg, i);
    }
  });
  return -1;
}

}  // namespace renorm_test
