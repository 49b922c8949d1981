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

import placed
from faults import FAULTS

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# What catches most in the shortest time comes first.
QUICK = ["differential_fuzz_test", "golden_test", "epilogue_test", "exact_test_reduced", "range_test", "capi_corner_test"]
TESTS = QUICK + ["abi_fuzz_test", "capi_library_test", "capi_misuse_test", "cache_test", "explain_test", "parts_test", "parallel_test", "dispatch_test", "package/fence",
                 "fold_test", "accuracy_test_reduced", "streaming_test", "kernels_test_reduced", "threads_test",
                 "memory_test", "shapes_test_reduced", "bits_test_reduced"]
MOST_SECONDS = 60
COPIES = 2  # while one compiles on all processors, the other is tested on one
# Without optimisation a fault would be quicker to compile and take longer to test.
OPTIONS = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG", "-DRENORM_BUILD_BENCH=OFF", "-DRENORM_BUILD_EXAMPLES=OFF",
           "-DRENORM_OPENMP=OFF"]


def quiet(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class DoesNotCompile(Exception):
    pass


class Build:
    """A build of a tree, and the tests that are made and run in it."""

    def __init__(self, tree, folder, without_isas, tests):
        self.folder, self.tests = folder, tests
        self.targets = ["renorm"] + sorted({test.removesuffix("_reduced") for test in tests if "/" not in test})
        self.run("cmake", "-S", tree, "-B", folder, *OPTIONS, f"-DRENORM_WITHOUT_ISAS={without_isas}")
        self.compile()

    def run(self, *command):
        result = quiet(*command)
        if result.returncode != 0:
            raise DoesNotCompile(result.stdout)

    def compile(self):
        self.run("cmake", "--build", self.folder, "--parallel", str(os.cpu_count()), "--target", *self.targets)

    def catching_test(self):
        """The first test that fails, or None."""
        self.compile()
        for test in self.tests:
            if quiet("ctest", "--test-dir", self.folder, "--no-tests=error", "--timeout", "120", "-R", f"^{test}$").returncode != 0:
                return test
        return None


class Copy:
    """A copy of the tree and its builds. Kernels are written once for all instruction sets: scalar code and AVX2 show their faults on any
    machine, and scalar code most of them, in a third of the time that both take to compile."""

    def __init__(self, folder):
        self.tree = folder / "tree"
        shutil.rmtree(self.tree, ignore_errors=True)
        self.tree.mkdir(parents=True)
        # New modification times: an interrupted run may have left a build with a fault.
        shutil.copy(SOURCE / "CMakeLists.txt", self.tree)
        for name in ["capi", "cmake", "include", "src", "tests"]:
            shutil.copytree(SOURCE / name, self.tree / name, copy_function=shutil.copy)
        self.scalar = Build(self.tree, folder / "scalar", "sse2;avx2;avx512", QUICK)
        self.both = Build(self.tree, folder / "both", "sse2;avx512", TESTS)

    def catching_test(self, file):
        return file.startswith("src/kernels/") and self.scalar.catching_test() or self.both.catching_test()


def check_without_fault(copy):
    for build in [copy.scalar, copy.both]:
        started = time.monotonic()
        if test := build.catching_test():
            sys.exit(f"{test} fails without a fault")
        seconds = time.monotonic() - started
    print(f"without a fault the tests pass in {seconds:.0f} s")
    if seconds > MOST_SECONDS:
        sys.exit(f"that is more than {MOST_SECONDS} s")


def outcome(copy, fault):
    """What became of a fault, and whether that is as it should be."""
    _, file, old, new = fault
    path = copy.tree / file
    text = path.read_text()
    path.write_text(text.replace(old, new))
    try:
        test = copy.catching_test(file)
        return test or "NOT CAUGHT", test is not None
    except DoesNotCompile:
        return "DOES NOT COMPILE", False
    finally:
        path.write_text(text)


def main():
    words = sys.argv[2:]
    faults = [f for f in FAULTS if not words or any(word in f[0] for word in words)]
    placed.check(SOURCE, faults)
    folder = pathlib.Path(sys.argv[1]).resolve()
    os.environ["CCACHE_BASEDIR"] = str(folder)  # what one copy has compiled, the others need not
    copies = [Copy(folder / str(i)) for i in range(COPIES)]
    check_without_fault(copies[0])
    idle = queue.SimpleQueue()
    for copy in copies:
        idle.put(copy)

    def plant(fault):
        copy = idle.get()
        started = time.monotonic()
        try:
            return *outcome(copy, fault), time.monotonic() - started
        finally:
            idle.put(copy)

    caught = 0
    print(f"\n{'fault':52}{'caught by':26}seconds")
    with concurrent.futures.ThreadPoolExecutor(COPIES) as workers:
        for fault, (what, good, seconds) in zip(faults, workers.map(plant, faults)):
            caught += good
            print(f"{fault[0]:52}{what:26}{seconds:7.0f}", flush=True)
    print(f"\n{caught} of {len(faults)} faults caught")
    sys.exit(caught != len(faults))


main()
