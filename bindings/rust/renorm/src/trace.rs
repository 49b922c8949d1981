//! A function that is told of every call.

use crate::error::text;
use renorm_sys as sys;
use std::mem;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::time::Duration;

/// What [`set_trace`] takes: the line of [`Norm::explain`](crate::Norm::explain) and the wall-clock time of a call.
pub type Trace = dyn Fn(&str, Duration) + Send + Sync;

/// From now on the function is called after every operation of the process that is not refused, on the thread that called it and before
/// it returns there. Several threads may call it at once. `None` turns it off; calls that are running may still be told of.
///
/// What it panics with ends there, after the panic hook, and the operation returns as without it. It is never dropped, as a call on
/// another thread may be about to use it: set it once, not for each call.
///
/// ```
/// renorm::set_trace(Some(Box::new(|line, time| eprintln!("{:?} {}", time, line))));
/// // ... the calls that are slow ...
/// renorm::set_trace(None);
/// ```
///
/// ```compile_fail
/// let lines = std::cell::RefCell::new(Vec::new()); // not for several threads
/// renorm::set_trace(Some(Box::new(move |line, _| lines.borrow_mut().push(line.to_owned()))));
/// ```
pub fn set_trace(trace: Option<Box<Trace>>) {
    match trace {
        // SAFETY: tell may be called with this pointer at any time, for what it points to is never freed.
        Some(trace) => unsafe { sys::renorm_set_trace(Some(tell), Box::into_raw(Box::new(trace)).cast()) },
        // SAFETY: has no precondition.
        None => unsafe { sys::renorm_set_trace(None, ptr::null_mut()) },
    }
}

/// # Safety
///
/// `ctx` comes from [`set_trace`], and `line` is a terminated string.
unsafe extern "C" fn tell(ctx: *mut c_void, line: *const c_char, microseconds: f64) {
    // SAFETY: what this function asks for; the line is there until this function returns, and a Trace cannot keep it.
    let (trace, line) = unsafe { (&*(ctx as *const Box<Trace>), text(line)) };
    let outcome = catch_unwind(AssertUnwindSafe(|| trace(line, Duration::from_secs_f64(microseconds * 1e-6))));
    // Dropping what it has panicked with could panic as well, and no panic goes over the library's frames.
    mem::forget(outcome);
}
