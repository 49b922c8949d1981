# all: the emulated tests that take minutes, which jobs aarch64 and processors leave out
build_native
run_tests build --label-regex '^emulated at length$'
build_aarch64 bits_test
run_tests build/aarch64 --tests-regex '^bits_test_reduced$'
