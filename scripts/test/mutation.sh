# all: faults planted one at a time, each of which a test has to catch
# touched by: tests/mutation
need g++ cmake ninja-build ccache python3 libxsimd-dev libgtest-dev
check python3 tests/mutation/mutate.py build/mutation
