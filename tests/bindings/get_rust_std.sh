#!/bin/sh
# get_rust_std.sh <architecture> <folder>: unpacks into the folder the standard library of another architecture for the Rust that this
# Debian has installed. Nothing is installed.
set -eu
mkdir -p "$2"
folder=$(cd "$2" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/other_debian.sh"

other_debian "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$1"
cd "$work"
apt download "libstd-rust-dev=$(dpkg-query -W -f '${Version}' libstd-rust-dev)"
dpkg-deb -x libstd-rust-dev_*.deb "$folder"
