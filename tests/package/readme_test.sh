#!/bin/sh
# The first C block of the README is examples/quickstart.c.
set -eu
cd "$(dirname "$0")/../.."
awk '/^```/ && inside { exit } inside; /^```c$/ { inside = 1 }' README.md | diff examples/quickstart.c -
