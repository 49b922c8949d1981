#!/bin/sh
# oldest_client_test.sh <C compiler> <library>: a program compiled with the first header runs with today's library, and gets the
# results that it gets when compiled with today's header.
set -eu
cc=$1 library=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# results <folder of the header>
results() {
  "$cc" -std=c99 -Wall -Wextra -Wpedantic -Werror -I "$1" "$root/tests/abi/client.c" "$library" -o "$work/client"
  LD_LIBRARY_PATH=$(dirname "$library") "$work/client"
}
mkdir -p "$work/include/renorm"
cp "$root/tests/abi/renorm-0.1.h" "$work/include/renorm/renorm.h"
results "$work/include" >"$work/first"
results "$root/include" >"$work/today"
test -s "$work/first"
diff "$work/first" "$work/today"
