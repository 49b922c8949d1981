#include "sync_norm.h"

#include <stdio.h>
#include <stdlib.h>

static void check(const sync_norm *layer, renorm_status status) {
  char reason[256];
  if (status == RENORM_OK) return;
  renorm_last_error(reason, sizeof reason);
  fprintf(stderr, "%s: %s\n", renorm_status_string(status), reason);
  MPI_Abort(layer->comm, 1);
}

static double *array(const sync_norm *layer, size_t size) {
  double *values = malloc(size * sizeof *values);
  if (values == NULL) MPI_Abort(layer->comm, 1);
  return values;
}

/* Combines what another rank sent into values. */
typedef void combine(const sync_norm *layer, double *values, const double *other);

/*
 * A binomial tree whose order is fixed by the ranks' numbers: ((0 + 1) + (2 + 3)) + ... at rank 0, which tells everyone. MPI_Allreduce
 * leaves the order to the implementation. Each rank sends size values once and receives them log2(ranks) + 1 times at most.
 */
static void reduce(const sync_norm *layer, double *values, size_t size, combine *add) {
  double *other = array(layer, size);
  int rank, ranks;
  MPI_Comm_rank(layer->comm, &rank);
  MPI_Comm_size(layer->comm, &ranks);
  for (int distance = 1; distance < ranks; distance *= 2) {
    if (rank & distance) {
      MPI_Send(values, (int)size, MPI_DOUBLE, rank - distance, 0, layer->comm);
      break;
    }
    if (rank + distance < ranks) {
      MPI_Recv(other, (int)size, MPI_DOUBLE, rank + distance, 0, layer->comm, MPI_STATUS_IGNORE);
      add(layer, values, other);
    }
  }
  MPI_Bcast(values, (int)size, MPI_DOUBLE, 0, layer->comm);
  free(other);
}

/* Moments as one message: mean[c], m2[c], count, which a double holds exactly up to 2^53. */
static size_t moments_size(const sync_norm *layer) { return 2 * (size_t)layer->desc.c + 1; }

static void merge_moments(const sync_norm *layer, double *values, const double *other) {
  const size_t c = (size_t)layer->desc.c;
  int64_t count = (int64_t)values[2 * c];
  const int64_t other_count = (int64_t)other[2 * c];
  renorm_merge_args args = {.struct_size = sizeof args,
                            .count = &count,
                            .mean = values,
                            .m2 = values + c,
                            .other_count = &other_count,
                            .other_mean = other,
                            .other_m2 = other + c};
  check(layer, renorm_merge(&layer->desc, &args, NULL));
  values[2 * c] = (double)count;
}

/* Sums of the backward pass as one message: sum_dy[c], sum_dy_xhat[c]. */
static size_t sums_size(const sync_norm *layer) { return 2 * (size_t)layer->desc.c; }

static void add_sums(const sync_norm *layer, double *values, const double *other) {
  for (size_t i = 0; i < sums_size(layer); ++i) values[i] += other[i];
}

/* The moments of the whole batch, in a message that the caller frees. */
static double *batch_moments(sync_norm *layer, const renorm_desc *local, const void *x) {
  const size_t c = (size_t)local->c;
  double *moments = array(layer, moments_size(layer));
  renorm_moments_args args = {.struct_size = sizeof args, .x = x, .count = &layer->count, .mean = moments, .m2 = moments + c};
  check(layer, renorm_moments(local, &args, NULL));
  moments[2 * c] = (double)layer->count;
  reduce(layer, moments, moments_size(layer), merge_moments);
  layer->count = (int64_t)moments[2 * c];
  for (size_t i = 0; i < c; ++i) layer->mean[i] = moments[i];
  return moments;
}

static void normalize(const sync_norm *layer, const renorm_desc *local, const void *x, void *y) {
  const size_t c = (size_t)local->c;
  double *center = array(layer, 3 * c);
  renorm_coefficients_args map = {.struct_size = sizeof map,
                                  .mean = layer->mean,
                                  .sigma = layer->sigma,
                                  .r = layer->r,
                                  .d = layer->d,
                                  .gamma = layer->gamma,
                                  .beta = layer->beta,
                                  .center = center,
                                  .scale = center + c,
                                  .shift = center + 2 * c};
  check(layer, renorm_coefficients(local, &map, NULL));
  renorm_apply_args apply = {.struct_size = sizeof apply, .x = x, .center = map.center, .scale = map.scale, .shift = map.shift, .y = y};
  check(layer, renorm_apply(local, &apply, NULL));
  free(center);
}

void sync_train(sync_norm *layer, int64_t n, const void *x, void *y) {
  renorm_desc local = layer->desc;
  local.n = n;
  double *moments = batch_moments(layer, &local, x);
  const double *m2 = moments + local.c;

  /* The running statistics from before the step, then their update. */
  renorm_correction_args correction = {.struct_size = sizeof correction,
                                       .count = &layer->count,
                                       .mean = layer->mean,
                                       .m2 = m2,
                                       .running_mean = layer->running_mean,
                                       .running_var = layer->running_var,
                                       .sigma = layer->sigma,
                                       .r = layer->r,
                                       .d = layer->d};
  check(layer, renorm_correction(&local, &correction, NULL));
  renorm_update_running_args update = {.struct_size = sizeof update,
                                       .count = &layer->count,
                                       .mean = layer->mean,
                                       .m2 = m2,
                                       .running_mean = layer->running_mean,
                                       .running_var = layer->running_var};
  check(layer, renorm_update_running(&local, &update, NULL));
  free(moments);
  normalize(layer, &local, x, y);
}

void sync_backward(const sync_norm *layer, int64_t n, const void *x, const void *dy, void *dx, double *dgamma, double *dbeta) {
  renorm_desc local = layer->desc;
  local.n = n;
  double *sums = array(layer, sums_size(layer));
  renorm_backward_reduce_args sum = {.struct_size = sizeof sum,
                                     .x = x,
                                     .dy = dy,
                                     .mean = layer->mean,
                                     .sigma = layer->sigma,
                                     .sum_dy = sums,
                                     .sum_dy_xhat = sums + local.c};
  check(layer, renorm_backward_reduce(&local, &sum, NULL));
  reduce(layer, sums, sums_size(layer), add_sums);

  renorm_backward_apply_args apply = {.struct_size = sizeof apply,
                                      .x = x,
                                      .dy = dy,
                                      .gamma = layer->gamma,
                                      .mean = layer->mean,
                                      .sigma = layer->sigma,
                                      .r = layer->r,
                                      .d = layer->d,
                                      .count = &layer->count,
                                      .sum_dy = sums,
                                      .sum_dy_xhat = sums + local.c,
                                      .dx = dx,
                                      .dgamma = dgamma,
                                      .dbeta = dbeta};
  check(layer, renorm_backward_apply(&local, &apply, NULL));
  free(sums);
}
