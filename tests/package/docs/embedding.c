/* Tries the code of docs/embedding.md. */
#include <renorm/renorm.h>

#include "expect.h"

#include <string.h>

enum { channels = 3 };

static int pool[1]; /* how often it was lent */

static int32_t pool_run(void *ctx, size_t n, renorm_task task, void *arg) {
  ++*(int *)ctx;
  for (size_t i = 0; i < n; ++i) task(arg, i);
  return 0;
}

#include "embedding.inc"

static const float gammas[channels] = {1.5f, -0.5f, 0}, betas[channels] = {0.25f, 2, -1};

static renorm_desc describe(renorm_layout layout, int64_t n, int64_t s) {
  renorm_desc desc;
  EXPECT(renorm_desc_init(&desc, sizeof desc) == RENORM_OK);
  desc.layout = layout, desc.n = n, desc.c = channels, desc.s = s;
  return desc;
}

/* The int8 output against the layer and its batch norm in double. */
static void try_quantised_layer(void) {
  enum { inputs = 8 };
  const float mean[channels] = {0.5f, -1, 2}, var[channels] = {4, 0.25f, 1}, bias[channels] = {1, -2, 3};
  const float weight_scale[channels] = {0.02f, 0.03f, 0.01f}, x_scale = 0.05f, y_scale = 0.1f, y_zero = -7;
  float multiplier[channels], offset[channels];
  renorm_desc desc = describe(RENORM_NCHW, 1, 1);
  renorm_fold_args norm = {.struct_size = sizeof norm, .gamma = gammas, .beta = betas, .bias = bias};
  norm.running_mean = mean, norm.running_var = var;
  EXPECT(requantise(&desc, norm, x_scale, weight_scale, y_scale, y_zero, multiplier, offset) == RENORM_OK);
  for (int c = 0; c < channels; ++c) {
    int32_t sum = 0;
    double a = bias[c];
    for (int i = 0; i < inputs; ++i) {
      int8_t x = (int8_t)(i * 29 - 100), weight = (int8_t)(i * 53 % 127 - 60 + c);
      sum += x * weight;
      a += (double)x_scale * x * weight_scale[c] * weight;
    }
    double y = gammas[c] * (a - mean[c]) / sqrt(var[c] + desc.eps) + betas[c];
    EXPECT(near((double)multiplier[c] * sum + offset[c], y / y_scale + y_zero));
  }
}

/* What tiles give is what renorm_train gives. */
static void try_tiles(void) {
  enum { positions = 40, tile_positions = 7 };
  float x[positions][channels], y[positions][channels], expected[positions][channels];
  float mean[channels] = {4, 5, 6}, var[channels] = {3, 4, 5};
  double sigma[channels], r[channels], d[channels];
  layer l = {.gamma = {1.5f, -0.5f, 0}, .beta = {0.25f, 2, -1}, .running_mean = {4, 5, 6}, .running_var = {3, 4, 5}};
  moments all = {0};
  renorm_desc desc = describe(RENORM_NHWC, 1, positions), tile = desc;
  fill(*x, positions * channels);
  desc.flags = RENORM_FLAG_BATCH_RENORM;
  for (int first = 0; first < positions; first += tile_positions) {
    tile.s = first + tile_positions < positions ? tile_positions : positions - first;
    EXPECT(add_tile(&tile, x[first], &all) == RENORM_OK);
  }
  EXPECT(finish(&desc, &all, &l) == RENORM_OK);
  renorm_apply_args apply = {.struct_size = sizeof apply, .x = x, .center = l.center, .scale = l.scale, .shift = l.shift, .y = y};
  EXPECT(renorm_apply(&desc, &apply, NULL) == RENORM_OK);

  renorm_train_args whole = {.struct_size = sizeof whole, .x = x, .gamma = l.gamma, .beta = l.beta, .y = expected};
  whole.running_mean = mean, whole.running_var = var, whole.sigma = sigma, whole.r = r, whole.d = d;
  EXPECT(renorm_train(&desc, &whole, NULL) == RENORM_OK);
  for (int c = 0; c < channels; ++c) {
    EXPECT(near(l.sigma[c], sigma[c]) && near(l.r[c], r[c]) && near(l.d[c], d[c]));
    EXPECT(near(l.running_mean[c], mean[c]) && near(l.running_var[c], var[c]));
    for (int i = 0; i < positions; ++i) EXPECT(near(y[i][c], expected[i][c]));
  }
}

/* Two layers side by side are what each is by itself, and are shared among the threads. */
static void try_layers_side_by_side(void) {
  enum { n = 4, layers = 2, s = 2000 };
  static float x[n][layers][channels][s], y[n][layers][channels][s], own_x[n][channels][s], own_y[n][channels][s];
  float mean[layers][channels] = {{0}}, var[layers][channels] = {{0}};
  renorm_desc desc = describe(RENORM_NCHW, n, s);
  renorm_train_args together = {.struct_size = sizeof together, .x = x, .running_mean = mean, .running_var = var, .y = y};
  fill(***x, sizeof x / sizeof(float));
  EXPECT(train_side_by_side(desc, layers, &together, &exec) == RENORM_OK);
  EXPECT(pool[0] > 0);
  for (int layer = 0; layer < layers; ++layer) {
    float own_mean[channels] = {0}, own_var[channels] = {0};
    renorm_train_args own = {.struct_size = sizeof own, .x = own_x, .running_mean = own_mean, .running_var = own_var, .y = own_y};
    for (int i = 0; i < n; ++i) memcpy(own_x[i], x[i][layer], sizeof own_x[i]);
    EXPECT(renorm_train(&desc, &own, NULL) == RENORM_OK);
    for (int c = 0; c < channels; ++c) {
      EXPECT(near(mean[layer][c], own_mean[c]) && near(var[layer][c], own_var[c]));
      for (int i = 0; i < n; ++i)
        for (int k = 0; k < s; ++k) EXPECT(near(y[i][layer][c][k], own_y[i][c][k]));
    }
  }
}

/* (x - mean)/sigma of one sample and channel, whose values are stride apart. */
static double standardised(const float *x, int count, int stride, double eps, int at) {
  double mean = 0, var = 0;
  for (int i = 0; i < count; ++i) mean += x[i * stride] / (double)count;
  for (int i = 0; i < count; ++i) var += (x[i * stride] - mean) * (x[i * stride] - mean) / count;
  return (x[at * stride] - mean) / sqrt(var + eps);
}

static void try_instance_norm(renorm_layout layout) {
  enum { n = 4, s = 6, size = channels * s };
  float x[n][size], y[n][size], plain[n][size];
  int nchw = layout == RENORM_NCHW, stride = nchw ? 1 : channels;
  renorm_desc desc = describe(layout, n, s);
  fill(*x, n * size);
  EXPECT(instance_norm(desc, *x, gammas, betas, *y) == RENORM_OK);
  EXPECT(!nchw || plain_instance_norm(desc, *x, *plain) == RENORM_OK);
  for (int i = 0; i < n; ++i)
    for (int c = 0; c < channels; ++c)
      for (int k = 0, first = nchw ? c * s : c; k < s; ++k) {
        double xhat = standardised(x[i] + first, s, stride, desc.eps, k);
        EXPECT(near(y[i][first + k * stride], gammas[c] * xhat + betas[c]));
        EXPECT(!nchw || near(plain[i][first + k], xhat));
      }
}

int main(void) {
  try_quantised_layer();
  try_tiles();
  try_layers_side_by_side();
  try_instance_norm(RENORM_NCHW);
  try_instance_norm(RENORM_NHWC);
  return 0;
}
