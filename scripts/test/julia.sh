# default: the Julia binding
# touched by: capi include src bindings/julia tests/abi_dump.sh tests/bindings/*julia* tests/bindings/isas.sh tests/bindings/other_debian.sh tests/data
install_native
check sh tests/bindings/julia.sh build/prefix
