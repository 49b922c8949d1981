#!/bin/sh
# work_test.sh <program>: the instructions of each of its calls under callgrind. A call on an empty tensor takes under 30,000, or, with more
# than 64 statistics, at most 200 for each of them. AVX-512 is not among them: valgrind has none.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
valgrind --quiet --tool=callgrind --callgrind-out-file="$folder/dump" "$1" >"$folder/refused"
if [ -s "$folder/refused" ]; then
  cat "$folder/refused"
  exit 1
fi
# A dump begins with what it was asked for and ends with the sum.
awk '/^desc: Trigger: Client Request: / { sub(/.*Request: /, ""); name = $0 }
     /^(summary|totals): / && name != "" {
       split(name, word, " "); split(word[4], extent, "[x/]")
       statistics = extent[2] * extent[4]
       limit = statistics > 64 ? 200 * statistics : 30000
       if ($2 + 0 > largest + 0) { largest = $2; which = name }
       if ($2 + 0 > limit) { print name ": " $2 " instructions, at most " limit; bad++ }
       calls++; name = ""
     }
     END { print calls + 0 " calls, at most " largest " instructions: " which; exit bad > 0 || calls == 0 }' "$folder"/dump.*
