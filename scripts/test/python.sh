# default: the Python binding
# touched by: capi include src bindings/python tests/abi_dump.sh tests/bindings/isas.sh tests/bindings/python.sh tests/data
install_native
check sh tests/bindings/python.sh build/prefix
