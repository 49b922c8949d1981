#!/bin/sh
# rust_aarch64.sh: a cross build of the Rust crates and of the library, from source, for AArch64; their tests run under qemu.
set -eu
cd "$(dirname "$0")/../.."
. scripts/dependencies.sh
. tests/bindings/cargo.sh

# rust-all: Debian's Rust, of which there is a standard library for AArch64, whatever other Rust comes first on this machine.
need rust-all g++-aarch64-linux-gnu cmake ninja-build libxsimd-dev qemu-user
target=aarch64-unknown-linux-gnu
std=$PWD/build/rust-std-aarch64/usr/lib/rustlib/$target/lib
test -d "$std" || sh tests/bindings/get_rust_std.sh arm64 build/rust-std-aarch64 || {
  echo "$0: there is no standard library of Rust for AArch64 here, and none could be unpacked" >&2
  exit 77
}

export RUSTC=/usr/bin/rustc PKG_CONFIG=false CARGO_TARGET_DIR="$PWD/build/rust-aarch64"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-L $std"
# Headers alone, which serve any processor; cmake looks for packages of AArch64.
xsimd_DIR=$(dpkg -L libxsimd-dev | sed -n 's|/xsimdConfig.cmake$||p')
export xsimd_DIR
cd bindings/rust
# Left out: a test that starts itself, which takes a processor that runs it.
/usr/bin/cargo test --target "$target" --features vendored -- --skip isa_of_an_unknown_name
