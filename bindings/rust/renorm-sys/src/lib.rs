#![doc = include_str!("../README.md")]
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_void};

/// A status, layout, element type, instruction set or operation is a number of the constants that begin with its name.
pub type renorm_status = i32;
pub type renorm_layout = i32;
pub type renorm_dtype = i32;
pub type renorm_isa = i32;
pub type renorm_op = i32;
pub type renorm_group_order = i32;
pub type renorm_mask_kind = i32;
pub type renorm_epilogue = i32;

/// Runs one portion of an operation.
pub type renorm_task = unsafe extern "C" fn(arg: *mut c_void, index: usize);

/// Runs `task(arg, 0)` to `task(arg, n - 1)` and returns when all have returned.
pub type renorm_trace = unsafe extern "C" fn(ctx: *mut c_void, line: *const c_char, microseconds: f64);
pub type renorm_parallel_for = unsafe extern "C" fn(ctx: *mut c_void, n: usize, task: renorm_task, arg: *mut c_void) -> i32;

macro_rules! constants {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        $(pub const $name: $type = $value;)*

        #[cfg(test)]
        fn declared_constants() -> Vec<String> {
            vec![$(format!("const {} {}", stringify!($name), $name)),*]
        }
    };
}

constants! {
    RENORM_VERSION_MAJOR: u32 = 0;
    RENORM_VERSION_MINOR: u32 = 1;
    RENORM_VERSION_PATCH: u32 = 0;

    RENORM_OK: renorm_status = 0;
    RENORM_ERROR_NULL: renorm_status = -1;
    RENORM_ERROR_STRUCT_SIZE: renorm_status = -2;
    RENORM_ERROR_VALUE: renorm_status = -3;
    RENORM_ERROR_UNSUPPORTED: renorm_status = -4;
    RENORM_ERROR_OVERFLOW: renorm_status = -5;
    RENORM_ERROR_ALIAS: renorm_status = -6;
    RENORM_ERROR_WORKSPACE: renorm_status = -7;
    RENORM_ERROR_OUT_OF_MEMORY: renorm_status = -8;
    RENORM_ERROR_ISA: renorm_status = -9;

    RENORM_NCHW: renorm_layout = 1;
    RENORM_NHWC: renorm_layout = 2;

    RENORM_F32: renorm_dtype = 1;
    RENORM_F64: renorm_dtype = 2;

    RENORM_GROUPS_CONTIGUOUS: renorm_group_order = 0;
    RENORM_GROUPS_INTERLEAVED: renorm_group_order = 1;

    RENORM_MASK_NONE: renorm_mask_kind = 0;
    RENORM_MASK_BYTES: renorm_mask_kind = 1;
    RENORM_MASK_LENGTHS: renorm_mask_kind = 2;

    RENORM_EPILOGUE_NONE: renorm_epilogue = 0;
    RENORM_EPILOGUE_RELU: renorm_epilogue = 1;
    RENORM_EPILOGUE_ADD: renorm_epilogue = 2;
    RENORM_EPILOGUE_ADD_RELU: renorm_epilogue = 3;

    RENORM_ISA_NONE: renorm_isa = 0;
    RENORM_ISA_SCALAR: renorm_isa = 1;
    RENORM_ISA_SSE2: renorm_isa = 16;
    RENORM_ISA_AVX2: renorm_isa = 17;
    RENORM_ISA_AVX512: renorm_isa = 18;
    RENORM_ISA_NEON64: renorm_isa = 32;

    RENORM_OP_TRAIN: renorm_op = 1;
    RENORM_OP_INFERENCE: renorm_op = 2;
    RENORM_OP_BACKWARD: renorm_op = 3;
    RENORM_OP_INFERENCE_BACKWARD: renorm_op = 4;
    RENORM_OP_MOMENTS: renorm_op = 5;
    RENORM_OP_MERGE: renorm_op = 6;
    RENORM_OP_UPDATE_RUNNING: renorm_op = 7;
    RENORM_OP_CORRECTION: renorm_op = 8;
    RENORM_OP_COEFFICIENTS: renorm_op = 9;
    RENORM_OP_APPLY: renorm_op = 10;
    RENORM_OP_BACKWARD_REDUCE: renorm_op = 11;
    RENORM_OP_BACKWARD_APPLY: renorm_op = 12;
    RENORM_OP_FOLD: renorm_op = 13;

    RENORM_FLAG_BATCH_RENORM: u32 = 1;
    RENORM_FLAG_TRACK_SIGMA: u32 = 2;
    RENORM_FLAG_UNBIASED: u32 = 4;
    RENORM_FLAG_UNBIASED_RUNNING: u32 = 8;
    RENORM_FLAG_KEEP_RUNNING: u32 = 16;
    RENORM_FLAG_CUMULATIVE: u32 = 32;
    RENORM_FLAG_RMIN: u32 = 64;
    RENORM_FLAG_SKIP_NONFINITE: u32 = 128;

    RENORM_EXPLAIN_BYTES: usize = 1024;
}

macro_rules! structs {
    ($($(#[$doc:meta])* struct $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug)]
            pub struct $name {
                $(pub $field: $type,)*
            }

            impl Default for $name {
                #[inline]
                fn default() -> Self {
                    // SAFETY: numbers, pointers and an Option of a function pointer, for all of which 0 is a value.
                    let cleared: Self = unsafe { std::mem::zeroed() };
                    Self { struct_size: std::mem::size_of::<Self>() as u32, ..cleared }
                }
            }
        )*

        #[cfg(test)]
        fn declared_structs() -> Vec<String> {
            let mut lines = Vec::new();
            $(
                lines.push(format!("sizeof {} {}", stringify!($name), std::mem::size_of::<$name>()));
                let value = $name::default();
                let start = std::ptr::addr_of!(value) as usize;
                $(lines.push(format!(
                    "offsetof {} {} {}", stringify!($name), stringify!($field), std::ptr::addr_of!(value.$field) as usize - start
                ));)*
            )*
            lines
        }
    };
}

structs! {
    /// What to compute.
    struct renorm_desc {
        struct_size: u32,
        flags: u32,
        layout: i32,
        dtype: i32,
        out_dtype: i32,
        param_dtype: i32,
        stats_dtype: i32,
        epilogue: i32,
        n: i64,
        c: i64,
        s: i64,
        groups: i64,
        group_order: i32,
        mask_kind: i32,
        eps: f64,
        momentum: f64,
        rmin: f64,
        rmax: f64,
        dmax: f64,
    }

    /// Where to run. A null pointer to it stands for the calling thread and memory of the library's own.
    struct renorm_exec {
        struct_size: u32,
        flags: u32,
        concurrency: i32,
        reserved: i32,
        ctx: *mut c_void,
        parallel_for: Option<renorm_parallel_for>,
        workspace: *mut c_void,
        workspace_bytes: usize,
    }

    /// The schedule of the bounds of batch renorm.
    struct renorm_ramp {
        struct_size: u32,
        flags: u32,
        warm: i64,
        rmax_end: i64,
        dmax_end: i64,
        rmax_final: f64,
        dmax_final: f64,
    }

    /// Arguments of [`renorm_train`].
    struct renorm_train_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        gamma: *const c_void,
        beta: *const c_void,
        running_mean: *mut c_void,
        running_var: *mut c_void,
        num_batches: *mut i64,
        y: *mut c_void,
        mean: *mut f64,
        sigma: *mut f64,
        r: *mut f64,
        d: *mut f64,
        count: *mut i64,
        nonfinite: *mut i64,
        m2: *mut f64,
        mask: *const c_void,
        z: *const c_void,
    }

    /// Arguments of [`renorm_inference`].
    struct renorm_inference_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        gamma: *const c_void,
        beta: *const c_void,
        running_mean: *const c_void,
        running_var: *const c_void,
        y: *mut c_void,
        mask: *const c_void,
        z: *const c_void,
        nonfinite: *mut i64,
    }

    /// Arguments of [`renorm_backward`].
    struct renorm_backward_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        dy: *const c_void,
        gamma: *const c_void,
        mean: *const f64,
        sigma: *const f64,
        r: *const f64,
        d: *const f64,
        count: *const i64,
        dx: *mut c_void,
        dgamma: *mut c_void,
        dbeta: *mut c_void,
        mask: *const c_void,
        beta: *const c_void,
        z: *const c_void,
        dz: *mut c_void,
    }

    /// Arguments of [`renorm_inference_backward`].
    struct renorm_inference_backward_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        dy: *const c_void,
        gamma: *const c_void,
        running_mean: *const c_void,
        running_var: *const c_void,
        dx: *mut c_void,
        dgamma: *mut c_void,
        dbeta: *mut c_void,
        mask: *const c_void,
        beta: *const c_void,
        z: *const c_void,
        dz: *mut c_void,
    }

    /// Arguments of [`renorm_moments`].
    struct renorm_moments_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        count: *mut i64,
        mean: *mut f64,
        m2: *mut f64,
        mask: *const c_void,
    }

    /// Arguments of [`renorm_merge`].
    struct renorm_merge_args {
        struct_size: u32,
        flags: u32,
        count: *mut i64,
        mean: *mut f64,
        m2: *mut f64,
        other_count: *const i64,
        other_mean: *const f64,
        other_m2: *const f64,
    }

    /// Arguments of [`renorm_update_running`].
    struct renorm_update_running_args {
        struct_size: u32,
        flags: u32,
        count: *const i64,
        mean: *const f64,
        m2: *const f64,
        running_mean: *mut c_void,
        running_var: *mut c_void,
        num_batches: *mut i64,
        nonfinite: *mut i64,
    }

    /// Arguments of [`renorm_correction`].
    struct renorm_correction_args {
        struct_size: u32,
        flags: u32,
        count: *const i64,
        mean: *const f64,
        m2: *const f64,
        running_mean: *const c_void,
        running_var: *const c_void,
        sigma_floor: f64,
        sigma: *mut f64,
        r: *mut f64,
        d: *mut f64,
    }

    /// Arguments of [`renorm_coefficients`].
    struct renorm_coefficients_args {
        struct_size: u32,
        flags: u32,
        mean: *const f64,
        sigma: *const f64,
        r: *const f64,
        d: *const f64,
        running_mean: *const c_void,
        running_var: *const c_void,
        gamma: *const c_void,
        beta: *const c_void,
        center: *mut f64,
        scale: *mut f64,
        shift: *mut f64,
        nonfinite: *mut i64,
    }

    /// Arguments of [`renorm_apply`].
    struct renorm_apply_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        center: *const f64,
        scale: *const f64,
        shift: *const f64,
        y: *mut c_void,
        mask: *const c_void,
        z: *const c_void,
    }

    /// Arguments of [`renorm_backward_reduce`].
    struct renorm_backward_reduce_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        dy: *const c_void,
        mean: *const f64,
        sigma: *const f64,
        sum_dy: *mut f64,
        sum_dy_xhat: *mut f64,
        mask: *const c_void,
        gamma: *const c_void,
        beta: *const c_void,
        r: *const f64,
        d: *const f64,
        z: *const c_void,
    }

    /// Arguments of [`renorm_backward_apply`].
    struct renorm_backward_apply_args {
        struct_size: u32,
        flags: u32,
        x: *const c_void,
        dy: *const c_void,
        gamma: *const c_void,
        mean: *const f64,
        sigma: *const f64,
        r: *const f64,
        d: *const f64,
        count: *const i64,
        sum_dy: *const f64,
        sum_dy_xhat: *const f64,
        dx: *mut c_void,
        dgamma: *mut c_void,
        dbeta: *mut c_void,
        mask: *const c_void,
        beta: *const c_void,
        z: *const c_void,
        dz: *mut c_void,
    }

    /// Arguments of [`renorm_fold`].
    struct renorm_fold_args {
        struct_size: u32,
        flags: u32,
        gamma: *const c_void,
        beta: *const c_void,
        running_mean: *const c_void,
        running_var: *const c_void,
        weights: *const c_void,
        bias: *const c_void,
        scale: *mut c_void,
        folded_weights: *mut c_void,
        folded_bias: *mut c_void,
        nonfinite: *mut i64,
    }
}

extern "C" {
    pub fn renorm_version() -> u32;
    pub fn renorm_build_info() -> *const c_char;
    pub fn renorm_status_string(status: renorm_status) -> *const c_char;
    pub fn renorm_last_error(buf: *mut c_char, cap: usize) -> usize;
    pub fn renorm_best_isa() -> renorm_isa;
    pub fn renorm_active_isa() -> renorm_isa;
    pub fn renorm_set_max_isa(isa: renorm_isa) -> renorm_status;
    pub fn renorm_isa_name(isa: renorm_isa) -> *const c_char;
    pub fn renorm_desc_init(desc: *mut renorm_desc, struct_size: usize) -> renorm_status;
    pub fn renorm_workspace_size(desc: *const renorm_desc, op: renorm_op, bytes: *mut usize) -> renorm_status;
    pub fn renorm_explain(desc: *const renorm_desc, op: renorm_op, exec: *const renorm_exec, buf: *mut c_char, cap: usize)
        -> renorm_status;
    pub fn renorm_set_trace(trace: Option<renorm_trace>, ctx: *mut c_void);
    pub fn renorm_ramp_at(ramp: *const renorm_ramp, step: i64, rmax: *mut f64, dmax: *mut f64) -> renorm_status;
    pub fn renorm_train(desc: *const renorm_desc, args: *const renorm_train_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_inference(desc: *const renorm_desc, args: *const renorm_inference_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_backward(desc: *const renorm_desc, args: *const renorm_backward_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_inference_backward(
        desc: *const renorm_desc,
        args: *const renorm_inference_backward_args,
        exec: *const renorm_exec,
    ) -> renorm_status;
    pub fn renorm_moments(desc: *const renorm_desc, args: *const renorm_moments_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_merge(desc: *const renorm_desc, args: *const renorm_merge_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_update_running(
        desc: *const renorm_desc,
        args: *const renorm_update_running_args,
        exec: *const renorm_exec,
    ) -> renorm_status;
    pub fn renorm_correction(desc: *const renorm_desc, args: *const renorm_correction_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_coefficients(desc: *const renorm_desc, args: *const renorm_coefficients_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_apply(desc: *const renorm_desc, args: *const renorm_apply_args, exec: *const renorm_exec) -> renorm_status;
    pub fn renorm_backward_reduce(
        desc: *const renorm_desc,
        args: *const renorm_backward_reduce_args,
        exec: *const renorm_exec,
    ) -> renorm_status;
    pub fn renorm_backward_apply(
        desc: *const renorm_desc,
        args: *const renorm_backward_apply_args,
        exec: *const renorm_exec,
    ) -> renorm_status;
    pub fn renorm_fold(desc: *const renorm_desc, args: *const renorm_fold_args, exec: *const renorm_exec) -> renorm_status;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::process::Command;

    /// What a C compiler says of renorm.h is what is declared here, and nothing of it is missing.
    #[test]
    fn declarations_are_those_of_the_header() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/abi_dump.sh");
        let dump = Command::new("sh").arg(script).output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        let header: BTreeSet<String> = String::from_utf8(dump.stdout).unwrap().lines().map(String::from).collect();
        let declared: BTreeSet<String> = declared_constants().into_iter().chain(declared_structs()).collect();
        assert_eq!(header.difference(&declared).collect::<Vec<_>>(), [""; 0], "in the header only");
        assert_eq!(declared.difference(&header).collect::<Vec<_>>(), [""; 0], "in this crate only");
    }

    #[test]
    fn the_library_is_not_older_than_the_declarations() {
        let declared = RENORM_VERSION_MAJOR * 10000 + RENORM_VERSION_MINOR * 100 + RENORM_VERSION_PATCH;
        assert!(unsafe { renorm_version() } >= declared);
    }
}
