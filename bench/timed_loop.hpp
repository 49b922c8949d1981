#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>

namespace bench {

// Runs a benchmark and reports bytes per second of wall-clock time. The library's own rates divide by the processor time of the
// calling thread unless UseRealTime is set, and that would change the names.
template <class Call> void timed_loop(benchmark::State& state, std::size_t bytes, Call const& call) {
  auto const start = std::chrono::steady_clock::now();
  for (auto _ : state) call();
  double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  state.counters["bytes_per_second"] = static_cast<double>(bytes) * static_cast<double>(state.iterations()) / seconds;
}

}  // namespace bench
