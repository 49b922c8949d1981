# all: the reduced tests with the address and undefined behaviour sanitizers
# Types of functions cannot be checked without run-time type information, which the library is made without. clang's OpenMP runtime
# itself leaks what it has for its threads, and the search for leaks does not survive that it was loaded at run time.
sanitize build/asan 'address,undefined -fno-sanitize=function' --exclude-regex '(openmp|loading)_test'
