# all: the ABI is the baseline's, tests/abi/*.abi, but for additions
# touched by: capi include tests/abi
# A new baseline, once additions are there to stay: cp build/abi/*.abi tests/abi/
need g++ cmake ninja-build libxsimd-dev abigail-tools
configure build/abi -D CMAKE_BUILD_TYPE=Debug -D CMAKE_CXX_FLAGS="-ffile-prefix-map=$PWD=." -D RENORM_BUILD_TESTS=OFF
compile build/abi renorm renorm_openmp

# additions <library>: its ABI is that of the baseline, but for functions, and for members at the end of structs: struct_size tells which
# of them a caller has. What abidiff reports must be that and nothing else. One of its suppression files would not do: it suppresses
# all changes of a struct that has no member inserted.
additions() {
  changes=0
  abidiff --leaf-changes-only --no-added-syms "tests/abi/$1.abi" "build/abi/$1.abi" >"build/abi/$1.report" || changes=$?
  cat "build/abi/$1.report"
  case $changes in
    0) ;;
    4)
      ! grep -Ev -e "^$|summary: |^'struct renorm_[a-z_]+' changed:$|^  type size changed |^  [0-9]+ data member insertions?:$" \
        -e "^    '[^']+', at offset [0-9]+ \(in bits\)$" "build/abi/$1.report"
      ;;
    *) return 1 ;;
  esac
}

for library in librenorm librenorm_openmp; do
  abidw --headers-dir include --drop-private-types --exported-interfaces-only --no-comp-dir-path --no-corpus-path --no-show-locs \
    --type-id-style hash --out-file "build/abi/$library.abi" "build/abi/$library.so"
  check additions "$library"
done
