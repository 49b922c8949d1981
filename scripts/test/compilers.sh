# all: the same bits from other compilers and versions of xsimd, without optimisation, with that of the linker, and with a user's flags
# touched by: tests/newest_xsimd.sh
need g++ clang-14 clang-19 libomp-dev cmake ninja-build libxsimd-dev qemu-user
build_native
bits build/tests/bits_test >"$work/native"

# variant <name> <C compiler> <C++ compiler> <cmake options...>: makes the libraries, shared and static, and puts them under the tests of
# the native build, whose own code these options do not change.
variant() {
  build=build/variants/$1 cc=$2 cxx=$3
  shift 3
  configure "$build" -D CMAKE_C_COMPILER="$cc" -D CMAKE_CXX_COMPILER="$cxx" -D RENORM_BUILD_TESTS=OFF "$@"
  compile "$build"
  for form in a so; do
    link golden_test
    check "$build/golden_test.$form" --gtest_brief=1
    link bits_test
    bits "$build/bits_test.$form" >"$work/variant"
    check cmp "$work/native" "$work/variant"
  done
  # No flag reaches code that every processor runs, or the process that loads the library.
  check qemu-x86_64 -cpu Nehalem "$build/golden_test.a" --gtest_brief=1
  check sh tests/package/exports_test.sh "$build/librenorm.so" renorm.h "libc libm"
  check openmp "$build"
}

# link <test> <options...>: with the libraries of the variant, in this form.
link() {
  test=$1
  shift
  "$cxx" "build/tests/CMakeFiles/$test.dir"/*/"$test.cpp.o" build/tests/librenorm_test_calls.a build/tests/librenorm_test_support.a "$@" \
    "$build/librenorm.$form" -Wl,-rpath,"$PWD/$build" -lgtest_main -lgtest -lpthread -lm -o "$build/$test.$form"
}

# openmp <build>: not for clang-19, whose OpenMP cannot be installed next to that of clang-14.
openmp() {
  if [ ! -f "$1/librenorm_openmp.so" ]; then return 77; fi
  for form in a so; do
    link openmp_test "$1/librenorm_openmp.$form" -fopenmp && "$1/openmp_test.$form" --gtest_brief=1 || return 1
  done
  sh tests/package/exports_test.sh "$1/librenorm_openmp.so" openmp.h "libc libm libgomp libomp"
}

# user <name> <C compiler> <C++ compiler> <flags>: a variant with a user's flags, the compiler's and the linker's.
user() {
  variant "$1" "$2" "$3" -D CMAKE_C_FLAGS_RELEASE="$4" -D CMAKE_CXX_FLAGS_RELEASE="$4" -D CMAKE_SHARED_LINKER_FLAGS="$4"
}

variant debug gcc g++ -D CMAKE_BUILD_TYPE=Debug
for isa in sse2 avx2 avx512; do
  check sh tests/package/isolation_test.sh "$isa" "build/variants/debug/CMakeFiles/renorm_isa_$isa.dir/src/isa/$isa.cpp.o"
done
variant linker gcc g++ -D CMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
variant clang-14 clang-14 clang++-14
variant clang-19 clang-19 clang++-19
user user-gcc gcc g++ '-march=native -ffast-math -funsafe-math-optimizations -Ofast'
user user-clang-14 clang-14 clang++-14 '-march=native -ffast-math -Ofast'
user user-clang-19 clang-19 clang++-19 '-march=native -ffast-math -Ofast -mdaz-ftz'
sh tests/newest_xsimd.sh build/newest-xsimd
variant newest-xsimd gcc g++ -D RENORM_XSIMD_INCLUDE_DIR="$PWD/build/newest-xsimd/usr/include"
