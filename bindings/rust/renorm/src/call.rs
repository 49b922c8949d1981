//! A call under construction, and how it runs.

use crate::error::check;
use crate::exec::Lent;
use crate::{AtLeast, Element, Error, Executor, Norm, Workspace};
use renorm_sys as sys;
use std::marker::PhantomData;
use std::ptr;

pub(crate) mod sealed {
    use super::sys;

    /// An operation of the library's.
    pub trait Operation {
        type Args: Default;
        const FUNCTION: unsafe extern "C" fn(*const sys::renorm_desc, *const Self::Args, *const sys::renorm_exec) -> sys::renorm_status;
    }
}

macro_rules! operations {
    ($($name:ident: $id:ident, $function:ident, $args:ident;)*) => {
        /// An operation, for [`Workspace::reserve`] and [`Norm::explain`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Op {
            $($name,)*
        }

        impl Op {
            /// All of them.
            pub const ALL: &'static [Op] = &[$(Op::$name,)*];

            pub(crate) fn id(self) -> sys::renorm_op {
                match self {
                    $(Op::$name => sys::$id,)*
                }
            }
        }

        /// The operations as types, for [`Call`].
        pub mod op {
            use super::{sealed, sys};
            $(
                #[derive(Debug)]
                pub enum $name {}

                impl sealed::Operation for $name {
                    type Args = sys::$args;
                    const FUNCTION: unsafe extern "C" fn(
                        *const sys::renorm_desc, *const sys::$args, *const sys::renorm_exec,
                    ) -> sys::renorm_status = sys::$function;
                }
            )*
        }
    };
}

operations! {
    Train: RENORM_OP_TRAIN, renorm_train, renorm_train_args;
    Inference: RENORM_OP_INFERENCE, renorm_inference, renorm_inference_args;
    Backward: RENORM_OP_BACKWARD, renorm_backward, renorm_backward_args;
    InferenceBackward: RENORM_OP_INFERENCE_BACKWARD, renorm_inference_backward, renorm_inference_backward_args;
    Moments: RENORM_OP_MOMENTS, renorm_moments, renorm_moments_args;
    Merge: RENORM_OP_MERGE, renorm_merge, renorm_merge_args;
    UpdateRunning: RENORM_OP_UPDATE_RUNNING, renorm_update_running, renorm_update_running_args;
    Correction: RENORM_OP_CORRECTION, renorm_correction, renorm_correction_args;
    Coefficients: RENORM_OP_COEFFICIENTS, renorm_coefficients, renorm_coefficients_args;
    Apply: RENORM_OP_APPLY, renorm_apply, renorm_apply_args;
    BackwardReduce: RENORM_OP_BACKWARD_REDUCE, renorm_backward_reduce, renorm_backward_reduce_args;
    BackwardApply: RENORM_OP_BACKWARD_APPLY, renorm_backward_apply, renorm_backward_apply_args;
    Fold: RENORM_OP_FOLD, renorm_fold, renorm_fold_args;
}

/// How many elements an array has.
#[derive(Clone, Copy)]
pub(crate) enum Extent {
    /// All of a tensor.
    Tensor,
    /// All of a tensor that the epilogue adds, or of its gradient.
    Addend,
    /// One for each channel.
    Channels,
    /// One for each set of statistics.
    Groups,
    /// One for each channel of each set of statistics.
    GroupChannels,
    /// One for each position of the samples.
    Positions,
    /// One for each sample.
    Samples,
}

impl Extent {
    /// The library has accepted desc, so that nothing overflows. On a machine of 32 bits no slice is as long as usize::MAX.
    #[inline]
    fn of(self, desc: &sys::renorm_desc) -> usize {
        let groups = desc.groups.max(1);
        let elements = match self {
            Extent::Tensor | Extent::Addend => desc.n * desc.s * desc.c,
            Extent::Channels => desc.c,
            Extent::Groups => groups,
            Extent::GroupChannels => groups * desc.c,
            Extent::Positions => desc.n * desc.s,
            Extent::Samples => desc.n,
        };
        usize::try_from(elements).unwrap_or(usize::MAX)
    }
}

/// A call of one of the operations of a [`Norm`]. Its methods give it what is optional; [`run`](Call::run) makes it.
///
/// An array that does not fit is remembered, and what `run` returns.
#[must_use = "nothing happens before run()"]
pub struct Call<'a, O: sealed::Operation, T, P = T, R = T> {
    desc: &'a sys::renorm_desc,
    pub(crate) args: O::Args,
    mistake: Option<Error>,
    executor: Option<&'a dyn Executor>,
    workspace: Option<&'a mut Workspace>,
    /// args has pointers into slices that are borrowed as long as the call lives.
    arrays: PhantomData<(&'a mut T, &'a mut P, &'a mut R)>,
}

impl<'a, O: sealed::Operation, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, O, T, P, R> {
    pub(crate) fn new(norm: &'a Norm<T, P, R>) -> Self {
        Call { desc: &norm.desc, args: O::Args::default(), mistake: None, executor: None, workspace: None, arrays: PhantomData }
    }

    pub(crate) fn input<E>(&mut self, name: &'static str, extent: Extent, array: &'a [E]) -> *const E {
        self.check_array(name, extent, array.len());
        array.as_ptr()
    }

    pub(crate) fn output<E>(&mut self, name: &'static str, extent: Extent, array: &'a mut [E]) -> *mut E {
        self.check_array(name, extent, array.len());
        array.as_mut_ptr()
    }

    pub(crate) fn mask_kind(&self) -> sys::renorm_mask_kind {
        self.desc.mask_kind
    }

    fn check_array(&mut self, name: &'static str, extent: Extent, found: usize) {
        let adds = matches!(self.desc.epilogue, sys::RENORM_EPILOGUE_ADD | sys::RENORM_EPILOGUE_ADD_RELU);
        if matches!(extent, Extent::Addend) && !adds {
            self.refuse(Error::NoAddition { array: name });
        }
        let expected = extent.of(self.desc);
        if found != expected {
            self.refuse(Error::Length { array: name, expected, found });
        }
    }

    /// Remembers the first mistake.
    pub(crate) fn refuse(&mut self, mistake: Error) {
        self.mistake.get_or_insert(mistake);
    }

    /// Threads that the call may use.
    pub fn executor(mut self, executor: &'a dyn Executor) -> Self {
        self.executor = Some(executor);
        self
    }

    /// Memory that the call may use, so that it allocates none.
    pub fn workspace(mut self, workspace: &'a mut Workspace) -> Self {
        self.workspace = Some(workspace);
        self
    }

    /// Makes the call.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if the length of a slice is wrong; [`Error::MaskKind`] if a mask is of another kind than the options
    /// name, [`Error::NoAddition`] if they name no addition of a tensor to add; [`Error::Refused`] if the library refuses the call.
    /// Nothing has been written then.
    ///
    /// # Panics
    ///
    /// As the executor does, after all results have been written.
    pub fn run(self) -> Result<(), Error> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let lent = self.executor.map(Lent::new);
        let mut exec = lent.as_ref().map(Lent::exec).unwrap_or_default();
        if let Some(workspace) = self.workspace {
            exec.workspace = workspace.as_mut_ptr();
            exec.workspace_bytes = workspace.bytes();
        }
        // SAFETY: every pointer of args is null or to a slice that is borrowed and as long as desc says; where an output shares its memory
        // with an input, both come from one mutable slice. What the library needs and is null, it refuses.
        let status = unsafe { O::FUNCTION(self.desc, &self.args, ptr::addr_of!(exec)) };
        if let Some(lent) = lent {
            lent.resume_panic();
        }
        check(status)
    }
}
