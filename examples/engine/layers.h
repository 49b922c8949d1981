/*
 * The layers that the engine has. Each is planned once: its memory is laid out in the arena, which first counts (see arena.h), and then
 * its parameters are folded into it. It runs any number of times.
 */
#ifndef ENGINE_LAYERS_H
#define ENGINE_LAYERS_H

#include "arena.h"
#include "model.h"
#include "pool.h"

/* y = scale*(x - center) + shift, then + z, then relu: batch norm with its epilogue, by renorm. */
typedef struct norm_layer {
  renorm_desc desc;
  double *center, *scale, *shift;
} norm_layer;

void norm_lay_out(norm_layer *l, const model *m, renorm_epilogue epilogue, arena *memory);
renorm_status norm_fold(norm_layer *l, const norm_params *p);
renorm_status norm_run(const norm_layer *l, const float *x, const float *z, float *y, const renorm_exec *exec);

/* The average over the positions of batch norm, which is scale*average + shift: the engine's own kernel has the batch norm in it. */
typedef struct average_layer {
  renorm_layout layout;
  int64_t n, c, s;
  double eps;
  float *scale, *shift;
} average_layer;

void average_lay_out(average_layer *l, const model *m, arena *memory);
renorm_status average_fold(average_layer *l, const norm_params *p);
void average_run(const average_layer *l, const float *x, float *y, pool *threads);

/* y = weights*x + bias, then relu: the engine's own kernel. A batch norm behind it is folded into the weights. */
typedef struct dense_layer {
  int64_t n, inputs, outputs;
  double eps;
  int relu;
  float *weights, *bias;
} dense_layer;

void dense_lay_out(dense_layer *l, const model *m, const dense_params *p, int relu, arena *memory);
renorm_status dense_fold(dense_layer *l, const dense_params *p);
void dense_run(const dense_layer *l, const float *x, float *y, pool *threads);

#endif
