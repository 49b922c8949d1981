#include "validate.hpp"

#include <math.h>
#include <stdint.h>

namespace renorm::capi {
namespace {

static_assert(sizeof(std::size_t) == sizeof(std::int64_t), "extents and sizes of 64 bits are taken for one another");

// Workspace is at most some 4 KB a channel and group: with this bound on their product no size of it can overflow.
constexpr std::int64_t max_channels = INT64_MAX / 16384;

constexpr std::uint32_t known_flags = RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA | RENORM_FLAG_UNBIASED |
                                      RENORM_FLAG_UNBIASED_RUNNING | RENORM_FLAG_KEEP_RUNNING | RENORM_FLAG_CUMULATIVE | RENORM_FLAG_RMIN |
                                      RENORM_FLAG_SKIP_NONFINITE;

renorm_status check_choice(bool known, char const* function, char const* field, long long value) {
  return known ? RENORM_OK
               : fail(RENORM_ERROR_UNSUPPORTED, "%s: desc->%s is %lld, which this version does not support", function, field, value);
}

renorm_status check_dtypes(renorm_desc const& d, char const* function) {
  auto const is_param = [&](int32_t t) { return t == 0 || t == d.dtype || t == RENORM_F64; };
  if (auto s = check_choice(d.dtype == RENORM_F32 || d.dtype == RENORM_F64, function, "dtype", d.dtype)) return s;
  if (auto s = check_choice(d.out_dtype == 0 || d.out_dtype == d.dtype, function, "out_dtype", d.out_dtype)) return s;
  if (auto s = check_choice(is_param(d.param_dtype), function, "param_dtype", d.param_dtype)) return s;
  return check_choice(is_param(d.stats_dtype), function, "stats_dtype", d.stats_dtype);
}

renorm_status check_choices(renorm_desc const& d, char const* function) {
  if ((d.flags & ~known_flags) != 0)
    return fail(RENORM_ERROR_UNSUPPORTED, "%s: desc->flags has unknown bits 0x%x", function, d.flags & ~known_flags);
  if (auto s = check_choice(d.layout == RENORM_NCHW || d.layout == RENORM_NHWC, function, "layout", d.layout)) return s;
  if (auto s = check_dtypes(d, function)) return s;
  bool const known_epilogue = d.epilogue >= RENORM_EPILOGUE_NONE && d.epilogue <= RENORM_EPILOGUE_ADD_RELU;
  if (auto s = check_choice(known_epilogue, function, "epilogue", d.epilogue)) return s;
  bool const known_order = d.group_order == RENORM_GROUPS_CONTIGUOUS || d.group_order == RENORM_GROUPS_INTERLEAVED;
  if (auto s = check_choice(known_order, function, "group_order", d.group_order)) return s;
  return check_choice(d.mask_kind >= RENORM_MASK_NONE && d.mask_kind <= RENORM_MASK_LENGTHS, function, "mask_kind", d.mask_kind);
}

renorm_status check_extents(renorm_desc const& d, char const* function) {
  struct {
    char const* name;
    std::int64_t value;
  } const extents[] = {{"n", d.n}, {"c", d.c}, {"s", d.s}, {"groups", d.groups}};
  for (auto const& e : extents)
    if (e.value < 0) return fail(RENORM_ERROR_VALUE, "%s: desc->%s is %lld, below 0", function, e.name, static_cast<long long>(e.value));
  // Twice the bytes, so that no address plus a size overflows either.
  std::int64_t per_channel, values, bytes;
  bool const overflow = __builtin_mul_overflow(d.n, d.s, &per_channel) || __builtin_mul_overflow(per_channel, d.c > 1 ? d.c : 1, &values) ||
                        __builtin_mul_overflow(values, static_cast<std::int64_t>(2 * sizeof(double)), &bytes) || d.c > max_channels;
  if (overflow) return fail(RENORM_ERROR_OVERFLOW, "%s: desc->n*c*s values do not fit the address space", function);
  if (d.mask_kind == RENORM_MASK_LENGTHS && d.n > INT64_MAX / 16)
    return fail(RENORM_ERROR_OVERFLOW, "%s: desc->n lengths do not fit the address space", function);
  std::int64_t const groups = d.groups > 1 ? d.groups : 1;
  if (groups > max_channels / (d.c > 1 ? d.c : 1))
    return fail(RENORM_ERROR_OVERFLOW, "%s: statistics of desc->groups*c channels do not fit the address space", function);
  return RENORM_OK;
}

renorm_status check_range(bool valid, char const* function, char const* field, double value, char const* range) {
  return valid ? RENORM_OK : fail(RENORM_ERROR_VALUE, "%s: desc->%s is %g, not %s", function, field, value, range);
}

renorm_status check_numbers(renorm_desc const& d, char const* function) {
  struct {
    char const* name;
    double value;
  } const all[] = {{"eps", d.eps}, {"momentum", d.momentum}, {"rmin", d.rmin}, {"rmax", d.rmax}, {"dmax", d.dmax}};
  for (auto const& option : all)
    if (auto s = check_range(!isnan(option.value), function, option.name, option.value, "a number")) return s;
  return RENORM_OK;
}

problem translate(renorm_desc const& d) {
  auto const has = [&](std::uint32_t flag) { return (d.flags & flag) != 0; };
  auto const is_f64 = [&](int32_t dtype) { return (dtype == 0 ? d.dtype : dtype) == RENORM_F64; };
  problem p{};
  // With one channel the layouts are the same memory, and it is one long plane. Without positions they are, too, and rows of channels are
  // the fast way through it.
  bool const planes = d.c == 1 || (d.layout == RENORM_NCHW && d.s != 1);
  shape const extents = {static_cast<std::size_t>(d.n),
                         static_cast<std::size_t>(d.c),
                         static_cast<std::size_t>(d.s),
                         planes ? 1 : static_cast<std::size_t>(d.c),
                         d.groups > 1 ? static_cast<std::size_t>(d.groups) : 1,
                         d.groups > 1 && d.group_order == RENORM_GROUPS_INTERLEAVED};
  p.mask = d.mask_kind == RENORM_MASK_BYTES ? mask::bytes : d.mask_kind == RENORM_MASK_LENGTHS ? mask::lengths : mask::none;
  p.relu = d.epilogue == RENORM_EPILOGUE_RELU || d.epilogue == RENORM_EPILOGUE_ADD_RELU;
  p.add = d.epilogue == RENORM_EPILOGUE_ADD || d.epilogue == RENORM_EPILOGUE_ADD_RELU;
  p.f64 = is_f64(0);
  p.order = make_order(extents, p.element_lanes());
  p.params_f64 = is_f64(d.param_dtype);
  p.stats_f64 = is_f64(d.stats_dtype);
  p.batch_renorm = has(RENORM_FLAG_BATCH_RENORM);
  p.track_sigma = has(RENORM_FLAG_TRACK_SIGMA);
  p.unbiased = has(RENORM_FLAG_UNBIASED);
  p.unbiased_running = has(RENORM_FLAG_UNBIASED_RUNNING);
  p.keep_running = has(RENORM_FLAG_KEEP_RUNNING);
  p.cumulative = has(RENORM_FLAG_CUMULATIVE);
  p.skip_nonfinite = has(RENORM_FLAG_SKIP_NONFINITE);
  p.eps = d.eps;
  p.momentum = d.momentum;
  p.rmin = has(RENORM_FLAG_RMIN) ? d.rmin : 1 / d.rmax;
  p.rmax = d.rmax;
  p.dmax = d.dmax;
  return p;
}

}  // namespace

renorm_status check_struct_size(void const* from, std::size_t known, char const* function, char const* name) {
  if (from == nullptr) return fail(RENORM_ERROR_NULL, "%s: %s is NULL", function, name);
  std::uint32_t given;
  memcpy(&given, from, sizeof(given));
  if (!is_struct_size(given)) return fail(RENORM_ERROR_STRUCT_SIZE, "%s: %s->struct_size is %u: set it to sizeof", function, name, given);
  for (std::size_t i = known; i < given; ++i)
    if (static_cast<char const*>(from)[i] != 0)
      return fail(RENORM_ERROR_STRUCT_SIZE, "%s: %s->struct_size is %u, and its field at offset %zu is newer than this library and not 0",
                  function, name, given, i);
  return RENORM_OK;
}

renorm_status read_desc(renorm_desc const* from, problem& p, char const* function) {
  renorm_desc d;
  if (auto s = read_struct(from, d, function, "desc")) return s;
  if (auto s = check_extents(d, function)) return s;
  if (auto s = check_choices(d, function)) return s;
  if (auto s = check_numbers(d, function)) return s;
  p = translate(d);
  return RENORM_OK;
}

// rmin comes after rmax, of which it is the reciprocal unless it was given.
renorm_status check_options(problem const& p, options read, char const* function) {
  if (auto s = check_range(!read.eps || (p.eps >= 0 && p.eps < INFINITY), function, "eps", p.eps, "finite and >= 0")) return s;
  if (auto s = check_range(!read.momentum || (p.momentum >= 0 && p.momentum <= 1), function, "momentum", p.momentum, "in [0, 1]")) return s;
  if (auto s = check_range(!read.bounds || p.rmax >= 1, function, "rmax", p.rmax, ">= 1")) return s;
  if (auto s = check_range(!read.bounds || (p.rmin >= 0 && p.rmin <= 1), function, "rmin", p.rmin, "in [0, 1]")) return s;
  return check_range(!read.bounds || p.dmax >= 0, function, "dmax", p.dmax, ">= 0");
}

renorm_status read_exec(renorm_exec const* from, renorm_exec& to, char const* function) {
  if (from == nullptr) {
    to = {};
    return RENORM_OK;
  }
  if (auto s = read_struct(from, to, function, "exec")) return s;
  if (to.flags != 0) return fail(RENORM_ERROR_UNSUPPORTED, "%s: exec->flags has unknown bits 0x%x", function, to.flags);
  if (to.reserved != 0) return fail(RENORM_ERROR_UNSUPPORTED, "%s: exec->reserved is not 0", function);
  if (to.concurrency < 0) return fail(RENORM_ERROR_VALUE, "%s: exec->concurrency is %d, below 0", function, to.concurrency);
  return RENORM_OK;
}

bool arrays::overlap(std::size_t i, std::size_t j) const { return begin_[j] <= last_[i] && begin_[i] <= last_[j]; }

// Below 0 only if they do not overlap. Of halves of addresses, which have signs to spare, so that registers of the oldest processors
// compare them.
inline std::int64_t arrays::apart(std::size_t i, std::size_t j) const {
  auto const half = [](std::uintptr_t address) { return static_cast<std::int64_t>(address / 2); };
  return (half(last_[i]) - half(begin_[j])) | (half(last_[j]) - half(begin_[i]));
}

renorm_status arrays::check_shared(std::size_t output) const {
  for (std::size_t i = 0; i < output; ++i) {
    bool const same = begin_[i] == begin_[output] && last_[i] == last_[output], allowed = i == as_[output].one || i == as_[output].other;
    if (overlap(i, output) && !(same && allowed)) return fail(RENORM_ERROR_ALIAS, "%s: %s overlaps %s", function_, name_[output], name_[i]);
  }
  return RENORM_OK;
}

// Without a branch a pair: this is a fair part of the smallest calls.
renorm_status arrays::check() const {
  if (missing_ != nullptr) return fail(RENORM_ERROR_NULL, "%s: %s is NULL", function_, missing_);
  for (std::size_t output = inputs_; output < count_; ++output) {
    std::int64_t all = -1;
    for (std::size_t i = 0; i < output; ++i) all &= apart(i, output);
    if (all >= 0)
      if (auto s = check_shared(output)) return s;
  }
  return RENORM_OK;
}

void ungroup(problem& p) {
  if (p.shape().groups > 1) p.order = make_order(p.shape().ungrouped(), p.element_lanes());
}

}  // namespace renorm::capi
