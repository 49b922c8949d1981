#!/bin/sh
# Builds the library into build/ and runs the example with 2, 3 and 4 ranks, three times each: the results must be those of one
# process, and the same bits on every rank and in every run. Installs missing Debian packages, as root or through sudo.
set -eu
cd "$(dirname "$0")/../.."
. scripts/dependencies.sh

need g++ cmake ninja-build pkg-config libxsimd-dev openmpi-bin libopenmpi-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -f build/CMakeCache.txt ] || cmake -S . -B build -D CMAKE_BUILD_TYPE=Release -D RENORM_BUILD_TESTS=OFF -D RENORM_BUILD_BENCH=OFF
cmake --build build --parallel "$(nproc)" >"$work/log" || { cat "$work/log"; exit 1; }
cmake --install build --prefix "$work" >/dev/null

export PKG_CONFIG_PATH="$work/lib/pkgconfig" LD_LIBRARY_PATH="$work/lib"
mpicc -std=c99 -O2 -Wall -Wextra -Wpedantic examples/sync_mpi/main.c examples/sync_mpi/sync_norm.c $(pkg-config --cflags --libs renorm) \
  -lm -o "$work/sync_mpi"

# Ranks may outnumber processors, and root may run them.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
for ranks in 2 3 4; do
  mpirun -n $ranks "$work/sync_mpi" | tee "$work/first"
  for run in second third; do
    mpirun -n $ranks "$work/sync_mpi" >"$work/again"
    cmp "$work/first" "$work/again" || { echo "the $run run gave other bits"; exit 1; }
  done
  echo "  three runs gave the same bits"
done
