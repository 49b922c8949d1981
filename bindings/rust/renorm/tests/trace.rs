//! What a call is and how it would run, in a line, and who is told of every call.

use renorm::{AtLeast, Error, Executor, MaskKind, Norm, Op, Options, ScopedThreads, Shape, Status, Trace};
use std::num::NonZeroUsize;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

fn norm(shape: Shape) -> Norm<f32> {
    Norm::new(shape, Options::batch_norm()).unwrap()
}

fn call_of(line: &str) -> &str {
    line.split(": ").next().unwrap()
}

fn explained<T: AtLeast<T>>(shape: Shape, options: Options, executor: Option<&dyn Executor>) -> String {
    let line = Norm::<T>::new(shape, options).unwrap().explain(Op::Backward, executor).unwrap();
    assert!(line.contains(&format!(": {}; l2 ", renorm::active_isa().unwrap())), "{}", line);
    call_of(&line).to_owned()
}

/// Does not say how many threads it has, and runs nothing.
struct Unknown;

impl Executor for Unknown {
    fn parallel_for(&self, _n: usize, _task: &(dyn Fn(usize) + Sync)) {
        panic!("asked to run");
    }
}

#[test]
fn explain_says_what_the_call_is() {
    let (shape, plain) = (Shape::nchw(32, 64, 3136), Options::batch_norm());
    assert_eq!(explained::<f32>(shape, plain, None), "backward/nchw/f32/32x64x3136/t1");
    assert_eq!(explained::<f64>(Shape::dense(8, 3), plain.unbiased(), None), "backward/nhwc/f64/8x3x1/t1/unbiased");
    let renorm = Options::batch_renorm(2.0, 5.0).mask(MaskKind::Lengths).eps(1e-3);
    assert_eq!(explained::<f32>(shape, renorm, None), "backward/nchw/f32/32x64x3136/t1/batch_renorm/mask=lengths/eps=0.001/rmax=2");
    let threads = ScopedThreads::new(NonZeroUsize::new(4).unwrap());
    assert_eq!(explained::<f32>(shape, plain, Some(&threads)), "backward/nchw/f32/32x64x3136/t4");
    assert_eq!(explained::<f32>(shape, plain, Some(&Unknown)), "backward/nchw/f32/32x64x3136/t16");
    let wide = Norm::<f32, f64, f64>::new(shape, plain).unwrap().explain(Op::Train, None).unwrap();
    assert_eq!(call_of(&wide), "train/nchw/f32/32x64x3136/t1/params=f64/stats=f64");
}

#[test]
fn every_operation_is_explained_by_its_name() {
    let names = [
        "train",
        "inference",
        "backward",
        "inference_backward",
        "moments",
        "merge",
        "update_running",
        "correction",
        "coefficients",
        "apply",
        "backward_reduce",
        "backward_apply",
        "fold",
    ];
    let norm = norm(Shape::nchw(2, 3, 4));
    let calls: Vec<String> = Op::ALL.iter().map(|op| call_of(&norm.explain(*op, None).unwrap()).to_owned()).collect();
    assert_eq!(calls, names.map(|name| format!("{}/nchw/f32/2x3x4/t1", name)));
}

/// The trace belongs to the process: tests take turns, and leave it off.
struct Traced(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Traced {
    fn by(trace: Box<Trace>) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        renorm::set_trace(Some(trace));
        Traced(turn)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        renorm::set_trace(None);
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<(ThreadId, String, Duration)>>);

impl Told {
    fn trace(self: &Arc<Self>) -> Box<Trace> {
        let told = Arc::clone(self);
        Box::new(move |line, time| told.0.lock().unwrap().push((thread::current().id(), line.to_owned(), time)))
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn lines_on(&self, thread: ThreadId) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|told| told.0 == thread).map(|told| told.1.clone()).collect()
    }
}

fn train(norm: &Norm<f32>, elements: usize) -> Result<(), Error> {
    norm.train(&mut vec![1.0; elements][..]).run()
}

#[test]
fn told_of_calls_from_two_threads() {
    let told = Arc::new(Told::default());
    let traced = Traced::by(told.trace());
    let start = Instant::now();
    let calls = |c: usize| {
        let norm = norm(Shape::nchw(4, c, 5));
        (0..50).for_each(|_| train(&norm, 4 * c * 5).unwrap());
        (thread::current().id(), norm.explain(Op::Train, None).unwrap())
    };
    let made = thread::scope(|scope| [scope.spawn(|| calls(2)), scope.spawn(|| calls(3))].map(|thread| thread.join().unwrap()));
    let longest = start.elapsed();
    drop(traced);

    for (thread, line) in made {
        assert_eq!(told.lines_on(thread), vec![line; 50]);
    }
    assert_eq!(told.count(), 100);
    let times = told.0.lock().unwrap();
    assert!(times.iter().all(|told| told.2 > Duration::ZERO && told.2 < longest));
}

#[test]
fn not_told_of_what_is_refused_or_explained() {
    let told = Arc::new(Told::default());
    let traced = Traced::by(told.trace());
    let renorm = Norm::<f32>::new(Shape::dense(2, 2), Options::batch_renorm(3.0, 5.0)).unwrap();
    assert_eq!(train(&renorm, 4).unwrap_err().status(), Some(Status::Null));
    renorm.explain(Op::Train, None).unwrap();
    assert_eq!(told.count(), 0);
    train(&norm(Shape::dense(2, 2)), 4).unwrap();
    assert_eq!(told.count(), 1);
    drop(traced);
    train(&norm(Shape::dense(2, 2)), 4).unwrap();
    assert_eq!(told.count(), 1);
}

#[test]
fn a_trace_that_is_replaced_is_not_dropped() {
    let [first, second] = [(); 2].map(|_| Arc::new(Told::default()));
    let traced = Traced::by(first.trace());
    let norm = norm(Shape::dense(2, 2));
    train(&norm, 4).unwrap();
    renorm::set_trace(Some(second.trace()));
    train(&norm, 4).unwrap();
    train(&norm, 4).unwrap();
    drop(traced);
    assert_eq!((first.count(), second.count()), (1, 2));
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (2, 2));
}

/// A panic with this as its payload goes on while the payload is dropped.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_trace_that_panics() {
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&panics);
    let _traced = Traced::by(Box::new(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic_any(Twice);
    }));
    let (norm, mut y) = (Norm::<f32>::new(Shape::dense(2, 1), Options::batch_norm().eps(0.0)).unwrap(), [0.0; 2]);
    for _ in 0..2 {
        norm.train((&[1.0, 3.0], &mut y)).run().unwrap();
    }
    assert_eq!((y, panics.load(Ordering::Relaxed)), ([-1.0, 1.0], 2));
}
