# default: the tests on AArch64 under qemu, and that the bits of neon64 are those of this machine's kernels
need g++-aarch64-linux-gnu cmake ninja-build libxsimd-dev libgtest-dev qemu-user
build_native

# The folder holds xsimd alone: with all of /usr/include the cross compiler would find this machine's headers.
mkdir -p build/xsimd
ln -sfn /usr/include/xsimd build/xsimd/xsimd
configure build/aarch64 -D CMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64.cmake" -D RENORM_XSIMD_INCLUDE_DIR="$PWD/build/xsimd" \
  -D RENORM_OPENMP=OFF
compile build/aarch64
# Those left out wait in turns, for minutes under qemu.
run_tests build/aarch64 --label-regex reduced --exclude-regex '(memory|process|threads)_test'

bits build/tests/bits_test | grep '^bits ' >"$work/native" # without those of SSE2
bits qemu-aarch64 -L /usr/aarch64-linux-gnu build/aarch64/tests/bits_test >"$work/aarch64"
check cmp "$work/native" "$work/aarch64"
