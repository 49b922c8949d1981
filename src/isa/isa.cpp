#include "isa/isa.hpp"

#include "isa/cpu.hpp"

#include <atomic>
#include <stdlib.h>
#include <string.h>

namespace renorm {

#define RENORM_ISA_ENTRY(name, id, features) extern isa const isa_##name;
#include "isa/list.inc"
#undef RENORM_ISA_ENTRY

namespace isas {
namespace {

entry const all[] = {
#define RENORM_ISA_ENTRY(name, id, features) {&isa_##name, id, features},
#include "isa/list.inc"
#undef RENORM_ISA_ENTRY
};

std::size_t const count = sizeof(all) / sizeof(all[0]);

// The choice: nullptr until first use, then an entry of all, or unknown_limit. Racing first uses compute the same value.
entry const unknown_limit{nullptr, RENORM_ISA_NONE, cpu::none};
std::atomic<entry const*> chosen{nullptr};

entry const* best_up_to(renorm_isa limit) {
  unsigned const features = cpu::detect_features();
  entry const* found = all;  // scalar runs everywhere
  for (entry const& e : all)
    if (e.id <= limit && e.runs_with(features)) found = &e;
  return found;
}

entry const* choose_from_environment() {
  char const* const name = getenv("RENORM_MAX_ISA");
  if (name == nullptr || *name == '\0') return &best();
  for (entry const& e : all)
    if (strcmp(e.code->name, name) == 0) return best_up_to(e.id);
  return &unknown_limit;
}

}  // namespace

bool entry::runs_with(unsigned features) const { return (features & required) == required; }
bool entry::runs_here() const { return runs_with(cpu::detect_features()); }

entries compiled() { return {all, all + count}; }

entry const* find(renorm_isa id) {
  for (entry const& e : all)
    if (e.id == id) return &e;
  return nullptr;
}

entry const& best() { return *best_up_to(all[count - 1].id); }

entry const* active() {
  entry const* now = chosen.load(std::memory_order_acquire);
  if (now == nullptr) {
    entry const* const choice = choose_from_environment();
    // A limit set meanwhile by another thread stands.
    if (chosen.compare_exchange_strong(now, choice, std::memory_order_acq_rel)) now = choice;
  }
  return now == &unknown_limit ? nullptr : now;
}

bool set_max(renorm_isa id) {
  if (find(id) == nullptr) return false;
  chosen.store(best_up_to(id), std::memory_order_release);
  return true;
}

}  // namespace isas
}  // namespace renorm
