# all: the Rust binding, built from source for AArch64 (qemu)
# touched by: bindings/rust/renorm-sys/build.rs bindings/rust/renorm-sys/Cargo.toml tests/bindings/get_rust_std.sh tests/bindings/rust_aarch64.sh
check sh tests/bindings/rust_aarch64.sh
