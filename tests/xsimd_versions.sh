#!/bin/sh
# xsimd_versions.sh: builds with the newest xsimd of Debian (headers unpacked into build/xsimd-sid, nothing installed) and compares
# the results with those of the installed one: the tests of kernels and golden values, and the bits. Needs build/ of scripts/test.sh.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -Eo '(https?|file|copy):[^ ]*debian/?( |$)' | head -n 1)
mkdir -p "$work/lists/partial" "$work/archives/partial" build/xsimd-sid
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists" \
    -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" -o APT::Sandbox::User=root "$@"
}
apt update
(cd "$work" && apt download libxsimd-dev)
dpkg-deb -x "$work"/libxsimd-dev_*.deb build/xsimd-sid
echo "xsimd: $(ls "$work" | sed -n 's/^libxsimd-dev_\(.*\)_.*/\1/p')"

cmake -S . -B build/newest-xsimd -D CMAKE_BUILD_TYPE=Release -D RENORM_XSIMD_INCLUDE_DIR="$PWD/build/xsimd-sid/usr/include" \
  -D RENORM_BUILD_BENCH=OFF -D RENORM_BUILD_EXAMPLES=OFF >/dev/null
cmake --build build/newest-xsimd --parallel "$(nproc)" --target golden_test kernels_test bits_test
build/newest-xsimd/tests/golden_test --gtest_brief=1
build/newest-xsimd/tests/kernels_test --gtest_brief=1
for build in build build/newest-xsimd; do $build/tests/bits_test --gtest_filter=Bits.Hash | grep '^bits' >"$work/$(basename $build)"; done
cmp "$work/build" "$work/newest-xsimd"
echo "same bits"
