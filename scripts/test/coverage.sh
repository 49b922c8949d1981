# all: the lines and branches of src and capi that the default tests on this processor run: at least 98 and 90 percent
need clang llvm cmake make libxsimd-dev libgtest-dev
# clang counts a branch of a template once, gcov in each of hundreds of instantiations.
flags='-fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic'
CC=clang CXX=clang++ configure build/coverage -D CMAKE_C_FLAGS="$flags" -D CMAKE_CXX_FLAGS="$flags" -D CMAKE_CXX_FLAGS_RELEASE=-O0
compile build/coverage
rm -rf build/coverage/profiles
LLVM_PROFILE_FILE="$PWD/build/coverage/profiles/%m.profraw" run_tests build/coverage --label-regex reduced
llvm-profdata merge build/coverage/profiles/*.profraw -o build/coverage/profile

coverage() {
  llvm-cov report build/coverage/librenorm.so -object build/coverage/librenorm_openmp.so -instr-profile build/coverage/profile \
    src capi | tee build/coverage/report
  awk '/^TOTAL/ { exit !($10 + 0 >= 98 && $13 + 0 >= 90) }' build/coverage/report
}
check coverage
