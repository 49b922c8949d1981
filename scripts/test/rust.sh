# default: the Rust binding
# touched by: capi include src bindings/rust tests/abi_dump.sh tests/bindings/rust.sh tests/bindings/cargo.sh tests/bindings/isas.sh tests/bindings/other_debian.sh tests/data
install_native
check sh tests/bindings/rust.sh build/prefix
