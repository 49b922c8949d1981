// What the library says about itself, its setting, and the helpers around a call.
#include "isa/isa.hpp"
#include "validate.hpp"

#define RENORM_STRING_(a) #a
#define RENORM_STRING(a) RENORM_STRING_(a)

#ifdef __clang__
#  define RENORM_COMPILER "clang++"
#else
#  define RENORM_COMPILER "g++"
#endif

using namespace renorm;

namespace {

renorm_isa id_of(isas::entry const* e) { return e == nullptr ? RENORM_ISA_NONE : e->id; }

// Linear from (warm, first) to (end, last), constant outside. Exact at both ends.
double ramp(int64_t step, int64_t warm, int64_t end, double first, double last) {
  if (step <= warm) return first;
  if (step >= end) return last;
  return first + (last - first) * (static_cast<double>(step - warm) / static_cast<double>(end - warm));
}

}  // namespace

extern "C" {

uint32_t renorm_version(void) { return RENORM_VERSION_MAJOR * 10000 + RENORM_VERSION_MINOR * 100 + RENORM_VERSION_PATCH; }

const char* renorm_build_info(void) {
  return "renorm " RENORM_STRING(RENORM_VERSION_MAJOR) "." RENORM_STRING(RENORM_VERSION_MINOR) "." RENORM_STRING(
      RENORM_VERSION_PATCH) "; " RENORM_COMPILER " " __VERSION__ ";"
#define RENORM_ISA_ENTRY(name, id, features) " " #name
#include "isa/list.inc"
#undef RENORM_ISA_ENTRY
      ;
}

renorm_isa renorm_best_isa(void) { return id_of(&isas::best()); }

renorm_isa renorm_active_isa(void) { return id_of(isas::active()); }

renorm_status renorm_set_max_isa(renorm_isa isa) {
  if (isas::set_max(isa)) return RENORM_OK;
  return capi::fail(RENORM_ERROR_ISA, "renorm_set_max_isa: isa %d is not in this build", isa);
}

const char* renorm_isa_name(renorm_isa isa) {
  isas::entry const* const e = isas::find(isa);
  return e == nullptr ? "none" : e->code->name;
}

renorm_status renorm_desc_init(renorm_desc* desc, size_t struct_size) {
  if (desc == nullptr) return capi::fail(RENORM_ERROR_NULL, "renorm_desc_init: desc is NULL");
  if (!capi::is_struct_size(struct_size)) return capi::fail(RENORM_ERROR_STRUCT_SIZE, "renorm_desc_init: struct_size is %zu", struct_size);
  renorm_desc d{};
  d.struct_size = static_cast<uint32_t>(struct_size);
  d.layout = RENORM_NCHW;
  d.dtype = RENORM_F32;
  d.groups = 1;
  d.eps = 1e-5;
  d.momentum = 0.1;
  d.rmax = 3;
  d.dmax = 5;
  capi::write_struct(d, desc, struct_size);
  return RENORM_OK;
}

renorm_status renorm_ramp_at(const renorm_ramp* schedule, int64_t step, double* rmax, double* dmax) {
  constexpr char const* name = "renorm_ramp_at";
  renorm_ramp r;
  if (auto s = capi::read_struct(schedule, r, name, "ramp")) return s;
  if (rmax == nullptr) return capi::fail(RENORM_ERROR_NULL, "%s: rmax is NULL", name);
  if (dmax == nullptr) return capi::fail(RENORM_ERROR_NULL, "%s: dmax is NULL", name);
  if (r.flags != 0) return capi::fail(RENORM_ERROR_UNSUPPORTED, "%s: ramp->flags has unknown bits 0x%x", name, r.flags);
  struct {
    bool valid;
    char const* what;
  } const rules[] = {
      {step >= 0, "step is below 0"},
      {r.warm >= 0, "ramp->warm is below 0"},
      {r.rmax_end >= r.warm, "ramp->rmax_end is below warm"},
      {r.dmax_end >= r.warm, "ramp->dmax_end is below warm"},
      {r.rmax_final >= 1 && r.rmax_final < __builtin_inf(), "ramp->rmax_final is not finite and >= 1"},
      {r.dmax_final >= 0 && r.dmax_final < __builtin_inf(), "ramp->dmax_final is not finite and >= 0"},
  };
  for (auto const& rule : rules)
    if (!rule.valid) return capi::fail(RENORM_ERROR_VALUE, "%s: %s", name, rule.what);
  *rmax = ramp(step, r.warm, r.rmax_end, 1, r.rmax_final);
  *dmax = ramp(step, r.warm, r.dmax_end, 0, r.dmax_final);
  return RENORM_OK;
}

}  // extern "C"
