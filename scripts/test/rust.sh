# default: the Rust binding, here and built for AArch64 (qemu)
install_native
check sh tests/bindings/rust.sh build/prefix
check sh tests/bindings/rust_aarch64.sh
