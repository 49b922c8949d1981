// The functions of the C ABI that are operations: read, check, translate, call op. The only place that can refuse.
#include "explain.hpp"
#include "isa/isa.hpp"
#include "operations.hpp"
#include "trace.hpp"
#include "validate.hpp"

#include <stdlib.h>

namespace renorm::capi {
namespace {

// Without a number from the caller, cut the work for a machine of this size.
constexpr std::size_t assumed_threads = 16;

executor threads_of(renorm_exec const& e) {
  std::size_t const lent = e.concurrency > 0 ? static_cast<std::size_t>(e.concurrency) : assumed_threads;
  return {e.parallel_for, e.ctx, e.parallel_for == nullptr ? 1 : lent};
}

// nullptr where there is no such instruction set.
isa const* active_code() {
  isas::entry const* const active = isas::active();
  return active == nullptr ? nullptr : active->code;
}

renorm_status fail_isa(char const* function) {
  return fail(RENORM_ERROR_ISA, "%s: RENORM_MAX_ISA names no instruction set of this build", function);
}

template <class Op> struct request {
  problem p;
  typename Op::args a;
  renorm_exec e;
  std::size_t workspace = 0;

  renorm_status read(renorm_desc const* desc, typename Op::args const* args, renorm_exec const* exec) {
    if (auto s = read_desc(desc, p, Op::name)) return s;
    if (!Op::grouped) ungroup(p);
    if (auto s = check_options(p, Op::reads(p), Op::name)) return s;
    if (auto s = read_struct(args, a, Op::name, "args")) return s;
    if (a.flags != 0) return fail(RENORM_ERROR_UNSUPPORTED, "%s: args->flags has unknown bits 0x%x", Op::name, a.flags);
    if (auto s = read_exec(exec, e, Op::name)) return s;
    workspace = Op::workspace(p);
    return check();
  }

  renorm_status check() const {
    if (e.workspace != nullptr && e.workspace_bytes < workspace)
      return fail(RENORM_ERROR_WORKSPACE, "%s: exec->workspace_bytes is %zu, %zu are needed", Op::name, e.workspace_bytes, workspace);
    arrays v(Op::name);
    Op::list(p, a, v);
    v.optional_output("exec->workspace", e.workspace, workspace);
    if (auto s = v.check()) return s;
    return Op::check(p, a);
  }
};

template <class Op> renorm_status perform(renorm_desc const* desc, typename Op::args const* args, renorm_exec const* exec) {
  request<Op> r;
  if (auto s = r.read(desc, args, exec)) return s;
  isa const* const code = active_code();
  if (code == nullptr) return fail_isa(Op::name);
  void* own = nullptr;
  if (r.e.workspace == nullptr && r.workspace > 0) {
    own = malloc(r.workspace);
    if (own == nullptr) return fail(RENORM_ERROR_OUT_OF_MEMORY, "%s: no memory for a workspace of %zu bytes", Op::name, r.workspace);
  }
  Op::run(r.p, r.a, {*code, threads_of(r.e), own != nullptr ? own : r.e.workspace, r.workspace});
  free(own);
  return RENORM_OK;
}

// f(operation) for the operation of that number.
template <class F> renorm_status with_operation(char const* function, renorm_op op, F const& f) {
  switch (op) {
#define RENORM_OPERATION(name) \
  case name::id:               \
    return f(name());
#include "operations.inc"
#undef RENORM_OPERATION
    default:
      return fail(RENORM_ERROR_UNSUPPORTED, "%s: op %d is unknown", function, op);
  }
}

// What can be said of an operation before there is a call of it.
renorm_status read_operation(renorm_desc const* desc, renorm_op op, problem& p, char const* function) {
  if (auto s = read_desc(desc, p, function)) return s;
  return with_operation(function, op, [&](auto operation) {
    if (!operation.grouped) ungroup(p);
    return check_options(p, operation.reads(p), function);
  });
}

renorm_status explain(renorm_desc const* desc, renorm_op op, renorm_exec const* exec, char* buf, size_t cap) {
  constexpr char const* name = "renorm_explain";
  problem p;
  renorm_desc d;
  renorm_exec e;
  if (auto s = read_operation(desc, op, p, name)) return s;
  if (auto s = read_struct(desc, d, name, "desc")) return s;
  if (auto s = read_exec(exec, e, name)) return s;
  if (auto s = need(buf != nullptr, name, "buf", "for the line")) return s;
  if (cap == 0) return fail(RENORM_ERROR_VALUE, "%s: cap is 0", name);
  isa const* const code = active_code();
  if (code == nullptr) return fail_isa(name);
  return with_operation(name, op, [&](auto operation) {
    constexpr std::size_t prefix = sizeof("renorm_") - 1;
    write_line(d, p, operation.name + prefix, operation.passes(p), *code, threads_of(e), buf, cap);
    return RENORM_OK;
  });
}

template <class Op> renorm_status perform_traced(renorm_desc const* desc, typename Op::args const* args, renorm_exec const* exec) {
  double const start = microseconds();
  renorm_status const status = perform<Op>(desc, args, exec);
  double const taken = microseconds() - start;
  tracer const t = current_tracer();
  char line[RENORM_EXPLAIN_BYTES];
  if (status == RENORM_OK && t.function != nullptr && explain(desc, Op::id, exec, line, sizeof(line)) == RENORM_OK)
    t.function(t.ctx, line, taken);
  return status;
}

template <class Op> renorm_status run(renorm_desc const* desc, typename Op::args const* args, renorm_exec const* exec) {
  return is_traced() ? perform_traced<Op>(desc, args, exec) : perform<Op>(desc, args, exec);
}

}  // namespace
}  // namespace renorm::capi

using namespace renorm;

extern "C" {

#define RENORM_OPERATION(name)                                                                                      \
  renorm_status renorm_##name(const renorm_desc* desc, const renorm_##name##_args* args, const renorm_exec* exec) { \
    return capi::run<capi::name>(desc, args, exec);                                                                 \
  }
#include "operations.inc"
#undef RENORM_OPERATION

renorm_status renorm_workspace_size(const renorm_desc* desc, renorm_op op, size_t* bytes) {
  constexpr char const* name = "renorm_workspace_size";
  problem p;
  if (auto s = capi::read_operation(desc, op, p, name)) return s;
  if (auto s = capi::need(bytes != nullptr, name, "bytes", "for the size")) return s;
  return capi::with_operation(name, op, [&](auto operation) {
    *bytes = operation.workspace(p);
    return RENORM_OK;
  });
}

renorm_status renorm_explain(const renorm_desc* desc, renorm_op op, const renorm_exec* exec, char* buf, size_t cap) {
  return capi::explain(desc, op, exec, buf, cap);
}

}  // extern "C"
