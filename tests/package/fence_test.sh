#!/bin/sh
# fence_test.sh <library>: holds a full fence, as compilers write it. Without one, streaming stores may reach memory after a thread has
# said that it is done; that streaming_test sees this is rare.
objdump -d "$1" | grep -Eq 'mfence|lock or[bwlq]? +\$0x0,.*\(%[re]sp\)'
