// Every precondition of the C ABI.
#pragma once

#include "error.hpp"
#include "op/problem.hpp"
#include "pass/check.hpp"
#include "renorm/renorm.h"
#include "structs.hpp"

#include <string.h>

namespace renorm::capi {

renorm_status check_struct_size(void const* from, std::size_t known, char const* function, char const* name);

// Copies a caller's struct of any version: missing fields are 0, unknown ones must be.
template <class S> renorm_status read_struct(S const* from, S& to, char const* function, char const* name) {
  if (renorm_status const s = check_struct_size(from, sizeof(S), function, name)) return s;
  std::size_t const given = from->struct_size;
  if (given >= sizeof(S)) {
    memcpy(&to, from, sizeof(S));  // of a size the compiler knows
  } else {
    memset(&to, 0, sizeof(S));
    memcpy(&to, from, given);
  }
  return RENORM_OK;
}

// Everything but the ranges of options, which count where they are read.
renorm_status read_desc(renorm_desc const* from, problem& p, char const* function);

// Inference knows no groups: all samples have the same statistics.
void ungroup(problem& p);

// Which options a call reads.
struct options {
  bool eps, momentum, bounds;  // bounds: rmin, rmax, dmax
};
renorm_status check_options(problem const& p, options read, char const* function);

renorm_status read_exec(renorm_exec const* from, renorm_exec& to, char const* function);

// The arrays of a call: which must be there, and which may share memory. Inputs are listed before outputs.
class arrays {
 public:
  static constexpr std::size_t most = 24, unlisted = most;

  // Inputs that an output may be, exactly.
  struct in_place {
    std::size_t one, other;
  };
  static constexpr in_place nowhere = {unlisted, unlisted};

  explicit arrays(char const* function) : function_(function) {}

  // An array of no bytes may be NULL, and is not listed. Inputs are known by the number that is returned.
  std::size_t input(char const* name, void const* data, std::size_t bytes) { return list_input(name, data, bytes, true); }
  std::size_t optional_input(char const* name, void const* data, std::size_t bytes) { return list_input(name, data, bytes, false); }
  void output(char const* name, void* data, std::size_t bytes, in_place as = nowhere) { list(name, data, bytes, true, as); }
  void optional_output(char const* name, void* data, std::size_t bytes, in_place as = nowhere) { list(name, data, bytes, false, as); }

  renorm_status check() const;

 private:
  std::size_t list(char const* name, void const* data, std::size_t bytes, bool required, in_place as) {
    if (data == nullptr || bytes == 0) {
      if (required && bytes > 0 && missing_ == nullptr) missing_ = name;
      return unlisted;
    }
    RENORM_ASSERT(count_ < most);
    std::uintptr_t const begin = reinterpret_cast<std::uintptr_t>(data);
    begin_[count_] = begin;
    last_[count_] = bytes - 1 <= UINTPTR_MAX - begin ? begin + (bytes - 1) : UINTPTR_MAX;  // no array ends beyond the address space
    name_[count_] = name;
    as_[count_] = as;
    return count_++;
  }
  std::size_t list_input(char const* name, void const* data, std::size_t bytes, bool required) {
    RENORM_ASSERT(inputs_ == count_);  // no output so far
    std::size_t const number = list(name, data, bytes, required, nowhere);
    inputs_ = count_;
    return number;
  }

  bool overlap(std::size_t i, std::size_t j) const;
  std::int64_t apart(std::size_t i, std::size_t j) const;
  renorm_status check_shared(std::size_t output) const;

  char const* function_;
  char const* missing_ = nullptr;  // the first
  std::size_t count_ = 0, inputs_ = 0;
  std::uintptr_t begin_[most], last_[most];  // the first and the last byte
  char const* name_[most];
  in_place as_[most];
};

}  // namespace renorm::capi
