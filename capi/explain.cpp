#include "explain.hpp"

#include "isa/cache.hpp"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

namespace renorm::capi {
namespace {

// Text that is appended to, as far as there is room.
class line {
 public:
  line(char* buf, size_t cap) : buf_(buf), cap_(cap) { *buf = '\0'; }

  __attribute__((format(printf, 2, 3))) void add(char const* format, ...) {
    va_list values;
    va_start(values, format);
    int const length = vsnprintf(buf_ + used_, cap_ - used_, format, values);
    va_end(values);
    used_ = smaller(used_ + static_cast<size_t>(length > 0 ? length : 0), cap_ - 1);
  }

 private:
  char* buf_;
  size_t cap_, used_ = 0;
};

// A number in the fewest digits that read back as the same, with a point whatever the locale has in its place.
struct decimal {
  char text[40];

  explicit decimal(double value) {
    for (int digits = 1; digits <= 17; ++digits) {
      snprintf(text, sizeof(text), "%.*g", digits, value);
      if (strtod(text, nullptr) == value) break;
    }
    char* to = text;
    bool point = false;
    for (char const* from = text; *from != '\0'; ++from) {
      bool const plain = (*from >= '0' && *from <= '9') || (*from >= 'a' && *from <= 'z') || *from == '-' || *from == '+';
      if (plain) *to++ = *from;
      else if (!point) *to++ = '.';
      point = !plain;
    }
    *to = '\0';
  }
};

void add_flags(renorm_desc const& d, line& to) {
  struct {
    std::uint32_t bit;
    char const* name;
  } const flags[] = {{RENORM_FLAG_BATCH_RENORM, "batch_renorm"},
                     {RENORM_FLAG_TRACK_SIGMA, "track_sigma"},
                     {RENORM_FLAG_UNBIASED, "unbiased"},
                     {RENORM_FLAG_UNBIASED_RUNNING, "unbiased_running"},
                     {RENORM_FLAG_KEEP_RUNNING, "keep_running"},
                     {RENORM_FLAG_CUMULATIVE, "cumulative"},
                     {RENORM_FLAG_SKIP_NONFINITE, "skip_nonfinite"}};
  for (auto const& flag : flags)
    if ((d.flags & flag.bit) != 0) to.add("/%s", flag.name);
  if ((d.flags & RENORM_FLAG_RMIN) != 0) to.add("/rmin=%s", decimal(d.rmin).text);
}

void add_numbers(renorm_desc const& d, line& to) {
  renorm_desc usual;
  renorm_desc_init(&usual, sizeof(usual));
  struct {
    char const* name;
    double value, usual;
  } const numbers[] = {
      {"eps", d.eps, usual.eps}, {"momentum", d.momentum, usual.momentum}, {"rmax", d.rmax, usual.rmax}, {"dmax", d.dmax, usual.dmax}};
  for (auto const& number : numbers)
    if (number.value != number.usual) to.add("/%s=%s", number.name, decimal(number.value).text);
}

// What is as renorm_desc_init has it is not spelt out.
void add_call(renorm_desc const& d, problem const& p, char const* name, std::size_t threads, line& to) {
  to.add("%s/%s/%s/%lldx%lldx%lld/t%zu", name, d.layout == RENORM_NCHW ? "nchw" : "nhwc", p.f64 ? "f64" : "f32",
         static_cast<long long>(d.n), static_cast<long long>(d.c), static_cast<long long>(d.s), threads);
  add_flags(d, to);
  if (p.params_f64 && !p.f64) to.add("/params=f64");
  if (p.stats_f64 && !p.f64) to.add("/stats=f64");
  if (p.relu || p.add) to.add("/%s", p.relu ? p.add ? "add_relu" : "relu" : "add");
  if (d.groups > 1) to.add("/groups=%lld", static_cast<long long>(d.groups));
  if (d.group_order == RENORM_GROUPS_INTERLEAVED) to.add("/interleaved");
  if (p.mask != mask::none) to.add("/mask=%s", p.mask == mask::bytes ? "bytes" : "lengths");
  add_numbers(d, to);
}

void add_caches(line& to) {
  cpu::caches const c = cpu::detect_caches();
  to.add("l2 %zu (%s), l3 %zu (%s)", c.l2.bytes, cpu::name_of(c.l2.source), c.l3.bytes, cpu::name_of(c.l3.source));
  if (c.user_ignored) to.add(", RENORM_CACHES is malformed and ignored");
}

void add_plan(plan const& made, line& to) {
  if (!made.reduces && !made.sweeps) {
    to.add("; on the calling thread");
    return;
  }
  schedule const& cuts = made.reduction;
  if (made.reduces)
    to.add("; reduction: segments %zu, blocks %zu, ranges %zu, portions %zu", made.segments, cuts.channel_blocks, cuts.segment_ranges,
           cuts.portions());
  if (made.sweeps) to.add("; sweep: portions %zu", made.sweep_portions());
  struct {
    bool holds;
    char const* text;
  } const properties[] = {{made.fused, "fused with the reduction"},
                          {made.in_memory_order, "in memory order"},
                          {made.sweep.flat && !made.in_memory_order, "planes side by side"},
                          {made.sweep.reads_ahead, "reading ahead"},
                          {made.streams, "past the caches"}};
  for (auto const& property : properties)
    if (made.sweeps && property.holds) to.add(", %s", property.text);
}

}  // namespace

void write_line(renorm_desc const& desc, problem const& p, char const* operation, footprint const& passes, isa const& code,
                executor const& lent, char* buf, size_t cap) {
  line to(buf, cap);
  add_call(desc, p, operation, lent.threads, to);
  to.add(": %s; ", code.name);
  add_caches(to);
  add_plan(make_plan(p, passes, lent), to);
}

}  // namespace renorm::capi
