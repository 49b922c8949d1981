# all: the lines and branches of src and capi that the default tests on this processor run: at least 98 and 90 percent
need clang llvm cmake ninja-build libxsimd-dev libgtest-dev
# clang counts a branch of a template once, gcov in each of hundreds of instantiations.
flags='-fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic'
CC=clang CXX=clang++ configure build/coverage -D CMAKE_C_FLAGS="$flags" -D CMAKE_CXX_FLAGS="$flags" -D CMAKE_CXX_FLAGS_RELEASE=-O0
compile build/coverage
rm -rf build/coverage/profiles
# threads_test reaches nothing that other tests do not, and its threads wait for each other at every counter.
LLVM_PROFILE_FILE="$PWD/build/coverage/profiles/%m.profraw" run_tests build/coverage --label-regex reduced --exclude-regex '^threads_test$'
llvm-profdata merge build/coverage/profiles/*.profraw -o build/coverage/profile

# of_the_library <command of llvm-cov> <options...>
of_the_library() {
  llvm-cov "$@" build/coverage/librenorm.so -object build/coverage/librenorm_openmp.so -instr-profile build/coverage/profile src capi
}

coverage() {
  of_the_library report | tee build/coverage/report
  of_the_library export -format lcov | awk -v folder="$PWD/" -F '[:,]' '
    /^SF:/ { file = substr($2, length(folder) + 1); lines = "" }
    /^DA:/ && $3 == 0 { lines = lines " " $2 }
    /^end_of_record/ && lines { print "no test reaches " file ":" lines }'
  awk '/^TOTAL/ { enough = $10 + 0 >= 98 && $13 + 0 >= 90 } END { exit !enough }' build/coverage/report
}
check coverage
