/* What the guides' code is tried with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECT(condition) expect(condition, #condition, __FILE__, __LINE__)

static inline void expect(int holds, const char *condition, const char *file, int line) {
  if (holds) return;
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  exit(1);
}

/* What another order of additions may change. */
static inline int near(double got, double expected) { return fabs(got - expected) <= 2e-6 * fmax(1, fabs(expected)); }

static inline void fill(float *x, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] = 3 + (float)(i * 37 % 101) / 16;
}
