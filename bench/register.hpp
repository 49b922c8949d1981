// The parts of renorm_bench: each registers its benchmarks.
#pragma once

namespace bench {

void register_ops();
void register_kernels();

}  // namespace bench
