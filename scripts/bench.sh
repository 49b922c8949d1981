#!/bin/sh
# Builds into build/ and measures renorm beside oneDNN and PyTorch: tables, JSON, Markdown and pictures in build/bench-results/. Then
# runs the engine of examples/ with renorm and with oneDNN, and fails if renorm is slower there.
# Installs missing Debian packages, as root or through sudo. --quick: some shapes, float, a few minutes instead of twenty to sixty.
set -eu
cd "$(dirname "$0")/.."
. scripts/dependencies.sh

case "$*" in
  "") options=--dtype=f32,f64 ;;
  --quick) options="--rounds=5 --shape=32x256x56x56,32x512x28x28,4x64x112x112,1x64x56x56,dense,few_channels,odd,tiny" ;;
  *)
    echo "usage: sh scripts/bench.sh [--quick]" >&2
    exit 2
    ;;
esac

need g++ cmake ninja-build libxsimd-dev libbenchmark-dev libdnnl-dev libtorch-dev
cmake -S . -B build -D CMAKE_BUILD_TYPE=Release -D RENORM_BUILD_TESTS=OFF -D RENORM_BUILD_EXAMPLES=ON -D RENORM_BUILD_BENCH=ON \
  -D RENORM_BENCH_PEERS=ON
cmake --build build --parallel "$(nproc)" --target renorm_table renorm_report renorm_engine_onednn

results=build/bench-results
rm -rf "$results"
mkdir "$results"
files=
for op in train inference backward renorm_train renorm_backward renorm_step moments train_relu train_add_relu inference_relu backward_relu; do
  case $op in
    *_relu) fewer="--dtype=f32 --threads=1" ;;
    renorm_*) fewer=--dtype=f32 ;; # made of tensor operations it takes long
    *) fewer= ;;
  esac
  files="$files $results/$op.json"
  build/bench/renorm_table $options $fewer --op=$op --json="$results/$op.json"
  echo
done
build/bench/renorm_report "$results" $files
echo
echo "in $results:" "$(cd "$results" && echo *)"
echo
build/examples/engine/renorm_engine_onednn
