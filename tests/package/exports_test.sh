#!/bin/sh
# exports_test.sh <library> <header> <needed>: the shared library exports exactly the functions of its header, each with a
# version, under the SONAME that programs were linked with, needs no other libraries than these, and asks nothing unusual of the process
# it is loaded into.
set -eu
library=$1 header=$(dirname "$0")/../../include/renorm/$2 allowed=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^RENORM_API .*\(renorm_[a-z0-9_]*\)(.*/\1@@RENORM_0.1/p' "$header" | sort >"$work/declared"
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort >"$work/exported"
test -s "$work/declared"
diff "$work/declared" "$work/exported"

file=${library##*/}
objdump -p "$library" | awk '$1 == "SONAME" { print $2 }' | grep -qx "${file%%.so*}.so.0" || { echo "$library has another SONAME" && exit 1; }

for soname in $(objdump -p "$library" | awk '$1 == "NEEDED" { print $2 }'); do
  case " $allowed ld-linux-x86-64 ld-linux-aarch64 " in
    *" ${soname%%.so*} "*) ;;
    *) echo "$library needs $soname" && exit 1 ;;
  esac
done

refuse() {
  if grep -q "$1"; then echo "$library: $2" && exit 1; fi
}
objdump -d "$library" | refuse ldmxcsr "changes the floating-point environment"
readelf -W -l "$library" | grep GNU_STACK | refuse RWE "executable stack"
readelf -d "$library" | refuse TEXTREL "text relocation"
