# default: the Rust binding, here and built for AArch64 (qemu)
# touched by: capi include src bindings/rust tests/abi_dump.sh tests/bindings/*rust* tests/bindings/cargo.sh tests/bindings/isas.sh tests/bindings/other_debian.sh tests/data
install_native
check sh tests/bindings/rust.sh build/prefix
check sh tests/bindings/rust_aarch64.sh
