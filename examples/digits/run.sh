#!/bin/sh
# Builds into build/ and runs the example, with its options. Installs missing Debian packages, as root or through sudo.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/scripts/dependencies.sh"

need g++ cmake ninja-build libxsimd-dev libeigen3-dev
cmake -S "$root" -B "$root/build" -D CMAKE_BUILD_TYPE=Release -D RENORM_BUILD_TESTS=OFF -D RENORM_BUILD_BENCH=OFF -D RENORM_BUILD_EXAMPLES=ON
cmake --build "$root/build" --parallel "$(nproc)" --target renorm_digits
exec "$root/build/examples/renorm_digits" "$@"
