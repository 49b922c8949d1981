# all: the ABI is the baseline's, tests/abi/*.abi, but for additions
# A new baseline, once additions are there to stay: cp build/abi/*.abi tests/abi/
need g++ cmake ninja-build libxsimd-dev abigail-tools
configure build/abi -D CMAKE_BUILD_TYPE=Debug -D CMAKE_CXX_FLAGS="-ffile-prefix-map=$PWD=." -D RENORM_BUILD_TESTS=OFF
compile build/abi renorm renorm_openmp
for library in librenorm librenorm_openmp; do
  abidw --headers-dir include --drop-private-types --exported-interfaces-only --no-comp-dir-path --no-corpus-path --no-show-locs \
    --type-id-style hash --out-file "build/abi/$library.abi" "build/abi/$library.so"
  check abidiff --no-added-syms --suppressions tests/abi/additions.abignore "tests/abi/$library.abi" "build/abi/$library.abi"
done
