#include <renorm/openmp.h>

int main(void) {
  float x[2] = {1, 3}, y[2];
  renorm_desc desc;
  renorm_exec exec;
  renorm_train_args args = {.struct_size = sizeof args, .x = x, .y = y};
  if (renorm_desc_init(&desc, sizeof desc) != RENORM_OK || renorm_openmp_init(&exec, sizeof exec, 2) != RENORM_OK) return 1;
  desc.n = 2, desc.c = 1, desc.s = 1;
  return renorm_train(&desc, &args, &exec) != RENORM_OK || exec.concurrency != 2 || y[0] > -0.9f || y[1] < 0.9f;
}
