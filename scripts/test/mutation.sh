# all: faults planted one at a time, each of which a test has to catch
need g++ cmake make ccache python3 libxsimd-dev libgtest-dev
check python3 tests/mutation/mutate.py build/mutation
