#!/bin/sh
# smoke_test.sh <renorm_digits>: short runs learn, the same seed gives the same results, and the pictures are whole.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for run in first second; do "$1" --steps 400 --seed 7 --out "$work/$run" >"$work/log"; done
cmp "$work/first/accuracy.csv" "$work/second/accuracy.csv"
cmp "$work/first/accuracy.svg" "$work/second/accuracy.svg"
test "$(grep -c '<polyline' "$work/first/accuracy.svg")" -eq 8
tail -n 1 "$work/first/accuracy.svg" | grep -qx '</svg>'

# Guessing is right one time in ten. Batches of two classes need more steps than these.
awk -F , '$4 == 400 && $1 !~ /two classes/ { arms++; if ($5 < 85) exit 1 } END { if (arms != 4) exit 1 }' "$work/first/accuracy.csv"
