# default: the tests on AArch64 under qemu, and that the bits of neon64 are those of this machine's kernels
# touched by: capi include src cmake/aarch64.cmake tests/capi tests/isa tests/kernels tests/op tests/pass tests/data tests/fuzz tests/support
build_native bits_test
build_aarch64
# Those left out wait in turns, for minutes under qemu; job emulators runs bits_test.
run_tests build/aarch64 --label-regex reduced --exclude-regex '^(memory|process|threads|bits)_test'

bits build/tests/bits_test | grep '^bits ' >"$work/native" # without those of SSE2
bits qemu-aarch64 -L /usr/aarch64-linux-gnu build/aarch64/tests/bits_test >"$work/aarch64"
check cmp "$work/native" "$work/aarch64"
