# default: every test on this processor
# touched by: capi include src README.md CHANGELOG.md SECURITY.md bench docs examples tests/*.c tests/*.cmake tests/*.[ch]pp tests/abi tests/data tests/fuzz tests/package tests/support
build_native
run_tests build --label-exclude 'emulated|examples' --exclude-regex '_reduced$'
