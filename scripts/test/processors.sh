# default: the tests on older processors under qemu, and under valgrind
build_native
run_tests build --label-regex '^emulated$'
