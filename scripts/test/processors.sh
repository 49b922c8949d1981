# default: the tests on older processors under qemu, and under valgrind
# touched by: capi include src tests/processors.cmake tests/*.[ch]pp tests/data tests/fuzz tests/support
build_native
run_tests build --label-regex '^emulated$'
