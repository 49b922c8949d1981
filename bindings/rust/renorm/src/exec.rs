//! Where to run: threads and memory that are lent to a call.

use crate::{AtLeast, Element, Error, Norm, Op, Status};
use renorm_sys as sys;
use std::any::Any;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::os::raw::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Threads of the caller's own that a [`Call`](crate::Call) may use. Without one it stays on the calling thread. Results have the same
/// bits either way.
///
/// The task is borrowed for the duration of `parallel_for` alone, so safe code cannot keep it; scoped threads and the scopes of thread
/// pools can run it. An implementation that hands it on by `unsafe` means must not return before the last run of it has.
///
/// ```
/// use renorm::{Executor, Norm, Options, Shape};
///
/// struct TwoThreads;
///
/// impl Executor for TwoThreads {
///     fn concurrency(&self) -> usize {
///         2
///     }
///     fn parallel_for(&self, n: usize, task: &(dyn Fn(usize) + Sync)) {
///         std::thread::scope(|scope| {
///             scope.spawn(|| (0..n / 2).for_each(task));
///             (n / 2..n).for_each(task);
///         });
///     }
/// }
///
/// let mut x = vec![1f32; 16 * 64 * 100];
/// let norm = Norm::<f32>::new(Shape::nchw(16, 64, 100), Options::batch_norm())?;
/// norm.train(&mut x[..]).executor(&TwoThreads).run()?;
/// assert!(x.iter().all(|y| *y == 0.0));
/// # Ok::<(), renorm::Error>(())
/// ```
///
/// ```compile_fail
/// struct Keeper(std::sync::Mutex<Option<&'static (dyn Fn(usize) + Sync)>>);
///
/// impl renorm::Executor for Keeper {
///     fn parallel_for(&self, _n: usize, task: &(dyn Fn(usize) + Sync)) {
///         *self.0.lock().unwrap() = Some(task); // the task does not live that long
///     }
/// }
/// ```
pub trait Executor {
    /// How many threads `parallel_for` has, the calling one included if it takes part; 0 if that is not known.
    fn concurrency(&self) -> usize {
        0
    }

    /// Runs `task(0)` to `task(n - 1)`, in any order and on any threads, and returns when all have returned.
    ///
    /// What it leaves out is done by the calling thread; what it runs twice is done once. If it panics, the operation is finished on
    /// the calling thread, and [`Call::run`](crate::Call::run) then panics with the same payload.
    fn parallel_for(&self, n: usize, task: &(dyn Fn(usize) + Sync));
}

/// Threads that are started for each `parallel_for` and joined at its end: for large tensors where there is no pool.
#[derive(Clone, Copy, Debug)]
pub struct ScopedThreads {
    count: NonZeroUsize,
}

impl ScopedThreads {
    /// As many threads as `count`, the calling one included.
    pub const fn new(count: NonZeroUsize) -> Self {
        ScopedThreads { count }
    }
}

impl Executor for ScopedThreads {
    fn concurrency(&self) -> usize {
        self.count.get()
    }

    fn parallel_for(&self, n: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                index if index < n => task(index),
                _ => break,
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.count.get().min(n) {
                // Where the system has no more threads, those there are do the work.
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
    }
}

/// Memory for the intermediate results of calls, one at a time. A call without one allocates what it needs and frees it again; a call
/// with one allocates nothing.
///
/// ```
/// use renorm::{Norm, Op, Options, Shape, Workspace};
///
/// let norm = Norm::<f32>::new(Shape::nchw(8, 3, 100), Options::batch_norm())?;
/// let mut workspace = Workspace::new();
/// workspace.reserve(&norm, Op::Train)?;
/// let mut x = vec![0f32; 8 * 3 * 100];
/// for _ in 0..10 {
///     norm.train(&mut x[..]).workspace(&mut workspace).run()?;
/// }
/// # Ok::<(), renorm::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Workspace {
    /// Of length 0: only its capacity is used.
    memory: Vec<u8>,
}

impl Workspace {
    /// An empty one.
    pub const fn new() -> Self {
        Workspace { memory: Vec::new() }
    }

    /// Grows, if need be, to what an operation needs.
    ///
    /// # Errors
    ///
    /// [`Status::OutOfMemory`] if there is not that much memory.
    pub fn reserve<T: Element, P: AtLeast<T>, R: AtLeast<T>>(&mut self, norm: &Norm<T, P, R>, op: Op) -> Result<(), Error> {
        let bytes = norm.workspace_bytes(op)?;
        self.memory
            .try_reserve_exact(bytes)
            .map_err(|_| Error::Refused { status: Status::OutOfMemory, message: format!("no memory for a workspace of {} bytes", bytes) })
    }

    /// Its size in bytes.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.memory.capacity()
    }

    #[inline]
    pub(crate) fn as_mut_ptr(&mut self) -> *mut c_void {
        self.memory.as_mut_ptr().cast()
    }
}

/// An executor for the duration of one call of the library: no panic goes over the library's frames.
pub(crate) struct Lent<'a> {
    executor: &'a dyn Executor,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

impl<'a> Lent<'a> {
    pub(crate) fn new(executor: &'a dyn Executor) -> Self {
        Lent { executor, panic: Cell::new(None) }
    }

    /// What the library is told of it, as long as it is there.
    pub(crate) fn exec(&self) -> sys::renorm_exec {
        sys::renorm_exec {
            concurrency: i32::try_from(self.executor.concurrency()).unwrap_or(i32::MAX),
            ctx: self as *const Self as *mut c_void,
            parallel_for: Some(parallel_for),
            ..Default::default()
        }
    }

    /// Goes on with the panic that parallel_for ended with, if it did.
    pub(crate) fn resume_panic(self) {
        if let Some(payload) = self.panic.into_inner() {
            resume_unwind(payload);
        }
    }

    /// An executor that has panicked is not asked again. Returns whether it ran.
    fn run(&self, n: usize, task: &(dyn Fn(usize) + Sync)) -> bool {
        let earlier = self.panic.take();
        if earlier.is_some() {
            self.panic.set(earlier);
            return false;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.executor.parallel_for(n, task)));
        let done = outcome.is_ok();
        self.panic.set(outcome.err());
        done
    }
}

/// A task of the library's. It may be called on any thread until parallel_for returns, and checks its index itself.
struct Task {
    function: sys::renorm_task,
    arg: *mut c_void,
}

// SAFETY: renorm.h lets tasks run on any threads at the same time.
unsafe impl Sync for Task {}

impl Task {
    /// # Safety
    ///
    /// parallel_for has not returned.
    unsafe fn run(&self, index: usize) {
        // SAFETY: the library's own function and argument, and both are valid until parallel_for returns.
        unsafe { (self.function)(self.arg, index) }
    }
}

/// # Safety
///
/// `ctx` comes from [`Lent::exec`], and the Lent is still there.
unsafe extern "C" fn parallel_for(ctx: *mut c_void, n: usize, function: sys::renorm_task, arg: *mut c_void) -> i32 {
    // SAFETY: what this function asks for.
    let lent = unsafe { &*(ctx as *const Lent<'_>) };
    let task = Task { function, arg };
    // SAFETY: the executor can call the closure only as long as it borrows it, and the borrow ends before this function does.
    let done = lent.run(n, &|index| unsafe { task.run(index) });
    if done {
        0
    } else {
        -1
    }
}
