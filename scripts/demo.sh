#!/bin/sh
# Builds the library into build/, runs the demo, then the README's example against an installed copy.
# Installs missing Debian packages, as root or through sudo.
set -eu
cd "$(dirname "$0")/.."
. scripts/dependencies.sh
log=build/demo.log

build() {
  need g++ cmake ninja-build pkg-config libxsimd-dev &&
    cmake -S . -B build -D CMAKE_BUILD_TYPE=Release -D RENORM_BUILD_TESTS=OFF -D RENORM_BUILD_BENCH=OFF -D RENORM_BUILD_EXAMPLES=ON &&
    cmake --build build --parallel "$(nproc)"
}

mkdir -p build
printf 'Installing what is missing and building, some minutes the first time (log: %s) ... ' "$log"
if ! (build) >"$log" 2>&1; then
  printf 'failed\n\nThe end of %s:\n' "$log"
  tail -n 20 "$log"
  exit 1
fi
printf 'done\n\n'
build/examples/renorm_demo

prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install build --prefix "$prefix" >/dev/null
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
gcc examples/quickstart.c $(pkg-config --cflags --libs renorm) -o "$prefix/quickstart"
echo
echo "examples/quickstart.c, built with gcc and pkg-config:"
LD_LIBRARY_PATH="$prefix/lib" "$prefix/quickstart"
