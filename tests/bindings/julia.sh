#!/bin/sh
# julia.sh [prefix]: tests of Renorm.jl with the library that is installed in prefix, by default build/prefix: all with 2 threads,
# RENORM_MAX_ISA with each instruction set, threads with 1 and 8. Uses the julia of the command line if it works, or unpacks one into
# build/julia.
set -eu
cd "$(dirname "$0")/../.."
. scripts/dependencies.sh
. tests/bindings/isas.sh

need gcc
prefix=$(cd "${1:-build/prefix}" && pwd)
package=$PWD/bindings/julia/Renorm.jl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# That of some systems cannot catch an exception.
if julia --startup-file=no -e 'try error("thrown") catch; end' >/dev/null 2>&1; then
  julia=julia
else
  julia=$PWD/build/julia/julia
  test -x "$julia" || sh tests/bindings/get_julia.sh build/julia || {
    echo "$0: there is no julia here, and none could be unpacked" >&2
    exit 77
  }
fi
sh tests/abi_dump.sh "$prefix/include" >"$work/abi"
export RENORM_ABI_DUMP="$work/abi" JULIA_DEPOT_PATH="$work/depot" LD_LIBRARY_PATH="$prefix/lib"

# run <threads> <julia's optimisation> <test files...>
run() {
  threads=$1 optimisation=$2
  shift 2
  echo "julia, $threads threads"
  JULIA_NUM_THREADS=$threads "$julia" "$optimisation" --startup-file=no --project="$package" "$package/test/runtests.jl" "$@"
}

# Most of it is compilation, on one processor: these two take half of it, and the rest runs at the same time.
long='golden operations'
rest() {
  run 2 -O2 $(cd "$package/test" && ls | sed 's/\.jl$//' | grep -vxF "$(printf '%s\n' runtests support $long)")
  on_each_isa "$prefix/lib/librenorm.so.0" run 1 -O0 isa
  run 1 -O2 threads readme
  run 8 -O2 threads
}
rest >"$work/rest" 2>&1 &
status=0
run 2 -O2 $long || status=$?
wait $! || status=$?
cat "$work/rest"
exit "$status"
