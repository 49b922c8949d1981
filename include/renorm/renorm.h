/*
 * renorm: batch normalization and batch renormalization on CPUs. This header is the C ABI and its manual.
 *
 * Notation. A tensor has n samples, c channels and s positions per sample (the product of all spatial extents; 1 for a
 * dense layer). m is the number of values one channel's statistics are taken over, n*s. Sums run over those m values.
 *
 *   mean  = sum(x) / m
 *   var   = sum((x - mean)^2) / m
 *   sigma = sqrt(var + eps)                                     eps is inside the root
 *   y     = gamma*(r*(x - mean)/sigma + d) + beta               batch norm: r = 1, d = 0
 *
 *   r = clip(sigma / sigma_running, rmin, rmax)                 rmin = 1/rmax unless RENORM_FLAG_RMIN
 *   d = clip((mean - mean_running) / sigma_running, -dmax, dmax)
 *
 * with the running statistics from before the call: S. Ioffe, "Batch Renormalization" (2017), Algorithm 1. r and d are
 * constants for the gradient. With g = dy (epilogues: below), xhat = (x - mean)/sigma, S1 = sum(g), S2 = sum(g*xhat):
 *
 *   dx = gamma*r/sigma * (g - S1/m - xhat*S2/m),   dgamma = r*S2 + d*S1,   dbeta = S1
 *
 * Groups, also called microbatches or ghost batches (paper, sections 4.2 and 4.3): with desc->groups = G > 1 the samples form G groups,
 * and all of the above holds for each group by itself: its own mean, sigma, m, and its own r, d against the same running statistics from
 * before the call. The running statistics are updated once, by the average over the groups weighted by m of mean and of the variance (or
 * of sigma, where that is tracked), each with the Bessel factor of its group. dgamma and dbeta are sums over the groups. A group without
 * a value (more groups than samples) has m = 0, mean = 0, m2 = 0, and changes nothing.
 *
 * Masks: with desc->mask_kind some positions [n][s] do not count, in all channels. Sums and m are over the valid ones; at the others y and
 * dx are 0, and what x and dy hold there is ignored, NaN too. A mask that leaves nothing out gives the bits of no mask. A group without
 * a valid position is a group without a value.
 *
 * Epilogues: with desc->epilogue, y = relu(v), v + z or relu(v + z), v being the right-hand side of y above (and of renorm_inference and
 * renorm_apply), and z a tensor like x. v is rounded to desc->dtype before z is added: y has the bits of the operations one after the
 * other. relu(a) is 0 where a < 0, else a: NaN stays NaN, and -0 stays -0. In the backward passes g is dy, but 0 where a <= 0, a being the
 * argument of relu, and dz = g. A NaN in a lets dy pass; where a <= 0 a NaN in dy does not. a is recomputed from what forward had (x, the
 * statistics, gamma, beta, and z): with the same values, on the same instruction set, it has the same bits. That takes no memory but a
 * little workspace, and no traffic but that of z; y need not be kept. At masked positions y, dx and dz are 0, and what z holds there is
 * ignored.
 *
 * Numbers. x is taken relative to values of its own and sums meet in double, so that results are as accurate at any mean as at 0.
 * Exact data have exact means: if all x are multiples of a unit u, differ from each other by at most 2^17*u (double: 2^46*u), and the sum
 * of their absolute values is at most 2^50*u, mean is that sum divided by m and rounded once, and a sum of such gradients g within these
 * bounds is the exact one. renorm_merge recovers the sums of such means.
 * The whole range of the type is covered: deviations, scales and reciprocals of sigma that it does not hold are computed in other units.
 * But m2, and a running variance, are infinite where double does not hold them (deviations above 1e154), 0 where it has lost them (below
 * 1e-154, with an eps below 2^-900); sigma, a tracked one as well, and what comes of it are right in whole calls all the same. The parts
 * have no more than m2 there: for such channels they do not give the bits of whole calls. m2 is within m*2^-150 of the sum (double:
 * m*2^-1075) unless eps is below 2^-90 (2^-900): what squares lose to underflow does not show beside a larger eps. eps 0 asks for all
 * digits.
 *
 * Not finite. nonfinite counts the channels whose statistics (of a group with a value), or new running statistics, are not finite or lost
 * as above, or whose map y = scale*(x - center) + shift has a center, scale or shift that rounds to an infinity in the type of y, or is
 * NaN. Finite input comes to that by: sigma = 0 (a constant channel with eps = 0); a running variance below -eps, or running statistics
 * that are not finite, where they are read for more than r = 1 and d = 0; r or d unbounded (rmax or dmax infinite) over a running sigma
 * of 0; gamma, beta, or gamma*r/sigma beyond the type; a running variance beyond the type it is stored in. Maps are counted by
 * renorm_train, renorm_inference and renorm_coefficients, statistics by renorm_train, running ones by it and renorm_update_running.
 *
 * One channel, c = 1, is the same memory in both layouts, and has the same bits and speed in both; consecutive samples of a group are then
 * one sequence of values, however they are split into samples and positions.
 *
 * Rules that hold for every function, unless it says otherwise:
 *
 * - Structs are passed by pointer and begin with their size: clear the struct, then set struct_size to sizeof. Later
 *   versions append fields, and 0 in a new field means what the library did before it existed. A struct shorter than the
 *   library's is read as if its missing fields were 0; a longer one is accepted if what the library does not know is 0.
 * - A call that is refused returns a negative status and writes nothing; renorm_last_error has the reason in words.
 * - Tensors are dense, of desc->dtype, n*c*s elements: NCHW is [n][c][s], NHWC is [n][s][c]. Per-channel arrays have c
 *   elements. No pointer needs more alignment than its element. Nothing outside the arrays is read or written.
 * - y may be x or z; dx may be dy or x; dz may be dy or z, but not dx; folded arrays may be what they are folded from. Any other overlap
 *   of an output with another array that the call reads or writes is refused, and of any array with the workspace.
 * - n, c or s may be 0: no tensor is read or written, running statistics stay, sums and parameter gradients are 0. An array of no
 *   bytes may be NULL. Whatever the other extents are, a call takes no longer than its arrays are long, and needs no workspace. Without
 *   channels the counts of groups are not read.
 * - Options are refused out of their range where they are read, and if they are NaN everywhere. eps is read by renorm_train,
 *   renorm_moments, renorm_correction, and where running statistics are read that are no tracked sigma, or written that are one; momentum
 *   where running statistics are updated, unless by RENORM_FLAG_CUMULATIVE; rmin, rmax and dmax by renorm_train and renorm_correction with
 *   RENORM_FLAG_BATCH_RENORM. Counts are below INT64_MAX.
 * - Results have the same bits for any number of threads, any executor and any alignment, and on the scalar, AVX2,
 *   AVX-512 and NEON kernels alike (NaN payloads aside), within one release. SSE2 has no fused multiply-add and differs in rounding.
 * - A channel that holds a NaN or an infinity gets non-finite output, unless relu makes 0 of -infinity, and touches no other channel.
 * - Outputs are overwritten, gradients too: nothing is added to what they held. An in-place forward pass overwrites the x that the
 *   backward pass needs. There are no second derivatives.
 * - With a workspace of renorm_workspace_size bytes no memory is allocated. Nothing is printed, nothing aborts or throws,
 *   and the modes of the floating-point environment are left alone (it is expected to round to nearest and to mask exceptions, whose
 *   flags are raised).
 * - All functions may be called from any number of threads at once, with distinct outputs and workspaces.
 */
#ifndef RENORM_RENORM_H
#define RENORM_RENORM_H

#include <stddef.h>
#include <stdint.h>

#if defined(RENORM_STATIC)
#  define RENORM_API
#elif defined(_WIN32)
#  if defined(RENORM_BUILD)
#    define RENORM_API __declspec(dllexport)
#  else
#    define RENORM_API __declspec(dllimport)
#  endif
#elif defined(__GNUC__)
#  define RENORM_API __attribute__((visibility("default")))
#else
#  define RENORM_API
#endif

#define RENORM_VERSION_MAJOR 0
#define RENORM_VERSION_MINOR 1
#define RENORM_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* Status of a call: 0 or negative. Values never change their meaning; new ones are appended. */
typedef int32_t renorm_status;
#define RENORM_OK 0
#define RENORM_ERROR_NULL (-1)          /* a required pointer is NULL */
#define RENORM_ERROR_STRUCT_SIZE (-2)   /* struct_size is unset, implausible, or a newer field is not 0 */
#define RENORM_ERROR_VALUE (-3)         /* an extent or option is out of its range, or NaN */
#define RENORM_ERROR_UNSUPPORTED (-4)   /* unknown or not yet implemented dtype, layout, flag, op, ... */
#define RENORM_ERROR_OVERFLOW (-5)      /* the sizes do not fit the address space, or a sum of counts int64_t */
#define RENORM_ERROR_ALIAS (-6)         /* an output overlaps another array in a way that is not allowed */
#define RENORM_ERROR_WORKSPACE (-7)     /* workspace_bytes is below renorm_workspace_size */
#define RENORM_ERROR_OUT_OF_MEMORY (-8) /* no workspace was given and none could be allocated */
#define RENORM_ERROR_ISA (-9)           /* RENORM_MAX_ISA or renorm_set_max_isa names no instruction set of this build */

/* Memory layout of x, y, z, dy, dx, dz. The dense case s = 1 is the same memory in both. */
typedef int32_t renorm_layout;
#define RENORM_NCHW 1 /* [n][c][s] */
#define RENORM_NHWC 2 /* [n][s][c], channels last */

/* Which samples are a group. Sizes are those of numpy's array_split, in both orders: the first n mod groups groups have one sample more. */
typedef int32_t renorm_group_order;
#define RENORM_GROUPS_CONTIGUOUS 0  /* consecutive samples */
#define RENORM_GROUPS_INTERLEAVED 1 /* sample i is in group i mod groups */

/* What args->mask is. */
typedef int32_t renorm_mask_kind;
#define RENORM_MASK_NONE 0    /* every position is valid; args->mask is not read */
#define RENORM_MASK_BYTES 1   /* const uint8_t[n][s], not 0 where a position is valid */
#define RENORM_MASK_LENGTHS 2 /* const int64_t[n] in [0, s]: so many of the first positions of a sample are valid */

/* What is fused to y, and taken back from dy: see "Epilogues" at the top. */
typedef int32_t renorm_epilogue;
#define RENORM_EPILOGUE_NONE 0
#define RENORM_EPILOGUE_RELU 1     /* y = relu(bn(x)) */
#define RENORM_EPILOGUE_ADD 2      /* y = bn(x) + z */
#define RENORM_EPILOGUE_ADD_RELU 3 /* y = relu(bn(x) + z) */

/* Element type. 0 is a default that each field of renorm_desc names. */
typedef int32_t renorm_dtype;
#define RENORM_F32 1
#define RENORM_F64 2

/* Instruction sets, worst to best within an architecture. A build has those of its own. */
typedef int32_t renorm_isa;
#define RENORM_ISA_NONE 0 /* RENORM_MAX_ISA holds an unknown name: every operation fails with RENORM_ERROR_ISA */
#define RENORM_ISA_SCALAR 1
#define RENORM_ISA_SSE2 16
#define RENORM_ISA_AVX2 17   /* AVX2 and FMA */
#define RENORM_ISA_AVX512 18 /* AVX-512 F, CD, DQ, BW, VL */
#define RENORM_ISA_NEON64 32 /* AArch64 Advanced SIMD */

/* Operations, for renorm_workspace_size and renorm_explain. */
typedef int32_t renorm_op;
#define RENORM_OP_TRAIN 1
#define RENORM_OP_INFERENCE 2
#define RENORM_OP_BACKWARD 3
#define RENORM_OP_INFERENCE_BACKWARD 4
#define RENORM_OP_MOMENTS 5
#define RENORM_OP_MERGE 6
#define RENORM_OP_UPDATE_RUNNING 7
#define RENORM_OP_CORRECTION 8
#define RENORM_OP_COEFFICIENTS 9
#define RENORM_OP_APPLY 10
#define RENORM_OP_BACKWARD_REDUCE 11
#define RENORM_OP_BACKWARD_APPLY 12
#define RENORM_OP_FOLD 13

/* Flags of renorm_desc. An unknown bit is refused. */
#define RENORM_FLAG_BATCH_RENORM 1u   /* apply the correction r, d; without it the operations are batch norm */
#define RENORM_FLAG_TRACK_SIGMA 2u    /* running_var holds sigma, as in the paper (no eps is added to it again), not the variance */
#define RENORM_FLAG_UNBIASED 4u       /* normalise with var*m/(m-1), with the gradient that belongs to it; the factor is 1 for m = 1 */
#define RENORM_FLAG_UNBIASED_RUNNING 8u /* feed the running statistics with var*m/(m-1), as PyTorch does; a tracked sigma is then
                                           sqrt(var*m/(m-1) + eps). Implied by nothing and implying nothing. */
#define RENORM_FLAG_KEEP_RUNNING 16u  /* read the running statistics where they are needed, but do not update them */
#define RENORM_FLAG_CUMULATIVE 32u    /* the weight of a new batch is 1/num_batches instead of momentum: the plain average of all batches */
#define RENORM_FLAG_RMIN 64u          /* the lower bound of r is desc->rmin instead of 1/rmax */
#define RENORM_FLAG_SKIP_NONFINITE 128u /* leave the running statistics of a channel alone whose new ones would not be finite; but a
                                           running value that is not finite is replaced by the batch's finite one, as if the weight were
                                           1 (unless it is 0) */

/*
 * What to compute. No pointers: the descriptor alone decides the workspace size and, with the data, the bits of the
 * results. Fill it with renorm_desc_init, or clear it and set struct_size and what is needed.
 */
typedef struct renorm_desc {
  uint32_t struct_size;
  uint32_t flags;        /* RENORM_FLAG_* */
  int32_t layout;        /* RENORM_NCHW or RENORM_NHWC */
  int32_t dtype;         /* of x, z and dy: RENORM_F32 or RENORM_F64 */
  int32_t out_dtype;     /* of y, dx and dz: 0 or dtype */
  int32_t param_dtype;   /* of gamma, beta, dgamma, dbeta: 0 for dtype, or RENORM_F64 */
  int32_t stats_dtype;   /* of running_mean, running_var: 0 for dtype, or RENORM_F64 (a float mean of 1e4 stops moving at momentum 0.01) */
  int32_t epilogue;      /* RENORM_EPILOGUE_*; functions that neither write y nor read dy ignore it */
  int64_t n, c, s;       /* extents, >= 0 */
  int64_t groups;        /* 0 or 1: one set of statistics for the whole batch. Inference and its backward pass do not read it */
  int32_t group_order;   /* RENORM_GROUPS_* */
  int32_t mask_kind;     /* RENORM_MASK_* */
  double eps;            /* >= 0, finite; added to the variance inside the root */
  double momentum;       /* in [0, 1]: the weight of the NEW batch. PyTorch's momentum; 1 minus that of TensorFlow, Keras, ONNX */
  double rmin;           /* in [0, 1], with RENORM_FLAG_RMIN */
  double rmax;           /* >= 1, may be infinite; read with RENORM_FLAG_BATCH_RENORM */
  double dmax;           /* >= 0, may be infinite; read with RENORM_FLAG_BATCH_RENORM */
} renorm_desc;

/*
 * Runs task(arg, 0) ... task(arg, n - 1), in any order and on any threads, and returns when all have returned: what a task does happens
 * before parallel_for returns. Tasks do not throw, jump out, allocate or block; parallel_for must not throw or jump out of the library.
 */
typedef void (*renorm_task)(void *arg, size_t index);
typedef int32_t (*renorm_parallel_for)(void *ctx, size_t n, renorm_task task, void *arg);

/*
 * Where to run: NULL stands for the calling thread and memory of the library's own.
 *
 * parallel_for lends the caller's threads. It is called on the calling thread, at most a few times per operation. Tasks
 * may run out of order, twice or not at all, and its return value is ignored: each portion of the work is claimed before
 * it runs, and what is left undone the calling thread does itself. Running a task after parallel_for has returned is
 * undefined behaviour.
 */
typedef struct renorm_exec {
  uint32_t struct_size;
  uint32_t flags;          /* 0 */
  int32_t concurrency;     /* number of threads that parallel_for has, or 0 if unknown */
  int32_t reserved;        /* 0 */
  void *ctx;               /* handed to parallel_for */
  renorm_parallel_for parallel_for; /* NULL: the calling thread */
  void *workspace;         /* of any alignment; contents are undefined afterwards. NULL: malloc and free in each call that needs it */
  size_t workspace_bytes;  /* >= renorm_workspace_size(desc, op) */
} renorm_exec;

/* ---------------------------------------------------------------- library */

/* major*10000 + minor*100 + patch of the library that is linked. */
RENORM_API uint32_t renorm_version(void);

/* One line: version, compiler, instruction sets of this build. Static storage. */
RENORM_API const char *renorm_build_info(void);

/* A short text for a status, "unknown status" for any other value. Static storage. */
RENORM_API const char *renorm_status_string(renorm_status status);

/*
 * Text of the last failure on this thread, "" if there was none. Copies at most cap - 1 characters and a terminating
 * zero into buf (nothing if buf is NULL or cap is 0). Returns the length of the whole text.
 */
RENORM_API size_t renorm_last_error(char *buf, size_t cap);

/* The best instruction set of this build that the CPU has. */
RENORM_API renorm_isa renorm_best_isa(void);

/*
 * The instruction set that the next call will use: the best one that is not above the limit. The limit is the environment
 * variable RENORM_MAX_ISA (a name as renorm_isa_name gives it, read once), or what renorm_set_max_isa said last.
 * RENORM_ISA_NONE if the variable holds a name this build does not know.
 */
RENORM_API renorm_isa renorm_active_isa(void);

/*
 * Bounds the choice of instruction set for all later calls of the process, up or down; the CPU remains the upper bound.
 * Returns RENORM_OK, or RENORM_ERROR_ISA if this build has no such instruction set.
 */
RENORM_API renorm_status renorm_set_max_isa(renorm_isa isa);

/* "scalar", "avx2", ...; "none" for any value this build does not know. Static storage. */
RENORM_API const char *renorm_isa_name(renorm_isa isa);

/*
 * Clears the first struct_size bytes and sets: layout NCHW, dtype F32, groups 1, eps 1e-5, momentum 0.1, rmax 3, dmax 5.
 * Returns RENORM_OK, RENORM_ERROR_NULL, RENORM_ERROR_STRUCT_SIZE.
 */
RENORM_API renorm_status renorm_desc_init(renorm_desc *desc, size_t struct_size);

/*
 * Bytes of workspace that an operation needs: a function of desc and op alone, never of ISA, threads or caches. 0 if none.
 * Returns RENORM_OK, RENORM_ERROR_NULL, RENORM_ERROR_UNSUPPORTED for an unknown op, or what the operation itself would return for desc,
 * options aside that it reads with some arguments only (momentum in renorm_train, eps in renorm_coefficients).
 */
RENORM_API renorm_status renorm_workspace_size(const renorm_desc *desc, renorm_op op, size_t *bytes);

/*
 * One line about a call: what it is, and how it would run here, on dense, aligned tensors, none in place of another, with all optional
 * outputs wanted. For bug reports and tests; programs should not depend on what follows the colon.
 *
 *   train/nchw/f32/32x64x12544/t1/batch_renorm: avx512; l2 2097152 (cpuid 4), l3 33554432 (cpuid 4); reduction: segments 49, blocks 64,
 *   ranges 1, portions 64; sweep: portions 64, fused with the reduction, past the caches                                   (in one line)
 *
 * The call is <op>/<layout>/<dtype>/<n>x<c>x<s>/t<threads>, and an /<option> for all that is not as renorm_desc_init has it; threads are
 * exec->concurrency (16 if it is unknown), or 1 without parallel_for. The caches are what this library takes them for, and where it has
 * that from; the environment variable RENORM_CACHES=<l2>,<l3>, in bytes and read once, overrides it (and changes no bit of any result).
 * Then, for the tensors: segments are what the reduction adds up one by one; portions are what threads work on, and those of the
 * reduction have so many blocks of channels times ranges of segments.
 *
 * Writes at most cap - 1 characters and a terminating zero; no line is longer than RENORM_EXPLAIN_BYTES with it. exec may be NULL; its
 * workspace is not read. Returns RENORM_OK, RENORM_ERROR_NULL (desc or buf), RENORM_ERROR_VALUE (cap is 0), RENORM_ERROR_ISA, or what
 * renorm_workspace_size returns for desc and op and the operation for exec.
 */
#define RENORM_EXPLAIN_BYTES 1024
RENORM_API renorm_status renorm_explain(const renorm_desc *desc, renorm_op op, const renorm_exec *exec, char *buf, size_t cap);

/*
 * From now on trace(ctx, line, microseconds) is called after every operation of the process that is not refused, on the thread that
 * called it and before it returns there: with the line of renorm_explain, which is gone afterwards, and the wall-clock time of the call.
 * trace may be called by several threads at once, and must not throw, jump out, or call an operation, of which it would be told as well.
 * NULL turns it off: calls that are running may still be told of. Without it a call costs one load more.
 */
typedef void (*renorm_trace)(void *ctx, const char *line, double microseconds);
RENORM_API void renorm_set_trace(renorm_trace trace, void *ctx);

/*
 * The paper's schedule (section 4.1): rmax = 1 and dmax = 0 up to step warm, then linear to rmax_final at step rmax_end and
 * to dmax_final at step dmax_end, constant from there. The paper: warm 5000, rmax 3 at 40000, dmax 5 at 25000.
 */
typedef struct renorm_ramp {
  uint32_t struct_size;
  uint32_t flags;        /* 0 */
  int64_t warm;          /* >= 0 */
  int64_t rmax_end;      /* >= warm */
  int64_t dmax_end;      /* >= warm */
  double rmax_final;     /* >= 1, finite */
  double dmax_final;     /* >= 0, finite */
} renorm_ramp;

/* Writes the bounds at a step >= 0. Returns RENORM_OK, RENORM_ERROR_NULL, _STRUCT_SIZE, _VALUE, _UNSUPPORTED (flags). */
RENORM_API renorm_status renorm_ramp_at(const renorm_ramp *ramp, int64_t step, double *rmax, double *dmax);

/* ---------------------------------------------------------------- whole calls
 *
 * They are made of the parts below, in the same order, and give the same bits. Every operation returns RENORM_OK or one of
 * RENORM_ERROR_NULL, _STRUCT_SIZE, _VALUE, _UNSUPPORTED, _OVERFLOW, _ALIAS, _WORKSPACE, _OUT_OF_MEMORY, _ISA.
 * "P" is an array of c elements of desc->param_dtype, "R" one of desc->stats_dtype, "S" one of [groups][c] doubles (c without groups).
 * A count is an array of one int64_t for each group. mask is as desc->mask_kind says, and needed if that is not 0; a length outside [0, s]
 * is refused. flags of every args struct are 0.
 */

/*
 * Forward in training: batch statistics, the correction from the running statistics before the step (batch renorm), y, and
 * the update of the running statistics
 *
 *   running_mean += momentum*(mean - running_mean),   running_var += momentum*(v - running_var)
 *
 * where v is var, or sigma with RENORM_FLAG_TRACK_SIGMA. Weight 1 (momentum 1, or the first batch of RENORM_FLAG_CUMULATIVE) replaces
 * whatever the running statistics hold, and weight 0 leaves them, exactly. At other weights an infinite running value stays that infinity
 * (and is counted in nonfinite), and NaN stays NaN, but for RENORM_FLAG_SKIP_NONFINITE. rmin = rmax = 1 is r = 1 and dmax = 0 is d = 0,
 * whatever the running statistics hold: so a schedule begins. Batch norm without running statistics: leave both NULL.
 */
typedef struct renorm_train_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;
  const void *gamma;      /* P, or NULL for 1 */
  const void *beta;       /* P, or NULL for 0 */
  void *running_mean;     /* R, in/out; both or neither; not NULL for batch renorm */
  void *running_var;      /* R, in/out */
  int64_t *num_batches;   /* in/out, one value, >= 0: incremented when the running statistics are updated. Needed with
                             RENORM_FLAG_CUMULATIVE (start at 0), may be NULL otherwise */
  void *y;                /* may be x */
  double *mean;           /* S, saved for the backward pass; may be NULL, like all outputs below. Saved statistics kept as
                             float lose the accuracy of dx at large means: 1e-3 at mean 1e4, deviation 1 */
  double *sigma;          /* S, the root, with Bessel's factor under RENORM_FLAG_UNBIASED */
  double *r;              /* S, 1 for batch norm */
  double *d;              /* S, 0 for batch norm */
  int64_t *count;         /* [groups], m of each */
  int64_t *nonfinite;     /* 1 value: see "Not finite" at the top */
  double *m2;             /* S, sum((x - mean)^2): with count and mean the moments of the batch, as renorm_moments gives them */
  const void *mask;
  const void *z;            /* read, and needed, with RENORM_EPILOGUE_ADD and _ADD_RELU; y may be z */
} renorm_train_args;

RENORM_API renorm_status renorm_train(const renorm_desc *desc, const renorm_train_args *args, const renorm_exec *exec);

/*
 * Inference: y = gamma*(x - running_mean)/sigma + beta, and the epilogue. sigma = sqrt(running_var + eps), or running_var where it tracks
 * sigma.
 */
typedef struct renorm_inference_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;
  const void *gamma;        /* P, or NULL for 1 */
  const void *beta;         /* P, or NULL for 0 */
  const void *running_mean; /* R */
  const void *running_var;  /* R */
  void *y;                  /* may be x */
  const void *mask;
  const void *z;            /* read, and needed, with RENORM_EPILOGUE_ADD and _ADD_RELU; y may be z */
  int64_t *nonfinite;       /* 1 value, may be NULL: see "Not finite" at the top */
} renorm_inference_args;

RENORM_API renorm_status renorm_inference(const renorm_desc *desc, const renorm_inference_args *args, const renorm_exec *exec);

/*
 * Backward of renorm_train, by the formulas at the top (paper, section 3, with r and d constant). Under RENORM_FLAG_UNBIASED
 * the last term is xhat*S2/(m-1). Takes what renorm_train saved. If dx, dgamma and dbeta are all NULL nothing is done.
 */
typedef struct renorm_backward_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;
  const void *dy;
  const void *gamma;      /* P, or NULL for 1 */
  const double *mean;     /* S */
  const double *sigma;    /* S */
  const double *r;        /* S; read, and needed, with RENORM_FLAG_BATCH_RENORM */
  const double *d;        /* S; the same */
  const int64_t *count;   /* [groups], m of each, >= 0; NULL: what the tensor and the mask have */
  void *dx;               /* NULL: not wanted. May be dy or x */
  void *dgamma;           /* P, or NULL */
  void *dbeta;            /* P, or NULL */
  const void *mask;
  const void *beta;         /* P, or NULL for 0; read with RENORM_EPILOGUE_RELU and _ADD_RELU */
  const void *z;            /* that of the forward pass; read, and needed, with RENORM_EPILOGUE_ADD_RELU */
  void *dz;                 /* written with RENORM_EPILOGUE_ADD and _ADD_RELU. NULL: not wanted. Needs dx. May be dy or z */
} renorm_backward_args;

RENORM_API renorm_status renorm_backward(const renorm_desc *desc, const renorm_backward_args *args, const renorm_exec *exec);

/*
 * Backward of renorm_inference (frozen statistics): dx = gamma/sigma * g, dgamma = sum(g*(x - running_mean)/sigma), dbeta = sum(g),
 * with g = dy (epilogues: above). With relu, dx is NaN where x is not finite; with RENORM_EPILOGUE_ADD, where
 * dy is not. If dx, dgamma and dbeta are all NULL nothing is done.
 */
typedef struct renorm_inference_backward_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;            /* read, and needed, with relu, or if dgamma is not NULL */
  const void *dy;
  const void *gamma;        /* P, or NULL for 1 */
  const void *running_mean; /* R */
  const void *running_var;  /* R */
  void *dx;                 /* NULL: not wanted. May be dy or x */
  void *dgamma;             /* P, or NULL */
  void *dbeta;              /* P, or NULL */
  const void *mask;
  const void *beta;         /* P, or NULL for 0; read with RENORM_EPILOGUE_RELU and _ADD_RELU */
  const void *z;            /* that of the forward pass; read, and needed, with RENORM_EPILOGUE_ADD_RELU */
  void *dz;                 /* written with RENORM_EPILOGUE_ADD and _ADD_RELU. NULL: not wanted. Needs dx. May be dy or z */
} renorm_inference_backward_args;

RENORM_API renorm_status renorm_inference_backward(const renorm_desc *desc, const renorm_inference_backward_args *args,
                                                   const renorm_exec *exec);

/* ---------------------------------------------------------------- parts
 *
 * For frameworks and for training on many machines. Forward: moments, (merge over machines,) correction, coefficients, apply,
 * update_running. Backward: backward_reduce, (sum over machines,) backward_apply. Statistics are double.
 */

/* count = m, mean = sum(x)/m, m2 = sum((x - mean)^2), with the digits that desc->eps asks for ("Numbers" at the top). All 0 for an empty
 * tensor. */
typedef struct renorm_moments_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;
  int64_t *count;  /* [groups] */
  double *mean;    /* S */
  double *m2;      /* S */
  const void *mask;
} renorm_moments_args;

RENORM_API renorm_status renorm_moments(const renorm_desc *desc, const renorm_moments_args *args, const renorm_exec *exec);

/*
 * Merges the moments of another part of the batch into (count, mean, m2): T. Chan, G. Golub, R. LeVeque, "Updating formulae
 * and a pairwise algorithm for computing sample variances" (1979), equations 2.1. Means are merged as sums, so that those of exact data
 * stay exact. A count of 0 is an empty part, on either side; a negative m2 is taken as 0. The order of merges
 * decides the last bits: keep it fixed. Of desc, c and groups are read. The sum of two counts
 * must be below INT64_MAX.
 */
typedef struct renorm_merge_args {
  uint32_t struct_size;
  uint32_t flags;
  int64_t *count;              /* [groups], in/out, >= 0 */
  double *mean;                /* S, in/out */
  double *m2;                  /* S, in/out */
  const int64_t *other_count;  /* [groups], >= 0 */
  const double *other_mean;    /* S */
  const double *other_m2;      /* S */
} renorm_merge_args;

RENORM_API renorm_status renorm_merge(const renorm_desc *desc, const renorm_merge_args *args, const renorm_exec *exec);

/* The update of the running statistics that renorm_train ends with. A count of 0 leaves them and num_batches as they are. */
typedef struct renorm_update_running_args {
  uint32_t struct_size;
  uint32_t flags;
  const int64_t *count;   /* [groups], >= 0 */
  const double *mean;     /* S */
  const double *m2;       /* S */
  void *running_mean;     /* R, in/out */
  void *running_var;      /* R, in/out */
  int64_t *num_batches;   /* as in renorm_train_args */
  int64_t *nonfinite;     /* 1 value, may be NULL: see "Not finite" at the top */
} renorm_update_running_args;

RENORM_API renorm_status renorm_update_running(const renorm_desc *desc, const renorm_update_running_args *args,
                                               const renorm_exec *exec);

/*
 * sigma = sqrt(m2/count + eps), with m2/(count - 1) under RENORM_FLAG_UNBIASED, and the correction r, d (1 and 0 without
 * RENORM_FLAG_BATCH_RENORM). The sigma of the running statistics is raised to sigma_floor first (tf-keras: sqrt(eps)).
 */
typedef struct renorm_correction_args {
  uint32_t struct_size;
  uint32_t flags;
  const int64_t *count;     /* [groups], >= 0 */
  const double *mean;       /* S */
  const double *m2;         /* S */
  const void *running_mean; /* R; read, and needed, with RENORM_FLAG_BATCH_RENORM */
  const void *running_var;  /* R; the same */
  double sigma_floor;       /* >= 0, finite; 0 for none */
  double *sigma;            /* S */
  double *r;                /* S, or NULL */
  double *d;                /* S, or NULL */
} renorm_correction_args;

RENORM_API renorm_status renorm_correction(const renorm_desc *desc, const renorm_correction_args *args, const renorm_exec *exec);

/*
 * The affine map y = scale*(x - center) + shift of a forward pass: center = mean, scale = gamma*r/sigma,
 * shift = gamma*d + beta. Give mean and sigma, or leave both NULL and give the running statistics (inference).
 */
typedef struct renorm_coefficients_args {
  uint32_t struct_size;
  uint32_t flags;
  const double *mean;       /* S, or NULL together with sigma */
  const double *sigma;      /* S */
  const double *r;          /* S, or NULL for 1 */
  const double *d;          /* S, or NULL for 0 */
  const void *running_mean; /* R; read, and needed, if mean is NULL */
  const void *running_var;  /* R; the same */
  const void *gamma;        /* P, or NULL for 1 */
  const void *beta;         /* P, or NULL for 0 */
  double *center;           /* S */
  double *scale;            /* S */
  double *shift;            /* S */
  int64_t *nonfinite;       /* 1 value, may be NULL: see "Not finite" at the top */
} renorm_coefficients_args;

RENORM_API renorm_status renorm_coefficients(const renorm_desc *desc, const renorm_coefficients_args *args,
                                             const renorm_exec *exec);

/* y = scale*(x - center) + shift, and the epilogue. Accurate where center is large: its rounding to float goes into shift. */
typedef struct renorm_apply_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;
  const double *center;  /* S */
  const double *scale;   /* S */
  const double *shift;   /* S */
  void *y;               /* may be x */
  const void *mask;
  const void *z;            /* read, and needed, with RENORM_EPILOGUE_ADD and _ADD_RELU; y may be z */
} renorm_apply_args;

RENORM_API renorm_status renorm_apply(const renorm_desc *desc, const renorm_apply_args *args, const renorm_exec *exec);

/* sum_dy = sum(g), sum_dy_xhat = sum(g*(x - mean)/sigma): S1 and S2, with g = dy (epilogues: above). 0 for an empty tensor. */
typedef struct renorm_backward_reduce_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;
  const void *dy;
  const double *mean;    /* S */
  const double *sigma;   /* S */
  double *sum_dy;        /* S */
  double *sum_dy_xhat;   /* S */
  const void *mask;
  /* What the argument of ReLU is recomputed from: read with RENORM_EPILOGUE_RELU and _ADD_RELU only. */
  const void *gamma;     /* P, or NULL for 1 */
  const void *beta;      /* P, or NULL for 0 */
  const double *r;       /* S; read, and needed, with RENORM_FLAG_BATCH_RENORM */
  const double *d;       /* S; the same */
  const void *z;         /* needed with RENORM_EPILOGUE_ADD_RELU */
} renorm_backward_reduce_args;

RENORM_API renorm_status renorm_backward_reduce(const renorm_desc *desc, const renorm_backward_reduce_args *args,
                                                const renorm_exec *exec);

/*
 * dx, dgamma, dbeta from the sums S1, S2 over all count values of the batch. dgamma and dbeta come from the sums alone: on a machine
 * whose part of the batch is empty they are those of the whole batch, too.
 */
typedef struct renorm_backward_apply_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *x;              /* x and dy are read, and needed, if dx is not NULL */
  const void *dy;
  const void *gamma;          /* P, or NULL for 1 */
  const double *mean;         /* S; mean and sigma are read, and needed, if dx is not NULL */
  const double *sigma;        /* S */
  const double *r;            /* S; read, and needed, with RENORM_FLAG_BATCH_RENORM */
  const double *d;            /* S; the same */
  const int64_t *count;       /* [groups], m of the whole batch, >= 0; NULL: what the tensor and the mask have */
  const double *sum_dy;       /* S */
  const double *sum_dy_xhat;  /* S */
  void *dx;                   /* NULL: not wanted. May be dy or x */
  void *dgamma;               /* P, or NULL */
  void *dbeta;                /* P, or NULL */
  const void *mask;           /* read, and needed, if dx is not NULL */
  const void *beta;         /* P, or NULL for 0; read with RENORM_EPILOGUE_RELU and _ADD_RELU */
  const void *z;            /* that of the forward pass; read, and needed, with RENORM_EPILOGUE_ADD_RELU */
  void *dz;                 /* written with RENORM_EPILOGUE_ADD and _ADD_RELU. NULL: not wanted. Needs dx. May be dy or z */
} renorm_backward_apply_args;

RENORM_API renorm_status renorm_backward_apply(const renorm_desc *desc, const renorm_backward_apply_args *args,
                                               const renorm_exec *exec);

/* ---------------------------------------------------------------- deployment
 *
 * Folds inference into the layer before it, once, when a network is made ready to run. With a = weights*input + bias,
 *
 *   y = gamma*(a - running_mean)/sigma + beta = folded_weights*input + folded_bias,   sigma as for renorm_inference
 *   scale = gamma/sigma,   folded_weights = scale*weights,   folded_bias = scale*(bias - running_mean) + beta
 *
 * computed in double and rounded to the type of the array at the end. Networks trained with batch renorm fold in the same way.
 *
 * The weights are a tensor of desc whose channels are the OUTPUT channels of the layer:
 *
 *   NCHW: [c][s] with n = 1      dense and convolution with the output channel first: PyTorch's Linear, OIHW, s = I*H*W
 *   NHWC: [s][c] with n = 1      with the output channel last: TensorFlow's dense, HWIO, s = H*W*I
 *   NCHW: [n][c][s]              transposed convolution, IOHW: n = I, s = H*W, of one group. With more, weights are [I][O/groups][H][W],
 *                                and the channels of a group are those of its part of I: a call for each group, with its n = I/groups
 *                                samples of the weights and its c = O/groups channels of all other arrays
 *
 * Without a layer before it, folded_bias is the shift of y = scale*x + folded_bias. Rounded to float, scale and shift cost y an error of
 * up to about gamma*|mean|/sigma * 2^-24 each, 6e-4 at mean 1e4, deviation 1: where means are large, keep the three arrays of
 * renorm_coefficients and renorm_apply.
 *
 * groups, mask_kind, epilogue and batch renorm of desc are not read. If no output is wanted nothing is done. Needs no workspace.
 */
typedef struct renorm_fold_args {
  uint32_t struct_size;
  uint32_t flags;
  const void *gamma;        /* P, or NULL for 1 */
  const void *beta;         /* P, or NULL for 0 */
  const void *running_mean; /* R */
  const void *running_var;  /* R */
  const void *weights;      /* of dtype, n*c*s; read, and needed, if folded_weights is not NULL */
  const void *bias;         /* P, or NULL for 0 */
  void *scale;              /* P, or NULL: not wanted */
  void *folded_weights;     /* of dtype, n*c*s. NULL: not wanted. May be weights */
  void *folded_bias;        /* P. NULL: not wanted. May be bias */
  int64_t *nonfinite;       /* 1 value, may be NULL: number of channels with a scale or a folded value that is not finite */
} renorm_fold_args;

RENORM_API renorm_status renorm_fold(const renorm_desc *desc, const renorm_fold_args *args, const renorm_exec *exec);

#ifdef __cplusplus
}
#endif

#endif /* RENORM_RENORM_H */
