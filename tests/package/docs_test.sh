#!/bin/sh
# docs_test.sh <C compiler> <library>: the C blocks of a guide, one after the other, are what docs/<guide>.c includes and tries.
set -eu
cc=$1 library=$2
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for guide in embedding training; do
  awk '/^```/ { inside = 0 } inside; /^```c$/ { inside = 1; printf "#line %d \"%s\"\n", NR + 1, FILENAME }' \
    "docs/$guide.md" >"$work/$guide.inc"
  "$cc" -std=c99 -Wall -Wextra -Wpedantic -Werror -I include -I "$work" "tests/package/docs/$guide.c" "$library" -lm -o "$work/$guide"
  LD_LIBRARY_PATH=$(dirname "$library") "$work/$guide"
done

# The first block of docs/training.md is quoted from the example.
awk '/^```/ && inside { exit } inside; /^```c$/ { inside = 1 }' docs/training.md >"$work/schedule"
! grep -vxFf examples/training.c "$work/schedule"
