#!/bin/sh
# Builds everything into build/ and runs every test: on this processor, on older ones under qemu, under valgrind, on AArch64 under qemu,
# and through the bindings. Installs missing Debian packages, as root or through sudo.
set -eu
cd "$(dirname "$0")/.."
. scripts/dependencies.sh

need g++ cmake make pkg-config libxsimd-dev libgtest-dev libbenchmark-dev qemu-user valgrind g++-aarch64-linux-gnu clang
jobs=$(nproc)
results=$(mktemp)
trap 'rm -f "$results"' EXIT

# step <name> <command...>: runs it and says how long it took.
step() {
  name=$1 started=$(date +%s)
  shift
  echo "== $name"
  "$@"
  echo "== $name: $(($(date +%s) - started)) s"
}

# run_tests <build> <ctest options...>: counts what passed and failed, and goes on. A run that ctest calls failed without naming a
# test, or that finds no test, counts as one failure.
run_tests() {
  build=$1
  shift
  {
    status=0
    ctest --test-dir "$build" --output-on-failure --no-tests=error --parallel "$jobs" "$@" || status=$?
    echo "ctest status $status"
  } | tee "$results.log"
  awk '/^ *[0-9]+\/[0-9]+ Test/ && !/\*\*\*Skipped/ { if (/ Passed /) passed++; else failed++ }
       /^ctest status/ && $3 != 0 && !failed { failed++ }
       END { print passed + 0, failed + 0 }' "$results.log" >>"$results"
  rm -f "$results.log"
}

# check <command...>: one test, which the command passes or fails.
check() {
  if "$@"; then echo 1 0 >>"$results"; else echo 0 1 >>"$results"; fi
}

build_native() {
  cmake -S . -B build -D CMAKE_BUILD_TYPE=Release -D RENORM_BUILD_TESTS=ON -D RENORM_BUILD_BENCH=ON -D RENORM_BUILD_EXAMPLES=ON
  cmake --build build --parallel "$jobs"
}

# What the objects and libraries show to others, as clang++ makes them without optimisation.
build_with_clang() {
  CC=clang CXX=clang++ cmake -S . -B build/clang -D CMAKE_BUILD_TYPE=Debug -D RENORM_BUILD_BENCH=OFF -D RENORM_BUILD_EXAMPLES=OFF
  cmake --build build/clang --parallel "$jobs" --target renorm renorm_unoptimised
}

# The folder holds xsimd alone: with all of /usr/include the cross compiler would find this machine's headers.
build_aarch64() {
  mkdir -p build/xsimd
  ln -sfn /usr/include/xsimd build/xsimd/xsimd
  cmake -S . -B build/aarch64 -D CMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64.cmake" -D CMAKE_BUILD_TYPE=Release \
    -D RENORM_XSIMD_INCLUDE_DIR="$PWD/build/xsimd" -D RENORM_OPENMP=OFF -D RENORM_BUILD_BENCH=OFF -D RENORM_BUILD_EXAMPLES=OFF
  cmake --build build/aarch64 --parallel "$jobs"
}

# The bits of neon64 are those of this machine's kernels.
compare_bits() {
  build/tests/bits_test --gtest_filter=Bits.Hash | grep '^bits' >build/bits.native
  qemu-aarch64 -L /usr/aarch64-linux-gnu build/aarch64/tests/bits_test --gtest_filter=Bits.Hash | grep '^bits' >build/bits.aarch64
  test -s build/bits.native
  check cmp build/bits.native build/bits.aarch64
}

# What the bindings are tested with.
install_native() {
  rm -rf build/prefix
  cmake --install build --prefix build/prefix >/dev/null
}

step "build" build_native
step "tests on this processor" run_tests build --label-exclude emulated
step "tests on older processors and under valgrind" run_tests build --label-regex emulated
step "build with clang++" build_with_clang
step "symbols that clang++ makes" run_tests build/clang --tests-regex 'package/(isolation|exports/renorm$)'
step "build for AArch64" build_aarch64
step "tests on AArch64" run_tests build/aarch64 --label-regex reduced --exclude-regex '(memory|threads)_test'
step "bits of AArch64 and of this processor" compare_bits
step "install" install_native
step "Rust" check sh tests/bindings/rust.sh build/prefix
step "Python" check sh tests/bindings/python.sh build/prefix

awk '{ passed += $1; failed += $2 } END { print passed " passed, " failed " failed"; exit failed > 0 || passed == 0 }' "$results"
