#pragma once

#include "support/problem.hpp"

namespace renorm_test {

// Running statistics that are beyond the type they are stored in are infinite there.
values with_overflow(values v, renorm_desc const& desc);

// |got - want| <= allowed, for every array that want has. Infinite values must be the same.
void expect_close(values const& got, values const& want, values const& allowed);

// The same bits, any NaN standing for any other.
void expect_same_bits(values const& got, values const& want);

// A hash of the bits of an array, any NaN standing for any other.
std::uint64_t hash_bits(array const& a, std::uint64_t seed);

}  // namespace renorm_test
