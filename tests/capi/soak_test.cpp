// Random calls from many threads, with instruction set limits that change meanwhile: every result has the bits of the same call alone,
// and memory stays. RENORM_SOAK_SECONDS, 120 if not set. Not among the default tests.
#include "capi/capi_call.hpp"
#include "support/executors.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <thread>

#include <unistd.h>

namespace {

using renorm_test::generator;

constexpr std::uint64_t seeds = 8;             // a thread each
constexpr std::size_t calls_of_a_thread = 50;  // drawn beforehand, and repeated in any order

template <class T, std::size_t N> T pick(generator& random, T const (&from)[N]) { return from[random.next() % N]; }

std::int64_t up_to(generator& random, std::int64_t most) { return 1 + static_cast<std::int64_t>(random.next() >> 1) % most; }

// Accepted by every operation. Small shapes are as likely as some that are large enough to be shared out.
renorm_desc any_desc(generator& random) {
  constexpr renorm_dtype dtypes[] = {RENORM_F32, RENORM_F64}, wide_or_same[] = {0, RENORM_F64};
  constexpr renorm_layout layouts[] = {RENORM_NCHW, RENORM_NHWC};
  constexpr renorm_group_order orders[] = {RENORM_GROUPS_CONTIGUOUS, RENORM_GROUPS_INTERLEAVED};
  constexpr double momentum[] = {0, 0.1, 1}, units[] = {0.25, 0, 1}, rmax[] = {1, 1.5, 3}, dmax[] = {0, 0.5, 5};
  constexpr std::int64_t extents[] = {1, 2, 4, 8, 16, 32, 64};
  std::int64_t const most = pick(random, extents);
  renorm_desc d = random.next() % 2 == 0 ? capi::small_desc() : capi::full_desc();
  d.flags = static_cast<std::uint32_t>(random.next() % 256);
  d.layout = pick(random, layouts);
  d.dtype = pick(random, dtypes);
  d.param_dtype = pick(random, wide_or_same);
  d.stats_dtype = pick(random, wide_or_same);
  d.n = up_to(random, most);
  d.c = up_to(random, most);
  d.s = up_to(random, most);
  d.groups = d.groups > 1 ? up_to(random, 8) : 1;
  d.group_order = pick(random, orders);
  d.momentum = pick(random, momentum);
  d.rmin = pick(random, units);
  d.rmax = pick(random, rmax);
  d.dmax = pick(random, dmax);
  return d;
}

// A call and what it gives alone, on one thread: SSE2 has bits of its own, and any limit may hold when it is repeated.
struct prepared {
  std::unique_ptr<capi::call> call;
  capi::bytes before;              // all memory
  std::vector<capi::bytes> after;  // all arrays

  bool run() const {
    call->memory = before;
    return call->run() == RENORM_OK;
  }
  bool right() const { return run() && std::find(after.begin(), after.end(), call->arrays()) != after.end(); }
};

// Where it runs: on this thread or on others, with a workspace or without, and without an exec.
void lend(generator& random, renorm_test::executor& pool, capi::call& c) {
  constexpr renorm_parallel_for executors[] = {nullptr, renorm_test::fair_parallel_for, renorm_test::hostile_parallel_for};
  c.exec().ctx = &pool;
  c.exec().concurrency = pool.threads;
  c.exec().parallel_for = pick(random, executors);
  if (random.next() % 3 == 0) c.exec().workspace = nullptr;
  if (random.next() % 5 == 0) c.parts[capi::call::exec_part].clear();
}

prepared prepare(generator& random, renorm_test::executor& pool) {
  std::vector<capi::operation> const& operations = capi::operations();
  prepared p{std::make_unique<capi::call>(operations[random.next() % operations.size()], any_desc(random)), {}, {}};
  p.before = p.call->memory;
  for (renorm_isa const isa : renorm_test::available_isas()) {
    renorm_set_max_isa(isa);
    if (!p.run()) std::abort();
    p.after.push_back(p.call->arrays());
  }
  std::sort(p.after.begin(), p.after.end());
  p.after.erase(std::unique(p.after.begin(), p.after.end()), p.after.end());
  lend(random, pool, *p.call);
  return p;
}

std::size_t resident_pages() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident;
}

struct soaked {
  renorm_test::executor pool{3};
  std::vector<prepared> calls;
  generator random;
  long long right = 0, wrong = 0;

  explicit soaked(std::uint64_t seed) : random(seed) {
    for (std::size_t i = 0; i < calls_of_a_thread; ++i) calls.push_back(prepare(random, pool));
  }
  void run_until(std::atomic<bool> const& over) {
    while (!over) ++(calls[random.next() % calls.size()].right() ? right : wrong);
  }
};

void change_limits_for(std::chrono::milliseconds period) {
  std::vector<renorm_isa> const limits = renorm_test::available_isas();
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
  std::deque<soaked> all;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) all.emplace_back(seed);
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (soaked& s : all) threads.emplace_back([&] { s.run_until(over); });

  change_limits_for(tenth);  // until all has been called that takes memory once
  std::size_t const before = resident_pages();
  change_limits_for(9 * tenth);
  std::size_t const after = resident_pages();
  over = true;
  for (std::thread& thread : threads) thread.join();

  long long right = 0, wrong = 0, lent = 0;
  for (soaked const& s : all) {
    right += s.right;
    wrong += s.wrong;
    lent += s.pool.calls;
  }
  std::printf("%lld calls, %lld wrong, %lld of parallel_for; %zu pages resident, %zu at the end\n", right + wrong, wrong, lent, before,
              after);
  return right == 0 || wrong > 0 || lent == 0 || after > before + 256;
}
