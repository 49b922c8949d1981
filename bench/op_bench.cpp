// <op>/<layout>/<dtype>/<NxCxHxW>/t<threads>/<impl>
#include "measure/floors.hpp"
#include "measure/implementations.hpp"
#include "measure/threads.hpp"
#include "register.hpp"
#include "timed_loop.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace bench {
namespace {

// Benchmarks run many times each; which way is the fastest one is tried out once.
std::size_t fastest(std::string const& name, std::vector<call> const& calls) {
  static std::map<std::string, std::size_t> known;
  auto const found = known.find(name);
  if (found != known.end()) return found->second;
  std::vector<timing> const t = interleave(calls, {});
  auto const best = std::min_element(t.begin(), t.end(), [](timing const& a, timing const& b) { return a.median < b.median; });
  return known[name] = static_cast<std::size_t>(best - t.begin());
}

void run(benchmark::State& state, std::string const& name, spec const& s, implementation const& i) {
  std::vector<call> const calls = i.prepare(s);
  call const& chosen = calls.size() == 1 ? calls[0] : calls[fastest(name, calls)];
  timed_loop(state, s.bytes(), chosen);
}

bool has_two_passes(spec const& s) { return std::strcmp(s.op.name, "backward") == 0 && s.desc.layout == RENORM_NCHW && s.threads == 1; }

// A shape's implementations follow each other, so that a plain run compares neighbours.
void register_spec(spec const& s) {
  std::vector<implementation> all = implementations(s);
  if (has_two_passes(s)) all.push_back({"two_pass", true, two_pass_calls});
  for (implementation const& i : all) {
    std::string const name = name_of(s) + '/' + i.name;
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { run(state, name, s, i); });
  }
}

}  // namespace

void register_ops() {
  for (op const& o : ops)
    for (auto const& l : layouts)
      for (auto const& d : dtypes)
        for (int const threads : thread_counts())
          for (shape const& s : shapes()) register_spec({o, l.value, d.value, s, threads});
}

}  // namespace bench
