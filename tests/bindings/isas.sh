# on_each_isa <library> <command...>: the command once for each instruction set of the library, as the best that may be used.
on_each_isa() {
  info=$(grep -aom1 'renorm [0-9.]*; [^;]*; [a-z0-9 ]*' "$1") # what renorm_build_info returns
  shift
  for isa in ${info##*; }; do
    echo "at most $isa"
    (export RENORM_MAX_ISA="$isa" && "$@")
  done
}
