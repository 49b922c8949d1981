// The thread counts that are measured, and who runs them.
#pragma once

#include <renorm/renorm.h>

#include <vector>

namespace bench {

// One thread, and all that this process may use; one thread alone where there is no renorm_openmp.
std::vector<int> const& thread_counts();

// The calling thread for 1, an OpenMP team otherwise. Without workspace.
renorm_exec make_exec(int threads);

}  // namespace bench
