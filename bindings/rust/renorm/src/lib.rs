#![doc = include_str!("../README.md")]
#![deny(unsafe_op_in_unsafe_fn)]

mod call;
mod error;
mod exec;
mod library;
mod norm;
mod operations;
mod trace;

pub use call::{op, Call, Op};
pub use error::{Error, Status};
pub use exec::{Executor, ScopedThreads, Workspace};
pub use library::{active_isa, best_isa, build_info, set_max_isa, version, Isa, Ramp};
pub use norm::{AtLeast, Element, Epilogue, GroupOrder, Layout, MaskKind, Norm, Options, Shape};
pub use operations::{Affine, AffineMut, Forward, Gradient, Mask, Moments, MomentsMut, Running, RunningMut, Statistics, Sums, SumsMut};
pub use trace::{set_trace, Trace};
