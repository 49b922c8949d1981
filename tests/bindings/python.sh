#!/bin/sh
# python.sh [prefix]: tests of renorm.py with the library that is installed in prefix, by default build/prefix, with and without
# numpy, and with each instruction set.
set -eu
cd "$(dirname "$0")/../.."
. scripts/dependencies.sh
. tests/bindings/isas.sh

need python3 python3-numpy gcc
RENORM_LIBRARY=$(cd "${1:-build/prefix}" && pwd)/lib/librenorm.so.0
export RENORM_LIBRARY PYTHONDONTWRITEBYTECODE=1
python=/usr/bin/python3 # the one that python3-numpy is for; with -S it does not see that

RENORM_TEST_NUMPY=1 $python bindings/python/test_renorm.py
RENORM_TEST_NUMPY=0 $python -S bindings/python/test_renorm.py
RENORM_TEST_NUMPY=0 on_each_isa "$RENORM_LIBRARY" $python -S bindings/python/test_renorm.py Golden Library.test_version_and_isa
