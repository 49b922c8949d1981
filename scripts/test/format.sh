# default: all C and C++ is as clang-format 14 writes it
# touched by: .clang-format bench capi examples include src tests
need clang-format-14

# But for the header, whose manual is laid out by hand, and what is kept as it was with the first one.
find bench capi examples include src tests \( -path include/renorm/renorm.h -o -path tests/abi \) -prune -o -type f \
  \( -name '*.[ch]' -o -name '*.[ch]pp' -o -name '*.inc' \) -print >"$work/sources"
check xargs clang-format-14 --dry-run -Werror <"$work/sources"
