# all: the same bits from other compilers and versions of xsimd, without optimisation, with that of the linker, and with a user's flags
need g++ clang-14 clang-19 cmake make libxsimd-dev qemu-user
build_native
bits build/tests/bits_test >"$work/native"

# variant <name> <C compiler> <C++ compiler> <cmake options...>: makes the library, shared and static, and puts it under the tests of
# the native build, whose own code these options do not change.
variant() {
  build=build/variants/$1 cc=$2 cxx=$3
  shift 3
  configure "$build" -D CMAKE_C_COMPILER="$cc" -D CMAKE_CXX_COMPILER="$cxx" -D RENORM_BUILD_TESTS=OFF -D RENORM_OPENMP=OFF "$@"
  compile "$build"
  for library in librenorm.a librenorm.so; do
    for test in golden_test bits_test; do
      "$cxx" "build/tests/CMakeFiles/$test.dir/$test.cpp.o" build/tests/librenorm_test_support.a "$build/$library" \
        -Wl,-rpath,"$PWD/$build" -lgtest_main -lgtest -lpthread -lm -o "$build/$test.$library"
    done
    check "$build/golden_test.$library" --gtest_brief=1
    bits "$build/bits_test.$library" >"$work/variant"
    check cmp "$work/native" "$work/variant"
  done
  # No flag reaches code that every processor runs.
  check qemu-x86_64 -cpu Nehalem "$build/golden_test.librenorm.a" --gtest_brief=1
}

variant debug gcc g++ -D CMAKE_BUILD_TYPE=Debug
variant linker gcc g++ -D CMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
variant clang-14 clang-14 clang++-14
variant clang-19 clang-19 clang++-19
variant user-gcc gcc g++ -D CMAKE_CXX_FLAGS='-march=native -ffast-math -O3'
variant user-clang clang-19 clang++-19 -D CMAKE_CXX_FLAGS='-march=native -ffast-math -O3'
sh tests/newest_xsimd.sh build/newest-xsimd
variant newest-xsimd gcc g++ -D RENORM_XSIMD_INCLUDE_DIR="$PWD/build/newest-xsimd/usr/include"
