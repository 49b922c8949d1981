#include "measure/floors.hpp"

#include <cstdint>
#include <cstring>

namespace {

// Sixteen bytes in the compiler's vector extension. It has no non-temporal stores: a plain one stands in.
struct vec {
  using bits = std::uint64_t __attribute__((vector_size(16)));
  bits v;

  static vec load(std::byte const* p) {
    vec r;
    std::memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  void store(std::byte* p) const { std::memcpy(p, &v, sizeof v); }
  void stream(std::byte* p) const { store(p); }
  vec operator^(vec o) const { return {v ^ o.v}; }
  void keep() const { asm volatile("" : : "r"(v[0] ^ v[1])); }
};

void finish_streams() {}

}  // namespace

#define RENORM_FLOORS portable
#include "measure/floor_loops.inc"
