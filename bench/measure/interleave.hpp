// Timing that compares: all candidates take turns, so that whatever the machine does meanwhile meets them alike.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace bench {

using call = std::function<void()>;

struct sampling {
  int rounds = 15;
  double seconds = 1e-3;  // a sample is at least this long
};

struct timing {  // seconds a call
  double median;
  double lower, upper;  // quartiles
};

inline double seconds_for(call const& f, long calls) {
  auto const start = std::chrono::steady_clock::now();
  for (long i = 0; i < calls; ++i) f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// How many calls make a sample.
inline long calls_for(call const& f, double seconds) {
  f();
  long calls = 1;
  while (seconds_for(f, calls) < seconds) calls *= 2;
  return calls;
}

// A call nobody times goes before each sample: the caches then hold what the candidate itself leaves there, not its predecessor, and x
// the values that it works on.
inline double sample(call const& f, long calls) {
  f();
  return seconds_for(f, calls) / static_cast<double>(calls);
}

inline timing summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  std::size_t const last = samples.size() - 1;
  return {samples[last / 2], samples[last / 4], samples[last - last / 4]};
}

// One timing for each candidate: A B C A B C ...
inline std::vector<timing> interleave(std::vector<call> const& candidates, sampling const& how) {
  std::vector<long> calls;
  for (call const& f : candidates) calls.push_back(calls_for(f, how.seconds));

  std::vector<std::vector<double>> samples(candidates.size());
  for (int round = 0; round < how.rounds; ++round)
    for (std::size_t i = 0; i < candidates.size(); ++i) samples[i].push_back(sample(candidates[i], calls[i]));

  std::vector<timing> result;
  for (auto const& s : samples) result.push_back(summarize(s));
  return result;
}

}  // namespace bench
