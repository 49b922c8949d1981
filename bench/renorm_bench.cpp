// Google Benchmark over operations and kernels; bench/README.md defines names and counters.
#include "peers/peers.hpp"
#include "register.hpp"

#include <benchmark/benchmark.h>
#include <renorm/renorm.h>

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("renorm", renorm_build_info());
  benchmark::AddCustomContext("isa", renorm_isa_name(renorm_active_isa()));
  benchmark::AddCustomContext("peers", bench::peer_versions());
  bench::invite_peers();
  bench::register_ops();
  bench::register_kernels();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
