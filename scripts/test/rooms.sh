# default: what each room of the sources includes and knows, and that each fault of job mutation has its place there
# touched by: capi include src tests/mutation tests/rooms.sh
need python3

check sh tests/rooms.sh .
check python3 -B tests/mutation/placed.py .

# planted <file> <line>: the check sees it.
planted() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree"
  cp -r capi src "$work/tree"
  echo "$2" >>"$work/tree/$1"
  ! sh tests/rooms.sh "$work/tree" >"$work/seen" || { echo "not seen: $2 in $1" && return 1; }
}
check planted src/pass/order.hpp '#include "op/problem.hpp"'
check planted src/op/train.cpp '#include "validate.hpp"'
check planted src/op/op.hpp '#include "renorm/renorm.h"'
check planted src/kernels/fold.hpp '#include "pass/order.hpp"'
check planted src/tensor/view.hpp '#include "kernels/types.hpp"'
check planted src/simd/vec.hpp '#include "kernels/types.hpp"'
check planted src/op/problem.hpp 'using args = renorm_train_args;'
check planted src/pass/order.hpp 'enum class layout { nchw, nhwc };'
check planted src/pass/sweep.hpp 'void const* gamma;'
check planted src/pass/sweep.hpp 'void const* running_mean;'
check planted src/op/op.hpp '#include <renorm/renorm.h>'
check planted src/kernels/types.hpp '#include <immintrin.h>'
