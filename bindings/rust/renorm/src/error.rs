//! What can go wrong.

use renorm_sys as sys;
use std::ffi::CStr;
use std::fmt;

/// Why the library refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// An array that the operation or an option needs was not given.
    Null,
    /// A struct is newer than the library.
    StructSize,
    /// An extent, option or count is out of its range, or NaN.
    Value,
    /// The library is older than what was asked of it.
    Unsupported,
    /// The sizes do not fit the address space.
    Overflow,
    /// An output overlaps another array.
    Alias,
    /// The [`Workspace`](crate::Workspace) is too small for the operation.
    Workspace,
    /// There was no memory for a workspace.
    OutOfMemory,
    /// The instruction set is not one of this build.
    Isa,
    /// A status of a library that is newer than this crate.
    Other(i32),
}

const STATUSES: [(i32, Status); 9] = [
    (sys::RENORM_ERROR_NULL, Status::Null),
    (sys::RENORM_ERROR_STRUCT_SIZE, Status::StructSize),
    (sys::RENORM_ERROR_VALUE, Status::Value),
    (sys::RENORM_ERROR_UNSUPPORTED, Status::Unsupported),
    (sys::RENORM_ERROR_OVERFLOW, Status::Overflow),
    (sys::RENORM_ERROR_ALIAS, Status::Alias),
    (sys::RENORM_ERROR_WORKSPACE, Status::Workspace),
    (sys::RENORM_ERROR_OUT_OF_MEMORY, Status::OutOfMemory),
    (sys::RENORM_ERROR_ISA, Status::Isa),
];

impl Status {
    fn from_code(code: i32) -> Self {
        STATUSES.iter().find(|(known, _)| *known == code).map_or(Status::Other(code), |(_, status)| *status)
    }
}

/// The error of every function of this crate. Nothing has been written where a call returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The library refused the call, and says why.
    #[non_exhaustive]
    Refused { status: Status, message: String },
    /// A slice has not the length that the shape asks for.
    #[non_exhaustive]
    Length { array: &'static str, expected: usize, found: usize },
    /// A mask was given that is not of the kind of [`Options::mask`](crate::Options::mask), or where that was not said.
    MaskKind,
    /// `z` or `dz` was given, which only an addition of [`Options::epilogue`](crate::Options::epilogue) reads or writes.
    #[non_exhaustive]
    NoAddition { array: &'static str },
}

impl Error {
    /// The library's status, if it was the library that refused the call.
    pub fn status(&self) -> Option<Status> {
        match self {
            Error::Refused { status, .. } => Some(*status),
            Error::Length { .. } | Error::MaskKind | Error::NoAddition { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused { message, .. } => f.write_str(message),
            Error::MaskKind => f.write_str("the mask is not of the kind that the options name"),
            Error::NoAddition { array } => write!(f, "{} is given, but the options name no epilogue that adds", array),
            Error::Length { array, expected, found } => write!(f, "{} has {} elements instead of {}", array, found, expected),
        }
    }
}

impl std::error::Error for Error {}

/// The outcome of a library function that has just returned on this thread.
#[inline]
pub(crate) fn check(code: sys::renorm_status) -> Result<(), Error> {
    if code == sys::RENORM_OK {
        return Ok(());
    }
    Err(refusal(code))
}

#[cold]
fn refusal(code: i32) -> Error {
    Error::Refused { status: Status::from_code(code), message: last_message() }
}

fn last_message() -> String {
    let mut buffer = vec![0u8; 256];
    loop {
        // SAFETY: the buffer has as many bytes as are announced, and begins with a terminated text afterwards.
        let length = unsafe { sys::renorm_last_error(buffer.as_mut_ptr().cast(), buffer.len()) };
        if length < buffer.len() {
            buffer.truncate(length);
            return String::from_utf8_lossy(&buffer).into_owned();
        }
        buffer.resize(length + 1, 0);
    }
}

/// A text of the library's, which is all ASCII.
///
/// # Safety
///
/// `text` is a terminated string, and stays one for `'a`.
pub(crate) unsafe fn text<'a>(text: *const std::os::raw::c_char) -> &'a str {
    // SAFETY: what this function asks for.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::{null, null_mut};

    fn desc() -> sys::renorm_desc {
        sys::renorm_desc { layout: sys::RENORM_NHWC, dtype: sys::RENORM_F32, n: 1, c: 2, s: 1, rmax: 1.0, ..Default::default() }
    }

    fn apply(desc: &sys::renorm_desc, args: &sys::renorm_apply_args, exec: *const sys::renorm_exec) -> Error {
        check(unsafe { sys::renorm_apply(desc, args, exec) }).unwrap_err()
    }

    fn assert_refused(error: Error, expected: Status, culprit: &str) {
        assert_eq!(error.status(), Some(expected), "{}", error);
        assert!(error.to_string().contains(culprit), "no {} in: {}", culprit, error);
    }

    // What the safe interface does not let happen, and the statuses of these.
    #[test]
    fn statuses_of_what_safe_code_cannot_do() {
        let args = sys::renorm_apply_args::default();
        let sizeless = sys::renorm_desc { struct_size: 0, ..desc() };
        assert_refused(apply(&sizeless, &args, null()), Status::StructSize, "desc->struct_size");
        assert_refused(apply(&sys::renorm_desc { dtype: 9, ..desc() }, &args, null()), Status::Unsupported, "desc->dtype");
        assert_refused(apply(&desc(), &args, null()), Status::Null, "args->x");

        let (mut x, numbers) = ([0f32; 3], [0f64; 2]);
        let overlapping = sys::renorm_apply_args {
            x: x.as_ptr().cast(),
            center: numbers.as_ptr(),
            scale: numbers.as_ptr(),
            shift: numbers.as_ptr(),
            y: x[1..].as_mut_ptr().cast(),
            ..Default::default()
        };
        assert_refused(apply(&desc(), &overlapping, null()), Status::Alias, "args->y overlaps args->x");
    }

    #[test]
    fn a_long_message_is_whole() {
        assert_eq!(unsafe { sys::renorm_desc_init(null_mut(), 0) }, sys::RENORM_ERROR_NULL);
        let whole = last_message();
        let mut beginning = [0u8; 8];
        let length = unsafe { sys::renorm_last_error(beginning.as_mut_ptr().cast(), beginning.len()) };
        assert_eq!(whole.len(), length);
        assert_eq!(whole.as_bytes()[..7], beginning[..7]);
    }

    #[test]
    fn a_status_of_a_newer_library_is_kept() {
        assert_eq!(Status::from_code(-1000), Status::Other(-1000));
    }
}
