// Sums of registers of four and of two doubles: value i + value (i + half), halving.
#pragma once

namespace renorm {
namespace {

RENORM_INLINE double fold_halves(__m128d v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
RENORM_INLINE double fold_halves(__m256d v) { return fold_halves(_mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1))); }

}  // namespace
}  // namespace renorm
