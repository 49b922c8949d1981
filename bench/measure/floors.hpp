// The limits that an operation is held against: the same bytes moved, and nothing computed.
#pragma once

#include "measure/interleave.hpp"
#include "measure/spec.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

// That of a step is two floors, one after the other. Empty where no tensor is read.
std::string floor_name(spec const& s);

// The floor of s with plain and with non-temporal stores, in as many threads. The faster one is the limit.
std::vector<call> floor_calls(spec const& s);

// Reads z in as many threads, and writes nothing.
call read_z_call(spec const& s);

// Backward in NCHW has two passes, and this is what they could reach if they computed nothing: x and dy of a block of channels are read
// in all samples, then triad goes over the same. Blocks are those of the library, in whole cache lines; one thread.
std::vector<call> two_pass_calls(spec const& s);

// Loops of one instruction set, over any number of bytes; y lies on a multiple of 64. finish() goes after the last streaming store.
struct floor_loops {
  void (*read)(std::byte const* x, std::size_t bytes);
  void (*copy)(std::byte const* x, std::byte* y, std::size_t bytes, bool stream);
  void (*triad)(std::byte const* x, std::byte const* dy, std::byte* y, std::size_t bytes, bool stream);
  void (*finish)();
};

extern floor_loops const floors_portable, floors_avx2, floors_avx512;

}  // namespace bench
