//! What the library says about itself, and its settings.

use crate::error::{check, text};
use crate::Error;
use renorm_sys as sys;
use std::fmt;

/// Major, minor and patch number of the library that is linked.
pub fn version() -> (u32, u32, u32) {
    // SAFETY: has no precondition; neither have the other functions here.
    let number = unsafe { sys::renorm_version() };
    (number / 10000, number / 100 % 100, number % 100)
}

/// One line: version, compiler and instruction sets of the library.
pub fn build_info() -> &'static str {
    // SAFETY: static storage.
    unsafe { text(sys::renorm_build_info()) }
}

/// An instruction set. `Display` gives the name that the environment variable `RENORM_MAX_ISA` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Isa(sys::renorm_isa);

impl Isa {
    /// Plain C++.
    pub const SCALAR: Isa = Isa(sys::RENORM_ISA_SCALAR);
    /// SSE2.
    pub const SSE2: Isa = Isa(sys::RENORM_ISA_SSE2);
    /// AVX2 and FMA.
    pub const AVX2: Isa = Isa(sys::RENORM_ISA_AVX2);
    /// AVX-512 F, CD, DQ, BW and VL.
    pub const AVX512: Isa = Isa(sys::RENORM_ISA_AVX512);
    /// Advanced SIMD of AArch64.
    pub const NEON64: Isa = Isa(sys::RENORM_ISA_NEON64);
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: static storage.
        f.write_str(unsafe { text(sys::renorm_isa_name(self.0)) })
    }
}

/// The best instruction set of this build that the processor has.
pub fn best_isa() -> Isa {
    Isa(unsafe { sys::renorm_best_isa() })
}

/// The instruction set that the next call will use. None, and every call is refused, if the environment variable `RENORM_MAX_ISA`
/// holds a name that the library does not know.
pub fn active_isa() -> Option<Isa> {
    match unsafe { sys::renorm_active_isa() } {
        sys::RENORM_ISA_NONE => None,
        isa => Some(Isa(isa)),
    }
}

/// Bounds the choice of instruction set for all later calls of the process. Results stay the same but for SSE2, which has no fused
/// multiply-add.
///
/// # Errors
///
/// [`Status::Isa`](crate::Status::Isa) if this build has no such instruction set.
pub fn set_max_isa(isa: Isa) -> Result<(), Error> {
    check(unsafe { sys::renorm_set_max_isa(isa.0) })
}

/// The paper's schedule of the bounds of batch renorm: `rmax` is 1 and `dmax` is 0 up to step `warm`, then linear to `rmax_final` at
/// step `rmax_end` and to `dmax_final` at step `dmax_end`, constant from there.
///
/// ```
/// use renorm::{Options, Ramp};
///
/// let (rmax, dmax) = Ramp::PAPER.at(22500)?;
/// assert_eq!((rmax, dmax), (2.0, 4.375));
/// let options = Options::batch_renorm(rmax, dmax);
/// # Ok::<(), renorm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    pub warm: i64,
    pub rmax_end: i64,
    pub dmax_end: i64,
    pub rmax_final: f64,
    pub dmax_final: f64,
}

impl Ramp {
    /// The numbers of the paper, section 4.1.
    pub const PAPER: Ramp = Ramp { warm: 5000, rmax_end: 40000, dmax_end: 25000, rmax_final: 3.0, dmax_final: 5.0 };

    /// `rmax` and `dmax` at a step.
    ///
    /// # Errors
    ///
    /// [`Status::Value`](crate::Status::Value) if a step is below 0, an end is before `warm`, or a bound is not finite or below 1 and 0.
    pub fn at(&self, step: i64) -> Result<(f64, f64), Error> {
        let ramp = sys::renorm_ramp {
            warm: self.warm,
            rmax_end: self.rmax_end,
            dmax_end: self.dmax_end,
            rmax_final: self.rmax_final,
            dmax_final: self.dmax_final,
            ..Default::default()
        };
        let (mut rmax, mut dmax) = (0.0, 0.0);
        // SAFETY: pointers to values of this function.
        check(unsafe { sys::renorm_ramp_at(&ramp, step, &mut rmax, &mut dmax) })?;
        Ok((rmax, dmax))
    }
}
