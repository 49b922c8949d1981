// Every precondition of the C ABI.
#pragma once

#include "error.hpp"
#include "op/problem.hpp"

#include <string.h>

namespace renorm::capi {

// Structs grow at their end. Whether a size that a caller gives is believed: smaller or larger ones, and ones that cut a pointer in
// two, are memory that was never set.
inline bool is_struct_size(std::size_t bytes) {
  constexpr std::size_t least = 8, most = 4096;  // least: struct_size and flags
  return bytes >= least && bytes <= most && bytes % alignof(void*) == 0;
}

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

renorm_status read_desc(renorm_desc const* from, problem& p, char const* function);
renorm_status read_exec(renorm_exec const* from, renorm_exec& to, char const* function);

// The arrays of a call: which must be there, and which may share memory.
class arrays {
 public:
  explicit arrays(char const* function) : function_(function) {}

  // An array of no bytes may be NULL. Inputs are known by the number that adding them returns.
  std::size_t input(char const* name, void const* data, std::size_t bytes) { return inputs_.add(name, data, bytes, true); }
  std::size_t optional_input(char const* name, void const* data, std::size_t bytes) { return inputs_.add(name, data, bytes, false); }
  void output(char const* name, void* data, std::size_t bytes) { outputs_.add(name, data, bytes, true); }
  void optional_output(char const* name, void* data, std::size_t bytes) { outputs_.add(name, data, bytes, false); }

  // The output added last may be exactly one of these inputs.
  void in_place(std::size_t input, std::size_t other_input) { may_be_[outputs_.count - 1] = 1u << input | 1u << other_input; }

  renorm_status check() const;

 private:
  // Addresses as signed numbers, which all user space addresses fit: the sign of a difference is a comparison. An array of no bytes
  // is at 0, before all others.
  struct list {
    static constexpr std::size_t most = 14;
    std::size_t count = 0;
    std::intptr_t begin[most], end[most];
    char const* name[most];
    bool missing[most];

    std::size_t add(char const* name_of, void const* data, std::size_t bytes, bool required) {
      bool const present = data != nullptr && bytes > 0;
      begin[count] = present ? reinterpret_cast<std::intptr_t>(data) : 0;
      end[count] = present ? begin[count] + static_cast<std::intptr_t>(bytes) : 0;
      name[count] = name_of;
      missing[count] = required && data == nullptr && bytes > 0;
      return count++;
    }
  };

  renorm_status check_present(list const& l) const;
  renorm_status check_apart(std::size_t output, list const& others, std::size_t first) const;
  renorm_status fail_overlap(std::size_t output, list const& others, std::size_t first) const;

  char const* function_;
  list inputs_, outputs_;
  std::uint32_t may_be_[list::most] = {};  // by output: a bit for each input
};

}  // namespace renorm::capi
