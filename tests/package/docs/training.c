/* Tries the code of docs/training.md. */
#include <renorm/renorm.h>

#include "expect.h"

enum { steps = 2600, units = 16, channels = 2, samples = 5, batches = 3 };

static int64_t batch_count, count;
static double batch_mean[channels], batch_m2[channels], mean[channels], m2[channels];

static void check(renorm_status status) { EXPECT(status == RENORM_OK); }

#include "training.inc"

static void try_schedule(void) {
  renorm_desc first = layer(4, 0), middle = layer(4, 400), last = layer(4, steps);
  size_t bytes = 0, later_bytes = 1;
  EXPECT(first.rmax == 1 && first.dmax == 0);
  EXPECT(near(middle.rmax, 1 + 2 * 300 / 700.) && near(middle.dmax, 5 * 300 / 400.));
  EXPECT(last.rmax == 3 && last.dmax == 5);
  check(renorm_workspace_size(&first, RENORM_OP_TRAIN, &bytes));
  check(renorm_workspace_size(&last, RENORM_OP_TRAIN, &later_bytes));
  EXPECT(bytes == later_bytes);
}

static void try_population_statistics(void) {
  float x[batches][samples][channels], y[samples][channels];
  double expected_mean[channels], expected_m2[channels];
  int64_t expected_count;
  renorm_desc desc;
  check(renorm_desc_init(&desc, sizeof desc));
  desc.n = samples, desc.c = channels, desc.s = 1;
  fill(**x, batches * samples * channels);
  for (int i = 0; i < batches; ++i) {
    train.x = x[i], train.y = y;
    check(renorm_train(&desc, &train, NULL));
    check(renorm_merge(&desc, &merge, NULL));
  }
  renorm_moments_args all = {.struct_size = sizeof all, .x = x, .count = &expected_count, .mean = expected_mean, .m2 = expected_m2};
  desc.n = batches * samples;
  check(renorm_moments(&desc, &all, NULL));
  EXPECT(count == expected_count);
  for (int c = 0; c < channels; ++c) EXPECT(near(mean[c], expected_mean[c]) && near(m2[c], expected_m2[c]));
}

int main(void) {
  try_schedule();
  try_population_statistics();
  return 0;
}
