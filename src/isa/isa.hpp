// The instruction sets of this build and the choice among them.
#pragma once

#include "isa/code.hpp"
#include "renorm/renorm.h"

namespace renorm {

namespace isas {

struct entry {
  isa const* code;
  renorm_isa id;
  unsigned required;  // cpu::feature bits

  bool runs_with(unsigned features) const;  // those of a CPU
  bool runs_here() const;
};

struct entries {
  entry const* first;
  entry const* last;
  entry const* begin() const { return first; }
  entry const* end() const { return last; }
};

entries compiled();                // worst to best
entry const* find(renorm_isa id);  // nullptr if this build has no such instruction set
entry const& best();
entry const* active();        // nullptr if RENORM_MAX_ISA is unknown
bool set_max(renorm_isa id);  // false if find(id) is nullptr

}  // namespace isas
}  // namespace renorm
