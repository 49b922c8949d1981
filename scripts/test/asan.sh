# all: the reduced tests with the address and undefined behaviour sanitizers
configure_asan
compile build/asan
# The search for leaks does not survive that the library was loaded at run time.
run_tests build/asan --label-regex reduced --exclude-regex loading_test
