/* The network in double, layer by layer, nothing folded and nothing fused, and how far float may be from it. */
#ifndef ENGINE_REFERENCE_H
#define ENGINE_REFERENCE_H

#include "model.h"

typedef struct approximation {
  double value;
  double error; /* bound of the error of a float computation */
} approximation;

/* logits: model_outputs elements. Returns 0, or -1 without memory. */
int reference_run(const model *m, const float *x, approximation *logits);

/* The largest |logits - reference|, and the largest quotient of that and its bound: at most 1, or the engine is wrong. */
typedef struct deviation {
  double error, of_bound;
} deviation;

deviation compare(const float *logits, const approximation *reference, int64_t count);

#endif
