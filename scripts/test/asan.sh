# all: the reduced tests with the address and undefined behaviour sanitizers
# Types of functions cannot be checked without run-time type information, which the library is made without.
sanitize build/asan 'address,undefined -fno-sanitize=function'
