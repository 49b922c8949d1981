// librenorm_openmp: an executor on OpenMP threads.
#include "renorm/openmp.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

namespace {

constexpr size_t max_struct_size = 4096;  // as everywhere: more is a mistake

// ctx is the size of the team.
int32_t parallel_for(void* ctx, size_t n, renorm_task task, void* arg) {
  int const threads = static_cast<int>(reinterpret_cast<intptr_t>(ctx));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (size_t i = 0; i < n; ++i) task(arg, i);
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
