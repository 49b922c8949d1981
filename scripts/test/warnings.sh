# default: src and capi compile without a warning, with more of them than the build has on
# touched by: capi include src
need g++ clang cmake ninja-build libxsimd-dev

# warnings <C compiler> <C++ compiler>: goes through the sources, and makes no objects that could be linked.
warnings() {
  configure "build/warnings/$2" -D CMAKE_C_COMPILER="$1" -D CMAKE_CXX_COMPILER="$2" -D RENORM_BUILD_TESTS=OFF \
    -D CMAKE_CXX_FLAGS_RELEASE='-fsyntax-only -Wall -Wextra -Wconversion -Wshadow -Werror'
  compile "build/warnings/$2" $(ninja -C "build/warnings/$2" -t targets all | sed -n 's/\.o: .*/.o/p')
}
check warnings gcc g++
check warnings clang clang++
