/*
 * Training with batch renorm: prediction = sum(relu(renorm(weights*x))) learns |x0 - x1| from batches of 4. The paper's schedule, forward,
 * backward, SGD, inference, and a checkpoint, from which a run goes on with the bits of one that nothing interrupted.
 */
#include <renorm/renorm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { steps = 2600, batch = 4, units = 16, tested = 1000, interruption = 520 };

/* What the rest of a run depends on is what a checkpoint holds. No padding: it is compared as bytes. */
typedef struct model {
  int64_t step;
  uint64_t random; /* of the samples */
  float weights[units][2], gamma[units], beta[units], running_mean[units], running_var[units];
} model;

/* The paper's schedule, for a run of another length than its 130 thousand steps. */
static const renorm_ramp ramp = {.struct_size = sizeof ramp,
                                 .warm = steps * 5 / 130,
                                 .rmax_end = steps * 40 / 130,
                                 .dmax_end = steps * 25 / 130,
                                 .rmax_final = 3,
                                 .dmax_final = 5};

static void check(renorm_status status) {
  if (status == RENORM_OK) return;
  fprintf(stderr, "%s\n", renorm_status_string(status));
  exit(1);
}

static renorm_desc layer(int64_t samples, int64_t step) {
  renorm_desc desc;
  check(renorm_desc_init(&desc, sizeof desc));
  desc.flags = RENORM_FLAG_BATCH_RENORM, desc.epilogue = RENORM_EPILOGUE_RELU, desc.momentum = 0.02;
  desc.n = samples, desc.c = units, desc.s = 1;
  check(renorm_ramp_at(&ramp, step, &desc.rmax, &desc.dmax));
  return desc;
}

static float uniform(uint64_t *random) { /* in [-1, 1) */
  *random = *random * 6364136223846793005u + 1442695040888963407u;
  return (float)(*random >> 40) / 8388608 - 1;
}

/* Samples x, far from 0, and what is to be normalised: h = weights*x. */
static void draw(const model *m, uint64_t *random, int samples, float x[][2], float h[][units]) {
  for (int i = 0; i < samples; ++i) {
    x[i][0] = 5 + 3 * uniform(random), x[i][1] = 5 + 3 * uniform(random);
    for (int u = 0; u < units; ++u) h[i][u] = m->weights[u][0] * x[i][0] + m->weights[u][1] * x[i][1];
  }
}

static float error_of(const float x[2], const float y[units]) {
  float error = x[0] > x[1] ? x[1] - x[0] : x[0] - x[1];
  for (int u = 0; u < units; ++u) error += y[u];
  return error;
}

static void train_step(model *m) {
  float x[batch][2], h[batch][units], y[batch][units], dy[batch][units], dgamma[units], dbeta[units];
  float rate = 0.02f * (float)(steps - m->step) / steps; /* falls to 0 */
  double mean[units], sigma[units], r[units], d[units];  /* from forward to backward */
  renorm_desc desc = layer(batch, m->step++);
  draw(m, &m->random, batch, x, h);

  renorm_train_args train = {.struct_size = sizeof train, .x = h, .gamma = m->gamma, .beta = m->beta, .y = y};
  train.running_mean = m->running_mean, train.running_var = m->running_var;
  train.mean = mean, train.sigma = sigma, train.r = r, train.d = d;
  check(renorm_train(&desc, &train, NULL));

  for (int i = 0; i < batch; ++i)
    for (int u = 0; u < units; ++u) dy[i][u] = error_of(x[i], y[i]) / batch; /* of half the mean square */
  renorm_backward_args backward = {.struct_size = sizeof backward, .x = h, .dy = dy, .gamma = m->gamma, .beta = m->beta};
  backward.mean = mean, backward.sigma = sigma, backward.r = r, backward.d = d;
  backward.dx = dy, backward.dgamma = dgamma, backward.dbeta = dbeta; /* dx in the place of dy */
  check(renorm_backward(&desc, &backward, NULL));

  for (int u = 0; u < units; ++u) {
    m->gamma[u] -= rate * dgamma[u], m->beta[u] -= rate * dbeta[u];
    for (int i = 0; i < batch; ++i)
      for (int k = 0; k < 2; ++k) m->weights[u][k] -= rate * dy[i][u] * x[i][k];
  }
}

/* Mean square of the error of inference, on samples that training does not see. */
static double test(const model *m) {
  static float x[tested][2], h[tested][units];
  double sum = 0;
  uint64_t random = 1;
  renorm_desc desc = layer(tested, m->step);
  draw(m, &random, tested, x, h);
  renorm_inference_args infer = {.struct_size = sizeof infer, .x = h, .gamma = m->gamma, .beta = m->beta, .y = h};
  infer.running_mean = m->running_mean, infer.running_var = m->running_var;
  check(renorm_inference(&desc, &infer, NULL));
  for (int i = 0; i < tested; ++i) sum += error_of(x[i], h[i]) * error_of(x[i], h[i]);
  return sum / tested;
}

int main(void) {
  model m = {0}, resumed;
  FILE *checkpoint = tmpfile();
  for (int u = 0; u < units; ++u) {
    m.weights[u][0] = uniform(&m.random), m.weights[u][1] = uniform(&m.random);
    m.gamma[u] = 0.1f, m.running_var[u] = 1;
  }
  for (; m.step < steps; train_step(&m)) {
    renorm_desc desc = layer(batch, m.step);
    if (m.step % 200 == 0) printf("step %4d   rmax %.2f   dmax %.2f   error %.3f\n", (int)m.step, desc.rmax, desc.dmax, test(&m));
    if (m.step == interruption && fwrite(&m, sizeof m, 1, checkpoint) != 1) return 1;
  }
  printf("step %4d                           error %.3f\n", steps, test(&m));

  rewind(checkpoint);
  if (fread(&resumed, sizeof resumed, 1, checkpoint) != 1) return 1;
  while (resumed.step < steps) train_step(&resumed);
  int same = memcmp(&m, &resumed, sizeof m) == 0;
  printf("resumed at step %d: %s\n", interruption, same ? "the same bits" : "OTHER BITS");
  return !same;
}
