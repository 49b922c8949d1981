//! Batch normalization and [batch renormalization](https://arxiv.org/abs/1702.03275) on CPUs: a safe interface of librenorm.
//!
//! ```
//! use renorm::{Norm, Options, Running, RunningMut, Shape};
//!
//! let x = [1f32, 2.0, 3.0, 10.0]; // 2 samples of 2 channels, channels last
//! let (mut mean, mut var, mut y) = ([0f32; 2], [1f32; 2], [0f32; 4]);
//! let norm = Norm::<f32>::new(Shape::nhwc(2, 2, 1), Options::batch_renorm(3.0, 5.0))?;
//!
//! norm.train((&x, &mut y)).running(RunningMut { mean: &mut mean, var: &mut var }).run()?;
//! assert_eq!(format!("{:.3?}", y), "[1.000, 2.000, 3.000, 8.000]");
//! assert_eq!(format!("{:.1?}", mean), "[0.2, 0.6]");
//!
//! norm.inference((&x, &mut y), Running { mean: &mean, var: &var }).run()?;
//! assert_eq!(format!("{:.3?}", y), "[0.800, 0.885, 2.800, 5.945]");
//! # Ok::<(), renorm::Error>(())
//! ```
//!
//! With n samples, c channels, s positions per sample, and m = n*s values per channel:
//!
//! ```text
//! mean = sum(x)/m    var = sum((x - mean)^2)/m    sigma = sqrt(var + eps)
//! y    = gamma*(r*(x - mean)/sigma + d) + beta                          batch norm: r = 1, d = 0
//! r    = clip(sigma/sigma_running, 1/rmax, rmax)    d = clip((mean - mean_running)/sigma_running, -dmax, dmax)
//! dx   = gamma*r/sigma * (dy - S1/m - xhat*S2/m)    dgamma = r*S2 + d*S1    dbeta = S1
//!        with xhat = (x - mean)/sigma, S1 = sum(dy), S2 = sum(dy*xhat)
//! ```
//!
//! - A [`Norm`] says what to compute: element types, [`Shape`] and [`Options`]. Its methods are the operations: [`train`](Norm::train),
//!   [`inference`](Norm::inference) and their backward passes are whole calls; the others are the parts they are made of, for
//!   frameworks and for training on many machines.
//! - Arrays are slices of the caller's. Lengths are checked, and nothing is kept after [`Call::run`]. Where the output may take the
//!   place of an input, one mutable slice is given instead of two.
//! - A call runs on the calling thread unless it is lent an [`Executor`], and allocates nothing if it is lent a [`Workspace`]. Any number
//!   of threads may call at once.
//! - Results have the same bits for any number of threads and any executor.
//! - Whatever is wrong with a call is an [`Error`]; nothing has been written then. No misuse of this crate is undefined behaviour.

#![deny(unsafe_op_in_unsafe_fn)]

mod call;
mod error;
mod exec;
mod library;
mod norm;
mod operations;

pub use call::{op, Call, Op};
pub use error::{Error, Status};
pub use exec::{Executor, ScopedThreads, Workspace};
pub use library::{active_isa, best_isa, build_info, set_max_isa, version, Isa, Ramp};
pub use norm::{AtLeast, Element, Layout, Norm, Options, Shape};
pub use operations::{
    Affine, AffineMut, Forward, Gradient, Moments, MomentsMut, Running, RunningMut, Statistics, Sums, SumsMut,
};
