//! What to compute: element types, shape, options.

use crate::error::{check, text};
use crate::exec::Lent;
use crate::{Error, Executor, Op};
use renorm_sys as sys;
use std::marker::PhantomData;

pub(crate) mod sealed {
    pub trait Element {
        const DTYPE: super::sys::renorm_dtype;
    }
}

/// An element of a tensor: `f32` or `f64`.
pub trait Element: sealed::Element + Copy + Send + Sync + 'static {}

impl sealed::Element for f32 {
    const DTYPE: sys::renorm_dtype = sys::RENORM_F32;
}
impl sealed::Element for f64 {
    const DTYPE: sys::renorm_dtype = sys::RENORM_F64;
}
impl Element for f32 {}
impl Element for f64 {}

/// An element of parameters or running statistics that go with tensors of `T`: `T` itself, or `f64`.
pub trait AtLeast<T>: Element {}

impl AtLeast<f32> for f32 {}
impl AtLeast<f32> for f64 {}
impl AtLeast<f64> for f64 {}

/// The order of a tensor's elements in memory, the last index fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[n][c][s]`
    Nchw,
    /// `[n][s][c]`, channels last
    Nhwc,
}

/// The extents of a tensor: `n` samples, `c` channels, `s` positions (the product of all spatial extents). Any of them may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub layout: Layout,
    pub n: usize,
    pub c: usize,
    pub s: usize,
}

impl Shape {
    /// `[n][c][s]`
    pub const fn nchw(n: usize, c: usize, s: usize) -> Self {
        Shape { layout: Layout::Nchw, n, c, s }
    }

    /// `[n][s][c]`
    pub const fn nhwc(n: usize, c: usize, s: usize) -> Self {
        Shape { layout: Layout::Nhwc, n, c, s }
    }

    /// `[n][c]`, the activations of a dense layer
    pub const fn dense(n: usize, c: usize) -> Self {
        Shape::nhwc(n, c, 1)
    }
}

/// Which samples form a group of [`Options::groups`]. The first `n % groups` groups have one sample more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupOrder {
    /// Consecutive samples
    Contiguous,
    /// Sample `i` is in group `i % groups`
    Interleaved,
}

/// What says which positions of a tensor count: the kind of every [`Mask`](crate::Mask) of a [`Norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaskKind {
    /// One byte for each position `[n][s]`
    Bytes,
    /// One length for each sample
    Lengths,
}

/// What is fused to `y`, and taken back from `dy` by the backward passes, which read `gamma` and `beta` again for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Epilogue {
    /// `relu(y)`
    Relu,
    /// `y + z`
    Add,
    /// `relu(y + z)`
    AddRelu,
}

/// Batch norm or batch renorm, and how exactly. Values are checked by [`Norm::new`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    flags: u32,
    eps: f64,
    momentum: f64,
    rmin: f64,
    rmax: f64,
    dmax: f64,
    groups: usize,
    group_order: sys::renorm_group_order,
    mask_kind: sys::renorm_mask_kind,
    epilogue: sys::renorm_epilogue,
}

impl Options {
    /// Batch norm with `eps` 1e-5 and `momentum` 0.1.
    pub const fn batch_norm() -> Self {
        Options {
            flags: 0,
            eps: 1e-5,
            momentum: 0.1,
            rmin: 0.0,
            rmax: 3.0, // not read, but what the library takes for usual and does not spell out when it explains a call
            dmax: 5.0,
            groups: 1,
            group_order: sys::RENORM_GROUPS_CONTIGUOUS,
            mask_kind: sys::RENORM_MASK_NONE,
            epilogue: sys::RENORM_EPILOGUE_NONE,
        }
    }

    /// Batch renorm: the correction `r` is held in `[1/rmax, rmax]` and `d` in `[-dmax, dmax]`. `rmax >= 1` and `dmax >= 0` may be
    /// infinite. Otherwise as [`batch_norm`](Self::batch_norm).
    #[must_use]
    pub const fn batch_renorm(rmax: f64, dmax: f64) -> Self {
        Options { rmax, dmax, ..Options::batch_norm().with(sys::RENORM_FLAG_BATCH_RENORM) }
    }

    /// What is added to the variance inside the root: finite and >= 0.
    #[must_use]
    pub const fn eps(self, eps: f64) -> Self {
        Options { eps, ..self }
    }

    /// The weight of the new batch in the running statistics, in `[0, 1]`: PyTorch's momentum, and 1 minus that of TensorFlow.
    #[must_use]
    pub const fn momentum(self, momentum: f64) -> Self {
        Options { momentum, ..self }
    }

    /// The running statistics are the plain average over all batches, which are counted in `num_batches`; momentum is not read.
    #[must_use]
    pub const fn cumulative(self) -> Self {
        self.with(sys::RENORM_FLAG_CUMULATIVE)
    }

    /// The lower bound of `r`, in `[0, 1]`, instead of `1/rmax`; read by batch renorm.
    #[must_use]
    pub const fn rmin(self, rmin: f64) -> Self {
        Options { rmin, ..self.with(sys::RENORM_FLAG_RMIN) }
    }

    /// The running scale is sigma, as in the paper, and not the variance.
    #[must_use]
    pub const fn track_sigma(self) -> Self {
        self.with(sys::RENORM_FLAG_TRACK_SIGMA)
    }

    /// Normalise with `var*m/(m - 1)`, with the gradient that belongs to it.
    #[must_use]
    pub const fn unbiased(self) -> Self {
        self.with(sys::RENORM_FLAG_UNBIASED)
    }

    /// Feed the running statistics with `var*m/(m - 1)`, as PyTorch does.
    #[must_use]
    pub const fn unbiased_running(self) -> Self {
        self.with(sys::RENORM_FLAG_UNBIASED_RUNNING)
    }

    /// Read the running statistics where they are needed, but do not update them.
    #[must_use]
    pub const fn keep_running(self) -> Self {
        self.with(sys::RENORM_FLAG_KEEP_RUNNING)
    }

    /// Leave the running statistics of a channel alone whose new ones would not be finite.
    #[must_use]
    pub const fn skip_nonfinite(self) -> Self {
        self.with(sys::RENORM_FLAG_SKIP_NONFINITE)
    }

    /// The batch is split into groups of samples (microbatches) with statistics and corrections of their own; the running statistics are
    /// updated once, with the average. Saved statistics are arrays `[groups][c]` then, and counts have one element for each group.
    #[must_use]
    pub const fn groups(self, groups: usize, order: GroupOrder) -> Self {
        let group_order = match order {
            GroupOrder::Contiguous => sys::RENORM_GROUPS_CONTIGUOUS,
            GroupOrder::Interleaved => sys::RENORM_GROUPS_INTERLEAVED,
        };
        Options { groups, group_order, ..self }
    }

    /// Some positions do not count: every call that takes tensors needs a `mask` of this kind. The outputs are 0 there.
    #[must_use]
    pub const fn mask(self, kind: MaskKind) -> Self {
        let mask_kind = match kind {
            MaskKind::Bytes => sys::RENORM_MASK_BYTES,
            MaskKind::Lengths => sys::RENORM_MASK_LENGTHS,
        };
        Options { mask_kind, ..self }
    }

    /// An activation, an addition of `z`, or both: forward passes write what it makes of `y`, and backward passes begin with it. With an
    /// addition, forward passes need `z`, and so do backward passes through a ReLU behind it; `dz` is written there if it is given.
    #[must_use]
    pub const fn epilogue(self, epilogue: Epilogue) -> Self {
        let epilogue = match epilogue {
            Epilogue::Relu => sys::RENORM_EPILOGUE_RELU,
            Epilogue::Add => sys::RENORM_EPILOGUE_ADD,
            Epilogue::AddRelu => sys::RENORM_EPILOGUE_ADD_RELU,
        };
        Options { epilogue, ..self }
    }

    const fn with(self, flag: u32) -> Self {
        Options { flags: self.flags | flag, ..self }
    }
}

/// A normalization of tensors of one shape: the first half of every call, made once and used from any number of threads.
///
/// `T` is the element of tensors, `P` of `gamma` and `beta` and their gradients, `R` of running statistics. A running mean of 1e4 in
/// `f32` stops moving at momentum 0.01; `Norm<f32, f32, f64>` keeps it in `f64`.
///
/// Its methods are the operations. Each takes what it cannot do without and returns a [`Call`](crate::Call), which takes the rest by
/// name and [runs](crate::Call::run).
#[derive(Clone, Copy, Debug)]
pub struct Norm<T, P = T, R = T> {
    pub(crate) desc: sys::renorm_desc,
    elements: PhantomData<(T, P, R)>,
}

impl<T: Element, P: AtLeast<T>, R: AtLeast<T>> Norm<T, P, R> {
    /// # Errors
    ///
    /// [`Status::Value`](crate::Status::Value) if an option that an operation reads is out of its range, or any is NaN;
    /// [`Status::Overflow`](crate::Status::Overflow) if the sizes do not fit the address space.
    pub fn new(shape: Shape, options: Options) -> Result<Self, Error> {
        // No slice is longer than i64 has numbers, and the library refuses a product that large.
        let extent = |extent: usize| i64::try_from(extent).unwrap_or(i64::MAX);
        let desc = sys::renorm_desc {
            flags: options.flags,
            layout: match shape.layout {
                Layout::Nchw => sys::RENORM_NCHW,
                Layout::Nhwc => sys::RENORM_NHWC,
            },
            dtype: T::DTYPE,
            param_dtype: P::DTYPE,
            stats_dtype: R::DTYPE,
            n: extent(shape.n),
            c: extent(shape.c),
            s: extent(shape.s),
            groups: extent(options.groups),
            group_order: options.group_order,
            mask_kind: options.mask_kind,
            epilogue: options.epilogue,
            eps: options.eps,
            momentum: options.momentum,
            rmin: options.rmin,
            rmax: options.rmax,
            dmax: options.dmax,
            ..Default::default()
        };
        let norm = Norm { desc, elements: PhantomData };
        // Each operation checks the options that it reads.
        Op::ALL.iter().try_for_each(|op| norm.workspace_bytes(*op).map(drop))?;
        Ok(norm)
    }

    /// How much [`Workspace`](crate::Workspace) an operation needs. It depends on shape, options and element types alone.
    pub fn workspace_bytes(&self, op: Op) -> Result<usize, Error> {
        let mut bytes = 0;
        // SAFETY: pointers to values that outlive the call.
        check(unsafe { sys::renorm_workspace_size(&self.desc, op.id(), &mut bytes) })?;
        Ok(bytes)
    }

    /// One line about an operation: what it is, and how it would run here, on the calling thread or by an executor, which is not asked to
    /// run anything. For bug reports; programs should not depend on what follows the colon.
    ///
    /// ```
    /// use renorm::{Norm, Op, Options, Shape};
    ///
    /// let norm = Norm::<f32>::new(Shape::nchw(32, 64, 56 * 56), Options::batch_norm().eps(1e-3))?;
    /// assert!(norm.explain(Op::Train, None)?.starts_with("train/nchw/f32/32x64x3136/t1/eps=0.001: "));
    /// # Ok::<(), renorm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Status::Isa`](crate::Status::Isa) if the environment variable `RENORM_MAX_ISA` holds a name that the library does not know.
    pub fn explain(&self, op: Op, executor: Option<&dyn Executor>) -> Result<String, Error> {
        let lent = executor.map(Lent::new);
        let exec = lent.as_ref().map(Lent::exec).unwrap_or_default();
        let mut line = [0u8; sys::RENORM_EXPLAIN_BYTES];
        // SAFETY: pointers to values that outlive the call, and a buffer of as many bytes as are announced.
        check(unsafe { sys::renorm_explain(&self.desc, op.id(), &exec, line.as_mut_ptr().cast(), line.len()) })?;
        // SAFETY: the library has terminated the line.
        Ok(unsafe { text(line.as_ptr().cast()) }.to_owned())
    }
}
