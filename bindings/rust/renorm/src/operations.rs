//! What each operation takes. The formulas are in the documentation of the crate.

use crate::call::{op, Call, Extent};
use crate::{AtLeast, Element, Error, Norm};
use renorm_sys as sys;
use std::ptr;

/// `x` and `y` of a forward pass: `(&x, &mut y).into()`, or `(&mut x).into()` to overwrite `x`.
///
/// Arrays that overlap in any other way are an error of the compiler:
///
/// ```compile_fail,E0502
/// let norm = renorm::Norm::<f32>::new(renorm::Shape::dense(1, 2), renorm::Options::batch_norm()).unwrap();
/// let mut x = [1.0, 2.0];
/// norm.train((&x, &mut x)).run().unwrap();
/// ```
#[derive(Debug)]
pub enum Forward<'a, T> {
    Separate { x: &'a [T], y: &'a mut [T] },
    InPlace(&'a mut [T]),
}

impl<'a, T, X: AsRef<[T]> + ?Sized, Y: AsMut<[T]> + ?Sized> From<(&'a X, &'a mut Y)> for Forward<'a, T> {
    fn from((x, y): (&'a X, &'a mut Y)) -> Self {
        Forward::Separate { x: x.as_ref(), y: y.as_mut() }
    }
}

impl<'a, T> From<&'a mut [T]> for Forward<'a, T> {
    fn from(x: &'a mut [T]) -> Self {
        Forward::InPlace(x)
    }
}

/// `x`, `dy` and `dx` of a backward pass, and which of them share their memory.
#[derive(Debug)]
pub enum Gradient<'a, T> {
    Separate {
        x: &'a [T],
        dy: &'a [T],
        dx: &'a mut [T],
    },
    /// `dx` takes the place of `dy`.
    OverDy {
        x: &'a [T],
        dy: &'a mut [T],
    },
    /// `dx` takes the place of `x`.
    OverX {
        x: &'a mut [T],
        dy: &'a [T],
    },
    /// `dx` is not wanted.
    ParametersOnly {
        x: &'a [T],
        dy: &'a [T],
    },
    /// For [`Norm::inference_backward`] without `dgamma`, which does not read `x`.
    WithoutX {
        dy: &'a [T],
        dx: &'a mut [T],
    },
    /// The same, and `dx` takes the place of `dy`.
    WithoutXOverDy {
        dy: &'a mut [T],
    },
}

/// Running statistics. `var` is sigma with [`Options::track_sigma`](crate::Options::track_sigma).
#[derive(Clone, Copy, Debug)]
pub struct Running<'a, R> {
    pub mean: &'a [R],
    pub var: &'a [R],
}

/// Running statistics that are updated.
#[derive(Debug)]
pub struct RunningMut<'a, R> {
    pub mean: &'a mut [R],
    pub var: &'a mut [R],
}

/// Which positions count, of the kind that [`Options::mask`](crate::Options::mask) names.
#[derive(Clone, Copy, Debug)]
pub enum Mask<'a> {
    /// `[n][s]`, not 0 where a position counts
    Bytes(&'a [u8]),
    /// `[n]`: so many of the first positions of each sample count
    Lengths(&'a [i64]),
}

/// What a batch is normalised with: its mean and sigma.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'a> {
    pub mean: &'a [f64],
    pub sigma: &'a [f64],
}

/// `count` = m, `mean` = sum(x)/m, `m2` = sum((x - mean)^2). `count` has one element for each group.
#[derive(Clone, Copy, Debug)]
pub struct Moments<'a> {
    pub count: &'a [i64],
    pub mean: &'a [f64],
    pub m2: &'a [f64],
}

/// [`Moments`] to be written.
#[derive(Debug)]
pub struct MomentsMut<'a> {
    pub count: &'a mut [i64],
    pub mean: &'a mut [f64],
    pub m2: &'a mut [f64],
}

/// The map `y = scale*(x - center) + shift`.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    pub center: &'a [f64],
    pub scale: &'a [f64],
    pub shift: &'a [f64],
}

/// An [`Affine`] map to be written.
#[derive(Debug)]
pub struct AffineMut<'a> {
    pub center: &'a mut [f64],
    pub scale: &'a mut [f64],
    pub shift: &'a mut [f64],
}

/// `dy` = sum(dy) and `dy_xhat` = sum(dy*(x - mean)/sigma): S1 and S2.
#[derive(Clone, Copy, Debug)]
pub struct Sums<'a> {
    pub dy: &'a [f64],
    pub dy_xhat: &'a [f64],
}

/// [`Sums`] to be written.
#[derive(Debug)]
pub struct SumsMut<'a> {
    pub dy: &'a mut [f64],
    pub dy_xhat: &'a mut [f64],
}

/// `set!(call.field = input slice; Extent)`, or output: the field of args points to the slice.
macro_rules! set {
    ($call:ident.$field:ident = $kind:ident $slice:expr; $extent:ident) => {
        $call.args.$field = $call.$kind(stringify!($field), Extent::$extent, $slice).cast()
    };
}

macro_rules! set_running {
    ($call:ident, $kind:ident $running:expr) => {
        set!($call.running_mean = $kind $running.mean; Channels);
        set!($call.running_var = $kind $running.var; Channels);
    };
}

macro_rules! set_statistics {
    ($call:ident, $statistics:expr) => {
        set!($call.mean = input $statistics.mean; GroupChannels);
        set!($call.sigma = input $statistics.sigma; GroupChannels);
    };
}

macro_rules! set_moments {
    ($call:ident, $kind:ident $moments:expr) => {
        set!($call.count = $kind $moments.count; Groups);
        set!($call.mean = $kind $moments.mean; GroupChannels);
        set!($call.m2 = $kind $moments.m2; GroupChannels);
    };
}

macro_rules! set_affine {
    ($call:ident, $kind:ident $affine:expr) => {
        set!($call.center = $kind $affine.center; GroupChannels);
        set!($call.scale = $kind $affine.scale; GroupChannels);
        set!($call.shift = $kind $affine.shift; GroupChannels);
    };
}

macro_rules! set_sums {
    ($call:ident, $kind:ident $sums:expr) => {
        set!($call.sum_dy = $kind $sums.dy; GroupChannels);
        set!($call.sum_dy_xhat = $kind $sums.dy_xhat; GroupChannels);
    };
}

macro_rules! set_forward {
    ($call:ident, $tensors:expr) => {
        match $tensors {
            Forward::Separate { x, y } => {
                set!($call.x = input x; Tensor);
                set!($call.y = output y; Tensor);
            }
            Forward::InPlace(x) => {
                set!($call.y = output x; Tensor);
                $call.args.x = $call.args.y;
            }
        }
    };
}

macro_rules! set_gradient {
    ($call:ident, $tensors:expr) => {
        match $tensors {
            Gradient::Separate { x, dy, dx } => {
                set!($call.x = input x; Tensor);
                set!($call.dy = input dy; Tensor);
                set!($call.dx = output dx; Tensor);
            }
            Gradient::OverDy { x, dy } => {
                set!($call.x = input x; Tensor);
                set!($call.dx = output dy; Tensor);
                $call.args.dy = $call.args.dx;
            }
            Gradient::OverX { x, dy } => {
                set!($call.dy = input dy; Tensor);
                set!($call.dx = output x; Tensor);
                $call.args.x = $call.args.dx;
            }
            Gradient::ParametersOnly { x, dy } => {
                set!($call.x = input x; Tensor);
                set!($call.dy = input dy; Tensor);
            }
            Gradient::WithoutX { dy, dx } => {
                set!($call.dy = input dy; Tensor);
                set!($call.dx = output dx; Tensor);
            }
            Gradient::WithoutXOverDy { dy } => {
                set!($call.dx = output dy; Tensor);
                $call.args.dy = $call.args.dx;
            }
        }
    };
}

impl<T: Element, P: AtLeast<T>, R: AtLeast<T>> Norm<T, P, R> {
    /// Forward in training: normalises with the statistics of the batch and updates the running ones:
    /// `running += momentum*(batch - running)`, after the correction of batch renorm has been taken from the old ones.
    ///
    /// Batch renorm needs [`running`](Call::running); batch norm without it updates none.
    pub fn train<'a>(&'a self, tensors: impl Into<Forward<'a, T>>) -> Call<'a, op::Train, T, P, R> {
        let mut call = Call::<op::Train, T, P, R>::new(self);
        set_forward!(call, tensors.into());
        call
    }

    /// `y = gamma*(x - mean)/sigma + beta` with the running statistics.
    pub fn inference<'a>(&'a self, tensors: impl Into<Forward<'a, T>>, running: Running<'a, R>) -> Call<'a, op::Inference, T, P, R> {
        let mut call = Call::<op::Inference, T, P, R>::new(self);
        set_forward!(call, tensors.into());
        set_running!(call, input running);
        call
    }

    /// Backward of [`train`](Self::train), from what that saved: `mean` and `sigma`, and with batch renorm `r` and `d`.
    ///
    /// ```
    /// use renorm::{Gradient, Norm, Options, Shape, Statistics};
    ///
    /// let norm = Norm::<f64>::new(Shape::dense(3, 1), Options::batch_norm().eps(0.0))?;
    /// let (x, dy) = ([1.0, 2.0, 6.0], [1.0, 0.0, 0.0]);
    /// let (mut y, mut dx, mut dbeta) = ([0.0; 3], [0.0; 3], [0.0]);
    /// let (mut mean, mut sigma) = ([0.0], [0.0]);
    /// norm.train((&x, &mut y)).mean(&mut mean).sigma(&mut sigma).run()?;
    ///
    /// let statistics = Statistics { mean: &mean, sigma: &sigma };
    /// norm.backward(Gradient::Separate { x: &x, dy: &dy, dx: &mut dx }, statistics).dbeta(&mut dbeta).run()?;
    /// assert_eq!(dbeta, [1.0]);
    /// assert!(dx.iter().sum::<f64>().abs() < 1e-15); // y does not change with the mean of x
    /// # Ok::<(), renorm::Error>(())
    /// ```
    pub fn backward<'a>(&'a self, tensors: Gradient<'a, T>, statistics: Statistics<'a>) -> Call<'a, op::Backward, T, P, R> {
        let mut call = Call::<op::Backward, T, P, R>::new(self);
        set_gradient!(call, tensors);
        set_statistics!(call, statistics);
        call
    }

    /// Backward of [`inference`](Self::inference), with frozen statistics: `dx = gamma/sigma * dy`.
    pub fn inference_backward<'a>(&'a self, tensors: Gradient<'a, T>, running: Running<'a, R>) -> Call<'a, op::InferenceBackward, T, P, R> {
        let mut call = Call::<op::InferenceBackward, T, P, R>::new(self);
        set_gradient!(call, tensors);
        set_running!(call, input running);
        call
    }

    /// Part of [`train`](Self::train): the [`Moments`] of a batch. On many machines those of all are [merged](Self::merge).
    ///
    /// ```
    /// use renorm::{Affine, AffineMut, Moments, MomentsMut, Norm, Options, Shape, Statistics};
    ///
    /// let norm = Norm::<f64>::new(Shape::dense(2, 1), Options::batch_norm().eps(0.0))?;
    /// let (mut x, other_x) = ([1.0, 2.0], [3.0, 6.0]); // two machines have a half of the batch each
    /// let (mut count, mut mean, mut m2) = ([0], [0.0], [0.0]);
    /// let (mut other_count, mut other_mean, mut other_m2) = ([0], [0.0], [0.0]);
    /// norm.moments(&x, MomentsMut { count: &mut count, mean: &mut mean, m2: &mut m2 }).run()?;
    /// norm.moments(&other_x, MomentsMut { count: &mut other_count, mean: &mut other_mean, m2: &mut other_m2 }).run()?;
    ///
    /// let other = Moments { count: &other_count, mean: &other_mean, m2: &other_m2 };
    /// norm.merge(MomentsMut { count: &mut count, mean: &mut mean, m2: &mut m2 }, other).run()?;
    /// assert_eq!((count, mean, m2), ([4], [3.0], [14.0]));
    ///
    /// let mut sigma = [0.0];
    /// norm.correction(Moments { count: &count, mean: &mean, m2: &m2 }, &mut sigma).run()?;
    /// let (mut center, mut scale, mut shift) = ([0.0], [0.0], [0.0]);
    /// let map = AffineMut { center: &mut center, scale: &mut scale, shift: &mut shift };
    /// norm.coefficients(map).statistics(Statistics { mean: &mean, sigma: &sigma }).run()?;
    /// norm.apply(&mut x[..], Affine { center: &center, scale: &scale, shift: &shift }).run()?;
    /// assert_eq!(x.map(|y| (y * 1000.0).round()), [-1069.0, -535.0]);
    /// # Ok::<(), renorm::Error>(())
    /// ```
    pub fn moments<'a>(&'a self, x: &'a [T], moments: MomentsMut<'a>) -> Call<'a, op::Moments, T, P, R> {
        let mut call = Call::<op::Moments, T, P, R>::new(self);
        set!(call.x = input x; Tensor);
        set_moments!(call, output moments);
        call
    }

    /// Merges the moments of another part of the batch into `moments`. The order of merges decides the last bits.
    pub fn merge<'a>(&'a self, moments: MomentsMut<'a>, other: Moments<'a>) -> Call<'a, op::Merge, T, P, R> {
        let mut call = Call::<op::Merge, T, P, R>::new(self);
        set_moments!(call, output moments);
        set!(call.other_count = input other.count; Groups);
        set!(call.other_mean = input other.mean; GroupChannels);
        set!(call.other_m2 = input other.m2; GroupChannels);
        call
    }

    /// The update of the running statistics that [`train`](Self::train) ends with. None of an empty batch.
    pub fn update_running<'a>(&'a self, moments: Moments<'a>, running: RunningMut<'a, R>) -> Call<'a, op::UpdateRunning, T, P, R> {
        let mut call = Call::<op::UpdateRunning, T, P, R>::new(self);
        set_moments!(call, input moments);
        set_running!(call, output running);
        call
    }

    /// sigma of a batch, and the correction `r`, `d` of batch renorm, which needs [`running`](Call::running).
    pub fn correction<'a>(&'a self, moments: Moments<'a>, sigma: &'a mut [f64]) -> Call<'a, op::Correction, T, P, R> {
        let mut call = Call::<op::Correction, T, P, R>::new(self);
        set_moments!(call, input moments);
        set!(call.sigma = output sigma; GroupChannels);
        call
    }

    /// The map of a forward pass: `center = mean`, `scale = gamma*r/sigma`, `shift = gamma*d + beta`, from
    /// [`statistics`](Call::statistics) of a batch, or from [`running`](Call::running) ones.
    pub fn coefficients<'a>(&'a self, map: AffineMut<'a>) -> Call<'a, op::Coefficients, T, P, R> {
        let mut call = Call::<op::Coefficients, T, P, R>::new(self);
        set_affine!(call, output map);
        call
    }

    /// `y = scale*(x - center) + shift`, accurate where `center` is large.
    pub fn apply<'a>(&'a self, tensors: impl Into<Forward<'a, T>>, map: Affine<'a>) -> Call<'a, op::Apply, T, P, R> {
        let mut call = Call::<op::Apply, T, P, R>::new(self);
        set_forward!(call, tensors.into());
        set_affine!(call, input map);
        call
    }

    /// Part of [`backward`](Self::backward): the [`Sums`] of a batch. On many machines those of all are added.
    pub fn backward_reduce<'a>(
        &'a self,
        x: &'a [T],
        dy: &'a [T],
        statistics: Statistics<'a>,
        sums: SumsMut<'a>,
    ) -> Call<'a, op::BackwardReduce, T, P, R> {
        let mut call = Call::<op::BackwardReduce, T, P, R>::new(self);
        set!(call.x = input x; Tensor);
        set!(call.dy = input dy; Tensor);
        set_statistics!(call, statistics);
        set_sums!(call, output sums);
        call
    }

    /// The rest of [`backward`](Self::backward): `dgamma` and `dbeta` from the sums, and `dx` if it is given
    /// [`tensors`](Call::tensors) and [`statistics`](Call::statistics).
    pub fn backward_apply<'a>(&'a self, sums: Sums<'a>) -> Call<'a, op::BackwardApply, T, P, R> {
        let mut call = Call::<op::BackwardApply, T, P, R>::new(self);
        set_sums!(call, input sums);
        call
    }

    /// Folds [`inference`](Self::inference) into the layer before it: `scale = gamma/sigma`, `folded_weights = scale*weights`,
    /// `folded_bias = scale*(bias - mean) + beta`. The weights are a tensor whose channels are the output channels of the layer: those of
    /// a transposed convolution, `[i][o][h][w]`, have `Shape::nchw(i, o, h*w)`.
    ///
    /// ```
    /// use renorm::{Norm, Options, Running, Shape};
    ///
    /// let norm = Norm::<f64>::new(Shape::nchw(1, 2, 3), Options::batch_norm().eps(0.0))?; // a dense layer from 3 to 2 values
    /// let mut weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    /// let mut bias = [0.0; 2];
    /// let running = Running { mean: &[1.0, 2.0], var: &[4.0, 0.25] };
    /// norm.fold(running).weights(&mut weights[..]).bias(&[3.0, 3.0]).folded_bias(&mut bias).run()?;
    /// assert_eq!((weights, bias), ([0.5, 1.0, 1.5, 8.0, 10.0, 12.0], [1.0, 2.0]));
    /// # Ok::<(), renorm::Error>(())
    /// ```
    pub fn fold<'a>(&'a self, running: Running<'a, R>) -> Call<'a, op::Fold, T, P, R> {
        let mut call = Call::<op::Fold, T, P, R>::new(self);
        set_running!(call, input running);
        call
    }
}

/// `setters! { Operation { name: input [element; Extent], "what it is"; } }`: methods of Call for the optional arrays of operations.
macro_rules! setters {
    ($($op:ident { $($name:ident: $kind:ident [$element:ty; $extent:ident], $doc:literal;)* })*) => {
        $(
            impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::$op, T, P, R> {
                $(
                    #[doc = $doc]
                    pub fn $name(mut self, $name: setters!(@slice $kind $element)) -> Self {
                        set!(self.$name = $kind $name; $extent);
                        self
                    }
                )*
            }
        )*
    };
    (@slice input $element:ty) => { &'a [$element] };
    (@slice output $element:ty) => { &'a mut [$element] };
}

setters! {
    Train {
        gamma: input [P; Channels], "Scale; 1 without it.";
        beta: input [P; Channels], "Shift; 0 without it.";
        mean: output [f64; GroupChannels], "Saved for the backward pass.";
        sigma: output [f64; GroupChannels], "Saved for the backward pass: the root.";
        r: output [f64; GroupChannels], "Saved for the backward pass of batch renorm; 1 for batch norm.";
        d: output [f64; GroupChannels], "Saved for the backward pass of batch renorm; 0 for batch norm.";
        count: output [i64; Groups], "m; one element for each group.";
        m2: output [f64; GroupChannels], "sum((x - mean)^2): with count and mean the [`Moments`] of the batch.";
        z: input [T; Addend], "What an [`Epilogue`](crate::Epilogue) adds.";
    }
    Inference {
        gamma: input [P; Channels], "Scale; 1 without it.";
        beta: input [P; Channels], "Shift; 0 without it.";
        z: input [T; Addend], "What an [`Epilogue`](crate::Epilogue) adds.";
    }
    Backward {
        gamma: input [P; Channels], "Scale; 1 without it.";
        r: input [f64; GroupChannels], "As saved; needed with batch renorm.";
        d: input [f64; GroupChannels], "As saved; needed with batch renorm.";
        count: input [i64; Groups], "m, one element for each group; what the tensor has without it.";
        dgamma: output [P; Channels], "The gradient of gamma.";
        dbeta: output [P; Channels], "The gradient of beta.";
        beta: input [P; Channels], "That of the forward pass, for a ReLU; 0 without it.";
        z: input [T; Addend], "That of the forward pass; needed with [`Epilogue::AddRelu`](crate::Epilogue::AddRelu).";
        dz: output [T; Addend], "The gradient of what an [`Epilogue`](crate::Epilogue) adds; needs `dx`.";
    }
    InferenceBackward {
        gamma: input [P; Channels], "Scale; 1 without it.";
        dgamma: output [P; Channels], "The gradient of gamma.";
        dbeta: output [P; Channels], "The gradient of beta.";
        beta: input [P; Channels], "That of the forward pass, for a ReLU; 0 without it.";
        z: input [T; Addend], "That of the forward pass; needed with [`Epilogue::AddRelu`](crate::Epilogue::AddRelu).";
        dz: output [T; Addend], "The gradient of what an [`Epilogue`](crate::Epilogue) adds; needs `dx`.";
    }
    Correction {
        r: output [f64; GroupChannels], "1 for batch norm.";
        d: output [f64; GroupChannels], "0 for batch norm.";
    }
    Coefficients {
        r: input [f64; GroupChannels], "1 without it.";
        d: input [f64; GroupChannels], "0 without it.";
        gamma: input [P; Channels], "Scale; 1 without it.";
        beta: input [P; Channels], "Shift; 0 without it.";
    }
    Apply {
        z: input [T; Addend], "What an [`Epilogue`](crate::Epilogue) adds.";
    }
    Fold {
        gamma: input [P; Channels], "Scale; 1 without it.";
        beta: input [P; Channels], "Shift; 0 without it.";
        bias: input [P; Channels], "That of the layer; 0 without it.";
        scale: output [P; Channels], "`gamma/sigma`.";
        folded_bias: output [P; Channels], "The new bias of the layer; without one, the shift of `y = scale*x + shift`.";
    }
    BackwardReduce {
        gamma: input [P; Channels], "That of the forward pass, for a ReLU; 1 without it.";
        beta: input [P; Channels], "That of the forward pass, for a ReLU; 0 without it.";
        r: input [f64; GroupChannels], "As saved; a ReLU behind batch renorm needs it.";
        d: input [f64; GroupChannels], "As saved; a ReLU behind batch renorm needs it.";
        z: input [T; Addend], "That of the forward pass; needed with [`Epilogue::AddRelu`](crate::Epilogue::AddRelu).";
    }
    BackwardApply {
        gamma: input [P; Channels], "Scale; 1 without it.";
        r: input [f64; GroupChannels], "Needed with batch renorm.";
        d: input [f64; GroupChannels], "Needed with batch renorm.";
        count: input [i64; Groups], "m of the whole batch, one element for each group; what the tensor has without it.";
        dgamma: output [P; Channels], "The gradient of gamma.";
        dbeta: output [P; Channels], "The gradient of beta.";
        beta: input [P; Channels], "That of the forward pass, for a ReLU; 0 without it.";
        z: input [T; Addend], "That of the forward pass; needed with [`Epilogue::AddRelu`](crate::Epilogue::AddRelu).";
        dz: output [T; Addend], "The gradient of what an [`Epilogue`](crate::Epilogue) adds; needs `dx`.";
    }
}

impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::Fold, T, P, R> {
    /// The weights of the layer, and what becomes of them: `(&weights, &mut folded)`, or `&mut weights` to overwrite them.
    pub fn weights(mut self, weights: impl Into<Forward<'a, T>>) -> Self {
        match weights.into() {
            Forward::Separate { x, y } => {
                set!(self.weights = input x; Tensor);
                set!(self.folded_weights = output y; Tensor);
            }
            Forward::InPlace(x) => {
                set!(self.folded_weights = output x; Tensor);
                self.args.weights = self.args.folded_weights;
            }
        }
        self
    }
}

/// Operations that take tensors.
macro_rules! masked {
    ($($op:ident)*) => {
        $(
            impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::$op, T, P, R> {
                /// Which positions count; needed with [`Options::mask`](crate::Options::mask), and of its kind.
                pub fn mask(mut self, mask: Mask<'a>) -> Self {
                    match (mask, self.mask_kind()) {
                        (Mask::Bytes(bytes), sys::RENORM_MASK_BYTES) => set!(self.mask = input bytes; Positions),
                        (Mask::Lengths(lengths), sys::RENORM_MASK_LENGTHS) => set!(self.mask = input lengths; Samples),
                        _ => self.refuse(Error::MaskKind),
                    }
                    self
                }
            }
        )*
    };
}

masked! { Train Inference Backward InferenceBackward Moments Apply BackwardReduce BackwardApply }

/// Operations that count the channels in which something is not finite.
macro_rules! counting {
    ($($op:ident: $doc:literal;)*) => {
        $(
            impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::$op, T, P, R> {
                #[doc = concat!("The number of channels ", $doc)]
                pub fn nonfinite(mut self, nonfinite: &'a mut i64) -> Self {
                    self.args.nonfinite = nonfinite;
                    self
                }
            }
        )*
    };
}

counting! {
    Train: "whose statistics, map from `x` to `y`, or updated running statistics are not finite.";
    Inference: "whose map from `x` to `y` is not finite, as that of a running variance below `-eps`.";
    UpdateRunning: "whose updated running statistics are not finite.";
    Coefficients: "whose map is not finite, as that of a running variance below `-eps`.";
    Fold: "with a scale or a folded value that is not finite, as those of a running variance below `-eps`.";
}

impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::Train, T, P, R> {
    /// The running statistics, which the correction of batch renorm is taken from and the batch is fed to.
    pub fn running(mut self, running: RunningMut<'a, R>) -> Self {
        set_running!(self, output running);
        self
    }

    /// Incremented when the running statistics are updated. Needed with [`Options::cumulative`](crate::Options::cumulative), and then 0
    /// before the first batch.
    pub fn num_batches(mut self, num_batches: &'a mut i64) -> Self {
        self.args.num_batches = num_batches;
        self
    }
}

impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::UpdateRunning, T, P, R> {
    /// As in [`Norm::train`].
    pub fn num_batches(mut self, num_batches: &'a mut i64) -> Self {
        self.args.num_batches = num_batches;
        self
    }
}

impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::Correction, T, P, R> {
    /// The running statistics that `r` and `d` are relative to.
    pub fn running(mut self, running: Running<'a, R>) -> Self {
        set_running!(self, input running);
        self
    }

    /// The sigma of the running statistics is raised to this first; finite and >= 0.
    pub fn sigma_floor(mut self, sigma_floor: f64) -> Self {
        self.args.sigma_floor = sigma_floor;
        self
    }
}

impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::Coefficients, T, P, R> {
    /// The statistics of a batch; they win over running ones.
    pub fn statistics(mut self, statistics: Statistics<'a>) -> Self {
        set_statistics!(self, statistics);
        self
    }

    /// Running statistics, for inference.
    pub fn running(mut self, running: Running<'a, R>) -> Self {
        set_running!(self, input running);
        self
    }
}

impl<'a, T: Element, P: AtLeast<T>, R: AtLeast<T>> Call<'a, op::BackwardApply, T, P, R> {
    /// `x`, `dy` and the `dx` to be computed.
    pub fn tensors(mut self, tensors: Gradient<'a, T>) -> Self {
        // What an earlier choice has set does not stay.
        (self.args.x, self.args.dy, self.args.dx) = (ptr::null(), ptr::null(), ptr::null_mut());
        set_gradient!(self, tensors);
        self
    }

    /// The statistics of the batch.
    pub fn statistics(mut self, statistics: Statistics<'a>) -> Self {
        set_statistics!(self, statistics);
        self
    }
}
