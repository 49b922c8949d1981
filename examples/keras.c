/*
 * Batch renorm as tf-keras's BatchNormalization(renorm=True) does it, made of the parts. It differs from the paper, and from
 * renorm_train, in that the correction and inference have running statistics of their own, with momenta of their own; rmin is independent
 * of rmax; and the running deviation that corrects is at least sqrt(eps). Keras's momentum weighs the OLD value: 1 - momentum here.
 */
#include <renorm/renorm.h>

#include <math.h>
#include <stdio.h>

enum { samples = 4, features = 2 };

typedef struct layer {
  renorm_desc desc;
  double momentum, renorm_momentum; /* weights of a new batch */
  float gamma[features], beta[features];
  float renorm_mean[features], renorm_stddev[features]; /* what the batch is corrected by */
  float moving_mean[features], moving_stddev[features]; /* what inference uses */
} layer;

/* What a step saves for its backward pass. */
typedef struct saved {
  int64_t count;
  double mean[features], sigma[features], r[features], d[features];
} saved;

static void init(layer *l) {
  renorm_desc_init(&l->desc, sizeof l->desc);
  l->desc.flags = RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_TRACK_SIGMA | RENORM_FLAG_RMIN;
  l->desc.layout = RENORM_NHWC;
  l->desc.n = samples, l->desc.c = features, l->desc.s = 1;
  l->desc.eps = 1e-3, l->desc.rmin = 0.5, l->desc.rmax = 1.5, l->desc.dmax = 2;
  l->momentum = 0.01, l->renorm_momentum = 0.2; /* Keras: momentum=0.99, renorm_momentum=0.8 */
  for (int c = 0; c < features; ++c) {
    l->gamma[c] = 2, l->beta[c] = 3;
    l->renorm_mean[c] = l->moving_mean[c] = 0, l->renorm_stddev[c] = l->moving_stddev[c] = 1;
  }
}

static renorm_status follow(const layer *l, double momentum, const saved *s, const double *m2, float *mean, float *stddev) {
  renorm_desc desc = l->desc;
  renorm_update_running_args args = {.struct_size = sizeof args, .count = &s->count, .mean = s->mean, .m2 = m2};
  args.running_mean = mean, args.running_var = stddev;
  desc.momentum = momentum;
  return renorm_update_running(&desc, &args, NULL);
}

static renorm_status train(layer *l, const float *x, float *y, saved *s) {
  double m2[features], center[features], scale[features], shift[features];
  renorm_status status;

  renorm_moments_args moments = {.struct_size = sizeof moments, .x = x, .count = &s->count, .mean = s->mean, .m2 = m2};
  if ((status = renorm_moments(&l->desc, &moments, NULL)) != RENORM_OK) return status;

  renorm_correction_args correction = {.struct_size = sizeof correction, .count = &s->count, .mean = s->mean, .m2 = m2};
  correction.running_mean = l->renorm_mean, correction.running_var = l->renorm_stddev;
  correction.sigma_floor = sqrt(l->desc.eps);
  correction.sigma = s->sigma, correction.r = s->r, correction.d = s->d;
  if ((status = renorm_correction(&l->desc, &correction, NULL)) != RENORM_OK) return status;

  renorm_coefficients_args map = {.struct_size = sizeof map, .mean = s->mean, .sigma = s->sigma, .r = s->r, .d = s->d};
  map.gamma = l->gamma, map.beta = l->beta;
  map.center = center, map.scale = scale, map.shift = shift;
  if ((status = renorm_coefficients(&l->desc, &map, NULL)) != RENORM_OK) return status;

  renorm_apply_args apply = {.struct_size = sizeof apply, .x = x, .center = center, .scale = scale, .shift = shift, .y = y};
  if ((status = renorm_apply(&l->desc, &apply, NULL)) != RENORM_OK) return status;

  if ((status = follow(l, l->renorm_momentum, s, m2, l->renorm_mean, l->renorm_stddev)) != RENORM_OK) return status;
  return follow(l, l->momentum, s, m2, l->moving_mean, l->moving_stddev);
}

static renorm_status backward(const layer *l, const saved *s, const float *x, const float *dy, float *dx, float *dgamma, float *dbeta) {
  renorm_backward_args args = {.struct_size = sizeof args, .x = x, .dy = dy, .gamma = l->gamma, .mean = s->mean, .sigma = s->sigma};
  args.r = s->r, args.d = s->d, args.count = &s->count;
  args.dx = dx, args.dgamma = dgamma, args.dbeta = dbeta;
  return renorm_backward(&l->desc, &args, NULL);
}

/* Keras keeps moving_variance = max(0, moving_stddev^2 - eps) and adds eps again. */
static renorm_status infer(const layer *l, const float *x, float *y) {
  renorm_desc desc = l->desc;
  float moving_variance[features];
  for (int c = 0; c < features; ++c) {
    double variance = (double)l->moving_stddev[c] * l->moving_stddev[c] - desc.eps;
    moving_variance[c] = (float)fmax(0, variance);
  }
  desc.flags = 0;
  renorm_inference_args args = {.struct_size = sizeof args, .x = x, .gamma = l->gamma, .beta = l->beta, .y = y};
  args.running_mean = l->moving_mean, args.running_var = moving_variance;
  return renorm_inference(&desc, &args, NULL);
}

static void print(const char *name, const float *values, int count) {
  printf("%-14s", name);
  for (int i = 0; i < count; ++i) printf(" %8.4f", values[i]);
  printf("\n");
}

int main(void) {
  static const float x[samples * features] = {1, 10, 2, 30, 3, 20, 6, 40}, dy[samples * features] = {1, 0, 0, 1, 0, 0, 0, 2};
  float y[samples * features], dx[samples * features], dgamma[features], dbeta[features];
  layer l;
  saved s;
  init(&l);
  for (int step = 0; step < 3; ++step) {
    if (train(&l, x, y, &s) != RENORM_OK || backward(&l, &s, x, dy, dx, dgamma, dbeta) != RENORM_OK) return 1;
    print("y", y, samples * features);
  }
  print("dx", dx, samples * features);
  print("dgamma dbeta", dgamma, features), print("", dbeta, features);
  print("renorm mean", l.renorm_mean, features), print("renorm stddev", l.renorm_stddev, features);
  print("moving mean", l.moving_mean, features), print("moving stddev", l.moving_stddev, features);
  if (infer(&l, x, y) != RENORM_OK) return 1;
  print("inference y", y, samples * features);
  return 0;
}
