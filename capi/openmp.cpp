// librenorm_openmp: an executor on OpenMP threads.
#include "renorm/openmp.h"

#include <atomic>
#include <omp.h>
#include <stdint.h>
#include <string.h>

namespace {

constexpr size_t max_struct_size = 4096;  // as everywhere: more is a mistake

// Tasks are dealt out in as many shares as there are threads, up to this.
constexpr size_t max_shares = 64;

struct alignas(64) share {
  std::atomic<size_t> next;
  size_t end;
};

// ctx is the size of the team. A thread begins with its own share, the same in every call, so that it finds its part of a tensor in its
// caches, and then takes what others have left.
int32_t parallel_for(void* ctx, size_t n, renorm_task task, void* arg) {
  int const threads = static_cast<int>(reinterpret_cast<intptr_t>(ctx));
  size_t const team = static_cast<size_t>(threads), count = team < max_shares ? team : max_shares;
  share shares[max_shares];
  for (size_t s = 0; s < count; ++s) {
    shares[s].next.store(n / count * s + n % count * s / count, std::memory_order_relaxed);
    shares[s].end = n / count * (s + 1) + n % count * (s + 1) / count;
  }
#pragma omp parallel num_threads(threads)
  {
    size_t const own = static_cast<size_t>(omp_get_thread_num());
    for (size_t k = 0; k < count; ++k) {
      share& s = shares[(own + k) % count];
      for (size_t i; (i = s.next.fetch_add(1, std::memory_order_relaxed)) < s.end;) task(arg, i);
    }
  }
  return 0;
}

}  // namespace

extern "C" renorm_status renorm_openmp_init(renorm_exec* exec, size_t struct_size, int32_t threads) {
  if (exec == nullptr) return RENORM_ERROR_NULL;
  if (struct_size < sizeof(renorm_exec) || struct_size > max_struct_size) return RENORM_ERROR_STRUCT_SIZE;
  if (threads < 0) return RENORM_ERROR_VALUE;
  int32_t const team = threads > 0 ? threads : omp_get_max_threads();
  memset(exec, 0, struct_size);
  exec->struct_size = static_cast<uint32_t>(struct_size);
  exec->concurrency = team;
  exec->ctx = reinterpret_cast<void*>(static_cast<intptr_t>(team));
  exec->parallel_for = &parallel_for;
  return RENORM_OK;
}
