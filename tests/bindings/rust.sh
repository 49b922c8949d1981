#!/bin/sh
# rust.sh [prefix]: tests of the Rust crates with the library that is installed in prefix, by default build/prefix, and with one that they
# build from source; golden cases with each instruction set; lints and documentation.
set -eu
cd "$(dirname "$0")/../.."
. scripts/dependencies.sh
. tests/bindings/isas.sh
. tests/bindings/cargo.sh

need cargo rustc rust-clippy pkg-config gcc g++ cmake ninja-build libxsimd-dev
prefix=$(cd "${1:-build/prefix}" && pwd)
build=$PWD/build
cd bindings/rust

installed() {
  CARGO_TARGET_DIR=$build/rust PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib "$@"
}
vendored() {
  CARGO_TARGET_DIR=$build/rust-vendored PKG_CONFIG=false "$@"
}
without_library() {
  CARGO_TARGET_DIR=$build/rust-docs DOCS_RS=1 PKG_CONFIG=false RUSTDOCFLAGS="-D warnings" "$@"
}

installed cargo test
on_each_isa "$prefix/lib/librenorm.so.0" installed cargo test -p renorm --test golden
on_each_isa "$prefix/lib/librenorm.so.0" vendored cargo test -p renorm --features vendored --test golden
installed cargo clippy --all-targets -- -D warnings
without_library cargo doc --no-deps

# A program that names the crate as its README does, and is the first program there.
user=$build/rust-user readme=renorm/README.md
mkdir -p "$user/src"
ln -sfn ../.. "$user/renorm"
printf '[package]\nname = "user"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$user/Cargo.toml"
sed -n '/^```toml/,/^```$/p' "$readme" | grep -v '^```' >>"$user/Cargo.toml"
sed -n '/^```rust/,/^```$/p; /^```$/q' "$readme" | grep -v '^```' >"$user/src/main.rs"
cd "$user"
installed cargo run
