// Random calls from many threads, with instruction set limits that change meanwhile: every result has the bits of the same call alone,
// and memory stays. RENORM_SOAK_SECONDS, 120 if not set. Not among the default tests.
#include "capi_call.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include <unistd.h>

namespace {

using clock = std::chrono::steady_clock;

struct prepared {
  std::unique_ptr<capi::call> call;
  capi::bytes before, after;  // all arrays
};

// Each operation on some shapes, with and without a workspace. What it gives is taken on one thread.
std::vector<prepared> prepare() {
  std::vector<prepared> all;
  for (capi::operation const& op : capi::operations())
    for (renorm_desc const& desc : capi::every_layout_and_dtype({{2, 16, 64}, {3, 37, 49}, {40, 5, 9}, {100, 33, 1}}))
      for (bool const own_workspace : {false, true}) {
        prepared p{std::make_unique<capi::call>(op, desc), {}, {}};
        if (own_workspace) p.call->parts[capi::call::exec_part].clear();
        p.before = p.call->memory;
        if (p.call->run() != RENORM_OK) std::abort();
        p.after = p.call->arrays();
        all.push_back(std::move(p));
      }
  return all;
}

std::size_t resident_pages() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident;
}

// SSE2 has bits of its own: the limit moves among the others.
std::vector<renorm_isa> isas() {
  std::vector<renorm_isa> same_bits;
  for (renorm_isa const isa : renorm_test::available_isas())
    if (std::strcmp(renorm_isa_name(isa), "sse2") != 0) same_bits.push_back(isa);
  return same_bits;
}

struct totals {
  std::atomic<long long> calls{0}, wrong{0};
};

void run_until(clock::time_point end, std::uint64_t seed, totals& t) {
  renorm_test::generator random(seed);
  std::vector<prepared> const mine = prepare();
  while (clock::now() < end) {
    prepared const& p = mine[random.next() % mine.size()];
    p.call->memory = p.before;
    if (p.call->run() != RENORM_OK || p.call->arrays() != p.after) ++t.wrong;
    ++t.calls;
  }
}

void change_limits_until(clock::time_point end) {
  std::vector<renorm_isa> const limits = isas();
  for (std::size_t i = 0; clock::now() < end; ++i) {
    renorm_set_max_isa(limits[i % limits.size()]);
    std::this_thread::yield();
  }
}

// A period of calls from new threads.
void run_for(std::chrono::milliseconds period, std::uint64_t seed, totals& t) {
  clock::time_point const end = clock::now() + period;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 8; ++i) threads.emplace_back([&, i] { run_until(end, seed + i, t); });
  change_limits_until(end);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main() {
  char const* const wanted = std::getenv("RENORM_SOAK_SECONDS");
  long const seconds = wanted != nullptr ? std::atol(wanted) : 120;
  std::chrono::milliseconds const period(seconds * 1000 / 20);
  renorm_set_max_isa(isas().back());
  totals t;
  run_for(period, 0, t);  // what the process takes once
  std::size_t const before = resident_pages();
  for (std::uint64_t i = 1; i < 20; ++i) run_for(period, i * 1000, t);
  std::size_t const after = resident_pages();
  std::printf("%lld calls, %lld wrong; %zu pages resident after the first period, %zu at the end\n", t.calls.load(), t.wrong.load(), before,
              after);
  // A page or two of a thread's heap may stay where a leak of one byte a call would be thousands.
  return t.wrong > 0 || after > before + before / 10 + 256;
}
