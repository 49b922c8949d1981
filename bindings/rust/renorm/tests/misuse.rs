//! What goes wrong is an error of the right kind, with words that name the culprit, and never more than that.

use renorm::{
    Affine, AffineMut, Epilogue, Error, Gradient, Isa, Moments, MomentsMut, Norm, Op, Options, Ramp, Running, RunningMut, Shape,
    Statistics, Status, Sums, SumsMut, Workspace,
};
use std::cell::RefCell;
use std::collections::HashSet;
use std::env;
use std::process::Command;

fn assert_refused(result: Result<(), Error>, expected: Status, culprit: &str) {
    let error = result.expect_err(culprit);
    assert_eq!(error.status(), Some(expected), "{}", error);
    assert!(error.to_string().contains(culprit), "no {} in: {}", culprit, error);
    let _: &dyn std::error::Error = &error;
}

fn new_norm(shape: Shape, options: Options) -> Result<(), Error> {
    Norm::<f32>::new(shape, options).map(|_| ())
}

const SHAPE: Shape = Shape::nchw(3, 2, 5);
const RENORM: Options = Options::batch_renorm(3.0, 5.0);

#[test]
fn options() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let norm = Options::batch_norm();
    for (options, culprit) in [
        (norm.eps(nan), "eps"),
        (norm.eps(-1e-5), "eps"),
        (norm.eps(inf), "eps"),
        (norm.momentum(nan), "momentum"),
        (norm.momentum(1.5), "momentum"),
        (norm.rmin(nan), "rmin"),
        (RENORM.rmin(2.0), "rmin"),
        (Options::batch_renorm(nan, 5.0), "rmax"),
        (Options::batch_renorm(0.5, 5.0), "rmax"),
        (Options::batch_renorm(3.0, nan), "dmax"),
        (Options::batch_renorm(3.0, -1.0), "dmax"),
    ] {
        assert_refused(new_norm(SHAPE, options), Status::Value, culprit);
    }
    new_norm(SHAPE, Options::batch_renorm(inf, inf).eps(0.0).momentum(1.0)).unwrap();
    new_norm(SHAPE, norm.rmin(2.0).momentum(1.5).keep_running()).unwrap(); // neither is read
}

#[test]
fn sizes() {
    let half = 1 << 32;
    for (n, c, s) in [
        (usize::MAX, 1, 1),
        (1, usize::MAX, 1),
        (1, 1, usize::MAX),
        (0, usize::MAX, 0),
        (half, half, 1),
        (half, 1, half),
        (half, half, half),
        (half, 0, half),
        (usize::MAX / 8, 1, 1),
    ] {
        for shape in [Shape::nchw(n, c, s), Shape::nhwc(n, c, s)] {
            assert_refused(new_norm(shape, RENORM), Status::Overflow, "n*c*s");
        }
    }
}

#[test]
fn huge_shapes_that_no_slice_has() {
    let norm = Norm::<f64>::new(Shape::nchw(1 << 29, 1 << 10, 1 << 19), RENORM).unwrap();
    let error = norm.train((&[0.0; 4], &mut [0.0; 4])).run().unwrap_err();
    assert_eq!(error.to_string(), format!("x has 4 elements instead of {}", 1u64 << 58));
    assert_eq!(error.status(), None);
}

#[test]
fn epilogues() {
    let (x, statistics) = ([1.0; 30], Statistics { mean: &[0.0; 2], sigma: &[1.0; 2] });
    let (mut y, mut dx, mut dz) = ([0.0; 30], [0.0; 30], [0.0; 30]);
    let norm = |epilogue| Norm::<f32>::new(SHAPE, Options::batch_norm().epilogue(epilogue)).unwrap();

    let add = norm(Epilogue::AddRelu);
    assert_refused(add.train((&x, &mut y)).run(), Status::Null, "z");
    assert_refused(add.backward(Gradient::Separate { x: &x, dy: &x, dx: &mut dx }, statistics).run(), Status::Null, "z");
    let short = add.train((&x, &mut y)).z(&x[1..]).run().unwrap_err();
    assert!(matches!(short, Error::Length { array: "z", expected: 30, found: 29, .. }));
    let without_dx = add.backward(Gradient::ParametersOnly { x: &x, dy: &x }, statistics).z(&x).dz(&mut dz).run();
    assert_refused(without_dx, Status::Null, "dx");
    let running = Running { mean: &[0.0; 2], var: &[1.0; 2] };
    let without_x = norm(Epilogue::Relu).inference_backward(Gradient::WithoutX { dy: &x, dx: &mut dx }, running).run();
    assert_refused(without_x, Status::Null, "x");

    let relu = norm(Epilogue::Relu);
    let not_added = |result| assert!(matches!(result, Err(Error::NoAddition { array: "z" | "dz", .. })), "{:?}", result);
    not_added(relu.train((&x, &mut y)).z(&x).run());
    not_added(relu.inference((&x, &mut y), running).z(&x).run());
    not_added(relu.backward(Gradient::Separate { x: &x, dy: &x, dx: &mut dx }, statistics).dz(&mut dz).run());
    assert_eq!((y, dx, dz), ([0.0; 30], [0.0; 30], [0.0; 30]));
}

#[test]
fn memory() {
    let norm = Norm::<f32>::new(Shape::nchw(1, 1 << 48, 1), Options::batch_norm()).unwrap();
    let mut workspace = Workspace::new();
    assert_refused(workspace.reserve(&norm, Op::Train), Status::OutOfMemory, "workspace");
    assert_eq!(workspace.bytes(), 0);
}

#[test]
fn workspace_too_small() {
    let (shape, small_shape) = (Shape::nchw(1, 40, 1), Shape::nchw(1, 2, 1));
    let norm = Norm::<f32>::new(shape, Options::batch_norm()).unwrap();
    let (mut x, mut small) = ([1f32; 40], Workspace::new());
    small.reserve(&Norm::<f32>::new(small_shape, Options::batch_norm()).unwrap(), Op::Train).unwrap();
    for workspace in [&mut Workspace::new(), &mut small] {
        assert_refused(norm.train(&mut x[..]).workspace(workspace).run(), Status::Workspace, "workspace_bytes");
    }
    assert_eq!(x, [1f32; 40]);
    small.reserve(&norm, Op::Train).unwrap();
    assert_eq!(norm.train(&mut x[..]).workspace(&mut small).run(), Ok(()));
}

#[test]
fn isa() {
    let foreign = if cfg!(target_arch = "aarch64") { Isa::SSE2 } else { Isa::NEON64 };
    assert_refused(renorm::set_max_isa(foreign), Status::Isa, "isa");
    let active = renorm::active_isa().unwrap();
    renorm::set_max_isa(active).unwrap();
    assert_eq!(renorm::active_isa(), Some(active));
    assert!(renorm::build_info().contains(&active.to_string()));
    let (major, minor, patch) = renorm::version();
    assert!(renorm::build_info().contains(&format!("{}.{}.{}", major, minor, patch)));
}

/// Runs itself in a process of its own: the variable is read once.
#[test]
fn isa_of_an_unknown_name() {
    if env::var("RENORM_MAX_ISA").as_deref() == Ok("none such") {
        assert_eq!(renorm::active_isa(), None);
        let norm = Norm::<f32>::new(Shape::dense(1, 1), Options::batch_norm()).unwrap();
        assert_refused(norm.train(&mut [1.0][..]).run(), Status::Isa, "RENORM_MAX_ISA");
        assert_refused(norm.explain(Op::Train, None).map(drop), Status::Isa, "RENORM_MAX_ISA");
        return;
    }
    let mut this = Command::new(env::current_exe().unwrap());
    let output = this.args(["--exact", "isa_of_an_unknown_name"]).env("RENORM_MAX_ISA", "none such").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{}", said);
}

#[test]
fn ramp() {
    assert_refused(Ramp::PAPER.at(-1).map(drop), Status::Value, "step");
    assert_refused(Ramp { rmax_final: f64::NAN, ..Ramp::PAPER }.at(0).map(drop), Status::Value, "rmax_final");
    assert_refused(Ramp { dmax_end: 0, ..Ramp::PAPER }.at(0).map(drop), Status::Value, "dmax_end");
}

#[test]
fn arrays_left_out() {
    let (mut y, x, dy, c) = ([0f32; 30], [1f32; 30], [1f32; 30], [1f64; 2]);
    let mut g = [0f32; 2];
    let (r, b) = (Norm::<f32>::new(SHAPE, RENORM).unwrap(), Norm::<f32>::new(SHAPE, Options::batch_norm().cumulative()).unwrap());
    let statistics = Statistics { mean: &c, sigma: &c };
    let running = Running { mean: &x[..2], var: &x[..2] };
    let moments = Moments { count: &[1], mean: &c, m2: &c };
    let separate = Gradient::Separate { x: &x, dy: &dy, dx: &mut y };
    assert_refused(r.backward(separate, statistics).run(), Status::Null, "args->r");
    let without_x = Gradient::WithoutX { dy: &dy, dx: &mut y };
    assert_refused(r.backward(without_x, statistics).r(&c).d(&c).run(), Status::Null, "args->x");
    let without_x = Gradient::WithoutX { dy: &dy, dx: &mut y };
    assert_refused(r.inference_backward(without_x, running).dgamma(&mut g).run(), Status::Null, "args->x");
    assert_refused(r.train((&x, &mut y)).run(), Status::Null, "args->running_mean");
    let (mut mean, mut var) = ([0f32; 2], [1f32; 2]);
    let running_mut = RunningMut { mean: &mut mean, var: &mut var };
    assert_refused(b.train((&x, &mut y)).running(running_mut).run(), Status::Null, "args->num_batches");
    let running_mut = RunningMut { mean: &mut mean, var: &mut var };
    assert_refused(b.update_running(moments, running_mut).run(), Status::Null, "args->num_batches");
    let mut sigma = [0f64; 2];
    assert_refused(r.correction(moments, &mut sigma).run(), Status::Null, "args->running_mean");
    let (mut center, mut scale, mut shift) = ([0f64; 2], [0f64; 2], [0f64; 2]);
    let map = AffineMut { center: &mut center, scale: &mut scale, shift: &mut shift };
    assert_refused(r.coefficients(map).run(), Status::Null, "args->running_mean");
    let sums = Sums { dy: &c, dy_xhat: &c };
    let separate = Gradient::Separate { x: &x, dy: &dy, dx: &mut y };
    assert_refused(r.backward_apply(sums).r(&c).d(&c).tensors(separate).run(), Status::Null, "args->mean");
    assert_eq!((y, g, mean, var, sigma), ([0.0; 30], [0.0; 2], [0.0; 2], [1.0; 2], [0.0; 2]));
}

#[test]
fn values() {
    let (norm, c) = (Norm::<f32>::new(SHAPE, RENORM).unwrap(), [1f64; 2]);
    let (mut count, mut mean, mut m2, mut sigma) = ([i64::MAX - 1], [0f64; 2], [0f64; 2], [0f64; 2]);
    let running = Running { mean: &[1.0; 2], var: &[1.0; 2] };
    let other = Moments { count: &[i64::MAX - 1], mean: &c, m2: &c };
    assert_refused(norm.merge(MomentsMut { count: &mut count, mean: &mut mean, m2: &mut m2 }, other).run(), Status::Overflow, "count");
    let negative = Moments { count: &[-1], mean: &c, m2: &c };
    assert_refused(norm.correction(negative, &mut sigma).running(running).run(), Status::Value, "args->count");
    assert_refused(norm.correction(other, &mut sigma).running(running).sigma_floor(f64::NAN).run(), Status::Value, "sigma_floor");
    let (mut x, mut batches) = ([1f32; 30], -1);
    let running_mut = RunningMut { mean: &mut [0.0; 2], var: &mut [1.0; 2] };
    assert_refused(norm.train(&mut x[..]).running(running_mut).num_batches(&mut batches).run(), Status::Value, "num_batches");
    assert_eq!((x, batches), ([1f32; 30], -1));
}

/// Makes arrays for calls, one of them of another length than it should have.
struct Arrays {
    wrong: Option<(String, isize)>,
    made: RefCell<Vec<String>>,
}

impl Arrays {
    fn of<E: Clone>(&self, name: &str, length: usize, value: E) -> Vec<E> {
        self.made.borrow_mut().push(name.to_string());
        let length = match &self.wrong {
            Some((wrong, by)) if wrong == name => length as isize + by,
            _ => length as isize,
        };
        vec![value; length as usize]
    }
}

/// A call of every operation with all its arrays, whose names are operation.array, in double parameters and running statistics.
fn call_all(norm: &Norm<f32, f64, f64>, shape: Shape, arrays: &Arrays) -> Vec<(&'static str, Result<(), Error>)> {
    let (tensor, c) = (shape.n * shape.c * shape.s, shape.c);
    let t = |name: &str| arrays.of(name, tensor, 1f32);
    let v = |name: &str| arrays.of(name, c, 1f64);
    let count = |name: &str| arrays.of(name, 1, 1i64);
    let (mut batches, mut nonfinite) = (0, 0);
    let gradient = |op: &str| (t(&format!("{}.x", op)), t(&format!("{}.dy", op)), t(&format!("{}.dx", op)));
    let [b, i, a] = ["backward", "inference_backward", "backward_apply"].map(gradient);
    let (mut b_dx, mut i_dx, mut a_dx) = (b.2, i.2, a.2);
    vec![
        (
            "train",
            norm.train((&t("train.x"), &mut t("train.y")))
                .gamma(&v("train.gamma"))
                .beta(&v("train.beta"))
                .running(RunningMut { mean: &mut v("train.running_mean"), var: &mut v("train.running_var") })
                .num_batches(&mut batches)
                .mean(&mut v("train.mean"))
                .sigma(&mut v("train.sigma"))
                .r(&mut v("train.r"))
                .d(&mut v("train.d"))
                .count(&mut count("train.count"))
                .nonfinite(&mut nonfinite)
                .m2(&mut v("train.m2"))
                .z(&t("train.z"))
                .run(),
        ),
        (
            "inference",
            norm.inference(
                (&t("inference.x"), &mut t("inference.y")),
                Running { mean: &v("inference.running_mean"), var: &v("inference.running_var") },
            )
            .gamma(&v("inference.gamma"))
            .beta(&v("inference.beta"))
            .z(&t("inference.z"))
            .nonfinite(&mut nonfinite)
            .run(),
        ),
        (
            "backward",
            norm.backward(
                Gradient::Separate { x: &b.0, dy: &b.1, dx: &mut b_dx },
                Statistics { mean: &v("backward.mean"), sigma: &v("backward.sigma") },
            )
            .gamma(&v("backward.gamma"))
            .r(&v("backward.r"))
            .d(&v("backward.d"))
            .count(&count("backward.count"))
            .dgamma(&mut v("backward.dgamma"))
            .dbeta(&mut v("backward.dbeta"))
            .beta(&v("backward.beta"))
            .z(&t("backward.z"))
            .dz(&mut t("backward.dz"))
            .run(),
        ),
        (
            "inference_backward",
            norm.inference_backward(
                Gradient::Separate { x: &i.0, dy: &i.1, dx: &mut i_dx },
                Running { mean: &v("inference_backward.running_mean"), var: &v("inference_backward.running_var") },
            )
            .gamma(&v("inference_backward.gamma"))
            .dgamma(&mut v("inference_backward.dgamma"))
            .dbeta(&mut v("inference_backward.dbeta"))
            .beta(&v("inference_backward.beta"))
            .z(&t("inference_backward.z"))
            .dz(&mut t("inference_backward.dz"))
            .run(),
        ),
        (
            "moments",
            norm.moments(
                &t("moments.x"),
                MomentsMut { count: &mut count("moments.count"), mean: &mut v("moments.mean"), m2: &mut v("moments.m2") },
            )
            .run(),
        ),
        (
            "merge",
            norm.merge(
                MomentsMut { count: &mut count("merge.count"), mean: &mut v("merge.mean"), m2: &mut v("merge.m2") },
                Moments { count: &count("merge.other_count"), mean: &v("merge.other_mean"), m2: &v("merge.other_m2") },
            )
            .run(),
        ),
        (
            "update_running",
            norm.update_running(
                Moments { count: &count("update_running.count"), mean: &v("update_running.mean"), m2: &v("update_running.m2") },
                RunningMut { mean: &mut v("update_running.running_mean"), var: &mut v("update_running.running_var") },
            )
            .num_batches(&mut batches)
            .nonfinite(&mut nonfinite)
            .run(),
        ),
        (
            "correction",
            norm.correction(
                Moments { count: &count("correction.count"), mean: &v("correction.mean"), m2: &v("correction.m2") },
                &mut v("correction.sigma"),
            )
            .running(Running { mean: &v("correction.running_mean"), var: &v("correction.running_var") })
            .r(&mut v("correction.r"))
            .d(&mut v("correction.d"))
            .run(),
        ),
        (
            "coefficients",
            norm.coefficients(AffineMut {
                center: &mut v("coefficients.center"),
                scale: &mut v("coefficients.scale"),
                shift: &mut v("coefficients.shift"),
            })
            .statistics(Statistics { mean: &v("coefficients.mean"), sigma: &v("coefficients.sigma") })
            .running(Running { mean: &v("coefficients.running_mean"), var: &v("coefficients.running_var") })
            .r(&v("coefficients.r"))
            .d(&v("coefficients.d"))
            .gamma(&v("coefficients.gamma"))
            .beta(&v("coefficients.beta"))
            .nonfinite(&mut nonfinite)
            .run(),
        ),
        (
            "apply",
            norm.apply(
                (&t("apply.x"), &mut t("apply.y")),
                Affine { center: &v("apply.center"), scale: &v("apply.scale"), shift: &v("apply.shift") },
            )
            .z(&t("apply.z"))
            .run(),
        ),
        (
            "backward_reduce",
            norm.backward_reduce(
                &t("backward_reduce.x"),
                &t("backward_reduce.dy"),
                Statistics { mean: &v("backward_reduce.mean"), sigma: &v("backward_reduce.sigma") },
                SumsMut { dy: &mut v("backward_reduce.sum_dy"), dy_xhat: &mut v("backward_reduce.sum_dy_xhat") },
            )
            .gamma(&v("backward_reduce.gamma"))
            .beta(&v("backward_reduce.beta"))
            .r(&v("backward_reduce.r"))
            .d(&v("backward_reduce.d"))
            .z(&t("backward_reduce.z"))
            .run(),
        ),
        (
            "backward_apply",
            norm.backward_apply(Sums { dy: &v("backward_apply.sum_dy"), dy_xhat: &v("backward_apply.sum_dy_xhat") })
                .tensors(Gradient::Separate { x: &a.0, dy: &a.1, dx: &mut a_dx })
                .statistics(Statistics { mean: &v("backward_apply.mean"), sigma: &v("backward_apply.sigma") })
                .gamma(&v("backward_apply.gamma"))
                .r(&v("backward_apply.r"))
                .d(&v("backward_apply.d"))
                .count(&count("backward_apply.count"))
                .dgamma(&mut v("backward_apply.dgamma"))
                .dbeta(&mut v("backward_apply.dbeta"))
                .beta(&v("backward_apply.beta"))
                .z(&t("backward_apply.z"))
                .dz(&mut t("backward_apply.dz"))
                .run(),
        ),
        (
            "fold",
            norm.fold(Running { mean: &v("fold.running_mean"), var: &v("fold.running_var") })
                .gamma(&v("fold.gamma"))
                .beta(&v("fold.beta"))
                .bias(&v("fold.bias"))
                .weights((&t("fold.weights"), &mut t("fold.folded_weights")))
                .scale(&mut v("fold.scale"))
                .folded_bias(&mut v("fold.folded_bias"))
                .nonfinite(&mut nonfinite)
                .run(),
        ),
    ]
}

fn all_arrays() -> Arrays {
    Arrays { wrong: None, made: RefCell::default() }
}

#[test]
fn lengths_of_every_slice() {
    let norm = Norm::new(SHAPE, RENORM.epilogue(Epilogue::AddRelu)).unwrap();
    let arrays = all_arrays();
    for (op, result) in call_all(&norm, SHAPE, &arrays) {
        assert_eq!(result, Ok(()), "{}", op);
    }
    let names = arrays.made.into_inner();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 121);
    for name in &names {
        for by in [-1, 1] {
            let (wrong_op, wrong_array) = name.split_once('.').unwrap();
            for (op, result) in call_all(&norm, SHAPE, &Arrays { wrong: Some((name.clone(), by)), made: RefCell::default() }) {
                match result {
                    Err(Error::Length { array, expected, found, .. }) if op == wrong_op => {
                        assert_eq!((array, found as isize), (wrong_array, expected as isize + by))
                    }
                    result => assert!(result.is_ok() && op != wrong_op, "{} by {}: {} {:?}", name, by, op, result),
                }
            }
        }
    }
}

#[test]
fn empty_tensors() {
    for bits in 0..7 {
        let [n, c, s] = [bits & 1, bits >> 1 & 1, bits >> 2 & 1].map(|extent| 3 * extent);
        for shape in [Shape::nchw(n, c, s), Shape::nhwc(n, c, s)] {
            let norm = Norm::new(shape, RENORM.epilogue(Epilogue::AddRelu)).unwrap();
            for (op, result) in call_all(&norm, shape, &all_arrays()) {
                assert_eq!(result, Ok(()), "{} of {:?}", op, shape);
            }
        }
    }
}
