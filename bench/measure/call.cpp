#include "measure/call.hpp"

#include "measure/split.hpp"

#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

constexpr named<renorm_op> operations[] = {
#define RENORM_OPERATION(name, id) {#name, RENORM_OP_##id},
#include "measure/operations.inc"
#undef RENORM_OPERATION
};

constexpr named<std::uint32_t> flags[] = {
    {"batch_renorm", RENORM_FLAG_BATCH_RENORM},         {"track_sigma", RENORM_FLAG_TRACK_SIGMA},   {"unbiased", RENORM_FLAG_UNBIASED},
    {"unbiased_running", RENORM_FLAG_UNBIASED_RUNNING}, {"keep_running", RENORM_FLAG_KEEP_RUNNING}, {"cumulative", RENORM_FLAG_CUMULATIVE},
    {"skip_nonfinite", RENORM_FLAG_SKIP_NONFINITE}};

struct choice {
  char const* name;
  std::int32_t renorm_desc::*field;
  std::int32_t value;
};

constexpr choice choices[] = {
    {"params=f64", &renorm_desc::param_dtype, RENORM_F64},          {"stats=f64", &renorm_desc::stats_dtype, RENORM_F64},
    {"relu", &renorm_desc::epilogue, RENORM_EPILOGUE_RELU},         {"add", &renorm_desc::epilogue, RENORM_EPILOGUE_ADD},
    {"add_relu", &renorm_desc::epilogue, RENORM_EPILOGUE_ADD_RELU}, {"interleaved", &renorm_desc::group_order, RENORM_GROUPS_INTERLEAVED},
    {"mask=bytes", &renorm_desc::mask_kind, RENORM_MASK_BYTES},     {"mask=lengths", &renorm_desc::mask_kind, RENORM_MASK_LENGTHS}};

struct number {
  char const* name;
  double renorm_desc::*field;
  std::uint32_t flag;  // says that it is read
};

constexpr number numbers[] = {{"rmin", &renorm_desc::rmin, RENORM_FLAG_RMIN},
                              {"eps", &renorm_desc::eps, 0},
                              {"momentum", &renorm_desc::momentum, 0},
                              {"rmax", &renorm_desc::rmax, 0},
                              {"dmax", &renorm_desc::dmax, 0}};

// Whether there is such an option. Digits that are none do not survive being spelt.
bool set_option(renorm_desc& desc, std::string const& option) {
  if (auto const* const flag = find(flags, option)) {
    desc.flags |= flag->value;
    return true;
  }
  if (auto const* const chosen = find(choices, option)) {
    desc.*chosen->field = chosen->value;
    return true;
  }
  std::size_t const equals = option.find('=');
  if (equals == std::string::npos) return false;
  std::string const name = option.substr(0, equals), value = option.substr(equals + 1);
  if (auto const* const found = find(numbers, name)) {
    desc.*found->field = std::strtod(value.c_str(), nullptr);
    desc.flags |= found->flag;
    return true;
  }
  desc.groups = std::strtoll(value.c_str(), nullptr, 10);
  return name == "groups";
}

}  // namespace

std::optional<spec> read_call(std::string const& line) {
  std::string const call = line.substr(0, line.find(": "));
  std::vector<std::string> const parts = split(call, '/');
  if (parts.size() < 5) return {};
  auto const* const operation = find(operations, parts[0]);
  auto const* const layout = find(layouts, parts[1]);
  auto const* const dtype = find(dtypes, parts[2]);
  long long n, c, s;
  int threads;
  bool const extents = std::sscanf(parts[3].c_str(), "%lldx%lldx%lld", &n, &c, &s) == 3 && n > 0 && c > 0 && s > 0;
  if (operation == nullptr || layout == nullptr || dtype == nullptr || !extents) return {};
  if (std::sscanf(parts[4].c_str(), "t%d", &threads) != 1 || threads < 1) return {};

  spec what({operation->name, operation->value}, layout->value, dtype->value, {"call", n, c, s, 1}, threads);
  for (std::size_t i = 5; i < parts.size(); ++i)
    if (!set_option(what.desc, parts[i])) return {};
  if (spelled(what) != call) return {};
  return what;
}

}  // namespace bench
