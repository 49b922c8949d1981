# default: the examples that need more than the library: a network on images of digits, statistics over the ranks of MPI
# touched by: capi include src examples
need libeigen3-dev
build_native
run_tests build --label-regex examples
check sh examples/sync_mpi/run.sh
