# all: fuzz targets with libFuzzer and the address and undefined behaviour sanitizers; RENORM_FUZZ_SECONDS each, 60 if not set
configure_asan
compile build/asan abi_fuzz differential_fuzz

# fuzz <target>: what it finds is left in build/fuzz/, to be copied to tests/fuzz/corpus/<target>/.
# Inputs have any length from the start: short ones spoil nothing. Choosing them by entropy would take longer than the calls.
fuzz() {
  mkdir -p "build/fuzz/corpus/$1"
  "build/asan/tests/fuzz/$1" -max_total_time="${RENORM_FUZZ_SECONDS:-60}" -max_len=96 -len_control=0 -entropic=0 \
    -print_final_stats=1 -verbosity=0 -print_funcs=0 -artifact_prefix="build/fuzz/$1-" "build/fuzz/corpus/$1"
}
check fuzz abi_fuzz
check fuzz differential_fuzz
