/* The engine: a network, planned once and run any number of times, on one arena and one pool. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "layers.h"

/* Runs the batch norm of a layer with its epilogue. z is NULL where nothing is added. */
typedef renorm_status norm_function(void *ctx, int layer, const float *x, const float *z, float *y);

typedef struct engine {
  pool *threads;
  arena memory;
  renorm_exec exec; /* lends both to renorm */

  norm_layer norm[model_norms];
  average_layer average;
  dense_layer hidden, logits;

  float *features[2]; /* a block reads one and writes the other */
  float *averages, *activations;

  norm_function *run_norm; /* renorm's, unless somebody sets another after planning */
  void *norm_ctx;
} engine;

/* Returns RENORM_OK, or a status of renorm's. Copies what it needs of the model. */
renorm_status engine_plan(engine *e, const model *m, pool *threads);

/* x: model_inputs values in the layout of the model; logits: model_outputs values. Allocates nothing. */
renorm_status engine_run(engine *e, const float *x, float *logits);

void engine_destroy(engine *e);

#endif
