/* What a program compiled with the first header does with a library: a step of training, its backward pass, inference, moments. */
#include <renorm/renorm.h>
#include <stdio.h>

enum { N = 3, C = 2, S = 5, VALUES = N * C * S };

static void print(const char *name, const float *values, int count) {
  printf("%s", name);
  for (int i = 0; i < count; ++i) printf(" %a", values[i]);
  printf("\n");
}

static renorm_status run(const renorm_desc *desc, const renorm_exec *exec) {
  float x[VALUES], dy[VALUES], y[VALUES], dx[VALUES], running_mean[C] = {0.5f, -1}, running_var[C] = {2, 3}, dgamma[C], dbeta[C];
  const float gamma[C] = {1.5f, -0.5f}, beta[C] = {0.25f, 2};
  double mean[C], sigma[C], r[C], d[C], m2[C];
  int64_t count = 0, num_batches = 0;
  renorm_status s;
  for (int i = 0; i < VALUES; ++i) {
    x[i] = (float)(i * 7 % 11);
    dy[i] = (float)(i * 5 % 13) - 6;
  }

  renorm_train_args train = {.struct_size = sizeof train, .x = x, .gamma = gamma, .beta = beta, .running_mean = running_mean,
                             .running_var = running_var, .num_batches = &num_batches, .y = y, .mean = mean, .sigma = sigma, .r = r,
                             .d = d, .count = &count};
  if ((s = renorm_train(desc, &train, exec)) != RENORM_OK) return s;
  print("y", y, VALUES);
  print("running mean", running_mean, C);
  print("running var", running_var, C);

  renorm_backward_args backward = {.struct_size = sizeof backward, .x = x, .dy = dy, .gamma = gamma, .mean = mean, .sigma = sigma,
                                   .r = r, .d = d, .count = &count, .dx = dx, .dgamma = dgamma, .dbeta = dbeta};
  if ((s = renorm_backward(desc, &backward, exec)) != RENORM_OK) return s;
  print("dx", dx, VALUES);
  print("dgamma", dgamma, C);
  print("dbeta", dbeta, C);

  renorm_inference_args inference = {.struct_size = sizeof inference, .x = x, .gamma = gamma, .beta = beta,
                                     .running_mean = running_mean, .running_var = running_var, .y = y};
  if ((s = renorm_inference(desc, &inference, exec)) != RENORM_OK) return s;
  print("inference", y, VALUES);

  renorm_moments_args moments = {.struct_size = sizeof moments, .x = x, .count = &count, .mean = mean, .m2 = m2};
  if ((s = renorm_moments(desc, &moments, exec)) != RENORM_OK) return s;
  printf("moments %lld %a %a\n", (long long)count, mean[1], m2[1]);
  return RENORM_OK;
}

/* Tasks backwards, on the calling thread. */
static int32_t parallel_for(void *ctx, size_t n, renorm_task task, void *arg) {
  (void)ctx;
  while (n > 0) task(arg, --n);
  return 0;
}

int main(void) {
  renorm_desc desc;
  renorm_exec exec = {.struct_size = sizeof exec, .concurrency = 4, .parallel_for = &parallel_for};
  if (renorm_desc_init(&desc, sizeof desc) != RENORM_OK) return 1;
  desc.flags = RENORM_FLAG_BATCH_RENORM;
  desc.n = N;
  desc.c = C;
  desc.s = S;
  for (desc.layout = RENORM_NCHW; desc.layout <= RENORM_NHWC; ++desc.layout)
    if (run(&desc, NULL) != RENORM_OK || run(&desc, &exec) != RENORM_OK) return 1;
  return 0;
}
