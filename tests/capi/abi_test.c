/*
 * The binary interface, pinned: sizes and offsets of every public struct and the value of every constant, as a 64-bit C
 * compiler lays them out. A line here changes only when a field or a constant is appended.
 */
#include "renorm/renorm.h"

#include <stdio.h>

static int failures;

static void expect(const char *what, long long actual, long long expected) {
  if (actual == expected) return;
  printf("%s is %lld, not %lld\n", what, actual, expected);
  ++failures;
}

#define SIZE(type, bytes) expect("sizeof(" #type ")", (long long)sizeof(type), bytes)
#define FIELD(type, field, offset, bytes)                                                 \
  do {                                                                                    \
    expect("offsetof(" #type ", " #field ")", (long long)offsetof(type, field), offset);  \
    expect("sizeof(" #type "." #field ")", (long long)sizeof(((type *)0)->field), bytes); \
  } while (0)
#define CONSTANT(name, value) expect(#name, name, value)

static void types(void) {
  SIZE(void *, 8);
  SIZE(size_t, 8);
  SIZE(double, 8);
  SIZE(renorm_status, 4);
  SIZE(renorm_layout, 4);
  SIZE(renorm_dtype, 4);
  SIZE(renorm_group_order, 4);
  SIZE(renorm_mask_kind, 4);
  SIZE(renorm_isa, 4);
  SIZE(renorm_op, 4);
  SIZE(renorm_task, 8);
  SIZE(renorm_parallel_for, 8);
  expect("renorm_status is signed", (renorm_status)-1 < 0, 1);
  expect("renorm_isa is signed", (renorm_isa)-1 < 0, 1);
  expect("renorm_op is signed", (renorm_op)-1 < 0, 1);
}

static void constants(void) {
  CONSTANT(RENORM_OK, 0);
  CONSTANT(RENORM_ERROR_NULL, -1);
  CONSTANT(RENORM_ERROR_STRUCT_SIZE, -2);
  CONSTANT(RENORM_ERROR_VALUE, -3);
  CONSTANT(RENORM_ERROR_UNSUPPORTED, -4);
  CONSTANT(RENORM_ERROR_OVERFLOW, -5);
  CONSTANT(RENORM_ERROR_ALIAS, -6);
  CONSTANT(RENORM_ERROR_WORKSPACE, -7);
  CONSTANT(RENORM_ERROR_OUT_OF_MEMORY, -8);
  CONSTANT(RENORM_ERROR_ISA, -9);
  CONSTANT(RENORM_NCHW, 1);
  CONSTANT(RENORM_NHWC, 2);
  CONSTANT(RENORM_GROUPS_CONTIGUOUS, 0);
  CONSTANT(RENORM_GROUPS_INTERLEAVED, 1);
  CONSTANT(RENORM_MASK_NONE, 0);
  CONSTANT(RENORM_MASK_BYTES, 1);
  CONSTANT(RENORM_MASK_LENGTHS, 2);
  CONSTANT(RENORM_EPILOGUE_NONE, 0);
  CONSTANT(RENORM_EPILOGUE_RELU, 1);
  CONSTANT(RENORM_EPILOGUE_ADD, 2);
  CONSTANT(RENORM_EPILOGUE_ADD_RELU, 3);
  CONSTANT(RENORM_F32, 1);
  CONSTANT(RENORM_F64, 2);
  CONSTANT(RENORM_ISA_NONE, 0);
  CONSTANT(RENORM_ISA_SCALAR, 1);
  CONSTANT(RENORM_ISA_SSE2, 16);
  CONSTANT(RENORM_ISA_AVX2, 17);
  CONSTANT(RENORM_ISA_AVX512, 18);
  CONSTANT(RENORM_ISA_NEON64, 32);
  CONSTANT(RENORM_OP_TRAIN, 1);
  CONSTANT(RENORM_OP_INFERENCE, 2);
  CONSTANT(RENORM_OP_BACKWARD, 3);
  CONSTANT(RENORM_OP_INFERENCE_BACKWARD, 4);
  CONSTANT(RENORM_OP_MOMENTS, 5);
  CONSTANT(RENORM_OP_MERGE, 6);
  CONSTANT(RENORM_OP_UPDATE_RUNNING, 7);
  CONSTANT(RENORM_OP_CORRECTION, 8);
  CONSTANT(RENORM_OP_COEFFICIENTS, 9);
  CONSTANT(RENORM_OP_APPLY, 10);
  CONSTANT(RENORM_OP_BACKWARD_REDUCE, 11);
  CONSTANT(RENORM_OP_BACKWARD_APPLY, 12);
  CONSTANT(RENORM_OP_FOLD, 13);
  CONSTANT(RENORM_FLAG_BATCH_RENORM, 1);
  CONSTANT(RENORM_FLAG_TRACK_SIGMA, 2);
  CONSTANT(RENORM_FLAG_UNBIASED, 4);
  CONSTANT(RENORM_FLAG_UNBIASED_RUNNING, 8);
  CONSTANT(RENORM_FLAG_KEEP_RUNNING, 16);
  CONSTANT(RENORM_FLAG_CUMULATIVE, 32);
  CONSTANT(RENORM_FLAG_RMIN, 64);
  CONSTANT(RENORM_FLAG_SKIP_NONFINITE, 128);
}

static void desc(void) {
  SIZE(renorm_desc, 112);
  FIELD(renorm_desc, struct_size, 0, 4);
  FIELD(renorm_desc, flags, 4, 4);
  FIELD(renorm_desc, layout, 8, 4);
  FIELD(renorm_desc, dtype, 12, 4);
  FIELD(renorm_desc, out_dtype, 16, 4);
  FIELD(renorm_desc, param_dtype, 20, 4);
  FIELD(renorm_desc, stats_dtype, 24, 4);
  FIELD(renorm_desc, epilogue, 28, 4);
  FIELD(renorm_desc, n, 32, 8);
  FIELD(renorm_desc, c, 40, 8);
  FIELD(renorm_desc, s, 48, 8);
  FIELD(renorm_desc, groups, 56, 8);
  FIELD(renorm_desc, group_order, 64, 4);
  FIELD(renorm_desc, mask_kind, 68, 4);
  FIELD(renorm_desc, eps, 72, 8);
  FIELD(renorm_desc, momentum, 80, 8);
  FIELD(renorm_desc, rmin, 88, 8);
  FIELD(renorm_desc, rmax, 96, 8);
  FIELD(renorm_desc, dmax, 104, 8);
}

static void exec(void) {
  SIZE(renorm_exec, 48);
  FIELD(renorm_exec, struct_size, 0, 4);
  FIELD(renorm_exec, flags, 4, 4);
  FIELD(renorm_exec, concurrency, 8, 4);
  FIELD(renorm_exec, reserved, 12, 4);
  FIELD(renorm_exec, ctx, 16, 8);
  FIELD(renorm_exec, parallel_for, 24, 8);
  FIELD(renorm_exec, workspace, 32, 8);
  FIELD(renorm_exec, workspace_bytes, 40, 8);
}

static void ramp(void) {
  SIZE(renorm_ramp, 48);
  FIELD(renorm_ramp, struct_size, 0, 4);
  FIELD(renorm_ramp, flags, 4, 4);
  FIELD(renorm_ramp, warm, 8, 8);
  FIELD(renorm_ramp, rmax_end, 16, 8);
  FIELD(renorm_ramp, dmax_end, 24, 8);
  FIELD(renorm_ramp, rmax_final, 32, 8);
  FIELD(renorm_ramp, dmax_final, 40, 8);
}

static void train_args(void) {
  SIZE(renorm_train_args, 136);
  FIELD(renorm_train_args, struct_size, 0, 4);
  FIELD(renorm_train_args, flags, 4, 4);
  FIELD(renorm_train_args, x, 8, 8);
  FIELD(renorm_train_args, gamma, 16, 8);
  FIELD(renorm_train_args, beta, 24, 8);
  FIELD(renorm_train_args, running_mean, 32, 8);
  FIELD(renorm_train_args, running_var, 40, 8);
  FIELD(renorm_train_args, num_batches, 48, 8);
  FIELD(renorm_train_args, y, 56, 8);
  FIELD(renorm_train_args, mean, 64, 8);
  FIELD(renorm_train_args, sigma, 72, 8);
  FIELD(renorm_train_args, r, 80, 8);
  FIELD(renorm_train_args, d, 88, 8);
  FIELD(renorm_train_args, count, 96, 8);
  FIELD(renorm_train_args, nonfinite, 104, 8);
  FIELD(renorm_train_args, m2, 112, 8);
  FIELD(renorm_train_args, mask, 120, 8);
  FIELD(renorm_train_args, z, 128, 8);
}

static void inference_args(void) {
  SIZE(renorm_inference_args, 80);
  FIELD(renorm_inference_args, struct_size, 0, 4);
  FIELD(renorm_inference_args, flags, 4, 4);
  FIELD(renorm_inference_args, x, 8, 8);
  FIELD(renorm_inference_args, gamma, 16, 8);
  FIELD(renorm_inference_args, beta, 24, 8);
  FIELD(renorm_inference_args, running_mean, 32, 8);
  FIELD(renorm_inference_args, running_var, 40, 8);
  FIELD(renorm_inference_args, y, 48, 8);
  FIELD(renorm_inference_args, mask, 56, 8);
  FIELD(renorm_inference_args, z, 64, 8);
  FIELD(renorm_inference_args, nonfinite, 72, 8);
}

static void backward_args(void) {
  SIZE(renorm_backward_args, 128);
  FIELD(renorm_backward_args, struct_size, 0, 4);
  FIELD(renorm_backward_args, flags, 4, 4);
  FIELD(renorm_backward_args, x, 8, 8);
  FIELD(renorm_backward_args, dy, 16, 8);
  FIELD(renorm_backward_args, gamma, 24, 8);
  FIELD(renorm_backward_args, mean, 32, 8);
  FIELD(renorm_backward_args, sigma, 40, 8);
  FIELD(renorm_backward_args, r, 48, 8);
  FIELD(renorm_backward_args, d, 56, 8);
  FIELD(renorm_backward_args, count, 64, 8);
  FIELD(renorm_backward_args, dx, 72, 8);
  FIELD(renorm_backward_args, dgamma, 80, 8);
  FIELD(renorm_backward_args, dbeta, 88, 8);
  FIELD(renorm_backward_args, mask, 96, 8);
  FIELD(renorm_backward_args, beta, 104, 8);
  FIELD(renorm_backward_args, z, 112, 8);
  FIELD(renorm_backward_args, dz, 120, 8);
}

static void inference_backward_args(void) {
  SIZE(renorm_inference_backward_args, 104);
  FIELD(renorm_inference_backward_args, struct_size, 0, 4);
  FIELD(renorm_inference_backward_args, flags, 4, 4);
  FIELD(renorm_inference_backward_args, x, 8, 8);
  FIELD(renorm_inference_backward_args, dy, 16, 8);
  FIELD(renorm_inference_backward_args, gamma, 24, 8);
  FIELD(renorm_inference_backward_args, running_mean, 32, 8);
  FIELD(renorm_inference_backward_args, running_var, 40, 8);
  FIELD(renorm_inference_backward_args, dx, 48, 8);
  FIELD(renorm_inference_backward_args, dgamma, 56, 8);
  FIELD(renorm_inference_backward_args, dbeta, 64, 8);
  FIELD(renorm_inference_backward_args, mask, 72, 8);
  FIELD(renorm_inference_backward_args, beta, 80, 8);
  FIELD(renorm_inference_backward_args, z, 88, 8);
  FIELD(renorm_inference_backward_args, dz, 96, 8);
}

static void moments_args(void) {
  SIZE(renorm_moments_args, 48);
  FIELD(renorm_moments_args, struct_size, 0, 4);
  FIELD(renorm_moments_args, flags, 4, 4);
  FIELD(renorm_moments_args, x, 8, 8);
  FIELD(renorm_moments_args, count, 16, 8);
  FIELD(renorm_moments_args, mean, 24, 8);
  FIELD(renorm_moments_args, m2, 32, 8);
  FIELD(renorm_moments_args, mask, 40, 8);
}

static void merge_args(void) {
  SIZE(renorm_merge_args, 56);
  FIELD(renorm_merge_args, struct_size, 0, 4);
  FIELD(renorm_merge_args, flags, 4, 4);
  FIELD(renorm_merge_args, count, 8, 8);
  FIELD(renorm_merge_args, mean, 16, 8);
  FIELD(renorm_merge_args, m2, 24, 8);
  FIELD(renorm_merge_args, other_count, 32, 8);
  FIELD(renorm_merge_args, other_mean, 40, 8);
  FIELD(renorm_merge_args, other_m2, 48, 8);
}

static void update_running_args(void) {
  SIZE(renorm_update_running_args, 64);
  FIELD(renorm_update_running_args, struct_size, 0, 4);
  FIELD(renorm_update_running_args, flags, 4, 4);
  FIELD(renorm_update_running_args, count, 8, 8);
  FIELD(renorm_update_running_args, mean, 16, 8);
  FIELD(renorm_update_running_args, m2, 24, 8);
  FIELD(renorm_update_running_args, running_mean, 32, 8);
  FIELD(renorm_update_running_args, running_var, 40, 8);
  FIELD(renorm_update_running_args, num_batches, 48, 8);
  FIELD(renorm_update_running_args, nonfinite, 56, 8);
}

static void correction_args(void) {
  SIZE(renorm_correction_args, 80);
  FIELD(renorm_correction_args, struct_size, 0, 4);
  FIELD(renorm_correction_args, flags, 4, 4);
  FIELD(renorm_correction_args, count, 8, 8);
  FIELD(renorm_correction_args, mean, 16, 8);
  FIELD(renorm_correction_args, m2, 24, 8);
  FIELD(renorm_correction_args, running_mean, 32, 8);
  FIELD(renorm_correction_args, running_var, 40, 8);
  FIELD(renorm_correction_args, sigma_floor, 48, 8);
  FIELD(renorm_correction_args, sigma, 56, 8);
  FIELD(renorm_correction_args, r, 64, 8);
  FIELD(renorm_correction_args, d, 72, 8);
}

static void coefficients_args(void) {
  SIZE(renorm_coefficients_args, 104);
  FIELD(renorm_coefficients_args, struct_size, 0, 4);
  FIELD(renorm_coefficients_args, flags, 4, 4);
  FIELD(renorm_coefficients_args, mean, 8, 8);
  FIELD(renorm_coefficients_args, sigma, 16, 8);
  FIELD(renorm_coefficients_args, r, 24, 8);
  FIELD(renorm_coefficients_args, d, 32, 8);
  FIELD(renorm_coefficients_args, running_mean, 40, 8);
  FIELD(renorm_coefficients_args, running_var, 48, 8);
  FIELD(renorm_coefficients_args, gamma, 56, 8);
  FIELD(renorm_coefficients_args, beta, 64, 8);
  FIELD(renorm_coefficients_args, center, 72, 8);
  FIELD(renorm_coefficients_args, scale, 80, 8);
  FIELD(renorm_coefficients_args, shift, 88, 8);
  FIELD(renorm_coefficients_args, nonfinite, 96, 8);
}

static void apply_args(void) {
  SIZE(renorm_apply_args, 64);
  FIELD(renorm_apply_args, struct_size, 0, 4);
  FIELD(renorm_apply_args, flags, 4, 4);
  FIELD(renorm_apply_args, x, 8, 8);
  FIELD(renorm_apply_args, center, 16, 8);
  FIELD(renorm_apply_args, scale, 24, 8);
  FIELD(renorm_apply_args, shift, 32, 8);
  FIELD(renorm_apply_args, y, 40, 8);
  FIELD(renorm_apply_args, mask, 48, 8);
  FIELD(renorm_apply_args, z, 56, 8);
}

static void backward_reduce_args(void) {
  SIZE(renorm_backward_reduce_args, 104);
  FIELD(renorm_backward_reduce_args, struct_size, 0, 4);
  FIELD(renorm_backward_reduce_args, flags, 4, 4);
  FIELD(renorm_backward_reduce_args, x, 8, 8);
  FIELD(renorm_backward_reduce_args, dy, 16, 8);
  FIELD(renorm_backward_reduce_args, mean, 24, 8);
  FIELD(renorm_backward_reduce_args, sigma, 32, 8);
  FIELD(renorm_backward_reduce_args, sum_dy, 40, 8);
  FIELD(renorm_backward_reduce_args, sum_dy_xhat, 48, 8);
  FIELD(renorm_backward_reduce_args, mask, 56, 8);
  FIELD(renorm_backward_reduce_args, gamma, 64, 8);
  FIELD(renorm_backward_reduce_args, beta, 72, 8);
  FIELD(renorm_backward_reduce_args, r, 80, 8);
  FIELD(renorm_backward_reduce_args, d, 88, 8);
  FIELD(renorm_backward_reduce_args, z, 96, 8);
}

static void backward_apply_args(void) {
  SIZE(renorm_backward_apply_args, 144);
  FIELD(renorm_backward_apply_args, struct_size, 0, 4);
  FIELD(renorm_backward_apply_args, flags, 4, 4);
  FIELD(renorm_backward_apply_args, x, 8, 8);
  FIELD(renorm_backward_apply_args, dy, 16, 8);
  FIELD(renorm_backward_apply_args, gamma, 24, 8);
  FIELD(renorm_backward_apply_args, mean, 32, 8);
  FIELD(renorm_backward_apply_args, sigma, 40, 8);
  FIELD(renorm_backward_apply_args, r, 48, 8);
  FIELD(renorm_backward_apply_args, d, 56, 8);
  FIELD(renorm_backward_apply_args, count, 64, 8);
  FIELD(renorm_backward_apply_args, sum_dy, 72, 8);
  FIELD(renorm_backward_apply_args, sum_dy_xhat, 80, 8);
  FIELD(renorm_backward_apply_args, dx, 88, 8);
  FIELD(renorm_backward_apply_args, dgamma, 96, 8);
  FIELD(renorm_backward_apply_args, dbeta, 104, 8);
  FIELD(renorm_backward_apply_args, mask, 112, 8);
  FIELD(renorm_backward_apply_args, beta, 120, 8);
  FIELD(renorm_backward_apply_args, z, 128, 8);
  FIELD(renorm_backward_apply_args, dz, 136, 8);
}

static void fold_args(void) {
  SIZE(renorm_fold_args, 88);
  FIELD(renorm_fold_args, struct_size, 0, 4);
  FIELD(renorm_fold_args, flags, 4, 4);
  FIELD(renorm_fold_args, gamma, 8, 8);
  FIELD(renorm_fold_args, beta, 16, 8);
  FIELD(renorm_fold_args, running_mean, 24, 8);
  FIELD(renorm_fold_args, running_var, 32, 8);
  FIELD(renorm_fold_args, weights, 40, 8);
  FIELD(renorm_fold_args, bias, 48, 8);
  FIELD(renorm_fold_args, scale, 56, 8);
  FIELD(renorm_fold_args, folded_weights, 64, 8);
  FIELD(renorm_fold_args, folded_bias, 72, 8);
  FIELD(renorm_fold_args, nonfinite, 80, 8);
}

/* Compiles only with the prototypes as they are. */
static void prototypes(void) {
  uint32_t (*version)(void) = renorm_version;
  const char *(*build_info)(void) = renorm_build_info;
  const char *(*status_string)(renorm_status) = renorm_status_string;
  size_t (*last_error)(char *, size_t) = renorm_last_error;
  renorm_isa (*best_isa)(void) = renorm_best_isa;
  renorm_isa (*active_isa)(void) = renorm_active_isa;
  renorm_status (*set_max_isa)(renorm_isa) = renorm_set_max_isa;
  const char *(*isa_name)(renorm_isa) = renorm_isa_name;
  renorm_status (*desc_init)(renorm_desc *, size_t) = renorm_desc_init;
  renorm_status (*workspace_size)(const renorm_desc *, renorm_op, size_t *) = renorm_workspace_size;
  renorm_status (*explain)(const renorm_desc *, renorm_op, const renorm_exec *, char *, size_t) = renorm_explain;
  void (*set_trace)(void (*)(void *, const char *, double), void *) = renorm_set_trace;
  renorm_status (*ramp_at)(const renorm_ramp *, int64_t, double *, double *) = renorm_ramp_at;
#define OPERATION(name)                                                                                          \
  renorm_status (*name)(const renorm_desc *, const renorm_##name##_args *, const renorm_exec *) = renorm_##name; \
  expect("renorm_" #name " is there", name != 0, 1)
  OPERATION(train);
  OPERATION(inference);
  OPERATION(backward);
  OPERATION(inference_backward);
  OPERATION(moments);
  OPERATION(merge);
  OPERATION(update_running);
  OPERATION(correction);
  OPERATION(coefficients);
  OPERATION(apply);
  OPERATION(backward_reduce);
  OPERATION(backward_apply);
  OPERATION(fold);
  expect("the functions around them are there",
         version && build_info && status_string && last_error && best_isa && active_isa && set_max_isa && isa_name && desc_init &&
             workspace_size && explain && set_trace && ramp_at,
         1);
}

int main(void) {
  prototypes();
  types();
  constants();
  desc();
  exec();
  ramp();
  train_args();
  inference_args();
  backward_args();
  inference_backward_args();
  moments_args();
  merge_args();
  update_running_args();
  correction_args();
  coefficients_args();
  apply_args();
  backward_reduce_args();
  backward_apply_args();
  fold_args();
  return failures != 0;
}
