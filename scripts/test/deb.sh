# all: the Debian packages
need g++ cmake make pkg-config libxsimd-dev dpkg-dev lintian
check sh tests/package/deb.sh build/deb
