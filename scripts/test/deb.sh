# all: the Debian packages
need g++ cmake ninja-build pkg-config libxsimd-dev dpkg-dev lintian debootstrap
check sh tests/package/deb.sh build/deb
check sh tests/package/deb.sh build/deb --chroot
