#!/usr/bin/env python3
"""mutate.py <folder> [word...]: plants every fault of faults.py (those whose name has one of the words), one at a time, in a copy of
the tree in <folder>, and runs tests of the default until one fails. Fails if a fault is not caught, does not compile, or if its text
is not in its file exactly once; and if the tests take more than a minute without a fault."""

import concurrent.futures
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import time

from faults import FAULTS

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# What catches most in the shortest time comes first.
TESTS = ["differential_fuzz_test", "golden_test", "epilogue_test", "abi_fuzz_test", "capi_library_test", "capi_misuse_test", "parts_test",
         "parallel_test", "dispatch_test", "package/fence", "fold_test", "capi_corner_test", "accuracy_test_reduced", "streaming_test",
         "kernels_test_reduced", "threads_test", "memory_test", "shapes_test_reduced"]
TARGETS = ["renorm"] + sorted({test.removesuffix("_reduced") for test in TESTS if "/" not in test})
MOST_SECONDS = 60
COPIES = 2  # while one compiles on all processors, the other is tested on one
# Without optimisation a fault would be quicker to compile and take longer to test. Kernels are written once for all instruction sets:
# scalar code and AVX2 show their faults on any machine.
OPTIONS = ["-DCMAKE_BUILD_TYPE=Release", "-DRENORM_WITHOUT_ISAS=sse2;avx512", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG", "-DRENORM_BUILD_BENCH=OFF",
           "-DRENORM_BUILD_EXAMPLES=OFF", "-DRENORM_OPENMP=OFF"]


def quiet(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def compiles(build):
    return quiet("cmake", "--build", build, "--parallel", str(os.cpu_count()), "--target", *TARGETS)


def catching_test(build):
    """The first test that fails, or None."""
    for test in TESTS:
        if quiet("ctest", "--test-dir", build, "--no-tests=error", "--timeout", "120", "-R", f"^{test}$").returncode != 0:
            return test
    return None


def prepare(folder):
    """A copy and its build: where both are."""
    tree, build = folder / "tree", folder / "build"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    # New modification times: an interrupted run may have left a build with a fault.
    shutil.copy(SOURCE / "CMakeLists.txt", tree)
    for name in ["capi", "cmake", "include", "src", "tests"]:
        shutil.copytree(SOURCE / name, tree / name, copy_function=shutil.copy)
    result = quiet("cmake", "-S", tree, "-B", build, *OPTIONS)
    if result.returncode == 0:
        result = compiles(build)
    if result.returncode != 0:
        sys.exit(result.stdout + "the tree does not build")
    return tree, build


def check_without_fault(build):
    started = time.monotonic()
    if test := catching_test(build):
        sys.exit(f"{test} fails without a fault")
    seconds = time.monotonic() - started
    print(f"without a fault the tests pass in {seconds:.0f} s")
    if seconds > MOST_SECONDS:
        sys.exit(f"that is more than {MOST_SECONDS} s")


def outcome(tree, build, fault):
    """What became of a fault, and whether that is as it should be."""
    _, file, old, new = fault
    path = tree / file
    text = path.read_text()
    path.write_text(text.replace(old, new))
    try:
        if compiles(build).returncode != 0:
            return "DOES NOT COMPILE", False
        test = catching_test(build)
        return test or "NOT CAUGHT", test is not None
    finally:
        path.write_text(text)


def main():
    words = sys.argv[2:]
    faults = [f for f in FAULTS if not words or any(word in f[0] for word in words)]
    stale = [f"{file}: {name}" for name, file, old, _ in faults if (SOURCE / file).read_text().count(old) != 1]
    if stale:
        sys.exit("not exactly once in its file:\n" + "\n".join(stale))
    folder = pathlib.Path(sys.argv[1]).resolve()
    os.environ["CCACHE_BASEDIR"] = str(folder)  # what one copy has compiled, the others need not
    copies = queue.SimpleQueue()
    for i in range(COPIES):
        copies.put(prepare(folder / str(i)))
    check_without_fault(folder / "0" / "build")

    def plant(fault):
        copy = copies.get()
        started = time.monotonic()
        try:
            return *outcome(*copy, fault), time.monotonic() - started
        finally:
            copies.put(copy)

    caught = 0
    print(f"\n{'fault':52}{'caught by':26}seconds")
    with concurrent.futures.ThreadPoolExecutor(COPIES) as workers:
        for fault, (what, good, seconds) in zip(faults, workers.map(plant, faults)):
            caught += good
            print(f"{fault[0]:52}{what:26}{seconds:7.0f}", flush=True)
    print(f"\n{caught} of {len(faults)} faults caught")
    sys.exit(caught != len(faults))


main()
