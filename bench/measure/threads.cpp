#include "measure/threads.hpp"

#include "measure/require.hpp"

#ifdef RENORM_MEASURE_OPENMP
#  include <renorm/openmp.h>

#  include <thread>
#endif

namespace bench {

#ifdef RENORM_MEASURE_OPENMP
namespace {

int usable_threads() {
  unsigned const found = std::thread::hardware_concurrency();  // heeds the affinity mask; 0 if unknown
  return found > 1 ? static_cast<int>(found) : 1;
}

}  // namespace
#endif

std::vector<int> const& thread_counts() {
#ifdef RENORM_MEASURE_OPENMP
  static std::vector<int> const counts = usable_threads() > 1 ? std::vector<int>{1, usable_threads()} : std::vector<int>{1};
#else
  static std::vector<int> const counts = {1};
#endif
  return counts;
}

renorm_exec make_exec(int threads) {
  renorm_exec exec = {};
  exec.struct_size = sizeof exec;
#ifdef RENORM_MEASURE_OPENMP
  if (threads > 1) require(renorm_openmp_init(&exec, sizeof exec, threads));
#else
  require(threads == 1 ? RENORM_OK : RENORM_ERROR_UNSUPPORTED);
#endif
  return exec;
}

}  // namespace bench
