# default: the tests on older processors under qemu, and under valgrind
# touched by: capi include src tests/processors.cmake tests/capi tests/isa tests/kernels tests/op tests/pass tests/data tests/fuzz tests/support
build_native
run_tests build --label-regex '^emulated$'
