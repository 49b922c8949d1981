# default: the Rust binding
install_native
check sh tests/bindings/rust.sh build/prefix
