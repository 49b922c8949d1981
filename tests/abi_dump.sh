#!/bin/sh
# abi_dump.sh [include folder]: what the bindings have to agree with, as the C compiler sees renorm.h, one fact a line:
#   sizeof <struct> <bytes>
#   offsetof <struct> <field> <bytes>
#   const <name> <value>
# The program that prints it is written from the header itself, so that nothing of the header can be missing here.
set -eu
cc=${CC:-cc}
include=${1:-$(dirname "$0")/../include}
header=$include/renorm/renorm.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
  printf '#include <renorm/renorm.h>\n#include <stdio.h>\nint main(void) {\n'
  # Without comments and directives, a record is a declaration; the last word of each declarator is its name.
  "$cc" -E -P "$header" | awk '
    BEGIN { RS = ";" }
    /typedef struct renorm_/ {
      sub(/.*typedef struct /, "")
      type = $1
      sub(/[^{]*\{/, "")
      printf "printf(\"sizeof %s %%zu\\n\", sizeof(%s));\n", type, type
    }
    /}/ { type = "" }
    type {
      fields = split($0, declarators, ",")
      for (i = 1; i <= fields; ++i) {
        words = split(declarators[i], word, /[ *\n]+/)
        while (word[words] == "") --words
        printf "printf(\"offsetof %s %s %%zu\\n\", offsetof(%s, %s));\n", type, word[words], type, word[words]
      }
    }'
  "$cc" -E -dM "$header" | awk '
    $2 ~ /^RENORM_[A-Z0-9_]+$/ && $3 ~ /^[(0-9]/ { printf "printf(\"const %s %%lld\\n\", (long long)%s);\n", $2, $2 }' | sort
  printf 'return 0;\n}\n'
} >"$work/dump.c"
"$cc" -I "$include" "$work/dump.c" -o "$work/dump"
"$work/dump"
