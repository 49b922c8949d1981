#!/bin/sh
# deb.sh <build folder> [--chroot]: the Debian packages, made in the build folder. They pass lintian, hold what they should, and the C
# example builds and runs from their files. With --chroot they install in a fresh Debian 12 as well, the example builds and runs there,
# and purging them leaves nothing; exits with 77 where there is none to be had: without root, or without a mirror of Debian.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
example=$root/examples/quickstart.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -S "$root" -B "$build" -D CMAKE_BUILD_TYPE=Release -D CMAKE_INSTALL_PREFIX=/usr -D RENORM_BUILD_TESTS=OFF -D RENORM_BUILD_BENCH=OFF \
  -D RENORM_BUILD_EXAMPLES=OFF >/dev/null
cmake --build "$build" --parallel "$(nproc)"
rm -f "$build"/*.deb
(cd "$build" && cpack >/dev/null)
lintian --allow-root --fail-on error "$build"/*.deb

# The files of a package, with the folder of the architecture as LIB.
files() {
  dpkg-deb -c "$build/$1"_*.deb | sed -n 's|^[^d].* \./usr/||p' | sed 's| -> .*||; s|^lib/[^/]*-linux-gnu[^/]*/|LIB/|' | sort
}
expect() {
  package=$1
  shift
  printf '%s\n' "$@" "share/doc/$package/changelog.Debian.gz" "share/doc/$package/copyright" | sort >"$work/expected"
  files "$package" | diff "$work/expected" -
}
version=$(sed -n 's/^#define RENORM_VERSION_[A-Z]* \([0-9]*\)$/\1/p' "$root/include/renorm/renorm.h" | paste -s -d .)
major=${version%%.*}
expect "librenorm$major" "LIB/librenorm.so.$major" "LIB/librenorm.so.$version"
expect "librenorm-openmp$major" "LIB/librenorm_openmp.so.$major" "LIB/librenorm_openmp.so.$version"
expect librenorm-dev include/renorm/renorm.h include/renorm/openmp.h LIB/librenorm.a LIB/librenorm.so LIB/librenorm_openmp.a \
  LIB/librenorm_openmp.so LIB/pkgconfig/renorm.pc LIB/pkgconfig/renorm-openmp.pc LIB/cmake/renorm/renormConfig.cmake \
  LIB/cmake/renorm/renormConfig-release.cmake LIB/cmake/renorm/renormConfigVersion.cmake

# What the README says that the example prints.
sed -n 's/^    \(\(training\|inference\)  .*\)/\1/p' "$root/README.md" >"$work/quoted"
test -s "$work/quoted"

for package in "$build"/*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done
libraries=$(dirname "$work"/unpacked/usr/lib/*/librenorm.so)
PKG_CONFIG_PATH=$libraries/pkgconfig gcc "$example" $(PKG_CONFIG_PATH=$libraries/pkgconfig pkg-config --cflags --libs renorm) -o "$work/example"
LD_LIBRARY_PATH=$libraries "$work/example" | diff "$work/quoted" -

if [ "${2:-}" != --chroot ]; then exit; fi
if [ "$(id -u)" != 0 ]; then
  echo "$0: a chroot needs root" >&2
  exit 77
fi
debian=$work/debian
debootstrap --variant=minbase --include=gcc,libc6-dev,libgomp1,pkg-config bookworm "$debian" >"$work/debootstrap.log" || {
  tail "$work/debootstrap.log"
  exit 77
}
cp "$build"/*.deb "$example" "$debian/tmp/"
# What a removal could leave: every file but those of dpkg and ldconfig, and what dpkg thinks it has.
inventory() {
  (cd "$debian" && find . -path ./proc -prune -o -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -path ./tmp -prune -o -print | sort)
  chroot "$debian" dpkg-query -W
}
inventory >"$work/before"
chroot "$debian" sh -ec 'dpkg -i /tmp/*.deb >/dev/null
  gcc /tmp/quickstart.c $(pkg-config --cflags --libs renorm) -o /tmp/example && /tmp/example' | diff "$work/quoted" -
packages=$(for package in "$build"/*.deb; do dpkg-deb -f "$package" Package; done)
chroot "$debian" dpkg --purge $packages >/dev/null
inventory | diff "$work/before" -
echo "installed in a fresh Debian 12, used and purged:" $packages
