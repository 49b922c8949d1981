// librenorm_openmp: an executor on OpenMP threads.
#include "renorm/openmp.h"

#include "structs.hpp"

#include <atomic>
#include <omp.h>
#include <stdint.h>

namespace {

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
  // One that ends before workspace has all that is set here.
  if (!renorm::capi::is_struct_size(struct_size) || struct_size < offsetof(renorm_exec, workspace)) return RENORM_ERROR_STRUCT_SIZE;
  if (threads < 0) return RENORM_ERROR_VALUE;
  int32_t const team = threads > 0 ? threads : omp_get_max_threads();
  renorm_exec e{};
  e.struct_size = static_cast<uint32_t>(struct_size);
  e.concurrency = team;
  e.ctx = reinterpret_cast<void*>(static_cast<intptr_t>(team));
  e.parallel_for = &parallel_for;
  renorm::capi::write_struct(e, exec, struct_size);
  return RENORM_OK;
}
