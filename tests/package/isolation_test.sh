#!/bin/sh
# isolation_test.sh <isa> <object>: every symbol that other objects can see carries the name of the instruction set. A function
# without it might replace the one that code for lesser processors calls.
set -eu
symbols=$(nm -C -g --defined-only "$2" | cut -d ' ' -f 3-)
leaks=$(echo "$symbols" | grep -v "_$1\b" || true)
test -n "$symbols"
if [ -n "$leaks" ]; then
  echo "$leaks"
  exit 1
fi
