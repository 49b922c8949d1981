//! Executors of every kind, and calls from many threads: the same bits as one thread alone.

use renorm::{Error, Executor, Gradient, Norm, Op, Options, RunningMut, ScopedThreads, Shape, Statistics, Workspace};
use std::num::NonZeroUsize;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Large enough to be cut into portions.
const SHAPES: [Shape; 2] = [Shape::nchw(8, 24, 500), Shape::nhwc(8, 24, 500)];

#[derive(Clone, Debug, PartialEq)]
struct Step {
    y: Vec<f32>,
    mean: Vec<f64>,
    sigma: Vec<f64>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
    dx: Vec<f32>,
    dgamma: Vec<f32>,
}

fn sample(shape: Shape, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..shape.n * shape.c * shape.s).map(|_| next()).collect()
}

/// Forward and backward.
struct Problem {
    norm: Norm<f32>,
    x: Vec<f32>,
    dy: Vec<f32>,
}

impl Problem {
    fn new(shape: Shape, seed: u64) -> Self {
        let norm = Norm::new(shape, Options::batch_renorm(3.0, 5.0)).unwrap();
        Problem { norm, x: sample(shape, seed), dy: sample(shape, !seed) }
    }

    fn empty_step(&self) -> Step {
        let (c, elements) = (24, self.x.len());
        Step {
            y: vec![0.0; elements],
            mean: vec![0.0; c],
            sigma: vec![0.0; c],
            running_mean: vec![0.0; c],
            running_var: vec![1.0; c],
            dx: vec![0.0; elements],
            dgamma: vec![0.0; c],
        }
    }

    fn forward(&self, step: &mut Step, executor: &dyn Executor, workspace: &mut Workspace) -> Result<(), Error> {
        let running = RunningMut { mean: &mut step.running_mean, var: &mut step.running_var };
        let call = self.norm.train((&self.x, &mut step.y)).running(running).mean(&mut step.mean).sigma(&mut step.sigma);
        call.executor(executor).workspace(workspace).run()
    }

    fn backward(&self, step: &mut Step, executor: &dyn Executor, workspace: &mut Workspace) -> Result<(), Error> {
        let ones = vec![1.0; step.mean.len()];
        let tensors = Gradient::Separate { x: &self.x, dy: &self.dy, dx: &mut step.dx };
        let statistics = Statistics { mean: &step.mean, sigma: &step.sigma };
        let call = self.norm.backward(tensors, statistics).r(&ones).d(&ones).dgamma(&mut step.dgamma);
        call.executor(executor).workspace(workspace).run()
    }

    fn workspace(&self) -> Workspace {
        let mut workspace = Workspace::new();
        workspace.reserve(&self.norm, Op::Train).unwrap();
        workspace.reserve(&self.norm, Op::Backward).unwrap();
        workspace
    }

    fn step(&self, executor: &dyn Executor) -> Step {
        let (mut step, mut workspace) = (self.empty_step(), self.workspace());
        self.forward(&mut step, executor, &mut workspace).unwrap();
        self.backward(&mut step, executor, &mut workspace).unwrap();
        step
    }
}

/// An executor made of a function; counts what it is asked.
struct Custom<F> {
    run: F,
    calls: AtomicUsize,
}

impl<F: Fn(usize, &(dyn Fn(usize) + Sync))> Custom<F> {
    fn new(run: F) -> Self {
        Custom { run, calls: AtomicUsize::new(0) }
    }
}

impl<F: Fn(usize, &(dyn Fn(usize) + Sync))> Executor for Custom<F> {
    fn concurrency(&self) -> usize {
        4
    }

    fn parallel_for(&self, n: usize, task: &(dyn Fn(usize) + Sync)) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        (self.run)(n, task);
    }
}

fn assert_same_bits<F: Fn(usize, &(dyn Fn(usize) + Sync))>(name: &str, run: F) {
    let executor = Custom::new(run);
    for shape in SHAPES {
        let problem = Problem::new(shape, 1);
        let calls = executor.calls.load(Ordering::Relaxed);
        assert_eq!(problem.step(&executor), problem.step(&serial()), "{} {:?}", name, shape);
        assert!(executor.calls.load(Ordering::Relaxed) > calls, "{} was not asked", name);
    }
}

fn serial() -> ScopedThreads {
    scoped_threads(1)
}

fn scoped_threads(count: usize) -> ScopedThreads {
    ScopedThreads::new(NonZeroUsize::new(count).unwrap())
}

#[test]
fn executors_that_do_as_they_like() {
    assert_same_bits("in order", |n, task| (0..n).for_each(task));
    assert_same_bits("backwards", |n, task| (0..n).rev().for_each(task));
    assert_same_bits("never", |_, _| {});
    assert_same_bits("every third", |n, task| (0..n).step_by(3).for_each(task));
    assert_same_bits("twice", |n, task| (0..n).chain(0..n).for_each(task));
    assert_same_bits("indices that are none", |n, task| [n, n + 1, usize::MAX].into_iter().for_each(task));
    assert_same_bits("twice at the same time", |n, task| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..n).for_each(task));
            }
        })
    });
}

#[test]
fn scoped_threads_of_any_number() {
    for shape in SHAPES {
        let problem = Problem::new(shape, 2);
        let alone = problem.step(&serial());
        for count in [2, 3, 8, 100] {
            assert_eq!(problem.step(&scoped_threads(count)), alone, "{} threads, {:?}", count, shape);
        }
    }
}

struct Boundless;

impl Executor for Boundless {
    fn concurrency(&self) -> usize {
        usize::MAX
    }

    fn parallel_for(&self, n: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..n).for_each(task);
    }
}

#[test]
fn more_threads_than_there_can_be() {
    for shape in SHAPES {
        let problem = Problem::new(shape, 4);
        assert_eq!(problem.step(&Boundless), problem.step(&serial()), "{:?}", shape);
    }
}

struct Panicking<F>(F);

impl<F: Fn(usize, &(dyn Fn(usize) + Sync))> Executor for Panicking<F> {
    fn parallel_for(&self, n: usize, task: &(dyn Fn(usize) + Sync)) {
        (self.0)(n, task);
        panic!("executor");
    }
}

/// The operation is finished, then the panic goes on.
fn assert_panic_goes_on<F: Fn(usize, &(dyn Fn(usize) + Sync))>(run: F) {
    let executor = Panicking(run);
    for shape in SHAPES {
        let problem = Problem::new(shape, 3);
        let (mut step, mut workspace) = (problem.empty_step(), problem.workspace());
        let forward = catch_unwind(AssertUnwindSafe(|| problem.forward(&mut step, &executor, &mut workspace)));
        assert_eq!(forward.unwrap_err().downcast_ref(), Some(&"executor"));
        let backward = catch_unwind(AssertUnwindSafe(|| problem.backward(&mut step, &executor, &mut workspace)));
        assert_eq!(backward.unwrap_err().downcast_ref(), Some(&"executor"));
        assert_eq!(step, problem.step(&serial()), "{:?}", shape);
    }
}

#[test]
fn executors_that_panic() {
    assert_panic_goes_on(|_, _| {});
    assert_panic_goes_on(|n, task| (0..n / 2).for_each(task));
    assert_panic_goes_on(|n, task| {
        let joined = thread::scope(|scope| {
            scope
                .spawn(|| {
                    task(n - 1);
                    panic!("thread");
                })
                .join()
        });
        assert!(joined.is_err());
    });
}

struct WithoutNumber;

impl Executor for WithoutNumber {
    fn concurrency(&self) -> usize {
        panic!("concurrency");
    }

    fn parallel_for(&self, n: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..n).for_each(task);
    }
}

#[test]
fn an_executor_that_panics_before_the_call() {
    let problem = Problem::new(SHAPES[0], 5);
    let (mut step, mut workspace) = (problem.empty_step(), problem.workspace());
    let forward = catch_unwind(AssertUnwindSafe(|| problem.forward(&mut step, &WithoutNumber, &mut workspace)));
    assert_eq!(forward.unwrap_err().downcast_ref(), Some(&"concurrency"));
    assert_eq!(step, problem.empty_step());
}

#[test]
fn calls_from_eight_threads_at_once() {
    let problems: Vec<Problem> = (0..8).map(|i| Problem::new(SHAPES[i % 2], i as u64)).collect();
    let alone: Vec<Step> = problems.iter().map(|problem| problem.step(&serial())).collect();
    thread::scope(|scope| {
        for (problem, alone) in problems.iter().zip(&alone) {
            scope.spawn(move || {
                for _ in 0..10 {
                    assert_eq!(&problem.step(&serial()), alone);
                }
            });
        }
    });
}

#[test]
fn what_may_go_to_other_threads() {
    fn assert_send_and_sync<T: Send + Sync>() {}
    assert_send_and_sync::<Norm<f32, f64, f64>>();
    assert_send_and_sync::<Workspace>();
    assert_send_and_sync::<Error>();
}
