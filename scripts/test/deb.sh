# all: the Debian packages
need g++ cmake make pkg-config libxsimd-dev dpkg-dev lintian debootstrap
check sh tests/package/deb.sh build/deb
check sh tests/package/deb.sh build/deb --chroot
