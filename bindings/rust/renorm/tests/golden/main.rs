//! The golden values, for both element types and layouts, by whole calls, in place, and by parts.

mod case;

use case::{numbers, Case, Number};
use renorm::{
    Affine, AffineMut, Epilogue, Forward, Gradient, GroupOrder, Layout, Mask, MaskKind, Moments, MomentsMut, Norm, Options, Ramp, Running,
    RunningMut, Shape, Statistics, Sums, SumsMut,
};

/// A case in one element type and layout.
struct Problem<'a, T: Number> {
    norm: Norm<T>,
    shape: Shape,
    groups: usize,
    mask: Option<Mask<'a>>,
    x: Vec<T>,
    dy: Vec<T>,
    z: Option<Vec<T>>, // with an addition
    gamma: Option<Vec<T>>,
    beta: Option<Vec<T>>,
    running_mean: Vec<T>,
    running_var: Vec<T>,
}

#[derive(Clone, Debug, PartialEq)]
struct Trained<T> {
    y: Vec<T>,
    count: Vec<i64>,
    mean: Vec<f64>,
    sigma: Vec<f64>,
    r: Vec<f64>,
    d: Vec<f64>,
    running_mean: Vec<T>,
    running_var: Vec<T>,
}

#[derive(Clone, Debug, PartialEq)]
struct Gradients<T> {
    dx: Vec<T>,
    dz: Vec<T>, // with an addition, if dx is wanted
    dgamma: Vec<T>,
    dbeta: Vec<T>,
}

/// `call.name(array)` where there is an array.
macro_rules! give {
    ($call:ident.$name:ident($array:expr)) => {
        if let Some(array) = &$array {
            $call = $call.$name(array);
        }
    };
}

macro_rules! give_mask {
    ($call:ident, $problem:expr) => {
        if let Some(mask) = $problem.mask {
            $call = $call.mask(mask);
        }
    };
}

/// What a backward pass takes of the parameters and of the epilogue; `dz` is written with `dx` only.
macro_rules! give_backward {
    ($call:ident, $problem:expr, $dz:expr, $way:expr) => {
        give!($call.gamma($problem.gamma));
        give!($call.beta($problem.beta));
        give!($call.z($problem.z));
        give_mask!($call, $problem);
        if $problem.z.is_some() && !matches!($way, Way::ParametersOnly) {
            $call = $call.dz(&mut $dz);
        }
    };
}

impl<'a, T: Number> Problem<'a, T> {
    fn new(case: &Case, layout: Layout, mask: Option<Mask<'a>>, unbiased_running: bool) -> Self {
        let shape = Shape { layout, n: case.size("n"), c: case.size("c"), s: case.size("s") };
        let mut options = match case.number("rmax") {
            Some(rmax) => Options::batch_renorm(rmax, case.number("dmax").unwrap()),
            None => Options::batch_norm(),
        };
        if let Some(eps) = case.number("eps") {
            options = options.eps(eps);
        }
        if let Some(momentum) = case.number("momentum") {
            options = options.momentum(momentum);
        }
        let tracks_sigma = case.text("track") == Some("sigma");
        if tracks_sigma {
            options = options.track_sigma();
        }
        if case.text("unbiased") == Some("1") {
            options = options.unbiased();
        }
        if unbiased_running {
            options = options.unbiased_running();
        }
        match (case.has("relu"), case.has("add")) {
            (false, false) => {}
            (true, false) => options = options.epilogue(Epilogue::Relu),
            (false, true) => options = options.epilogue(Epilogue::Add),
            (true, true) => options = options.epilogue(Epilogue::AddRelu),
        }
        let groups = case.groups();
        options = options.groups(groups, case.group_order());
        match mask {
            None => {}
            Some(Mask::Bytes(_)) => options = options.mask(MaskKind::Bytes),
            Some(Mask::Lengths(_)) => options = options.mask(MaskKind::Lengths),
        }
        let array = |name: &str| case.array(name).map(numbers);
        Problem {
            norm: Norm::new(shape, options).unwrap(),
            shape,
            groups,
            mask,
            x: to_layout(&array("x").unwrap(), shape),
            dy: to_layout(&array("dy").unwrap(), shape),
            z: array("z").map(|z: Vec<T>| to_layout(&z, shape)),
            gamma: array("gamma"),
            beta: array("beta"),
            running_mean: array("running_mean").unwrap(),
            running_var: array(if tracks_sigma { "running_sigma" } else { "running_var" }).unwrap(),
        }
    }

    /// A value for each channel of each group.
    fn zeros(&self) -> Vec<f64> {
        vec![0.0; self.groups * self.shape.c]
    }

    fn untrained(&self) -> Trained<T> {
        let zeros = || self.zeros();
        Trained {
            y: self.x.clone(),
            count: vec![0; self.groups],
            mean: zeros(),
            sigma: zeros(),
            r: zeros(),
            d: zeros(),
            running_mean: self.running_mean.clone(),
            running_var: self.running_var.clone(),
        }
    }

    fn no_gradients(&self) -> Gradients<T> {
        let zeros = || vec![T::default(); self.shape.c];
        let z_values = self.z.as_ref().map_or(0, Vec::len);
        Gradients { dx: vec![T::default(); self.x.len()], dz: vec![T::default(); z_values], dgamma: zeros(), dbeta: zeros() }
    }

    fn running(&self) -> Running<'_, T> {
        Running { mean: &self.running_mean, var: &self.running_var }
    }

    fn train(&self, in_place: bool) -> Trained<T> {
        let mut t = self.untrained();
        let tensors: Forward<T> = if in_place { t.y.as_mut_slice().into() } else { (&self.x, &mut t.y).into() };
        let running = RunningMut { mean: &mut t.running_mean, var: &mut t.running_var };
        let mut call = self.norm.train(tensors).running(running);
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        give!(call.z(self.z));
        give_mask!(call, self);
        call.mean(&mut t.mean).sigma(&mut t.sigma).r(&mut t.r).d(&mut t.d).count(&mut t.count).run().unwrap();
        t
    }

    fn train_by_parts(&self) -> Trained<T> {
        let (mut t, zeros) = (self.untrained(), || self.zeros());
        let (mut m2, mut center, mut scale, mut shift) = (zeros(), zeros(), zeros(), zeros());
        // An empty part of the batch, and this one.
        self.norm
            .merge(
                MomentsMut { count: &mut t.count, mean: &mut t.mean, m2: &mut m2 },
                Moments { count: &vec![0; self.groups], mean: &zeros(), m2: &zeros() },
            )
            .run()
            .unwrap();
        assert_eq!(t.count, vec![0; self.groups]);
        let mut call = self.norm.moments(&self.x, MomentsMut { count: &mut t.count, mean: &mut t.mean, m2: &mut m2 });
        give_mask!(call, self);
        call.run().unwrap();
        let moments = Moments { count: &t.count, mean: &t.mean, m2: &m2 };
        self.norm.correction(moments, &mut t.sigma).running(self.running()).r(&mut t.r).d(&mut t.d).run().unwrap();

        let map = AffineMut { center: &mut center, scale: &mut scale, shift: &mut shift };
        let statistics = Statistics { mean: &t.mean, sigma: &t.sigma };
        let mut call = self.norm.coefficients(map).statistics(statistics).r(&t.r).d(&t.d);
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        call.run().unwrap();
        let mut call = self.norm.apply((&self.x, &mut t.y), Affine { center: &center, scale: &scale, shift: &shift });
        give!(call.z(self.z));
        give_mask!(call, self);
        call.run().unwrap();
        let running = RunningMut { mean: &mut t.running_mean, var: &mut t.running_var };
        let moments = Moments { count: &t.count, mean: &t.mean, m2: &m2 };
        self.norm.update_running(moments, running).run().unwrap();
        t
    }

    /// `way` says which of x, dy and dx share their memory.
    fn backward(&self, t: &Trained<T>, way: Way) -> Gradients<T> {
        let mut g = self.no_gradients();
        let (mut x, mut dy) = (self.x.clone(), self.dy.clone());
        let mut call = self.norm.backward(way.tensors(&mut x, &mut dy, &mut g.dx), statistics(t)).r(&t.r).d(&t.d).count(&t.count);
        give_backward!(call, self, g.dz, way);
        call.dgamma(&mut g.dgamma).dbeta(&mut g.dbeta).run().unwrap();
        way.take_dx(x, dy, &mut g.dx);
        g
    }

    fn backward_by_parts(&self, t: &Trained<T>) -> Gradients<T> {
        let (mut g, mut sum_dy, mut sum_dy_xhat) = (self.no_gradients(), self.zeros(), self.zeros());
        let sums = SumsMut { dy: &mut sum_dy, dy_xhat: &mut sum_dy_xhat };
        let mut call = self.norm.backward_reduce(&self.x, &self.dy, statistics(t), sums).r(&t.r).d(&t.d);
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        give!(call.z(self.z));
        give_mask!(call, self);
        call.run().unwrap();
        let sums = Sums { dy: &sum_dy, dy_xhat: &sum_dy_xhat };
        let tensors = Gradient::Separate { x: &self.x, dy: &self.dy, dx: &mut g.dx };
        let mut call = self.norm.backward_apply(sums).tensors(tensors).statistics(statistics(t)).r(&t.r).d(&t.d).count(&t.count);
        give_backward!(call, self, g.dz, Way::Separate);
        call.dgamma(&mut g.dgamma).dbeta(&mut g.dbeta).run().unwrap();
        g
    }

    fn infer(&self, in_place: bool) -> Vec<T> {
        let mut y = self.x.clone();
        let tensors: Forward<T> = if in_place { y.as_mut_slice().into() } else { (&self.x, &mut y).into() };
        let mut call = self.norm.inference(tensors, self.running());
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        give!(call.z(self.z));
        give_mask!(call, self);
        call.run().unwrap();
        y
    }

    fn infer_by_parts(&self) -> Vec<T> {
        let (mut y, zeros) = (self.x.clone(), || vec![0.0; self.shape.c]);
        let (mut center, mut scale, mut shift) = (zeros(), zeros(), zeros());
        let map = AffineMut { center: &mut center, scale: &mut scale, shift: &mut shift };
        let mut call = self.norm.coefficients(map).running(self.running());
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        call.run().unwrap();
        let mut call = self.norm.apply(y.as_mut_slice(), Affine { center: &center, scale: &scale, shift: &shift });
        give!(call.z(self.z));
        give_mask!(call, self);
        call.run().unwrap();
        y
    }

    fn inference_backward(&self, way: Way) -> Gradients<T> {
        let mut g = self.no_gradients();
        let (mut x, mut dy) = (self.x.clone(), self.dy.clone());
        let mut call = self.norm.inference_backward(way.tensors(&mut x, &mut dy, &mut g.dx), self.running());
        give_backward!(call, self, g.dz, way);
        if !way.is_without_x() {
            call = call.dgamma(&mut g.dgamma);
        }
        call.dbeta(&mut g.dbeta).run().unwrap();
        way.take_dx(x, dy, &mut g.dx);
        g
    }
}

fn statistics<T>(t: &Trained<T>) -> Statistics<'_> {
    Statistics { mean: &t.mean, sigma: &t.sigma }
}

/// Which of x, dy and dx share their memory, and which are there.
#[derive(Clone, Copy, Debug)]
enum Way {
    Separate,
    OverDy,
    OverX,
    ParametersOnly,
    WithoutX,
    WithoutXOverDy,
}

impl Way {
    fn tensors<'a, T>(self, x: &'a mut [T], dy: &'a mut [T], dx: &'a mut [T]) -> Gradient<'a, T> {
        match self {
            Way::Separate => Gradient::Separate { x, dy, dx },
            Way::OverDy => Gradient::OverDy { x, dy },
            Way::OverX => Gradient::OverX { x, dy },
            Way::ParametersOnly => Gradient::ParametersOnly { x, dy },
            Way::WithoutX => Gradient::WithoutX { dy, dx },
            Way::WithoutXOverDy => Gradient::WithoutXOverDy { dy },
        }
    }

    fn take_dx<T>(self, x: Vec<T>, dy: Vec<T>, dx: &mut Vec<T>) {
        match self {
            Way::OverDy | Way::WithoutXOverDy => *dx = dy,
            Way::OverX => *dx = x,
            Way::Separate | Way::ParametersOnly | Way::WithoutX => {}
        }
    }

    fn is_without_x(self) -> bool {
        matches!(self, Way::WithoutX | Way::WithoutXOverDy)
    }
}

/// From the order (n, c, s), which golden files have.
fn to_layout<T: Copy>(tensor: &[T], shape: Shape) -> Vec<T> {
    let at = |i: usize, c: usize, k: usize| tensor[(i * shape.c + c) * shape.s + k];
    match shape.layout {
        Layout::Nchw => tensor.to_vec(),
        Layout::Nhwc => {
            let positions = (0..shape.n).flat_map(|i| (0..shape.s).map(move |k| (i, k)));
            positions.flat_map(|(i, k)| (0..shape.c).map(move |c| at(i, c, k))).collect()
        }
    }
}

/// For each element of a tensor, where values per group and channel have that of its group and channel.
fn columns(case: &Case, shape: Shape) -> Vec<usize> {
    let groups = case.groups();
    let group = |i: usize| match case.group_order() {
        GroupOrder::Contiguous => i * groups / shape.n,
        GroupOrder::Interleaved => i % groups,
    };
    let elements = 0..shape.n * shape.c * shape.s;
    let in_order: Vec<usize> = elements.map(|i| group(i / (shape.c * shape.s)) * shape.c + i / shape.s % shape.c).collect();
    to_layout(&in_order, shape)
}

/// For each element of a tensor, whether it counts.
fn counted(case: &Case, shape: Shape) -> Vec<bool> {
    let valid = case.valid();
    let elements = 0..shape.n * shape.c * shape.s;
    let in_order: Vec<bool> = elements.map(|i| valid[i / (shape.c * shape.s) * shape.s + i % shape.s] != 0).collect();
    to_layout(&in_order, shape)
}

/// Whether arguments arrive where they belong; how accurate the library is, its own tests say, with an analysis. By that, an error
/// relative to the scale of a result is at most some 10*(3*E + 3) roundoffs with E = 2*(k + 2)/sqrt(m), m values added in lanes of k:
/// below 1000 for the small m <= 211 here. The golden values are good to 1e-12 of the scales.
fn tolerance<T: Number>() -> f64 {
    1000.0 * T::ROUNDOFF + 1e-12
}

/// Golden values for the results of one problem.
struct Golden<'a> {
    case: &'a Case,
    shape: Shape,
    column: Vec<usize>,
    counted: Vec<bool>,
}

impl<'a> Golden<'a> {
    fn new(case: &'a Case, shape: Shape) -> Self {
        Golden { case, shape, column: columns(case, shape), counted: counted(case, shape) }
    }

    /// scale: what errors are relative to besides the value itself, for each channel of each group.
    fn compare_tensor<T: Number>(&self, name: &str, got: &[T], scale: impl Fn(usize) -> f64) {
        self.compare(name, got, &to_layout(self.array(name), self.shape), |i| scale(self.column[i]));
    }

    /// The same for an array with an element for each channel, or each channel of each group.
    fn compare_channels<T: Number>(&self, name: &str, got: &[T], scale: impl Fn(usize) -> f64) {
        self.compare(name, got, self.array(name), scale);
    }

    /// The same for what is there if the case has that parameter.
    fn compare_gradient<T: Number>(&self, parameter: &str, got: &[T], scale: impl Fn(usize) -> f64) {
        if self.case.array(parameter).is_some() {
            self.compare_channels(&format!("d{}", parameter), got, scale);
        }
    }

    fn array(&self, name: &str) -> &[f64] {
        self.case.array(name).unwrap_or_else(|| panic!("{} has no {}", self.case.name, name))
    }

    /// Underflow may lose some TINY of a value on the way, a hundred where it is summed.
    fn compare<T: Number>(&self, name: &str, got: &[T], want: &[f64], scale: impl Fn(usize) -> f64) {
        assert_eq!(got.len(), want.len());
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            // Beyond the type it is stored in, a value is infinite.
            if got.value() == T::of(*want).value() {
                continue;
            }
            let error = (got.value() - want).abs();
            let allowed = tolerance::<T>() * (want.abs() + scale(i)) + 100.0 * T::TINY;
            assert!(
                error <= allowed,
                "{}: {}[{}] is {:?}, not {:e}: {:e} off, not {:e}",
                self.case.name,
                name,
                i,
                got,
                want,
                error,
                allowed
            );
        }
    }

    /// A function of the values that count of one channel of one group.
    fn fold<T: Number>(&self, tensor: &[T], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mut folded = vec![0.0; self.case.groups() * self.shape.c];
        for ((value, i), _) in tensor.iter().zip(&self.column).zip(&self.counted).filter(|(_, counted)| **counted) {
            folded[*i] = f(folded[*i], value.value().abs());
        }
        folded
    }

    /// A function of the values of all groups, for each channel.
    fn over_groups(&self, f: impl Fn(f64, f64) -> f64, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let groups = |c| (0..self.case.groups()).map(move |g| g * self.shape.c + c);
        (0..self.shape.c).map(|c| groups(c).map(&value).fold(0.0, &f)).collect()
    }
}

fn check_training<T: Number>(case: &Case, layout: Layout, mask: Option<Mask>, unbiased_running: bool) {
    let p = Problem::<T>::new(case, layout, mask, unbiased_running);
    let (golden, t, m) = (Golden::new(case, p.shape), p.train(false), case.size("m"));
    let (max_x, max_y, max_dy) = (golden.fold(&p.x, f64::max), golden.fold(&t.y, f64::max), golden.fold(&p.dy, f64::max));
    let old_mean = |i: usize| p.running_mean[i % p.shape.c].value().abs();
    let gamma = |i: usize| p.gamma.as_ref().map_or(1.0, |gamma| gamma[i % p.shape.c].value());

    golden.compare_tensor("y", &t.y, |i| max_y[i]);
    let mean_scale = golden.over_groups(f64::max, |i| max_x[i] + old_mean(i));
    golden.compare_channels("new_running_mean", &t.running_mean, |c| mean_scale[c]);
    let spread = match (case.text("track"), unbiased_running && m > 1) {
        (Some("sigma"), _) => "new_running_sigma",
        (_, false) => "new_running_var_biased",
        (_, true) => "new_running_var_unbiased",
    };
    golden.compare_channels(spread, &t.running_var, |_| 0.0);
    // Saved statistics are f64, but sums of values of T.
    let saved = |name: &str, got: &[f64], scale: &dyn Fn(usize) -> f64| golden.compare_channels(name, &numbers::<T>(got), scale);
    saved("mean", &t.mean, &|i| max_x[i]);
    saved("sigma_batch", &t.sigma, &|_| 0.0);
    if case.number("rmax").is_some() {
        saved("r", &t.r, &|_| 0.0);
        saved("d", &t.d, &|i| (max_x[i] + old_mean(i)) / running_sigma(&p, case, i % p.shape.c));
    } else {
        assert_eq!((&t.r, &t.d), (&vec![1.0; t.r.len()], &vec![0.0; t.d.len()]));
    }
    assert_eq!(t.count, vec![m as i64; case.groups()]);

    let g = p.backward(&t, Way::Separate);
    let sum_dy = golden.fold(&p.dy, |sum, dy| sum + dy);
    // No value is further from the mean than sqrt(m) deviations.
    let max_xhat = (m as f64).sqrt();
    golden.compare_tensor("dx", &g.dx, |i| (gamma(i) * t.r[i] / t.sigma[i]).abs() * max_dy[i]);
    if p.z.is_some() {
        golden.compare_tensor("dz", &g.dz, |_| 0.0);
    }
    let sum = |value: &dyn Fn(usize) -> f64| golden.over_groups(|sum, value| sum + value, value);
    let (dbeta, dgamma) = (sum(&|i| sum_dy[i]), sum(&|i| sum_dy[i] * (max_xhat * t.r[i] + t.d[i].abs())));
    golden.compare_gradient("beta", &g.dbeta, |c| dbeta[c]);
    golden.compare_gradient("gamma", &g.dgamma, |c| dgamma[c]);

    assert_eq!(p.train(true), t, "{} in place", case.name);
    assert_eq!(p.train_by_parts(), t, "{} by parts", case.name);
    assert_eq!(p.backward(&t, Way::OverDy), g, "{} over dy", case.name);
    assert_eq!(p.backward(&t, Way::OverX), g, "{} over x", case.name);
    assert_eq!(p.backward_by_parts(&t), g, "{} by parts", case.name);
    let without_dx = Gradients { dx: p.no_gradients().dx, dz: p.no_gradients().dz, ..g };
    assert_eq!(p.backward(&t, Way::ParametersOnly), without_dx, "{} without dx", case.name);
}

fn running_sigma<T: Number>(p: &Problem<T>, case: &Case, c: usize) -> f64 {
    let spread = p.running_var[c].value();
    if case.text("track") == Some("sigma") {
        spread
    } else {
        (spread + case.number("eps").unwrap()).sqrt()
    }
}

fn check_inference<T: Number>(case: &Case, layout: Layout) {
    let p = Problem::<T>::new(case, layout, None, false);
    let (golden, y) = (Golden::new(case, p.shape), p.infer(false));
    let max_y = golden.fold(&y, f64::max);
    golden.compare_tensor("y", &y, |c| max_y[c]);
    assert_eq!(p.infer(true), y, "{} in place", case.name);
    assert_eq!(p.infer_by_parts(), y, "{} by parts", case.name);

    let g = p.inference_backward(Way::Separate);
    let max_x = golden.fold(&p.x, f64::max);
    let sum_dy = golden.fold(&p.dy, |sum, dy| sum + dy);
    golden.compare_tensor("dx", &g.dx, |_| 0.0);
    if p.z.is_some() {
        golden.compare_tensor("dz", &g.dz, |_| 0.0);
    }
    golden.compare_gradient("beta", &g.dbeta, |c| sum_dy[c]);
    let max_xhat = |c: usize| (max_x[c] + p.running_mean[c].value().abs()) / running_sigma(&p, case, c);
    golden.compare_gradient("gamma", &g.dgamma, |c| sum_dy[c] * max_xhat(c));

    let without_dx = Gradients { dx: p.no_gradients().dx, dz: p.no_gradients().dz, ..g.clone() };
    let without_dgamma = Gradients { dgamma: p.no_gradients().dgamma, ..g.clone() };
    assert_eq!(p.inference_backward(Way::OverDy), g, "{} over dy", case.name);
    assert_eq!(p.inference_backward(Way::OverX), g, "{} over x", case.name);
    assert_eq!(p.inference_backward(Way::ParametersOnly), without_dx, "{} without dx", case.name);
    if case.has("relu") {
        return; // its argument is made of x
    }
    assert_eq!(p.inference_backward(Way::WithoutX), without_dgamma, "{} without x", case.name);
    assert_eq!(p.inference_backward(Way::WithoutXOverDy), without_dgamma, "{} without x, over dy", case.name);
}

#[test]
fn training() {
    let cases = Case::all(&["bn_train", "brn_train", "bn_groups", "brn_groups"]);
    assert_eq!(cases.len(), 69);
    for case in cases {
        let (valid, lengths) = (case.valid(), case.lengths());
        let masks: Vec<Option<Mask>> = match case.has("masked") {
            true => std::iter::once(Mask::Bytes(&valid)).chain(lengths.as_deref().map(Mask::Lengths)).map(Some).collect(),
            false => vec![None],
        };
        for layout in [Layout::Nchw, Layout::Nhwc] {
            for unbiased_running in [false, true] {
                if unbiased_running && case.text("track") == Some("sigma") {
                    continue; // golden files have the biased one of these alone
                }
                for mask in &masks {
                    check_training::<f32>(&case, layout, *mask, unbiased_running);
                    check_training::<f64>(&case, layout, *mask, unbiased_running);
                }
            }
        }
    }
}

#[test]
fn inference() {
    let cases = Case::all(&["bn_infer", "brn_infer"]);
    assert_eq!(cases.len(), 9);
    for case in cases {
        for layout in [Layout::Nchw, Layout::Nhwc] {
            check_inference::<f32>(&case, layout);
            check_inference::<f64>(&case, layout);
        }
    }
}

#[test]
fn ramp() {
    let case = Case::all(&["brn_schedule"]).pop().unwrap();
    let step = |key: &str| case.size(key) as i64;
    let ramp = Ramp {
        warm: step("warm"),
        rmax_end: step("rmax_end"),
        dmax_end: step("dmax_end"),
        rmax_final: case.number("rmax_final").unwrap(),
        dmax_final: case.number("dmax_final").unwrap(),
    };
    assert_eq!(ramp, Ramp::PAPER);
    let (steps, rmax, dmax) = (case.array("step").unwrap(), case.array("rmax").unwrap(), case.array("dmax").unwrap());
    for (i, step) in steps.iter().enumerate() {
        let got = ramp.at(*step as i64).unwrap();
        // A product and a quotient of differences: five roundings.
        let near = |got: f64, want: f64| (got - want).abs() <= 5.0 * f64::ROUNDOFF * want;
        assert!(near(got.0, rmax[i]) && near(got.1, dmax[i]), "{:?} at step {}", got, step);
    }
}
