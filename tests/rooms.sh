#!/bin/sh
# rooms.sh <root>: each room of the sources includes what docs/architecture.md lets it, and knows nothing of what is above it.
set -eu
cd "$1"
status=0

# allow <room> <what it may include, an extended regular expression>: besides the headers of the language and the system.
allow() {
  found=$(grep -rnE '^ *# *include "' "$1" | grep -vE "include \"($2)" || true)
  if [ -n "$found" ]; then printf '%s includes what is not below it:\n%s\n' "$1" "$found" && status=1; fi
}

# unknown <word, an extended regular expression> <rooms...>
unknown() {
  word=$1
  shift
  found=$(grep -rnwE "$word" "$@" || true)
  if [ -n "$found" ]; then printf '%s is unknown here:\n%s\n' "$word" "$found" && status=1; fi
}

allow capi '[a-z]+\.(hpp|inc)|(op|pass|isa|kernels)/|renorm/(renorm|openmp)\.h'
allow src/op '(op|pass|tensor|kernels)/|isa/code\.hpp'
allow src/pass '(pass|tensor|kernels)/|isa/cache\.hpp'
allow src/isa '(isa|kernels)/|renorm/renorm\.h'
allow src/kernels '(kernels|tensor|simd)/'
allow src/tensor 'tensor/'
allow src/simd 'simd/'
# allow sees what is in quotes.
found=$(grep -rnE '^ *# *include *<(renorm|op|pass|tensor|isa|kernels|simd)/' capi src || true)
if [ -n "$found" ]; then printf 'quotes belong around the own headers:\n%s\n' "$found" && status=1; fi
unknown 'renorm_[a-z_]+_args|renorm_desc|renorm_exec|renorm_status' src/op src/pass src/tensor src/kernels src/simd
unknown 'layout' src
unknown '[a-z_]*(gamma|beta|running)[a-z_]*|momentum|eps' src/pass
unknown 'xsimd' src/op src/pass src/isa/*.hpp
found=$(grep -rlE '^ *# *include *<(xsimd/|[a-z]*intrin\.h|arm_neon\.h|cpuid\.h)' capi src | grep -vxE 'src/simd/.*|src/isa/cpuid\.hpp' || true)
if [ -n "$found" ]; then printf 'intrinsics belong in src/simd:\n%s\n' "$found" && status=1; fi
exit $status
