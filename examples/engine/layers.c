#include "layers.h"

static renorm_desc describe(renorm_layout layout, int64_t n, int64_t c, int64_t s, double eps) {
  renorm_desc desc;
  renorm_desc_init(&desc, sizeof desc); /* cannot fail: a pointer and its size */
  desc.layout = layout;
  desc.n = n;
  desc.c = c;
  desc.s = s;
  desc.eps = eps;
  return desc;
}

static renorm_fold_args fold_args(const norm_params *p) {
  renorm_fold_args args = {.struct_size = sizeof args, .gamma = p->gamma, .beta = p->beta};
  args.running_mean = p->mean;
  args.running_var = p->var;
  return args;
}

/* ---------------------------------------------------------------- batch norm */

void norm_lay_out(norm_layer *l, const model *m, renorm_epilogue epilogue, arena *memory) {
  const size_t bytes = (size_t)m->c * sizeof(double);
  l->desc = describe(m->layout, m->n, m->c, m->s, m->eps);
  l->desc.epilogue = epilogue;
  l->center = arena_take(memory, bytes);
  l->scale = arena_take(memory, bytes);
  l->shift = arena_take(memory, bytes);
}

renorm_status norm_fold(norm_layer *l, const norm_params *p) {
  renorm_coefficients_args args = {.struct_size = sizeof args};
  args.running_mean = p->mean;
  args.running_var = p->var;
  args.gamma = p->gamma;
  args.beta = p->beta;
  args.center = l->center;
  args.scale = l->scale;
  args.shift = l->shift;
  return renorm_coefficients(&l->desc, &args, NULL);
}

renorm_status norm_run(const norm_layer *l, const float *x, const float *z, float *y, const renorm_exec *exec) {
  renorm_apply_args args = {.struct_size = sizeof args, .x = x, .y = y, .z = z};
  args.center = l->center;
  args.scale = l->scale;
  args.shift = l->shift;
  return renorm_apply(&l->desc, &args, exec);
}

/* ---------------------------------------------------------------- average over the positions */

void average_lay_out(average_layer *l, const model *m, arena *memory) {
  const size_t bytes = (size_t)m->c * sizeof(float);
  *l = (average_layer){.layout = m->layout, .n = m->n, .c = m->c, .s = m->s, .eps = m->eps};
  l->scale = arena_take(memory, bytes);
  l->shift = arena_take(memory, bytes);
}

renorm_status average_fold(average_layer *l, const norm_params *p) {
  const renorm_desc desc = describe(RENORM_NHWC, 1, l->c, 0, l->eps); /* no weights */
  renorm_fold_args args = fold_args(p);
  args.scale = l->scale;
  args.folded_bias = l->shift;
  return renorm_fold(&desc, &args, NULL);
}

typedef struct average_job {
  const average_layer *layer;
  const float *x;
  float *y;
} average_job;

enum { average_channels = 16 }; /* that are summed together */

static void average_sample(void *argument, size_t sample) {
  const average_job *job = argument;
  const average_layer *l = job->layer;
  const int64_t channel_step = l->layout == RENORM_NCHW ? l->s : 1, position_step = l->layout == RENORM_NCHW ? 1 : l->c;
  for (int64_t first = 0; first < l->c; first += average_channels) {
    const int64_t count = l->c - first < average_channels ? l->c - first : average_channels;
    const float *x = job->x + (int64_t)sample * l->c * l->s + first * channel_step;
    float *y = job->y + (int64_t)sample * l->c + first;
    double sum[average_channels] = {0};
    for (int64_t i = 0; i < l->s; ++i)
      for (int64_t k = 0; k < count; ++k) sum[k] += x[i * position_step + k * channel_step];
    for (int64_t k = 0; k < count; ++k) y[k] = (float)(l->scale[first + k] * (sum[k] / (double)l->s) + l->shift[first + k]);
  }
}

void average_run(const average_layer *l, const float *x, float *y, pool *threads) {
  average_job job = {.layer = l, .x = x, .y = y};
  pool_run(threads, (size_t)l->n, average_sample, &job);
}

/* ---------------------------------------------------------------- dense */

void dense_lay_out(dense_layer *l, const model *m, const dense_params *p, int relu, arena *memory) {
  *l = (dense_layer){.n = m->n, .inputs = p->inputs, .outputs = p->norm.c, .eps = m->eps, .relu = relu};
  l->weights = arena_take(memory, (size_t)(l->inputs * l->outputs) * sizeof(float));
  l->bias = arena_take(memory, (size_t)l->outputs * sizeof(float));
}

renorm_status dense_fold(dense_layer *l, const dense_params *p) {
  const renorm_desc desc = describe(RENORM_NHWC, 1, l->outputs, l->inputs, l->eps); /* [inputs][outputs] */
  renorm_fold_args args = fold_args(&p->norm);
  args.weights = p->weights;
  args.bias = p->bias;
  args.folded_weights = l->weights;
  args.folded_bias = l->bias;
  return renorm_fold(&desc, &args, NULL);
}

typedef struct dense_job {
  const dense_layer *layer;
  const float *x;
  float *y;
} dense_job;

static void dense_sample(void *argument, size_t sample) {
  const dense_job *job = argument;
  const dense_layer *l = job->layer;
  const float *x = job->x + (int64_t)sample * l->inputs;
  float *restrict y = job->y + (int64_t)sample * l->outputs;
  for (int64_t o = 0; o < l->outputs; ++o) y[o] = l->bias[o];
  for (int64_t i = 0; i < l->inputs; ++i) {
    const float *weights = l->weights + i * l->outputs;
    for (int64_t o = 0; o < l->outputs; ++o) y[o] += x[i] * weights[o];
  }
  if (!l->relu) return;
  for (int64_t o = 0; o < l->outputs; ++o) y[o] = y[o] < 0 ? 0 : y[o];
}

void dense_run(const dense_layer *l, const float *x, float *y, pool *threads) {
  dense_job job = {.layer = l, .x = x, .y = y};
  pool_run(threads, (size_t)l->n, dense_sample, &job);
}
