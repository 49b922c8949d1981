#!/bin/sh
# install_test.sh <build directory> <cmake> <C compiler>: what is installed can be moved, and used from C without a C++ compiler,
# shared and static, through pkg-config and CMake.
set -eu
build=$1 cmake=$2 cc=$3
here=$(cd "$(dirname "$0")" && pwd)
quickstart=$here/../../examples/quickstart.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/installed" >/dev/null
mv "$work/installed" "$work/moved"
export PKG_CONFIG_PATH="$work/moved/lib/pkgconfig"
export LD_LIBRARY_PATH="$work/moved/lib"

# compile <program> <source> <options...>
compile() {
  program=$1 source=$2
  shift 2
  "$cc" -std=c99 -Wall -Wextra -Wpedantic -Werror "$source" "$@" -o "$work/$program"
  "$work/$program"
}
# The README quotes what the example prints.
sed -n 's/^    \(\(training\|inference\)  .*\)/\1/p' "$here/../../README.md" >"$work/quoted"
compile shared "$quickstart" $(pkg-config --cflags --libs renorm) | diff "$work/quoted" -
compile static "$quickstart" -static $(pkg-config --static --cflags --libs renorm) | diff "$work/quoted" -
# The README's command for a prefix that the loader does not know.
cp "$quickstart" "$work"
sed -n 's/^    \$ \(gcc .*-rpath.*\)/\1/p' "$here/../../README.md" | (cd "$work" && env -u LD_LIBRARY_PATH sh) | diff "$work/quoted" -
if [ -f "$PKG_CONFIG_PATH/renorm-openmp.pc" ]; then
  compile openmp "$here/consumer/openmp.c" $(pkg-config --cflags --libs renorm-openmp)
  compile openmp_static "$here/consumer/openmp.c" -static $(pkg-config --static --cflags --libs renorm-openmp)
  openmp=ON
else
  openmp=OFF
fi

CC=$cc CXX=/bin/false "$cmake" -S "$here/consumer" -B "$work/consumer" -D CMAKE_PREFIX_PATH="$work/moved" -D QUICKSTART="$quickstart" \
  -D QUOTED="$work/quoted" -D OPENMP=$openmp
"$cmake" --build "$work/consumer"
"$(dirname "$cmake")/ctest" --test-dir "$work/consumer" --output-on-failure
