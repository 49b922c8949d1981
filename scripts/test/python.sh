# default: the Python binding
install_native
check sh tests/bindings/python.sh build/prefix
