# all: a tensor of more than 2^31 values (9 GB of memory), and random calls from many threads for minutes
# touched by: tests/op/large_test.cpp tests/capi/soak_test.cpp
build_native
run_tests build --build-config long --tests-regex '^(large|soak)_test$' --parallel 1 --verbose
