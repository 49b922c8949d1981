# all: the reduced tests with the thread sanitizer, on std::thread and, through Archer, on OpenMP threads
need clang libomp-dev
# OpenMP's runtime is not instrumented: Archer tells the sanitizer how it synchronises.
export OMP_TOOL_LIBRARIES="$(dirname "$(readlink -f "$(command -v clang)")")/../lib/libarcher.so"
export TSAN_OPTIONS=ignore_noninstrumented_modules=1
# A namespace of its own has no sanitizer.
export GTEST_FILTER=-Loading.TwoNamespacesShareNothing
configure_sanitized build/tsan thread
compile build/tsan
run_tests build/tsan --label-regex reduced
