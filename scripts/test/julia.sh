# default: the Julia binding
install_native
check sh tests/bindings/julia.sh build/prefix
