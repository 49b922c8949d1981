/*
 * Normalizes a batch that is spread over the ranks of MPI_COMM_WORLD in shards of different sizes, and compares with what
 * renorm_train and renorm_backward make of the whole batch in one process. Exits 1 if anything differs by more than rounding, or
 * any rank holds other bits than the others. Prints a hash of all results.
 */
#include "sync_norm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 37, POSITIONS = 29, STEPS = 3 };

typedef struct setting {
  renorm_dtype dtype;
  renorm_layout layout;
  uint32_t flags;
  int one_is_empty; /* rank 1 has no samples */
} setting;

static int rank, ranks;

static void fail(const char *what) {
  fprintf(stderr, "rank %d: %s\n", rank, what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static void *allocate(size_t bytes) {
  void *memory = calloc(bytes + 1, 1); /* not NULL for an empty shard */
  if (memory == NULL) fail("out of memory");
  return memory;
}

/* ---------------------------------------------------------------- shards */

static int64_t samples_of(const setting *s, int owner) { return s->one_is_empty && owner == 1 ? 0 : 3 * (int64_t)(owner + 1); }

static int64_t samples_before(const setting *s, int owner) {
  int64_t n = 0;
  for (int k = 0; k < owner; ++k) n += samples_of(s, k);
  return n;
}

/* ---------------------------------------------------------------- tensors */

static size_t element(const setting *s) { return s->dtype == RENORM_F32 ? sizeof(float) : sizeof(double); }

static double value(const setting *s, const void *tensor, size_t i) {
  return s->dtype == RENORM_F32 ? ((const float *)tensor)[i] : ((const double *)tensor)[i];
}

/* The same numbers on every rank: uniform, with a mean that grows from sample to sample, so that shards differ. */
static void fill(const setting *s, void *tensor, int64_t samples, uint32_t seed) {
  const size_t per_sample = CHANNELS * POSITIONS;
  for (size_t i = 0; i < (size_t)samples * per_sample; ++i) {
    seed = seed * 1664525u + 1013904223u;
    const double v = (double)(seed >> 8) / (1 << 24) + 0.05 * (double)(i / per_sample);
    if (s->dtype == RENORM_F32) ((float *)tensor)[i] = (float)v;
    else ((double *)tensor)[i] = v;
  }
}

/* ---------------------------------------------------------------- results */

/* What a step gives besides tensors, in one array: statistics, gradients of parameters, running statistics. */
enum { MEAN, SIGMA, R, D, DGAMMA, DBETA, RUNNING_MEAN, RUNNING_VAR, KINDS };

typedef struct results {
  double values[KINDS][CHANNELS];
  void *y, *dx;
} results;

static void start(results *all, const setting *s, int64_t samples) {
  memset(all, 0, sizeof *all);
  for (int c = 0; c < CHANNELS; ++c) all->values[RUNNING_VAR][c] = 1;
  all->y = allocate((size_t)samples * CHANNELS * POSITIONS * element(s));
  all->dx = allocate((size_t)samples * CHANNELS * POSITIONS * element(s));
}

static void release(results *all) {
  free(all->y);
  free(all->dx);
}

/* ---------------------------------------------------------------- both ways */

static double scale[CHANNELS], shift[CHANNELS]; /* gamma and beta */

static renorm_desc describe(const setting *s) {
  renorm_desc desc;
  renorm_desc_init(&desc, sizeof desc);
  desc.dtype = s->dtype;
  desc.layout = s->layout;
  desc.flags = s->flags;
  desc.param_dtype = desc.stats_dtype = RENORM_F64;
  desc.c = CHANNELS;
  desc.s = POSITIONS;
  return desc;
}

static void step_together(const setting *s, const void *x, const void *dy, results *to) {
  sync_norm layer = {.comm = MPI_COMM_WORLD,
                     .desc = describe(s),
                     .gamma = scale,
                     .beta = shift,
                     .running_mean = to->values[RUNNING_MEAN],
                     .running_var = to->values[RUNNING_VAR],
                     .mean = to->values[MEAN],
                     .sigma = to->values[SIGMA],
                     .r = to->values[R],
                     .d = to->values[D]};
  const int64_t n = samples_of(s, rank);
  const size_t skipped = (size_t)samples_before(s, rank) * CHANNELS * POSITIONS * element(s);
  sync_train(&layer, n, (const char *)x + skipped, to->y);
  sync_backward(&layer, n, (const char *)x + skipped, (const char *)dy + skipped, to->dx, to->values[DGAMMA], to->values[DBETA]);
}

static void step_alone(const setting *s, const void *x, const void *dy, results *to) {
  renorm_desc desc = describe(s);
  desc.n = samples_before(s, ranks);
  renorm_train_args train = {.struct_size = sizeof train,
                             .x = x,
                             .gamma = scale,
                             .beta = shift,
                             .running_mean = to->values[RUNNING_MEAN],
                             .running_var = to->values[RUNNING_VAR],
                             .y = to->y,
                             .mean = to->values[MEAN],
                             .sigma = to->values[SIGMA],
                             .r = to->values[R],
                             .d = to->values[D]};
  if (renorm_train(&desc, &train, NULL) != RENORM_OK) fail("renorm_train");
  renorm_backward_args backward = {.struct_size = sizeof backward,
                                   .x = x,
                                   .dy = dy,
                                   .gamma = scale,
                                   .mean = to->values[MEAN],
                                   .sigma = to->values[SIGMA],
                                   .r = to->values[R],
                                   .d = to->values[D],
                                   .dx = to->dx,
                                   .dgamma = to->values[DGAMMA],
                                   .dbeta = to->values[DBETA]};
  if (renorm_backward(&desc, &backward, NULL) != RENORM_OK) fail("renorm_backward");
}

/* ---------------------------------------------------------------- comparison */

static double larger(double a, double b) { return a > b || isnan(a) ? a : b; }

/* The largest difference from some on, relative to the largest value. NaN if there is one. */
static double tensor_error(const setting *s, const void *ours, size_t size, const void *whole, size_t skipped, size_t whole_size) {
  double error = 0, largest = 0;
  for (size_t i = 0; i < whole_size; ++i) largest = larger(fabs(value(s, whole, i)), largest);
  for (size_t i = 0; i < size; ++i) error = larger(fabs(value(s, ours, i) - value(s, whole, skipped + i)) / largest, error);
  return error;
}

static double statistics_error(const results *ours, const results *whole) {
  double error = 0;
  for (int kind = 0; kind < KINDS; ++kind) {
    double largest = 0;
    for (int c = 0; c < CHANNELS; ++c) largest = larger(fabs(whole->values[kind][c]), largest);
    for (int c = 0; c < CHANNELS; ++c) {
      const double difference = fabs(ours->values[kind][c] - whole->values[kind][c]);
      if (difference != 0) error = larger(difference / largest, error); /* d of batch norm is 0 */
    }
  }
  return error;
}

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
  return hash;
}

static int all_ranks_hold(uint64_t ours) {
  uint64_t first = ours;
  MPI_Bcast(&first, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  int same = first == ours, all;
  MPI_Allreduce(&same, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
  return all;
}

static double largest_of_all_ranks(double error) {
  double *errors = allocate((size_t)ranks * sizeof *errors), largest = 0;
  MPI_Allgather(&error, 1, MPI_DOUBLE, errors, 1, MPI_DOUBLE, MPI_COMM_WORLD);
  for (int k = 0; k < ranks; ++k) largest = larger(errors[k], largest); /* MPI_MAX may lose a NaN */
  free(errors);
  return largest;
}

/* A hash of what all ranks have, in their order. */
static uint64_t hash_of_all_ranks(uint64_t ours) {
  uint64_t *hashes = allocate((size_t)ranks * sizeof *hashes);
  MPI_Allgather(&ours, 1, MPI_UINT64_T, hashes, 1, MPI_UINT64_T, MPI_COMM_WORLD);
  const uint64_t hash = hash_bytes(0, hashes, (size_t)ranks * sizeof *hashes);
  free(hashes);
  return hash;
}

/* ---------------------------------------------------------------- one setting */

static int run(const setting *s) {
  const size_t per_sample = CHANNELS * POSITIONS;
  const int64_t n = samples_of(s, rank), whole_n = samples_before(s, ranks);
  const size_t size = (size_t)n * per_sample, whole_size = (size_t)whole_n * per_sample;
  const size_t skipped = (size_t)samples_before(s, rank) * per_sample;
  void *x = allocate(whole_size * element(s)), *dy = allocate(whole_size * element(s));
  results together, alone;
  start(&together, s, n);
  start(&alone, s, whole_n);

  double tensors = 0, statistics = 0;
  uint64_t hash = 14695981039346656037u, statistics_hash = hash;
  for (uint32_t step = 0; step < STEPS; ++step) {
    fill(s, x, whole_n, 2 * step + 1);
    fill(s, dy, whole_n, 2 * step + 2);
    step_together(s, x, dy, &together);
    step_alone(s, x, dy, &alone);
    tensors = larger(tensor_error(s, together.y, size, alone.y, skipped, whole_size), tensors);
    tensors = larger(tensor_error(s, together.dx, size, alone.dx, skipped, whole_size), tensors);
    statistics = larger(statistics_error(&together, &alone), statistics);
    statistics_hash = hash_bytes(statistics_hash, together.values, sizeof together.values);
    hash = hash_bytes(hash_bytes(hash, together.y, size * element(s)), together.dx, size * element(s));
  }
  release(&together);
  release(&alone);
  free(x);
  free(dy);

  /* Sums of a float tensor are taken in floats, in lanes that a shard starts anew: they round differently. */
  const double allowed = s->dtype == RENORM_F32 ? 1e-6 : 1e-13;
  const int same = all_ranks_hold(statistics_hash);
  tensors = largest_of_all_ranks(tensors);
  statistics = largest_of_all_ranks(statistics);
  hash = hash_of_all_ranks(hash_bytes(hash, &statistics_hash, sizeof statistics_hash));
  const int held = same && tensors <= allowed && statistics <= allowed;
  if (rank == 0)
    printf("  %-6s  %-12s %-6s %s  %-15s  y, dx %.1e  statistics %.1e  of %.0e  %s  %016llx\n", held ? "holds" : "FAILED",
           s->flags & RENORM_FLAG_BATCH_RENORM ? "batch renorm" : "batch norm", s->dtype == RENORM_F32 ? "float" : "double",
           s->layout == RENORM_NCHW ? "NCHW" : "NHWC", s->one_is_empty ? "one is empty" : "different sizes", tensors, statistics, allowed,
           same ? "same bits on all ranks" : "ranks differ", (unsigned long long)hash);
  return held;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int c = 0; c < CHANNELS; ++c) {
    scale[c] = 0.5 + (double)c / CHANNELS;
    shift[c] = (double)c / CHANNELS - 0.5;
  }

  int held = 1;
  if (rank == 0) printf("%d ranks, %d steps; largest error against one process, and a hash of all results\n", ranks, STEPS);
  for (int bits = 0; bits < 16; ++bits) {
    const setting s = {.dtype = bits & 1 ? RENORM_F64 : RENORM_F32,
                       .layout = bits & 2 ? RENORM_NHWC : RENORM_NCHW,
                       .flags = bits & 4 ? RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA : 0,
                       .one_is_empty = bits >> 3 & 1};
    held = run(&s) && held;
  }
  MPI_Finalize();
  return !held;
}
