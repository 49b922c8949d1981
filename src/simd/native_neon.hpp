// What NEON of AArch64 does better than native_generic.hpp.
#pragma once

namespace renorm {
namespace {

RENORM_INLINE batch<double> widen(float const* p) { return vcvt_f64_f32(vld1_f32(p)); }
RENORM_INLINE void narrow(batch<double> v, float* p) { vst1_f32(p, vcvt_f32_f64(v)); }
RENORM_INLINE double fold_halves(float64x2_t v) { return vpaddd_f64(v); }

}  // namespace
}  // namespace renorm
