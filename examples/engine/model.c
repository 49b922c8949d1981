#include "model.h"

#include <stdlib.h>

/* The high bits of D. Knuth's MMIX generator. */
void generate(float *values, int64_t count, float low, float high, uint64_t seed) {
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    values[i] = low + (high - low) * (float)(seed >> 40) * 0x1p-24f;
  }
}

/* Hands out generated parameters. */
typedef struct reader {
  float *at;
  uint64_t seed;
} reader;

static float *read_values(reader *r, int64_t count, float low, float high) {
  float *values = r->at;
  generate(values, count, low, high, ++r->seed);
  r->at += count;
  return values;
}

static norm_params read_norm(reader *r, int64_t c) {
  norm_params p = {.c = c};
  p.gamma = read_values(r, c, 0.5f, 1.5f);
  p.beta = read_values(r, c, -0.5f, 0.5f);
  p.mean = read_values(r, c, -1, 1);
  p.var = read_values(r, c, 0.5f, 2);
  return p;
}

static dense_params read_dense(reader *r, int64_t inputs, int64_t outputs) {
  dense_params p = {.inputs = inputs};
  p.weights = read_values(r, inputs * outputs, -0.25f, 0.25f);
  p.bias = read_values(r, outputs, -0.5f, 0.5f);
  p.norm = read_norm(r, outputs);
  return p;
}

int model_create(model *m, renorm_layout layout) {
  const int64_t c = 64, hidden = 128, classes = 10, per_norm = 4;
  const int64_t of_norms = (model_norms + 1) * per_norm * c;
  const int64_t of_dense = (c + 1 + per_norm) * hidden + (hidden + 1 + per_norm) * classes;
  *m = (model){.layout = layout, .n = 16, .c = c, .s = 28 * 28, .eps = 1e-5};
  m->memory = malloc((size_t)(of_norms + of_dense) * sizeof(float));
  if (m->memory == NULL) return -1;

  reader r = {.at = m->memory, .seed = 1};
  for (int i = 0; i < model_norms; ++i) m->norm[i] = read_norm(&r, c);
  m->average = read_norm(&r, c);
  m->hidden = read_dense(&r, c, hidden);
  m->logits = read_dense(&r, hidden, classes);
  return 0;
}

void model_destroy(model *m) { free(m->memory); }

int64_t model_inputs(const model *m) { return m->n * m->c * m->s; }
int64_t model_outputs(const model *m) { return m->n * m->logits.norm.c; }
