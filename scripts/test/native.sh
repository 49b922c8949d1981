# default: every test on this processor
# touched by: capi include src README.md CHANGELOG.md SECURITY.md bench docs examples tests/*.cmake tests/capi tests/isa tests/kernels tests/op tests/pass tests/abi tests/data tests/fuzz tests/package tests/support
build_native

# measured <line> <options...>: renorm_table takes these, and renorm_report what it writes; the line is one of its summary.
measured() {
  line=$1
  shift
  mkdir -p "$work/tables" && build/bench/renorm_table --rounds=1 --json="$work/tables/all.json" "$@" >/dev/null &&
    build/bench/renorm_report "$work/tables" "$work/tables/all.json" >"$work/tables/summary" && grep "$line" "$work/tables/summary"
}
check measured '^| moments, groups=2, mask=bytes, nhwc, f64, 1 thread |.*| zeros [0-9.]*, one_nan [0-9.]* |$' \
  --op=moments --groups=2 --mask=bytes --layout=nhwc --dtype=f64 --threads=1 --shape=4x3x5x4 --content=zeros,one_nan

# refused <call> <options...>: by renorm_table, as an option that it does not understand.
refused() {
  call=$1
  shift
  code=0
  build/bench/renorm_table --rounds=1 --call="$call" "$@" >/dev/null 2>&1 || code=$?
  test "$code" -eq 2
}
few=batch_renorm/rmin=0.25/add_relu/mask=lengths
most=batch_renorm/cumulative/skip_nonfinite/rmin=0.25/params=f64/stats=f64/add/groups=2/interleaved/mask=bytes/eps=0.001/rmax=4
calls=
for op in train inference backward inference_backward moments merge update_running correction coefficients apply backward_reduce \
  backward_apply fold; do
  calls="$calls --call=$op/nchw/f64/4x3x20/t1/$few --call=$op/nhwc/f32/4x3x20/t1/$most"
done
check measured "^| backward_apply, $(echo $most | sed 's|/|, |g'), nhwc, f32, 1 thread |" $calls
check measured '^| train, eps=0.001, nchw, f32, 1 thread |' --call='train/nchw/f32/2x3x20/t1/eps=0.001: scalar; as someone pasted it'
check refused train/nchw/f32/2x3x20
check refused train/nchw/f32/2x3x20/t1/eps=1e-05
check refused train/nchw/f32/2x3x20/t1/mask=bytes/relu
check refused train/nchw/f32/2x3x20/t1/grops=2
check refused train/nchw/f32/2x3x20/t1 --op=inference

run_tests build --label-exclude 'emulated|examples' --exclude-regex '_reduced$'
