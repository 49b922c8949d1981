#include "reference.h"

#include <math.h>
#include <stdlib.h>

/* Half a unit in the last place of float, relative. */
static const double u = 0x1p-24;

static double sigma_of(const model *m, const norm_params *p, int64_t channel) { return sqrt((double)p->var[channel] + m->eps); }

/*
 * gamma*(x - mean)/sigma + beta. In float each of its two terms is met by at most four roundings (of scale or shift, difference, product,
 * sum), and a fifth makes up for products of errors.
 */
static approximation normalize(const model *m, const norm_params *p, int64_t channel, approximation x) {
  const double scale = p->gamma[channel] / sigma_of(m, p, channel), term = scale * (x.value - p->mean[channel]), beta = p->beta[channel];
  return (approximation){term + beta, fabs(scale) * x.error + 5 * u * (fabs(term) + fabs(beta))};
}

/* Never moves two numbers apart. */
static approximation relu(approximation x) { return (approximation){x.value < 0 ? 0 : x.value, x.error}; }

static approximation add(approximation x, approximation z) {
  const double sum = x.value + z.value;
  return (approximation){sum, x.error + z.error + u * fabs(sum)};
}

static int64_t channel_of(const model *m, int64_t i) { return m->layout == RENORM_NCHW ? i / m->s % m->c : i % m->c; }

static void block(const model *m, int index, approximation *x) {
  for (int64_t i = 0; i < model_inputs(m); ++i) {
    const int64_t channel = channel_of(m, i);
    const approximation h = relu(normalize(m, &m->norm[2 * index], channel, x[i]));
    x[i] = relu(add(normalize(m, &m->norm[2 * index + 1], channel, h), x[i]));
  }
}

/* The engine sums in double, so that rounding comes with scale, shift and the result: less than the five roundings of normalize. */
static void average(const model *m, const approximation *x, approximation *y) {
  for (int64_t i = 0; i < m->n * m->c; ++i) y[i] = (approximation){0, 0};
  for (int64_t i = 0; i < model_inputs(m); ++i) {
    const int64_t channel = channel_of(m, i);
    const approximation v = normalize(m, &m->average, channel, x[i]);
    approximation *const mean = &y[i / (m->c * m->s) * m->c + channel];
    mean->value += v.value / (double)m->s;
    mean->error += v.error / (double)m->s;
  }
}

/* In float, a sum of so many products: each has a rounding of its own, of its weight, and one for every sum it is part of. */
static approximation dense(const model *m, const dense_params *p, const approximation *x, int64_t output) {
  const double scale = p->norm.gamma[output] / sigma_of(m, &p->norm, output);
  double sum = p->bias[output], magnitude = 0, error = 0;
  for (int64_t i = 0; i < p->inputs; ++i) {
    const double weight = p->weights[i * p->norm.c + output];
    sum += weight * x[i].value;
    magnitude += fabs(scale * weight * x[i].value);
    error += fabs(scale * weight) * x[i].error;
  }
  const double bias = scale * (p->bias[output] - p->norm.mean[output]) + p->norm.beta[output];
  const double value = scale * (sum - p->norm.mean[output]) + p->norm.beta[output];
  return (approximation){value, error + (double)(p->inputs + 3) * u * (magnitude + fabs(bias))};
}

static void run(const model *m, const float *input, approximation *x, approximation *averages, approximation *hidden,
                approximation *logits) {
  for (int64_t i = 0; i < model_inputs(m); ++i) x[i] = (approximation){input[i], 0};
  for (int i = 0; i < model_blocks; ++i) block(m, i, x);
  average(m, x, averages);
  for (int64_t sample = 0; sample < m->n; ++sample) {
    for (int64_t i = 0; i < m->hidden.norm.c; ++i) hidden[i] = relu(dense(m, &m->hidden, averages + sample * m->c, i));
    for (int64_t i = 0; i < m->logits.norm.c; ++i) logits[sample * m->logits.norm.c + i] = dense(m, &m->logits, hidden, i);
  }
}

int reference_run(const model *m, const float *input, approximation *logits) {
  const int64_t values = model_inputs(m), averages = m->n * m->c;
  approximation *const x = malloc((size_t)(values + averages + m->hidden.norm.c) * sizeof *x);
  if (x == NULL) return -1;
  run(m, input, x, x + values, x + values + averages, logits);
  free(x);
  return 0;
}

deviation compare(const float *logits, const approximation *reference, int64_t count) {
  deviation d = {0, 0};
  for (int64_t i = 0; i < count; ++i) {
    const double error = fabs(logits[i] - reference[i].value);
    /* Written so that NaN is the largest. */
    if (!(error <= d.error)) d.error = error;
    if (!(error / reference[i].error <= d.of_bound)) d.of_bound = error / reference[i].error;
  }
  return d;
}
