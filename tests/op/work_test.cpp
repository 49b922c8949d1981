// Calls on empty tensors, each between two dumps of callgrind that are named after it: tests/op/work_test.sh counts their instructions.
#include "capi/capi_call.hpp"
#include "support/isas.hpp"

#include <cstdio>
#include <valgrind/callgrind.h>

namespace {

struct shape {
  int64_t n, c, s, groups;
  renorm_mask_kind mask;
};

int64_t const huge = int64_t{1} << 58;

constexpr shape shapes[] = {
    {huge, 0, 0, 1, RENORM_MASK_NONE},          {huge, 8, 0, 8, RENORM_MASK_NONE}, {0, 8, huge, 8, RENORM_MASK_NONE},
    {1000000000, 1, 0, 1, RENORM_MASK_NONE},    {0, 64, 7, 1, RENORM_MASK_NONE},   {64, 8, 0, 8, RENORM_MASK_LENGTHS},
    {64, 0, huge / 64, 1, RENORM_MASK_LENGTHS}, {0, 1024, 7, 16, RENORM_MASK_NONE}};

void count(capi::operation const& op, renorm_layout layout, shape const& of) {
  renorm_desc desc = capi::small_desc();
  desc.layout = layout;
  desc.n = of.n;
  desc.c = of.c;
  desc.s = of.s;
  desc.groups = of.groups;
  capi::call c(op, desc);
  static int64_t const lengths[64] = {};
  if (of.mask != RENORM_MASK_NONE && op.has("mask")) {
    c.desc().mask_kind = of.mask;
    c.point("mask", lengths);
  }
  char name[200];
  std::snprintf(name, sizeof name, "%s %s %s %lldx%lldx%lld/%lld%s", renorm_isa_name(renorm_active_isa()), op.name,
                layout == RENORM_NCHW ? "nchw" : "nhwc", static_cast<long long>(of.n), static_cast<long long>(of.c),
                static_cast<long long>(of.s), static_cast<long long>(of.groups), of.mask == RENORM_MASK_NONE ? "" : "/lengths");
  CALLGRIND_ZERO_STATS;
  renorm_status const status = c.run();
  CALLGRIND_DUMP_STATS_AT(name);
  if (status != RENORM_OK) std::printf("%s: %s\n", name, capi::last_error().c_str());
}

}  // namespace

int main() {
  for (renorm_isa const isa : renorm_test::available_isas()) {
    renorm_set_max_isa(isa);
    for (capi::operation const& op : capi::operations())
      for (renorm_layout const layout : {RENORM_NCHW, RENORM_NHWC})
        for (shape const& of : shapes) count(op, layout, of);
  }
  return 0;
}
