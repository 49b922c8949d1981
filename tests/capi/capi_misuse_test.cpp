// Every way to misuse an operation: the status, a message that names the culprit, and nothing written.
#include "capi/capi_call.hpp"
#include "support/memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

namespace {

using capi::call;
using capi::extent;
using capi::field;
using capi::may_be_the_same;
using capi::need;
using capi::operation;
using capi::operations;
using capi::use;

double const nan = std::numeric_limits<double>::quiet_NaN();
double const inf = std::numeric_limits<double>::infinity();
int64_t const int64_max = std::numeric_limits<int64_t>::max();

struct misuse {
  std::string name;
  std::function<void(call&)> spoil;
  renorm_status expected;
  std::string culprit;
};

// So that the message found later is that of the call under test.
void leave_another_message() { renorm_ramp_at(nullptr, 0, nullptr, nullptr); }

bool is_word_character(char letter) { return std::isalnum(static_cast<unsigned char>(letter)) || letter == '_'; }

// The message of the last failure has the word as a whole: "n" is not in "mean".
void expect_message(std::string const& word) {
  std::string const text = " " + capi::last_error() + " ";
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    if (!is_word_character(text[at - 1]) && !is_word_character(text[at + word.size()])) return;
  ADD_FAILURE() << "no " << word << " in: " << text;
}

void expect_refused(operation const& op, misuse const& m) {
  SCOPED_TRACE(std::string(op.name) + ": " + m.name);
  call c(op);
  m.spoil(c);
  capi::bytes const before = c.memory;
  leave_another_message();
  renorm_status const status = c.run();
  EXPECT_EQ(status, m.expected) << renorm_status_string(status) << ": " << capi::last_error();
  expect_message(m.culprit);
  EXPECT_TRUE(c.memory == before) << "something was written";
}

void expect_accepted(call const& c) { EXPECT_EQ(c.run(), RENORM_OK) << c.op.name << ": " << capi::last_error(); }

TEST(Misuse, IsOfEveryOperationOfTheLibrary) {
  std::vector<std::string> const names = {
#define RENORM_OPERATION(name) #name,
#include "../../capi/operations.inc"
#undef RENORM_OPERATION
  };
  ASSERT_EQ(operations().size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(operations()[i].name, names[i]);
}

TEST(Misuse, TheUnspoiltCallIsAccepted) {
  for (operation const& op : operations()) {
    call c(op);
    capi::bytes const before = c.memory;
    expect_accepted(c);
    EXPECT_FALSE(c.memory == before) << op.name << " wrote nothing";
  }
}

// ---------------------------------------------------------------- descriptor

template <class T> std::function<void(call&)> set(T renorm_desc::*member, T value) {
  return [=](call& c) { c.desc().*member = value; };
}

std::function<void(call&)> set_with_flag(uint32_t flag, double renorm_desc::*member, double value) {
  return [=](call& c) {
    c.desc().flags |= flag;
    c.desc().*member = value;
  };
}

std::function<void(call&)> set_extents(int64_t n, int64_t channels, int64_t s) {
  return [=](call& c) {
    c.desc().n = n;
    c.desc().c = channels;
    c.desc().s = s;
  };
}

std::vector<misuse> desc_misuses() {
  using desc = renorm_desc;
  int64_t const half = int64_t{1} << 32;
  return {
      {"n -1", set<int64_t>(&desc::n, -1), RENORM_ERROR_VALUE, "n"},
      {"c -1", set<int64_t>(&desc::c, -1), RENORM_ERROR_VALUE, "c"},
      {"s -1", set<int64_t>(&desc::s, -1), RENORM_ERROR_VALUE, "s"},
      {"n INT64_MIN", set(&desc::n, std::numeric_limits<int64_t>::min()), RENORM_ERROR_VALUE, "n"},
      {"n*c overflows", set_extents(half, half, 1), RENORM_ERROR_OVERFLOW, "n*c*s"},
      {"n*s overflows", set_extents(half, 1, half), RENORM_ERROR_OVERFLOW, "n*c*s"},
      {"n*c*s wraps to 0", set_extents(half, half, half), RENORM_ERROR_OVERFLOW, "n*c*s"},
      {"n*c*s fits, its bytes do not", set_extents(int64_max / 4, 1, 1), RENORM_ERROR_OVERFLOW, "n*c*s"},
      {"c fits, its statistics do not", set_extents(0, int64_max / 4, 0), RENORM_ERROR_OVERFLOW, "c"},
      {"n fits, its lengths do not",
       [](call& c) {
         set_extents(int64_t{1} << 61, 0, 0)(c);
         c.desc().mask_kind = RENORM_MASK_LENGTHS;
         if (c.op.has("mask")) c.point("mask", nullptr);
       },
       RENORM_ERROR_OVERFLOW, "n"},
      {"flags unknown", [](call& c) { c.desc().flags |= 256u; }, RENORM_ERROR_UNSUPPORTED, "flags"},
      {"flags unknown, top bit", [](call& c) { c.desc().flags |= 0x80000000u; }, RENORM_ERROR_UNSUPPORTED, "flags"},
      {"layout 0", set(&desc::layout, 0), RENORM_ERROR_UNSUPPORTED, "layout"},
      {"layout 3", set(&desc::layout, 3), RENORM_ERROR_UNSUPPORTED, "layout"},
      {"layout -1", set(&desc::layout, -1), RENORM_ERROR_UNSUPPORTED, "layout"},
      {"dtype 0", set(&desc::dtype, 0), RENORM_ERROR_UNSUPPORTED, "dtype"},
      {"dtype 3", set(&desc::dtype, 3), RENORM_ERROR_UNSUPPORTED, "dtype"},
      {"dtype -1", set(&desc::dtype, -1), RENORM_ERROR_UNSUPPORTED, "dtype"},
      {"out_dtype not dtype", set(&desc::out_dtype, RENORM_F64), RENORM_ERROR_UNSUPPORTED, "out_dtype"},
      {"out_dtype 3", set(&desc::out_dtype, 3), RENORM_ERROR_UNSUPPORTED, "out_dtype"},
      {"param_dtype 3", set(&desc::param_dtype, 3), RENORM_ERROR_UNSUPPORTED, "param_dtype"},
      {"stats_dtype 3", set(&desc::stats_dtype, 3), RENORM_ERROR_UNSUPPORTED, "stats_dtype"},
      {"param_dtype narrower than dtype",
       [](call& c) {
         c.desc().dtype = RENORM_F64;
         c.desc().param_dtype = RENORM_F32;
       },
       RENORM_ERROR_UNSUPPORTED, "param_dtype"},
      {"stats_dtype narrower than dtype",
       [](call& c) {
         c.desc().dtype = RENORM_F64;
         c.desc().stats_dtype = RENORM_F32;
       },
       RENORM_ERROR_UNSUPPORTED, "stats_dtype"},
      {"epilogue 4", set(&desc::epilogue, 4), RENORM_ERROR_UNSUPPORTED, "epilogue"},
      {"epilogue -1", set(&desc::epilogue, -1), RENORM_ERROR_UNSUPPORTED, "epilogue"},
      {"groups*c overflows", set(&desc::groups, int64_max), RENORM_ERROR_OVERFLOW, "groups"},
      {"groups -1", set<int64_t>(&desc::groups, -1), RENORM_ERROR_VALUE, "groups"},
      {"group_order 2", set(&desc::group_order, 2), RENORM_ERROR_UNSUPPORTED, "group_order"},
      {"group_order -1", set(&desc::group_order, -1), RENORM_ERROR_UNSUPPORTED, "group_order"},
      {"mask_kind 3", set(&desc::mask_kind, 3), RENORM_ERROR_UNSUPPORTED, "mask_kind"},
      {"mask_kind -1", set(&desc::mask_kind, -1), RENORM_ERROR_UNSUPPORTED, "mask_kind"},
      {"eps -1e-5", set(&desc::eps, -1e-5), RENORM_ERROR_VALUE, "eps"},
      {"eps inf", set(&desc::eps, inf), RENORM_ERROR_VALUE, "eps"},
      {"eps NaN", set(&desc::eps, nan), RENORM_ERROR_VALUE, "eps"},
      {"momentum -0.1", set(&desc::momentum, -0.1), RENORM_ERROR_VALUE, "momentum"},
      {"momentum 1.1", set(&desc::momentum, 1.1), RENORM_ERROR_VALUE, "momentum"},
      {"momentum NaN", set(&desc::momentum, nan), RENORM_ERROR_VALUE, "momentum"},
      {"momentum inf", set(&desc::momentum, inf), RENORM_ERROR_VALUE, "momentum"},
      {"rmax 0.9", set(&desc::rmax, 0.9), RENORM_ERROR_VALUE, "rmax"},
      {"rmax NaN", set(&desc::rmax, nan), RENORM_ERROR_VALUE, "rmax"},
      {"rmax -inf", set(&desc::rmax, -inf), RENORM_ERROR_VALUE, "rmax"},
      {"dmax -1", set(&desc::dmax, -1.0), RENORM_ERROR_VALUE, "dmax"},
      {"dmax NaN", set(&desc::dmax, nan), RENORM_ERROR_VALUE, "dmax"},
      {"rmin -0.1", set_with_flag(RENORM_FLAG_RMIN, &desc::rmin, -0.1), RENORM_ERROR_VALUE, "rmin"},
      {"rmin 1.1", set_with_flag(RENORM_FLAG_RMIN, &desc::rmin, 1.1), RENORM_ERROR_VALUE, "rmin"},
      {"rmin NaN", set_with_flag(RENORM_FLAG_RMIN, &desc::rmin, nan), RENORM_ERROR_VALUE, "rmin"},
  };
}

// Which options an operation reads, of those that have a range, and which of them only with some of its arguments.
struct option_use {
  std::vector<std::string> always, sometimes;
};
std::map<renorm_op, option_use> const& options_read() {
  static std::map<renorm_op, option_use> const all = {
      {RENORM_OP_TRAIN, {{"eps", "rmin", "rmax", "dmax"}, {"momentum"}}},
      {RENORM_OP_INFERENCE, {{"eps"}, {}}},
      {RENORM_OP_INFERENCE_BACKWARD, {{"eps"}, {}}},
      {RENORM_OP_MOMENTS, {{"eps"}, {}}},
      {RENORM_OP_UPDATE_RUNNING, {{"momentum"}, {}}},
      {RENORM_OP_CORRECTION, {{"eps", "rmin", "rmax", "dmax"}, {}}},
      {RENORM_OP_COEFFICIENTS, {{}, {"eps"}}},
      {RENORM_OP_FOLD, {{"eps"}, {}}},
  };
  return all;
}

bool has(std::vector<std::string> const& names, std::string const& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_option(std::string const& name) { return has({"eps", "momentum", "rmin", "rmax", "dmax"}, name); }

// Whether the operation refuses it: an option out of its range only where it is read, NaN everywhere.
bool is_misuse_of(operation const& op, misuse const& m, bool with_args) {
  if (!is_option(m.culprit) || m.name.find("NaN") != std::string::npos) return true;
  auto const found = options_read().find(op.id);
  if (found == options_read().end()) return false;
  return has(found->second.always, m.culprit) || (with_args && has(found->second.sometimes, m.culprit));
}

// coefficients take the running statistics, and with them eps, where mean and sigma are not given.
void read_every_option(call& c) {
  if (c.op.id != RENORM_OP_COEFFICIENTS) return;
  c.point("mean", nullptr);
  c.point("sigma", nullptr);
}

TEST(Misuse, Descriptor) {
  for (operation const& op : operations())
    for (misuse m : desc_misuses()) {
      auto const spoil = m.spoil;
      m.spoil = [&](call& c) {
        read_every_option(c);
        spoil(c);
      };
      if (is_misuse_of(op, m, true)) {
        expect_refused(op, m);
        continue;
      }
      call c(op);
      m.spoil(c);
      SCOPED_TRACE(m.name);
      expect_accepted(c);
    }
}

// Flags and arguments by which an option is not read.
TEST(Misuse, OptionsThatAreNotRead) {
  struct {
    renorm_op op;
    uint32_t flags;
    double renorm_desc::*option;
    double value;
  } const unread[] = {
      {RENORM_OP_INFERENCE, RENORM_FLAG_TRACK_SIGMA, &renorm_desc::eps, -1},
      {RENORM_OP_INFERENCE_BACKWARD, RENORM_FLAG_TRACK_SIGMA, &renorm_desc::eps, -1},
      {RENORM_OP_FOLD, RENORM_FLAG_TRACK_SIGMA, &renorm_desc::eps, inf},
      {RENORM_OP_COEFFICIENTS, 0, &renorm_desc::eps, -1},
      {RENORM_OP_TRAIN, RENORM_FLAG_CUMULATIVE, &renorm_desc::momentum, 7},
      {RENORM_OP_TRAIN, RENORM_FLAG_KEEP_RUNNING, &renorm_desc::momentum, -1},
      {RENORM_OP_UPDATE_RUNNING, RENORM_FLAG_KEEP_RUNNING, &renorm_desc::momentum, -1},
  };
  for (auto const& one : unread) {
    call c(capi::find_operation(one.op));
    c.desc().flags |= one.flags;
    c.desc().*one.option = one.value;
    expect_accepted(c);
  }
  call without_running(capi::find_operation(RENORM_OP_TRAIN));
  without_running.desc().flags = 0;
  without_running.desc().momentum = -1.2;
  without_running.point("running_mean", nullptr);
  without_running.point("running_var", nullptr);
  expect_accepted(without_running);
  operation const& update = capi::find_operation(RENORM_OP_UPDATE_RUNNING);
  expect_refused(update, {"eps of a tracked sigma",
                          [](call& c) {
                            c.desc().flags |= RENORM_FLAG_TRACK_SIGMA;
                            c.desc().eps = -1;
                          },
                          RENORM_ERROR_VALUE, "eps"});
}

TEST(Misuse, WorkspaceSizeAndExplainRefuseWhatTheOperationRefuses) {
  for (operation const& op : operations())
    for (misuse const& m : desc_misuses()) {
      if (!is_misuse_of(op, m, false)) continue;
      SCOPED_TRACE(std::string(op.name) + ": " + m.name);
      call c(op);
      m.spoil(c);
      leave_another_message();
      size_t size = 77;
      EXPECT_EQ(renorm_workspace_size(&c.desc(), op.id, &size), m.expected);
      expect_message(m.culprit);
      EXPECT_EQ(size, 77u);
      char line[] = "untouched";
      leave_another_message();
      EXPECT_EQ(renorm_explain(&c.desc(), op.id, nullptr, line, sizeof line), m.expected);
      expect_message(m.culprit);
      EXPECT_STREQ(line, "untouched");
    }
}

// Bounds have a range only where a flag has them read. NaN is always a mistake.
TEST(Misuse, BoundsThatAreNotRead) {
  for (operation const& op : operations()) {
    call batch_norm(op);
    batch_norm.desc().flags = 0;
    batch_norm.desc().rmax = 0;
    batch_norm.desc().dmax = -1;
    batch_norm.desc().rmin = 7;
    expect_accepted(batch_norm);
    for (auto const& [name, bound] : {std::pair{"rmin", &renorm_desc::rmin}, {"rmax", &renorm_desc::rmax}, {"dmax", &renorm_desc::dmax}})
      expect_refused(op, {std::string("unread NaN ") + name,
                          [member = bound](call& c) {
                            c.desc().flags = 0;
                            c.desc().*member = nan;
                          },
                          RENORM_ERROR_VALUE, name});
  }
}

// ---------------------------------------------------------------- struct sizes

char const* const part_names[] = {"desc", "args", "exec"};
call::part const all_parts[] = {call::desc_part, call::args_part, call::exec_part};

// In heap blocks of exactly the size they claim, so that the address sanitizer sees what is read beyond.
void resize(call& c, call::part p, std::size_t size, unsigned char tail) {
  c.parts[p].resize(size, tail);
  c.parts[p].shrink_to_fit();
  c.set_struct_size(p, static_cast<uint32_t>(size));
}

TEST(Misuse, ImplausibleStructSizes) {
  for (operation const& op : operations())
    for (call::part const p : all_parts)
      for (uint32_t const size : {0u, 1u, 4u, 7u, 45u, 0x7FFFFFFFu, 0xA5A5A5A5u, 0xFFFFFFFFu})
        expect_refused(op, {std::string(part_names[p]) + " of " + std::to_string(size) + " bytes",
                            [=](call& c) { c.set_struct_size(p, size); }, RENORM_ERROR_STRUCT_SIZE, part_names[p]});
}

// A struct that ends where memory does is not searched for newer fields up to a size that was never set.
TEST(Misuse, ImplausibleStructSizesAreNotBelieved) {
  renorm_test::memory const at_end(sizeof(renorm_desc), 1, {0, renorm_test::edge::at_end});
  auto* const desc = static_cast<renorm_desc*>(at_end.data());
  *desc = capi::small_desc();
  std::size_t size = 0;
  ASSERT_EQ(renorm_workspace_size(desc, RENORM_OP_TRAIN, &size), RENORM_OK);
  for (uint32_t const implausible : {0x10000u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    desc->struct_size = implausible;
    EXPECT_EQ(renorm_workspace_size(desc, RENORM_OP_TRAIN, &size), RENORM_ERROR_STRUCT_SIZE);
  }
}

TEST(Misuse, LongerStructsWithANewerFieldInUse) {
  for (operation const& op : operations())
    for (call::part const p : all_parts)
      for (std::size_t const extra : {1u, 8u, 24u})
        expect_refused(op, {std::string(part_names[p]) + " longer by " + std::to_string(extra),
                            [=](call& c) {
                              resize(c, p, c.parts[p].size() + extra, 0);
                              c.parts[p].back() = 1;
                            },
                            RENORM_ERROR_STRUCT_SIZE, part_names[p]});
}

TEST(Misuse, LongerStructsWithZeroTailAreAccepted) {
  for (operation const& op : operations()) {
    call usual(op);
    expect_accepted(usual);
    for (call::part const p : all_parts) {
      call longer(op);
      resize(longer, p, longer.parts[p].size() + 24, 0);
      expect_accepted(longer);
      EXPECT_TRUE(longer.outputs() == usual.outputs()) << op.name << ", " << part_names[p];
    }
  }
}

// At every border between two fields: the same status and the same results, refusals included.
TEST(Misuse, ShorterStructsAreReadAsIfTheMissingFieldsWereZero) {
  for (operation const& op : operations())
    for (call::part const p : all_parts)
      for (std::size_t size = 8; size < call(op).parts[p].size(); size += 8) {
        call shorter(op), cleared(op);
        std::fill(cleared.parts[p].begin() + static_cast<std::ptrdiff_t>(size), cleared.parts[p].end(), static_cast<unsigned char>(0));
        resize(shorter, p, size, 0);
        EXPECT_EQ(shorter.run(), cleared.run()) << op.name << ", " << part_names[p] << " of " << size << " bytes";
        EXPECT_TRUE(shorter.arrays() == cleared.arrays()) << op.name << ", " << part_names[p] << " of " << size << " bytes";
      }
}

// ---------------------------------------------------------------- pointers

TEST(Misuse, NullStructs) {
  for (operation const& op : operations())
    for (call::part const p : {call::desc_part, call::args_part})
      expect_refused(op, {std::string("no ") + part_names[p], [=](call& c) { c.parts[p].clear(); }, RENORM_ERROR_NULL, part_names[p]});
}

TEST(Misuse, NullArrays) {
  for (operation const& op : operations())
    for (field const& f : op.fields)
      if (f.when != need::optional && f.when != need::maybe_fused)
        expect_refused(op, {std::string("no ") + f.name, [=](call& c) { c.point(f.name, nullptr); }, RENORM_ERROR_NULL, f.name});
}

TEST(Misuse, NullArraysThatOnlyBatchRenormReads) {
  for (operation const& op : operations())
    for (field const& f : op.fields)
      if (f.when == need::renorm) {
        call c(op);
        c.desc().flags = 0;
        c.point(f.name, nullptr);
        expect_accepted(c);
      }
}

misuse without(std::vector<char const*> names, char const* culprit, uint32_t more_flags = 0) {
  return {std::string("without ") + names.front(),
          [=](call& c) {
            for (char const* const name : names) c.point(name, nullptr);
            c.desc().flags |= more_flags;
          },
          RENORM_ERROR_NULL, culprit};
}

TEST(Misuse, NullArraysThatDependOnOthers) {
  operation const& train = capi::find_operation(RENORM_OP_TRAIN);
  expect_refused(train, without({"running_mean", "running_var"}, "running_mean"));
  expect_refused(train, without({"num_batches"}, "num_batches", RENORM_FLAG_CUMULATIVE));
  for (char const* const one : {"running_mean", "running_var"})
    expect_refused(train, {std::string("batch norm without ") + one,
                           [=](call& c) {
                             c.desc().flags = 0;
                             c.point(one, nullptr);
                           },
                           RENORM_ERROR_NULL, one});

  operation const& update = capi::find_operation(RENORM_OP_UPDATE_RUNNING);
  expect_refused(update, without({"num_batches"}, "num_batches", RENORM_FLAG_CUMULATIVE));

  operation const& coefficients = capi::find_operation(RENORM_OP_COEFFICIENTS);
  expect_refused(coefficients, without({"mean", "sigma", "running_mean"}, "running_mean"));
  expect_refused(coefficients, without({"mean", "sigma", "running_var"}, "running_var"));
}

// ---------------------------------------------------------------- args and exec

TEST(Misuse, ArgsFlags) {
  for (operation const& op : operations())
    for (uint32_t const flags : {1u, 0x80000000u})
      expect_refused(
          op, {"flags of args", [=](call& c) { std::memcpy(c.parts[call::args_part].data() + sizeof(uint32_t), &flags, sizeof flags); },
               RENORM_ERROR_UNSUPPORTED, "flags"});
}

misuse bad_integer(char const* name, int64_t value) {
  return {std::string(name) + " " + std::to_string(value), [=](call& c) { c.integer(name) = value; }, RENORM_ERROR_VALUE, name};
}

TEST(Misuse, Counts) {
  for (int64_t const count : {int64_t{-1}, int64_max, std::numeric_limits<int64_t>::min()}) {
    for (operation const& op : operations())
      for (field const& f : op.fields)
        if (f.integers() && f.how != use::output && std::string(f.name) != "num_batches") expect_refused(op, bad_integer(f.name, count));
    for (renorm_op const id : {RENORM_OP_TRAIN, RENORM_OP_UPDATE_RUNNING}) {
      misuse batches = bad_integer("num_batches", count);
      expect_refused(capi::find_operation(id), batches);
      batches.spoil = [=](call& c) {
        c.desc().flags |= RENORM_FLAG_CUMULATIVE;
        c.integer("num_batches") = count;
      };
      expect_refused(capi::find_operation(id), batches);
    }
  }
}

TEST(Misuse, SumsOfCounts) {
  for (int64_t const count : {1, 2}) {
    misuse const sum = {"counts " + std::to_string(count) + " and the largest but one",
                        [=](call& c) {
                          c.integer("count") = count;
                          c.integer("other_count") = int64_max - 1;
                        },
                        RENORM_ERROR_OVERFLOW, "other_count"};
    expect_refused(capi::find_operation(RENORM_OP_MERGE), sum);
  }
}

TEST(Misuse, Lengths) {
  for (operation const& op : operations())
    for (field const& f : op.fields)
      if (f.size == extent::mask)
        for (int64_t const length : {int64_t{-1}, int64_t{5}, int64_max, std::numeric_limits<int64_t>::min()}) {
          int64_t lengths[] = {4, length};
          expect_refused(op, {"a length of " + std::to_string(length),
                              [&](call& c) {
                                c.desc().mask_kind = RENORM_MASK_LENGTHS;
                                c.point("mask", lengths);
                              },
                              RENORM_ERROR_VALUE, "mask"});
        }
}

TEST(Misuse, SigmaFloor) {
  for (double const floor : {-1.0, inf, nan})
    expect_refused(capi::find_operation(RENORM_OP_CORRECTION),
                   {"sigma_floor", [=](call& c) { static_cast<renorm_correction_args*>(c.args())->sigma_floor = floor; },
                    RENORM_ERROR_VALUE, "sigma_floor"});
}

TEST(Misuse, Exec) {
  for (operation const& op : operations()) {
    expect_refused(op, {"exec flags", [](call& c) { c.exec().flags = 1; }, RENORM_ERROR_UNSUPPORTED, "flags"});
    expect_refused(op, {"exec reserved", [](call& c) { c.exec().reserved = 1; }, RENORM_ERROR_UNSUPPORTED, "reserved"});
    expect_refused(op, {"exec concurrency", [](call& c) { c.exec().concurrency = -1; }, RENORM_ERROR_VALUE, "concurrency"});
  }
}

TEST(Misuse, WorkspaceTooSmall) {
  int with_workspace = 0;
  for (operation const& op : operations()) {
    if (call(op).exec().workspace_bytes == 0) continue;
    ++with_workspace;
    expect_refused(op, {"one byte short", [](call& c) { --c.exec().workspace_bytes; }, RENORM_ERROR_WORKSPACE, "workspace_bytes"});
    expect_refused(op, {"no byte", [](call& c) { c.exec().workspace_bytes = 0; }, RENORM_ERROR_WORKSPACE, "workspace_bytes"});
    // What would be an overlap with the size that is needed is none with the size that is given.
    expect_refused(op, {"ends before an array",
                        [](call& c) {
                          c.exec().workspace = static_cast<unsigned char*>(c.pointer(c.op.fields[0].name)) - 4;
                          c.exec().workspace_bytes = 4;
                        },
                        RENORM_ERROR_WORKSPACE, "workspace_bytes"});
  }
  EXPECT_GT(with_workspace, 0);
}

// ---------------------------------------------------------------- overlap

using preparation = std::function<void(call&)>;

// By whole doubles, so that every array stays aligned.
void overlap_in_every_way(operation const& op, preparation const& prepare, field const& output, field const& other) {
  auto const refuse = [&](char const* how, std::ptrdiff_t distance) {
    auto const place = [&](call& c) {
      prepare(c);
      c.point(output.name, static_cast<unsigned char*>(c.pointer(other.name)) + distance);
    };
    expect_refused(op, {std::string(output.name) + how + other.name, place, RENORM_ERROR_ALIAS, output.name});
    expect_message(other.name);
  };
  call const usual(op);
  if (!may_be_the_same(output.name, other.name)) refuse(" is ", 0);
  if (usual.size_in_bytes(other.name) > 8) refuse(" begins inside ", 8);
  if (usual.size_in_bytes(output.name) > 8) refuse(" ends inside ", -8);
}

void overlap_all_arrays(operation const& op, preparation const& prepare) {
  call prepared(op);
  prepare(prepared);
  for (field const& output : op.fields)
    for (field const& other : op.fields)
      if (output.written() && &output != &other && prepared.pointer(other.name) != nullptr)
        overlap_in_every_way(op, prepare, output, other);
}

TEST(Misuse, OverlapOfArrays) {
  for (operation const& op : operations())
    if (op.id != RENORM_OP_COEFFICIENTS) overlap_all_arrays(op, [](call&) {});
}

// Of the two sources of statistics one is read.
TEST(Misuse, OverlapOfArraysOfCoefficients) {
  auto const leave_out = [](char const* mean, char const* deviation) {
    return [=](call& c) {
      c.point(mean, nullptr);
      c.point(deviation, nullptr);
    };
  };
  overlap_all_arrays(capi::find_operation(RENORM_OP_COEFFICIENTS), leave_out("running_mean", "running_var"));
  overlap_all_arrays(capi::find_operation(RENORM_OP_COEFFICIENTS), leave_out("mean", "sigma"));
}

// With one value a channel, in double, all arrays have the same size, and an array that may be x may not be what else x is.
TEST(Misuse, OverlapOfAThirdArrayWithOneInPlace) {
  renorm_desc dense = capi::small_desc();
  dense.dtype = RENORM_F64;
  dense.n = dense.s = 1;
  struct {
    renorm_op op;
    char const *input, *output, *third;
  } const cases[] = {
      {RENORM_OP_TRAIN, "x", "y", "gamma"},
      {RENORM_OP_TRAIN, "x", "y", "mean"},
      {RENORM_OP_TRAIN, "x", "y", "running_mean"},
      {RENORM_OP_INFERENCE, "x", "y", "beta"},
      {RENORM_OP_APPLY, "x", "y", "center"},
      {RENORM_OP_BACKWARD, "dy", "dx", "gamma"},
      {RENORM_OP_BACKWARD, "x", "dx", "dgamma"},
      {RENORM_OP_FOLD, "bias", "folded_bias", "gamma"},
      {RENORM_OP_FOLD, "weights", "folded_weights", "bias"},
  };
  for (auto const& one : cases) {
    call c(capi::find_operation(one.op), dense);
    c.point(one.output, c.pointer(one.input));
    expect_accepted(c);
    c.point(one.third, c.pointer(one.input));
    EXPECT_EQ(c.run(), RENORM_ERROR_ALIAS) << c.op.name << ": " << one.output << " is " << one.input << " and " << one.third;
  }
}

// The workspace is written: neither inputs nor outputs may lie in it.
TEST(Misuse, OverlapWithTheWorkspace) {
  for (operation const& op : operations()) {
    if (call(op).exec().workspace_bytes == 0) continue;
    for (field const& f : op.fields)
      expect_refused(op, {std::string(f.name) + " in the workspace",
                          [=](call& c) {
                            std::size_t const size = c.size_in_bytes(f.name);
                            c.point(f.name, static_cast<unsigned char*>(c.exec().workspace) + c.exec().workspace_bytes / 8 * 8 - 8);
                            ASSERT_GE(size, 8u);
                          },
                          RENORM_ERROR_ALIAS, f.name});
  }
}

// ---------------------------------------------------------------- epilogues

renorm_epilogue const epilogues[] = {RENORM_EPILOGUE_NONE, RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU};

// f(operation, epilogue) for operations with an array.
template <class F> void for_each_epilogue(char const* array, F const& f) {
  for (operation const& op : operations())
    for (renorm_epilogue const epilogue : epilogues) {
      SCOPED_TRACE(testing::Message() << op.name << " with epilogue " << epilogue);
      if (op.has(array)) f(op, epilogue);
    }
}

void expect_refused_if(bool refused, operation const& op, misuse const& m) {
  if (refused) {
    expect_refused(op, m);
    return;
  }
  call c(op);
  m.spoil(c);
  expect_accepted(c);
}

TEST(Misuse, ZIsNeededWhereItIsRead) {
  for_each_epilogue("z", [](operation const& op, renorm_epilogue epilogue) {
    auto const spoil = [=](call& c) {
      c.desc().epilogue = epilogue;
      c.point("z", nullptr);
    };
    expect_refused_if(op.reads_z(epilogue), op, {"no z", spoil, RENORM_ERROR_NULL, "z"});
  });
}

TEST(Misuse, DzNeedsDx) {
  for_each_epilogue("dz", [](operation const& op, renorm_epilogue epilogue) {
    auto const spoil = [=](call& c) {
      c.desc().epilogue = epilogue;
      c.point("dx", nullptr);
    };
    renorm_desc desc = capi::full_desc();
    desc.epilogue = epilogue;
    expect_refused_if(capi::adds(desc), op, {"dz without dx", spoil, RENORM_ERROR_NULL, "dx"});
  });
}

// Where nothing is added dz is not written, and may be anything.
TEST(Misuse, DzIsWrittenWithAnAdditionAlone) {
  for_each_epilogue("dz", [](operation const& op, renorm_epilogue epilogue) {
    call apart(op), on_dx(op);
    apart.desc().epilogue = on_dx.desc().epilogue = epilogue;
    on_dx.point("dz", on_dx.pointer("dx"));
    bool const written = capi::adds(apart.desc());
    capi::bytes const before = apart.outputs().at("dz");
    expect_accepted(apart);
    EXPECT_EQ(apart.outputs().at("dz") != before, written);
    EXPECT_EQ(on_dx.run(), written ? RENORM_ERROR_ALIAS : RENORM_OK);
    if (!written) {
      EXPECT_EQ(on_dx.outputs().at("dx"), apart.outputs().at("dx"));
    }
  });
}

TEST(Misuse, EpilogueMeansNothingWithoutAnOutputOrAGradient) {
  int ignoring = 0;
  for (operation const& op : operations()) {
    if (op.has("y") || op.has("dy")) continue;
    ++ignoring;
    call plain(op);
    plain.desc().epilogue = RENORM_EPILOGUE_NONE;
    expect_accepted(plain);
    for (renorm_epilogue const epilogue : epilogues) {
      call c(op);
      c.desc().epilogue = epilogue;
      expect_accepted(c);
      EXPECT_TRUE(c.outputs() == plain.outputs()) << op.name << " with epilogue " << epilogue;
    }
  }
  EXPECT_EQ(ignoring, 6);
}

// Callers that were compiled before args had the arrays of epilogues: no z, beta 0, no dz; and in batch norm, gamma 1.
TEST(Misuse, StructsFromBeforeEpilogues) {
  for_each_epilogue("z", [](operation const& op, renorm_epilogue epilogue) {
    std::size_t const size = op.find("mask").offset + sizeof(void*);
    call old(op), cleared(op);
    old.desc().flags = cleared.desc().flags = 0;
    old.desc().epilogue = cleared.desc().epilogue = epilogue;
    resize(old, call::args_part, size, 0);
    for (field const& f : op.fields)
      if (f.offset >= size) cleared.point(f.name, nullptr);
    renorm_status const expected = op.reads_z(epilogue) ? RENORM_ERROR_NULL : RENORM_OK;
    EXPECT_EQ(old.run(), expected) << capi::last_error();
    EXPECT_EQ(cleared.run(), expected) << capi::last_error();
    EXPECT_TRUE(old.arrays() == cleared.arrays());
  });
  misuse const renorm_gate = {"no r", [](call& c) { c.desc().epilogue = RENORM_EPILOGUE_RELU, c.point("r", nullptr); }, RENORM_ERROR_NULL,
                              "r"};
  expect_refused(capi::find_operation(RENORM_OP_BACKWARD_REDUCE), renorm_gate);
}

// ---------------------------------------------------------------- the remaining functions

TEST(Misuse, WorkspaceSize) {
  renorm_desc const desc = capi::small_desc();
  size_t size = 77;
  for (renorm_op const op : {0, 14, -1, std::numeric_limits<renorm_op>::max()}) {
    leave_another_message();
    EXPECT_EQ(renorm_workspace_size(&desc, op, &size), RENORM_ERROR_UNSUPPORTED) << op;
    expect_message("op");
  }
  leave_another_message();
  EXPECT_EQ(renorm_workspace_size(nullptr, RENORM_OP_TRAIN, &size), RENORM_ERROR_NULL);
  expect_message("desc");
  leave_another_message();
  EXPECT_EQ(renorm_workspace_size(&desc, RENORM_OP_TRAIN, nullptr), RENORM_ERROR_NULL);
  expect_message("bytes");
  EXPECT_EQ(size, 77u);
}

TEST(Misuse, Explain) {
  renorm_desc const desc = capi::small_desc();
  char line[] = "untouched";
  auto const refuses = [&](renorm_desc const* d, renorm_op op, renorm_exec const* exec, char* buf, size_t cap, renorm_status expected,
                           char const* culprit) {
    leave_another_message();
    EXPECT_EQ(renorm_explain(d, op, exec, buf, cap), expected) << culprit;
    expect_message(culprit);
    EXPECT_STREQ(line, "untouched");
  };
  for (renorm_op const op : {0, 14, -1, std::numeric_limits<renorm_op>::max()})
    refuses(&desc, op, nullptr, line, sizeof line, RENORM_ERROR_UNSUPPORTED, "op");
  refuses(nullptr, RENORM_OP_TRAIN, nullptr, line, sizeof line, RENORM_ERROR_NULL, "desc");
  refuses(&desc, RENORM_OP_TRAIN, nullptr, nullptr, sizeof line, RENORM_ERROR_NULL, "buf");
  refuses(&desc, RENORM_OP_TRAIN, nullptr, line, 0, RENORM_ERROR_VALUE, "cap");
  renorm_exec exec = {};
  refuses(&desc, RENORM_OP_TRAIN, &exec, line, sizeof line, RENORM_ERROR_STRUCT_SIZE, "exec");
  exec.struct_size = sizeof exec;
  exec.flags = 1;
  refuses(&desc, RENORM_OP_TRAIN, &exec, line, sizeof line, RENORM_ERROR_UNSUPPORTED, "flags");
  exec.flags = 0;
  exec.reserved = 1;
  refuses(&desc, RENORM_OP_TRAIN, &exec, line, sizeof line, RENORM_ERROR_UNSUPPORTED, "reserved");
  exec.reserved = 0;
  exec.concurrency = -1;
  refuses(&desc, RENORM_OP_TRAIN, &exec, line, sizeof line, RENORM_ERROR_VALUE, "concurrency");
}

TEST(Misuse, DescInit) {
  renorm_desc desc;
  std::memset(&desc, 0xA5, sizeof desc);
  renorm_desc const before = desc;
  leave_another_message();
  EXPECT_EQ(renorm_desc_init(nullptr, sizeof desc), RENORM_ERROR_NULL);
  expect_message("desc");
  for (size_t const size :
       {size_t{0}, size_t{1}, size_t{4}, size_t{45}, std::numeric_limits<size_t>::max(), size_t{0x100000000} + sizeof desc}) {
    leave_another_message();
    EXPECT_EQ(renorm_desc_init(&desc, size), RENORM_ERROR_STRUCT_SIZE) << size;
    expect_message("struct_size");
  }
  EXPECT_EQ(std::memcmp(&desc, &before, sizeof desc), 0);
}

renorm_ramp paper_ramp() {
  renorm_ramp ramp = {};
  ramp.struct_size = sizeof ramp;
  ramp.warm = 5000;
  ramp.rmax_end = 40000;
  ramp.dmax_end = 25000;
  ramp.rmax_final = 3;
  ramp.dmax_final = 5;
  return ramp;
}

struct ramp_misuse {
  char const* culprit;
  renorm_status expected;
  std::function<void(renorm_ramp&)> spoil;
};

template <class T>
ramp_misuse ramp_value(char const* culprit, T renorm_ramp::*member, T value, renorm_status expected = RENORM_ERROR_VALUE) {
  return {culprit, expected, [=](renorm_ramp& ramp) { ramp.*member = value; }};
}

void expect_ramp_refused(renorm_ramp const* ramp, int64_t step, renorm_status expected, char const* culprit) {
  SCOPED_TRACE(culprit);
  double rmax = 7, dmax = 8;
  renorm_desc_init(nullptr, 0);  // leaves another message
  EXPECT_EQ(renorm_ramp_at(ramp, step, &rmax, &dmax), expected);
  expect_message(culprit);
  EXPECT_EQ(rmax, 7);
  EXPECT_EQ(dmax, 8);
}

TEST(Misuse, Ramp) {
  ramp_misuse const misuses[] = {
      ramp_value("warm", &renorm_ramp::warm, int64_t{-1}),
      ramp_value("rmax_end", &renorm_ramp::rmax_end, int64_t{4999}),
      ramp_value("dmax_end", &renorm_ramp::dmax_end, int64_t{4999}),
      ramp_value("rmax_final", &renorm_ramp::rmax_final, 0.9),
      ramp_value("rmax_final", &renorm_ramp::rmax_final, inf),
      ramp_value("rmax_final", &renorm_ramp::rmax_final, nan),
      ramp_value("dmax_final", &renorm_ramp::dmax_final, -1.0),
      ramp_value("dmax_final", &renorm_ramp::dmax_final, inf),
      ramp_value("dmax_final", &renorm_ramp::dmax_final, nan),
      ramp_value("flags", &renorm_ramp::flags, 1u, RENORM_ERROR_UNSUPPORTED),
      ramp_value("struct_size", &renorm_ramp::struct_size, 0u, RENORM_ERROR_STRUCT_SIZE),
      ramp_value("struct_size", &renorm_ramp::struct_size, 0xA5A5A5A5u, RENORM_ERROR_STRUCT_SIZE),
  };
  for (ramp_misuse const& m : misuses) {
    renorm_ramp ramp = paper_ramp();
    m.spoil(ramp);
    expect_ramp_refused(&ramp, 0, m.expected, m.culprit);
  }
  renorm_ramp const ramp = paper_ramp();
  expect_ramp_refused(&ramp, -1, RENORM_ERROR_VALUE, "step");
  expect_ramp_refused(nullptr, 0, RENORM_ERROR_NULL, "ramp");

  double bound = 7;
  EXPECT_EQ(renorm_ramp_at(&ramp, 0, nullptr, &bound), RENORM_ERROR_NULL);
  expect_message("rmax");
  EXPECT_EQ(renorm_ramp_at(&ramp, 0, &bound, nullptr), RENORM_ERROR_NULL);
  expect_message("dmax");
  EXPECT_EQ(bound, 7);
}

TEST(Misuse, RampOfAnotherSize) {
  struct {
    renorm_ramp ramp;
    int64_t newer;
  } longer = {paper_ramp(), 0};
  longer.ramp.struct_size = sizeof longer;
  double rmax = 0, dmax = 0;
  EXPECT_EQ(renorm_ramp_at(&longer.ramp, 40000, &rmax, &dmax), RENORM_OK);
  EXPECT_EQ(rmax, 3);
  EXPECT_EQ(dmax, 5);
  longer.newer = 1;
  expect_ramp_refused(&longer.ramp, 0, RENORM_ERROR_STRUCT_SIZE, "ramp");

  renorm_ramp shorter = paper_ramp();
  shorter.struct_size = offsetof(renorm_ramp, dmax_final);
  EXPECT_EQ(renorm_ramp_at(&shorter, 40000, &rmax, &dmax), RENORM_OK);
  EXPECT_EQ(rmax, 3);
  EXPECT_EQ(dmax, 0);
}

}  // namespace
