# default: what objects and libraries show to others, as clang++ makes them without optimisation
# touched by: capi include src cmake/library.cmake tests/package/exports_test.sh tests/package/isolation_test.sh
need clang cmake ninja-build libxsimd-dev libgtest-dev
CC=clang CXX=clang++ configure build/clang -D CMAKE_CXX_FLAGS_RELEASE=-O0
compile build/clang renorm
run_tests build/clang --tests-regex 'package/(isolation|exports/renorm$)'
