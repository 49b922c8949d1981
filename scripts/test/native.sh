# default: every test on this processor
build_native
run_tests build --label-exclude 'emulated|examples' --exclude-regex '_reduced$'
