// Portions of work on the caller's threads.
#pragma once

#include "pass/integers.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace renorm {

// Loops over less than this are on the calling thread: waking others costs more than they save.
inline constexpr std::size_t serial_bytes = 128 * 1024;

struct executor {
  // Runs task(arg, i) for i < n, of which it may leave some out. nullptr: the calling thread.
  std::int32_t (*parallel_for)(void* ctx, std::size_t n, void (*task)(void* arg, std::size_t i), void* arg);
  void* ctx;
  std::size_t threads;  // 1 without parallel_for

  // What runs a loop over so many bytes.
  executor for_bytes(std::size_t bytes) const { return threads == 1 || bytes < serial_bytes ? executor{nullptr, nullptr, 1} : *this; }
};

// Tasks that one call hands to an executor at most: larger numbers of portions are dealt out in ranges.
inline constexpr std::size_t max_tasks = 512;

// Runs f(0) ... f(portions - 1), each once, whatever the executor does: a task is claimed before it runs, and what the executor
// has left the calling thread does itself. Whoever has run some of them calls publish() before others learn of it.
template <class F, class Publish> void parallel(executor const& e, std::size_t portions, F const& f, Publish const& publish) {
  if (e.parallel_for == nullptr || portions < 2) {
    for (std::size_t i = 0; i < portions; ++i) f(i);
    publish();
    return;
  }
  struct job {
    F const& f;
    Publish const& publish;
    std::size_t portions, tasks;
    std::atomic<std::uint64_t> claimed[max_tasks / 64];

    bool claim(std::size_t i) {
      std::uint64_t const bit = std::uint64_t(1) << i % 64;
      if ((claimed[i / 64].load(std::memory_order_relaxed) & bit) != 0) return false;
      return (claimed[i / 64].fetch_or(bit, std::memory_order_acq_rel) & bit) == 0;
    }
    static void run(void* arg, std::size_t i) {
      job& j = *static_cast<job*>(arg);
      if (i >= j.tasks || !j.claim(i)) return;
      for (std::size_t k = border(j.portions, j.tasks, i); k < border(j.portions, j.tasks, i + 1); ++k) j.f(k);
      j.publish();
    }
  } j{f, publish, portions, portions < max_tasks ? portions : max_tasks, {}};
  e.parallel_for(e.ctx, j.tasks, &job::run, &j);
  for (std::size_t i = 0; i < j.tasks; ++i) job::run(&j, i);
}
template <class F> void parallel(executor const& e, std::size_t portions, F const& f) {
  parallel(e, portions, f, [] {});
}

}  // namespace renorm
