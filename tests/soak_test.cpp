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

struct prepared {
  std::unique_ptr<capi::call> call;
  capi::bytes before, after;  // all arrays
};

// Each operation on some shapes, with and without a workspace. What it gives is taken on one thread.
std::vector<prepared> prepare() {
  std::vector<prepared> all;
  for (capi::operation const& op : capi::operations())
    for (renorm_desc const& desc : capi::every_layout_and_dtype({{2, 16, 64}, {40, 5, 9}, {100, 33, 1}}))
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

struct soak {
  std::atomic<int> ready{0};
  std::atomic<bool> over{false};
  std::atomic<long long> calls{0}, wrong{0};

  void run(std::uint64_t seed) {
    renorm_test::generator random(seed);
    std::vector<prepared> const mine = prepare();
    ++ready;
    while (!over) {
      prepared const& p = mine[random.next() % mine.size()];
      p.call->memory = p.before;
      if (p.call->run() != RENORM_OK || p.call->arrays() != p.after) ++wrong;
      ++calls;
    }
  }
};

void change_limits_for(std::chrono::milliseconds period) {
  std::vector<renorm_isa> const limits = isas();
  auto const end = std::chrono::steady_clock::now() + period;
  for (std::size_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
    renorm_set_max_isa(limits[i % limits.size()]);
    std::this_thread::yield();
  }
}

}  // namespace

int main() {
  char const* const wanted = std::getenv("RENORM_SOAK_SECONDS");
  std::chrono::milliseconds const tenth(100 * (wanted != nullptr ? std::atol(wanted) : 120));
  renorm_set_max_isa(isas().back());
  soak s;
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 8; ++seed) threads.emplace_back([&, seed] { s.run(seed); });
  while (s.ready < 8) std::this_thread::yield();

  change_limits_for(tenth);  // until all has been called that takes memory once
  std::size_t const before = resident_pages();
  change_limits_for(9 * tenth);
  std::size_t const after = resident_pages();
  s.over = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("%lld calls, %lld wrong; %zu pages resident, %zu at the end\n", s.calls.load(), s.wrong.load(), before, after);
  return s.calls == 0 || s.wrong > 0 || after > before + 256;
}
