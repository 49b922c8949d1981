# all: fuzz targets with libFuzzer and the address and undefined behaviour sanitizers; RENORM_FUZZ_SECONDS each, 60 if not set
need clang cmake make libxsimd-dev libgtest-dev
flags="-g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function -fno-sanitize-recover=all"
# -O1: at more, with all of these sanitizers, the compiler takes over eight minutes for one file.
CC=clang CXX=clang++ configure build/fuzz -D CMAKE_CXX_FLAGS_RELEASE=-O1 \
  -D CMAKE_C_FLAGS="$flags" -D CMAKE_CXX_FLAGS="$flags" -D RENORM_FUZZ=ON -D RENORM_OPENMP=OFF
compile build/fuzz abi_fuzz differential_fuzz

# fuzz <target>: what it finds is left in build/fuzz/, to be copied to tests/fuzz/corpus/<target>/.
# Inputs have any length from the start: short ones spoil nothing. Choosing them by entropy would take longer than the calls.
fuzz() {
  mkdir -p "build/fuzz/corpus/$1"
  "build/fuzz/tests/fuzz/$1" -max_total_time="${RENORM_FUZZ_SECONDS:-60}" -max_len=96 -len_control=0 -entropic=0 \
    -print_final_stats=1 -verbosity=0 -print_funcs=0 -artifact_prefix="build/fuzz/$1-" "build/fuzz/corpus/$1"
}
check fuzz abi_fuzz
check fuzz differential_fuzz
