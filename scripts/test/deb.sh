# all: the Debian packages
# touched by: cmake/debian cmake/install.cmake cmake/package.cmake tests/package/deb.sh
need g++ cmake ninja-build pkg-config libxsimd-dev dpkg-dev lintian debootstrap
check sh tests/package/deb.sh build/deb
check sh tests/package/deb.sh build/deb --chroot
