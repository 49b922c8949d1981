#include <renorm/renorm.h>
#include <stdio.h>

int main(void) {
  float x[4] = {1, 2, 3, 10}, y[4]; /* 2 samples of 2 channels, channels last */
  float mean[2] = {0, 0}, var[2] = {1, 1};
  renorm_desc desc;
  renorm_desc_init(&desc, sizeof desc);
  desc.flags = RENORM_FLAG_BATCH_RENORM;
  desc.layout = RENORM_NHWC;
  desc.n = 2, desc.c = 2, desc.s = 1;

  renorm_train_args train = {.struct_size = sizeof train, .x = x, .running_mean = mean, .running_var = var, .y = y};
  if (renorm_train(&desc, &train, NULL) != RENORM_OK) return 1;
  printf("training   y = %.3f %.3f %.3f %.3f   running mean = %.1f %.1f\n", y[0], y[1], y[2], y[3], mean[0], mean[1]);

  renorm_inference_args infer = {.struct_size = sizeof infer, .x = x, .running_mean = mean, .running_var = var, .y = y};
  if (renorm_inference(&desc, &infer, NULL) != RENORM_OK) return 1;
  printf("inference  y = %.3f %.3f %.3f %.3f\n", y[0], y[1], y[2], y[3]);
  return 0;
}
