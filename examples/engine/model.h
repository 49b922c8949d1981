/*
 * A network as training leaves it: the parameters of its layers, in float.
 *
 *   blocks, x [n][c][s]:   h = relu(bn(x)),  x = relu(bn(h) + x)
 *   average, [n][c]:       the mean of bn(x) over the positions
 *   hidden, [n][hidden]:   relu(bn(dense(average)))
 *   logits, [n][classes]:  bn(dense(hidden))
 */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include <renorm/renorm.h>

enum { model_blocks = 4, model_norms = 2 * model_blocks };

typedef struct norm_params {
  int64_t c;
  float *gamma, *beta, *mean, *var; /* [c] */
} norm_params;

typedef struct dense_params {
  int64_t inputs;
  float *weights; /* [inputs][outputs], outputs = norm.c */
  float *bias;
  norm_params norm;
} dense_params;

typedef struct model {
  renorm_layout layout;
  int64_t n, c, s;
  double eps;
  norm_params norm[model_norms]; /* of block i: 2*i and 2*i + 1 */
  norm_params average;
  dense_params hidden, logits;
  float *memory; /* of all parameters */
} model;

/* Fills values with numbers in [low, high), always the same for a seed. */
void generate(float *values, int64_t count, float low, float high, uint64_t seed);

/* A network with generated parameters. Returns 0, or -1 without memory. */
int model_create(model *m, renorm_layout layout);
void model_destroy(model *m);

int64_t model_inputs(const model *m);
int64_t model_outputs(const model *m);

#endif
