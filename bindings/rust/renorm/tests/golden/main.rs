//! The golden values, for both element types and layouts, by whole calls, in place, by parts, and in shards.

mod case;

use case::{numbers, Case, Number};
use renorm::{
    Affine, AffineMut, Epilogue, Forward, Gradient, GroupOrder, Layout, Mask, MaskKind, Moments, MomentsMut, Norm, Options, Ramp, Running,
    RunningMut, Shape, Statistics, Sums, SumsMut,
};
use std::slice;

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
    batches: i64,
    sigma_floor: f64, // by parts only
}

#[derive(Clone, Debug, PartialEq)]
struct Trained<T> {
    y: Vec<T>,
    count: Vec<i64>,
    mean: Vec<f64>,
    sigma: Vec<f64>,
    r: Vec<f64>,
    d: Vec<f64>,
    m2: Vec<f64>,
    running_mean: Vec<T>,
    running_var: Vec<T>,
    batches: i64,
}

impl<T> Trained<T> {
    fn moments(&self) -> Moments<'_> {
        Moments { count: &self.count, mean: &self.mean, m2: &self.m2 }
    }

    fn moments_mut(&mut self) -> MomentsMut<'_> {
        MomentsMut { count: &mut self.count, mean: &mut self.mean, m2: &mut self.m2 }
    }

    fn statistics(&self) -> Statistics<'_> {
        Statistics { mean: &self.mean, sigma: &self.sigma }
    }
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
    /// `more`: options that the case does not name.
    fn new(case: &Case, layout: Layout, mask: Option<Mask<'a>>, more: impl FnOnce(Options) -> Options) -> Self {
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
        if let Some(rmin) = case.number("rmin") {
            options = options.rmin(rmin);
        }
        if case.spread() == "running_sigma" {
            options = options.track_sigma();
        }
        if case.has("unbiased") {
            options = options.unbiased();
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
        let tensor = |name: &str| case.array(name).map(|values| to_layout(&numbers(values), shape));
        Problem {
            norm: Norm::new(shape, more(options)).unwrap(),
            shape,
            groups,
            mask,
            x: tensor("x").unwrap(),
            dy: tensor("dy").unwrap_or_default(),
            z: tensor("z"),
            gamma: array("gamma"),
            beta: array("beta"),
            running_mean: array("running_mean").unwrap_or_else(|| vec![T::default(); shape.c]),
            running_var: array(case.spread()).unwrap_or_else(|| vec![T::default(); shape.c]),
            batches: 0,
            sigma_floor: 0.0,
        }
    }

    /// With the running statistics that a step before has left.
    fn after(self, t: &Trained<T>) -> Self {
        Problem { running_mean: t.running_mean.clone(), running_var: t.running_var.clone(), batches: t.batches, ..self }
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
            m2: zeros(),
            running_mean: self.running_mean.clone(),
            running_var: self.running_var.clone(),
            batches: self.batches,
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
        let mut call = self.norm.train(tensors).running(running).num_batches(&mut t.batches);
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        give!(call.z(self.z));
        give_mask!(call, self);
        call.mean(&mut t.mean).sigma(&mut t.sigma).r(&mut t.r).d(&mut t.d).m2(&mut t.m2).count(&mut t.count).run().unwrap();
        t
    }

    fn apply(&self, map: Affine) -> Vec<T> {
        let mut y = vec![T::default(); self.x.len()];
        let mut call = self.norm.apply((&self.x, &mut y), map);
        give!(call.z(self.z));
        give_mask!(call, self);
        call.run().unwrap();
        y
    }

    /// `way` says which of x, dy and dx share their memory.
    fn backward(&self, t: &Trained<T>, way: Way) -> Gradients<T> {
        let mut g = self.no_gradients();
        let (mut x, mut dy) = (self.x.clone(), self.dy.clone());
        let mut call = self.norm.backward(way.tensors(&mut x, &mut dy, &mut g.dx), t.statistics()).r(&t.r).d(&t.d).count(&t.count);
        give_backward!(call, self, g.dz, way);
        call.dgamma(&mut g.dgamma).dbeta(&mut g.dbeta).run().unwrap();
        way.take_dx(x, dy, &mut g.dx);
        g
    }

    /// S1 and S2 of this part of a batch.
    fn sums(&self, t: &Trained<T>) -> (Vec<f64>, Vec<f64>) {
        let (mut sum_dy, mut sum_dy_xhat) = (self.zeros(), self.zeros());
        let sums = SumsMut { dy: &mut sum_dy, dy_xhat: &mut sum_dy_xhat };
        let mut call = self.norm.backward_reduce(&self.x, &self.dy, t.statistics(), sums).r(&t.r).d(&t.d);
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        give!(call.z(self.z));
        give_mask!(call, self);
        call.run().unwrap();
        (sum_dy, sum_dy_xhat)
    }

    fn gradients(&self, t: &Trained<T>, sums: Sums) -> Gradients<T> {
        let mut g = self.no_gradients();
        let tensors = Gradient::Separate { x: &self.x, dy: &self.dy, dx: &mut g.dx };
        let mut call = self.norm.backward_apply(sums).tensors(tensors).statistics(t.statistics()).r(&t.r).d(&t.d).count(&t.count);
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
        let zeros = || vec![0.0; self.shape.c];
        let (mut center, mut scale, mut shift) = (zeros(), zeros(), zeros());
        let map = AffineMut { center: &mut center, scale: &mut scale, shift: &mut shift };
        let mut call = self.norm.coefficients(map).running(self.running());
        give!(call.gamma(self.gamma));
        give!(call.beta(self.beta));
        call.run().unwrap();
        self.apply(Affine { center: &center, scale: &scale, shift: &shift })
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

/// Training by parts, of a batch that is spread over shards.
fn train_in_shards<T: Number>(shards: &[Problem<T>]) -> Trained<T> {
    let any = &shards[0]; // all have the same parameters and running statistics
    let (mut t, zeros) = (any.untrained(), || any.zeros());
    for shard in shards {
        let mut part = shard.untrained();
        let mut call = shard.norm.moments(&shard.x, part.moments_mut());
        give_mask!(call, shard);
        call.run().unwrap();
        any.norm.merge(t.moments_mut(), part.moments()).run().unwrap();
    }
    let moments = Moments { count: &t.count, mean: &t.mean, m2: &t.m2 };
    let call = any.norm.correction(moments, &mut t.sigma).running(any.running()).sigma_floor(any.sigma_floor);
    call.r(&mut t.r).d(&mut t.d).run().unwrap();

    let (mut center, mut scale, mut shift) = (zeros(), zeros(), zeros());
    let map = AffineMut { center: &mut center, scale: &mut scale, shift: &mut shift };
    let mut call = any.norm.coefficients(map).statistics(t.statistics()).r(&t.r).d(&t.d);
    give!(call.gamma(any.gamma));
    give!(call.beta(any.beta));
    call.run().unwrap();
    t.y = shards.iter().flat_map(|shard| shard.apply(Affine { center: &center, scale: &scale, shift: &shift })).collect();

    let running = RunningMut { mean: &mut t.running_mean, var: &mut t.running_var };
    any.norm.update_running(moments, running).num_batches(&mut t.batches).run().unwrap();
    t
}

fn backward_in_shards<T: Number>(shards: &[Problem<T>], t: &Trained<T>) -> Gradients<T> {
    let (mut sum_dy, mut sum_dy_xhat) = (shards[0].zeros(), shards[0].zeros());
    for (part_dy, part_dy_xhat) in shards.iter().map(|shard| shard.sums(t)) {
        for (total, part) in [(&mut sum_dy, part_dy), (&mut sum_dy_xhat, part_dy_xhat)] {
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
    }
    let parts: Vec<_> = shards.iter().map(|shard| shard.gradients(t, Sums { dy: &sum_dy, dy_xhat: &sum_dy_xhat })).collect();
    let (dgamma, dbeta) = (parts[0].dgamma.clone(), parts[0].dbeta.clone());
    assert!(parts.iter().all(|part| part.dgamma == dgamma && part.dbeta == dbeta), "parameter gradients are those of the whole batch");
    let tensor = |of: fn(&Gradients<T>) -> &Vec<T>| parts.iter().flat_map(|part| of(part).clone()).collect();
    Gradients { dx: tensor(|part| &part.dx), dz: tensor(|part| &part.dz), dgamma, dbeta }
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

/// max|x| + |running mean| for each channel of each group.
fn mean_scale<T: Number>(golden: &Golden, p: &Problem<T>) -> Vec<f64> {
    let max_x = golden.fold(&p.x, f64::max);
    max_x.iter().enumerate().map(|(i, x)| x + p.running_mean[i % p.shape.c].value().abs()).collect()
}

/// `spread`: the array with the new running variances or deviations.
fn compare_running<T: Number>(case: &Case, p: &Problem<T>, t: &Trained<T>, spread: &str) {
    let golden = Golden::new(case, p.shape);
    let of_group = mean_scale(&golden, p);
    let scale = golden.over_groups(f64::max, |i| of_group[i]);
    golden.compare_channels("new_running_mean", &t.running_mean, |c| scale[c]);
    golden.compare_channels(spread, &t.running_var, |_| 0.0);
}

fn compare_training<T: Number>(case: &Case, p: &Problem<T>, t: &Trained<T>, spread: &str) {
    let (golden, m) = (Golden::new(case, p.shape), case.size("m"));
    let (max_x, max_y) = (golden.fold(&p.x, f64::max), golden.fold(&t.y, f64::max));
    golden.compare_tensor("y", &t.y, |i| max_y[i]);
    compare_running(case, p, t, spread);
    // Saved statistics are f64, but sums of values of T.
    let saved = |name: &str, got: &[f64], scale: &dyn Fn(usize) -> f64| golden.compare_channels(name, &numbers::<T>(got), scale);
    saved("mean", &t.mean, &|i| max_x[i]);
    saved("var", &t.m2.iter().map(|m2| m2 / m as f64).collect::<Vec<_>>(), &|_| 0.0);
    if case.array("sigma_batch").is_some() {
        saved("sigma_batch", &t.sigma, &|_| 0.0);
    }
    if case.number("rmax").is_some() {
        saved("r", &t.r, &|_| 0.0);
        let scale = mean_scale(&golden, p);
        saved("d", &t.d, &|i| scale[i] / running_sigma(p, case, i % p.shape.c));
    } else {
        assert_eq!((&t.r, &t.d), (&vec![1.0; t.r.len()], &vec![0.0; t.d.len()]));
    }
    assert_eq!((&t.count, t.batches), (&vec![m as i64; case.groups()], p.batches + 1));
}

fn compare_gradients<T: Number>(case: &Case, p: &Problem<T>, t: &Trained<T>, g: &Gradients<T>) {
    let golden = Golden::new(case, p.shape);
    let (max_dy, sum_dy) = (golden.fold(&p.dy, f64::max), golden.fold(&p.dy, |sum, dy| sum + dy));
    let gamma = |i: usize| p.gamma.as_ref().map_or(1.0, |gamma| gamma[i % p.shape.c].value());
    // No value is further from the mean than sqrt(m) deviations.
    let max_xhat = (case.size("m") as f64).sqrt();
    golden.compare_tensor("dx", &g.dx, |i| (gamma(i) * t.r[i] / t.sigma[i]).abs() * max_dy[i]);
    if p.z.is_some() {
        golden.compare_tensor("dz", &g.dz, |_| 0.0);
    }
    let sum = |value: &dyn Fn(usize) -> f64| golden.over_groups(|sum, value| sum + value, value);
    let (dbeta, dgamma) = (sum(&|i| sum_dy[i]), sum(&|i| sum_dy[i] * (max_xhat * t.r[i] + t.d[i].abs())));
    golden.compare_gradient("beta", &g.dbeta, |c| dbeta[c]);
    golden.compare_gradient("gamma", &g.dgamma, |c| dgamma[c]);
}

fn check_training<T: Number>(case: &Case, p: &Problem<T>, spread: &str) -> Trained<T> {
    let t = p.train(false);
    compare_training(case, p, &t, spread);
    assert_eq!(p.train(true), t, "{} in place", case.name);
    assert_eq!(train_in_shards(slice::from_ref(p)), t, "{} by parts", case.name);
    t
}

fn check_backward<T: Number>(case: &Case, p: &Problem<T>, t: &Trained<T>) {
    let g = p.backward(t, Way::Separate);
    compare_gradients(case, p, t, &g);
    assert_eq!(p.backward(t, Way::OverDy), g, "{} over dy", case.name);
    assert_eq!(p.backward(t, Way::OverX), g, "{} over x", case.name);
    assert_eq!(backward_in_shards(slice::from_ref(p), t), g, "{} by parts", case.name);
    let without_dx = Gradients { dx: p.no_gradients().dx, dz: p.no_gradients().dz, ..g };
    assert_eq!(p.backward(t, Way::ParametersOnly), without_dx, "{} without dx", case.name);
}

fn running_sigma<T: Number>(p: &Problem<T>, case: &Case, c: usize) -> f64 {
    let spread = p.running_var[c].value();
    let sigma = if case.spread() == "running_sigma" { spread } else { (spread + case.number("eps").unwrap()).sqrt() };
    sigma.max(p.sigma_floor)
}

fn check_inference<T: Number>(case: &Case, p: &Problem<T>) {
    let (golden, y) = (Golden::new(case, p.shape), p.infer(false));
    let max_y = golden.fold(&y, f64::max);
    golden.compare_tensor("y", &y, |c| max_y[c]);
    assert_eq!(p.infer(true), y, "{} in place", case.name);
    assert_eq!(p.infer_by_parts(), y, "{} by parts", case.name);
}

fn check_inference_backward<T: Number>(case: &Case, p: &Problem<T>) {
    let (golden, g) = (Golden::new(case, p.shape), p.inference_backward(Way::Separate));
    let (scale, sum_dy) = (mean_scale(&golden, p), golden.fold(&p.dy, |sum, dy| sum + dy));
    golden.compare_tensor("dx", &g.dx, |_| 0.0);
    if p.z.is_some() {
        golden.compare_tensor("dz", &g.dz, |_| 0.0);
    }
    golden.compare_gradient("beta", &g.dbeta, |c| sum_dy[c]);
    golden.compare_gradient("gamma", &g.dgamma, |c| sum_dy[c] * scale[c] / running_sigma(p, case, c));

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

/// Options that a case does not name, and the array with the new running variances or deviations that they lead to.
type Feed = (fn(Options) -> Options, &'static str);

fn as_it_is(options: Options) -> Options {
    options
}

fn feeds(case: &Case) -> &'static [Feed] {
    match (case.spread(), case.size("m")) {
        ("running_sigma", _) => &[(as_it_is, "new_running_sigma")], // golden files have the biased one of these alone
        (_, 1) => &[(as_it_is, "new_running_var_biased"), (Options::unbiased_running, "new_running_var_biased")],
        _ => &[(as_it_is, "new_running_var_biased"), (Options::unbiased_running, "new_running_var_unbiased")],
    }
}

fn check_train<T: Number>(case: &Case, layout: Layout) {
    let (valid, lengths) = (case.valid(), case.lengths());
    let masks: Vec<Option<Mask>> = match case.has("masked") {
        true => std::iter::once(Mask::Bytes(&valid)).chain(lengths.as_deref().map(Mask::Lengths)).map(Some).collect(),
        false => vec![None],
    };
    for mask in masks {
        for (more, spread) in feeds(case) {
            let p = Problem::<T>::new(case, layout, mask, more);
            check_backward(case, &p, &check_training(case, &p, spread));
        }
    }
}

fn check_infer<T: Number>(case: &Case, layout: Layout) {
    let p = Problem::<T>::new(case, layout, None, as_it_is);
    check_inference(case, &p);
    check_inference_backward(case, &p);
}

/// Each step goes on with the running statistics of the one before. Returns what the last one gives.
fn check_steps<T: Number>(case: &Case, layout: Layout, more: fn(Options) -> Options, spread: &str) -> Trained<T> {
    let start = Problem::new(&case.part("step0."), layout, None, more).untrained();
    case.parts("steps", "step").iter().fold(start, |before, step| {
        let p = Problem::new(step, layout, None, more).after(&before);
        let t = check_training(step, &p, spread);
        if !p.dy.is_empty() {
            check_backward(step, &p, &t);
        }
        t
    })
}

fn check_sequence<T: Number>(case: &Case, layout: Layout) {
    let last = check_steps::<T>(case, layout, as_it_is, &format!("new_{}", case.spread()));
    let infer = case.part("infer.");
    check_inference(&infer, &Problem::new(&infer, layout, None, as_it_is).after(&last));
}

fn check_cumulative<T: Number>(case: &Case, layout: Layout) {
    check_steps::<T>(case, layout, Options::cumulative, "new_running_var_biased");
    check_steps::<T>(case, layout, |options| options.cumulative().unbiased_running(), "new_running_var_unbiased");
}

/// Statistics of all batches: the average of theirs, and those of all values, by merged moments.
fn check_population<T: Number>(case: &Case, layout: Layout) {
    let steps = case.parts("steps", "step");
    let problem = |step: &Case| Problem::<T>::new(step, layout, None, |options| options.cumulative().unbiased_running());
    let first = problem(&steps[0]);
    let (mut all, mut max_x) = (first.untrained(), first.zeros());
    for step in &steps {
        let p = problem(step).after(&all);
        let t = p.train(false);
        first.norm.merge(all.moments_mut(), t.moments()).run().unwrap();
        (all.running_mean, all.running_var, all.batches) = (t.running_mean, t.running_var, t.batches);
        max_x.iter_mut().zip(Golden::new(step, p.shape).fold(&p.x, f64::max)).for_each(|(all, x)| *all = all.max(x));
    }
    let check = |all: &Trained<T>, name: &str, var: &str| {
        let golden = Golden::new(case, first.shape);
        golden.compare_channels(&format!("{}_mean", name), &all.running_mean, |c| max_x[c]);
        golden.compare_channels(var, &all.running_var, |_| 0.0);
    };
    let check_inference_after = |all: &Trained<T>, name: &str| {
        let mut inference = case.part(&format!("{}.", name));
        inference.set_array("x", steps[0].array("x").unwrap().to_vec());
        check_inference(&inference, &Problem::new(&inference, layout, None, as_it_is).after(all));
    };
    check(&all, "population", "population_var");
    check_inference_after(&all, "population");
    let feeds: [Feed; 2] = [(Options::unbiased_running, "pooled_var_unbiased"), (as_it_is, "pooled_var")];
    for (more, var) in feeds {
        let p = Problem::<T>::new(&steps[0], layout, None, |options| more(options.momentum(1.0)));
        let running = RunningMut { mean: &mut all.running_mean, var: &mut all.running_var };
        p.norm.update_running(Moments { count: &all.count, mean: &all.mean, m2: &all.m2 }, running).run().unwrap();
        check(&all, "pooled", var);
    }
    check_inference_after(&all, "pooled");
}

/// Two sets of running statistics: those of the correction, whose sigma has a floor, and those of inference.
fn check_keras_sequence<T: Number>(case: &Case, layout: Layout) {
    let steps = case.parts("steps", "step");
    let (eps, renorm_momentum) = (case.number("eps").unwrap(), case.number("renorm_momentum").unwrap());
    let start = |set| Problem::<T>::new(&steps[0].with_set(set), layout, None, as_it_is).untrained();
    let (mut renorm, mut moving) = (start("renorm"), start("moving"));
    for step in &steps {
        let of_renorm = step.with_set("renorm");
        let p = Problem::new(&of_renorm, layout, None, |options| options.momentum(renorm_momentum)).after(&renorm);
        let p = Problem { sigma_floor: eps.sqrt(), ..p };
        renorm = train_in_shards(slice::from_ref(&p));
        compare_training(&of_renorm, &p, &renorm, "new_running_sigma");
        check_backward(&of_renorm, &p, &renorm);

        let of_moving = step.with_set("moving");
        let p = Problem::new(&of_moving, layout, None, as_it_is).after(&moving);
        let running = RunningMut { mean: &mut moving.running_mean, var: &mut moving.running_var };
        p.norm.update_running(renorm.moments(), running).run().unwrap();
        compare_running(&of_moving, &p, &moving, "new_running_sigma");
    }
    moving.running_var.iter_mut().for_each(|sigma| *sigma = T::of((sigma.value() * sigma.value() - eps).max(0.0)));
    let infer = case.part("infer.");
    check_inference(&infer, &Problem::new(&infer, layout, None, as_it_is).after(&moving));
}

/// A batch in one piece, and in shards, which may be empty.
fn check_sync<T: Number>(case: &Case, layout: Layout) {
    let (parts, mut whole) = (case.parts("shards", "shard"), case.clone());
    for name in ["x", "dy", "y", "dx"] {
        whole.set_array(name, parts.iter().flat_map(|part| part.array(name).unwrap().to_vec()).collect());
    }
    for (more, spread) in feeds(case) {
        let p = Problem::<T>::new(&whole, layout, None, more);
        check_backward(&whole, &p, &check_training(&whole, &p, spread));
        let shards: Vec<_> = parts.iter().map(|part| Problem::new(part, layout, None, more)).collect();
        let t = train_in_shards(&shards);
        compare_training(&whole, &p, &t, spread);
        compare_gradients(&whole, &p, &t, &backward_in_shards(&shards, &t));
    }
}

fn check_schedule(case: &Case) {
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

fn check<T: Number>(case: &Case, layout: Layout) {
    match case.text("op").unwrap() {
        "bn_train" | "brn_train" | "bn_groups" | "brn_groups" => check_train::<T>(case, layout),
        "bn_infer" | "brn_infer" => check_infer::<T>(case, layout),
        "bn_cumulative" => check_cumulative::<T>(case, layout),
        "bn_population" => check_population::<T>(case, layout),
        "brn_sequence" => check_sequence::<T>(case, layout),
        "brn_keras_sequence" => check_keras_sequence::<T>(case, layout),
        "bn_sync" | "brn_sync" => check_sync::<T>(case, layout),
        "brn_schedule" => check_schedule(case),
        op => panic!("{}: nothing checks {}", case.name, op),
    }
}

#[test]
fn every_file() {
    let cases = Case::all();
    assert_eq!(cases.len(), 88);
    for case in cases {
        for layout in [Layout::Nchw, Layout::Nhwc] {
            check::<f32>(&case, layout);
            check::<f64>(&case, layout);
        }
    }
}
