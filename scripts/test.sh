#!/bin/sh
# Builds everything into build/ and runs every test. Installs missing Debian packages, as root or through sudo.
set -eu
cd "$(dirname "$0")/.."
. scripts/dependencies.sh

need g++ cmake make pkg-config libxsimd-dev libgtest-dev libbenchmark-dev
cmake -S . -B build -D CMAKE_BUILD_TYPE=Release -D RENORM_BUILD_TESTS=ON -D RENORM_BUILD_BENCH=ON -D RENORM_BUILD_EXAMPLES=ON
cmake --build build --parallel "$(nproc)"
exec ctest --test-dir build --output-on-failure --parallel 2
