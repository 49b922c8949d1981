#!/bin/sh
# newest_xsimd.sh <folder>: unpacks the headers of the newest xsimd of Debian into <folder>/usr/include. Nothing is installed.
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -Eo '(https?|file|copy):[^ ]*debian/?( |$)' | head -n 1)
mkdir -p "$work/lists/partial" "$work/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists" \
    -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" -o APT::Sandbox::User=root "$@"
}
apt update
(cd "$work" && apt download libxsimd-dev)
dpkg-deb -x "$work"/libxsimd-dev_*.deb "$folder"
echo "xsimd: $(ls "$work" | sed -n 's/^libxsimd-dev_\(.*\)_.*/\1/p')"
