#!/bin/sh
# Builds into build/ and runs tests. Installs missing Debian packages, as root or through sudo.
#   sh scripts/test.sh                  the default jobs
#   sh scripts/test.sh --all            every job
#   sh scripts/test.sh --list           names the jobs
#   sh scripts/test.sh <job>...         these jobs
#   sh scripts/test.sh changed [REV]    the jobs that a change since REV touches, by default since the branch left origin/main
# A job is a file scripts/test/<job>.sh of commands, run with the functions below. Its first line is "# default: <what it does>", or
# "# all: ..." if only --all runs it. A line "# touched by: <file, folder or pattern>..." says whose changes the job is to see, besides those
# of its own file.
set -eu
cd "$(dirname "$0")/.."
. scripts/dependencies.sh

# tier <tier>: the jobs of a tier.
tier() {
  grep -l "^# $1: " scripts/test/*.sh | sed 's|.*/\(.*\)\.sh$|\1|'
}

# changed_files <rev>: what differs from it, new files too.
changed_files() {
  git diff --no-renames --name-only "$1"
  git ls-files --others --exclude-standard
}

# is_touched <job> <file>: in a shell that leaves patterns as they are, for the file may be one that is no more.
is_touched() (
  set -f
  for path in "scripts/test/$1.sh" $(sed -n 's/^# touched by: //p' "scripts/test/$1.sh"); do
    case $2 in $path | $path/*) exit ;; esac
  done
  exit 1
)

# jobs_of <file>: those that it touches, or the default ones if there are none.
jobs_of() {
  found=
  for job in $(tier default) $(tier all); do
    if is_touched "$job" "$1"; then found="$found $job"; fi
  done
  echo ${found:-$(tier default)}
}

# jobs_changed <rev>
jobs_changed() {
  changed_files "$1" | while read -r file; do jobs_of "$file"; done | tr ' ' '\n' | sort -u
}

case ${1:-} in
  "") selected=$(tier default) ;;
  --all) selected="$(tier default) $(tier all)" ;;
  --list)
    for job in $(tier default) $(tier all); do printf '%-14s%s\n' "$job" "$(sed -n '1s/^# //p' "scripts/test/$job.sh")"; done
    exit
    ;;
  changed)
    rev=${2:-$(git merge-base HEAD origin/main 2>/dev/null || echo HEAD~1)}
    git rev-parse --quiet --verify "$rev^{commit}" >/dev/null || { echo "$0: no such revision: $rev" >&2 && exit 2; }
    selected=$(jobs_changed "$rev")
    echo "changed since $rev:" ${selected:-nothing}
    if [ -z "$selected" ]; then exit; fi
    ;;
  *) selected=$* ;;
esac
for job in $selected; do
  if [ ! -f "scripts/test/$job.sh" ]; then
    echo "usage: sh scripts/test.sh [--all | --list | <job>... | changed [REV]]" >&2
    exit 2
  fi
done

threads=$(nproc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# configure <build> <cmake options...>
configure() {
  build=$1
  shift
  cmake -S . -B "$build" -D CMAKE_BUILD_TYPE=Release -D RENORM_BUILD_BENCH=OFF -D RENORM_BUILD_EXAMPLES=OFF "$@"
}

# compile <build> <targets...>: everything if no target is named.
compile() {
  build=$1
  shift
  if [ $# -gt 0 ]; then set -- --target "$@"; fi
  cmake --build "$build" --parallel "$threads" "$@"
}

# build_native <targets...>: the build for this machine that several jobs share.
build_native() {
  need g++ cmake ninja-build pkg-config libxsimd-dev libgtest-dev libbenchmark-dev qemu-user valgrind clang
  configure build -D RENORM_BUILD_TESTS=ON -D RENORM_BUILD_BENCH=ON -D RENORM_BUILD_EXAMPLES=ON
  compile build "$@"
}

# What the bindings are tested with: the build for this machine in build/prefix.
install_native() {
  build_native renorm renorm_static renorm_openmp renorm_openmp_static
  rm -rf build/prefix
  cmake --install build --prefix build/prefix >/dev/null
}

# build_aarch64 <targets...>: a cross build, whose tests run under qemu.
build_aarch64() {
  need g++-aarch64-linux-gnu cmake ninja-build libxsimd-dev libgtest-dev qemu-user
  # The folder holds xsimd alone: with all of /usr/include the cross compiler would find this machine's headers.
  mkdir -p build/xsimd
  ln -sfn /usr/include/xsimd build/xsimd/xsimd
  configure build/aarch64 -D CMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64.cmake" -D RENORM_XSIMD_INCLUDE_DIR="$PWD/build/xsimd" \
    -D RENORM_OPENMP=OFF
  compile build/aarch64 "$@"
}

# run_tests <build> <ctest options...>: counts what passed and failed, names what was skipped, and goes on. A run that ctest calls failed
# without naming a test, or that finds no test, counts as one failure.
run_tests() {
  build=$1
  shift
  {
    status=0
    ctest --test-dir "$build" --output-on-failure --no-tests=error --parallel "$threads" "$@" || status=$?
    echo "ctest status $status"
  } | tee "$work/log"
  sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \(.*[^ .]\)[ .]*\*\*\*Skipped.*/not run: \1/p' "$work/log" >>"$work/summary"
  awk '/^ *[0-9]+\/[0-9]+ Test/ && !/\*\*\*Skipped/ { if (/ Passed /) passed++; else failed++ }
       /^ctest status/ && $3 != 0 && !failed { failed++ }
       END { print passed + 0, failed + 0 }' "$work/log" >>"$results"
}

# check <command...>: counts as one test, or as none with status 77, for what this machine cannot have.
check() {
  status=0
  "$@" || status=$?
  case $status in
    0) echo 1 0 >>"$results" ;;
    77) echo "not run: $*" | tee -a "$work/summary" ;;
    *) echo 0 1 >>"$results" && echo "FAILED: $*" ;;
  esac
}

# configure_sanitized <build> <sanitizers> <cmake options...>: with clang. The first find ends a program.
# -O1: at more the compiler takes minutes for one file.
configure_sanitized() {
  build=$1 flags="-g -fsanitize=$2 -fno-sanitize-recover=all"
  shift 2
  need clang cmake ninja-build libxsimd-dev libgtest-dev libomp-dev
  CC=clang CXX=clang++ configure "$build" -D CMAKE_CXX_FLAGS_RELEASE=-O1 -D CMAKE_C_FLAGS="$flags" -D CMAKE_CXX_FLAGS="$flags" "$@"
}

# What is tested and fuzzed with the address and undefined behaviour sanitizers. Types of functions cannot be checked without run-time
# type information, which the library is made without. No OpenMP: clang's runtime of it leaks what it has for its threads.
configure_asan() {
  configure_sanitized build/asan 'address,undefined,fuzzer-no-link -fno-sanitize=function' -D RENORM_FUZZ=ON -D RENORM_OPENMP=OFF
}

# bits <command...>: the hashes of results that tests/bits_test prints, the command being how to run it. Fails as the test does: where
# instruction sets disagree it prints the lines of one of them.
bits() {
  if ! "$@" --gtest_filter=Bits.Hash >"$work/printed"; then
    cat "$work/printed" >&2
    return 1
  fi
  grep '^bits' "$work/printed"
}

# line <name> <start> <file of results>: of the table at the end.
line() {
  awk -v name="$1" -v seconds="$(($(date +%s) - $2))" '{ passed += $1; failed += $2 }
      END { printf "%-14s %5d s %5d passed %5d failed\n", name, seconds, passed, failed }' "$3"
}

# run <job>: a job that stops before its end counts as one failure.
run() {
  results=$work/results.$1
  : >"$results"
  echo "== $1"
  started=$(date +%s)
  set +e
  (
    set -e
    . "scripts/test/$1.sh"
  )
  if [ $? -ne 0 ]; then echo 0 1 >>"$results"; fi
  set -e
  line "$1" "$started" "$results" >>"$work/summary"
}

begun=$(date +%s)
for job in $selected; do run "$job"; done
echo
cat "$work/summary"
cat "$work"/results.* >"$work/all"
line total "$begun" "$work/all"
awk '{ passed += $1; failed += $2 } END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 || passed == 0 }' "$work/all"
