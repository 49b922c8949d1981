# default: what objects and libraries show to others, as clang++ makes them without optimisation
need clang cmake ninja-build libxsimd-dev libgtest-dev
CC=clang CXX=clang++ configure build/clang -D CMAKE_BUILD_TYPE=Debug
compile build/clang renorm renorm_unoptimised
run_tests build/clang --tests-regex 'package/(isolation|exports/renorm$)'
