# all: the lines and branches of src and capi that the default tests on this processor run: at least 98 and 90 percent
need g++ cmake make libxsimd-dev libgtest-dev gcovr
flags='--coverage -fprofile-update=atomic'
configure build/coverage -D CMAKE_C_FLAGS="$flags" -D CMAKE_CXX_FLAGS="$flags" -D CMAKE_CXX_FLAGS_RELEASE=-O0
compile build/coverage
run_tests build/coverage --label-regex reduced
# Of the library's objects alone: tests include lists of src, too.
check gcovr --root . --object-directory build/coverage build/coverage/CMakeFiles --filter 'src/' --filter 'capi/' \
  --exclude-unreachable-branches --print-summary --fail-under-line 98 --fail-under-branch 90
