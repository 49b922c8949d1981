/*
 * An inference engine with threads and memory of its own lends both to renorm. Counts what inference asks of the system, and compares the
 * result with the same network in double, where nothing is folded or fused. Exits with 1 if anything differs.
 */
#include "counters.h"
#include "engine.h"
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>

enum { runs = 10, threads = 4 };

static int fail(const char *what, renorm_status status) {
  char reason[256];
  renorm_last_error(reason, sizeof reason);
  fprintf(stderr, "%s: %s: %s\n", what, renorm_status_string(status), reason);
  return -1;
}

/* What so many runs add to the counters. */
static int count_runs(engine *e, const float *x, float *logits, counters *added) {
  const counters before = count_now();
  for (int i = 0; i < runs; ++i) {
    const renorm_status status = engine_run(e, x, logits);
    if (status != RENORM_OK) return fail("engine_run", status);
  }
  const counters after = count_now();
  added->allocations = after.allocations - before.allocations;
  added->frees = after.frees - before.frees;
  added->threads_started = after.threads_started - before.threads_started;
  return 0;
}

/* Prints a line and returns 0 if all is as it should be. */
static int check(const char *name, const counters *added, int threads_before, const deviation *d, int allocates) {
  const int threads_after = threads_now();
  printf("%-28s %11ld %6ld %8ld %8d %11.1e %13.1e\n", name, added->allocations, added->frees, added->threads_started, threads_after,
         d->error, d->of_bound);
  const int memory_ok = added->allocations == added->frees && (added->allocations > 0) == allocates;
  const int threads_ok = added->threads_started == 0 && threads_after == threads_before && threads_before > 0;
  return memory_ok && threads_ok && d->of_bound <= 1 ? 0 : -1;
}

typedef struct data {
  float *x, *logits;
  approximation *reference;
} data;

static int run_with(const char *name, const model *m, engine *e, data *of, int allocates) {
  counters added = {0};
  const int threads_before = threads_now();
  if (count_runs(e, of->x, of->logits, &added) != 0) return -1;
  const deviation d = compare(of->logits, of->reference, model_outputs(m));
  return check(name, &added, threads_before, &d, allocates);
}

static int run_engine(const char *layout, const model *m, pool *p, data *of) {
  char name[64];
  engine e;
  const renorm_status status = engine_plan(&e, m, p);
  int result = status == RENORM_OK ? 0 : fail("engine_plan", status);
  if (result == 0) {
    snprintf(name, sizeof name, "%s", layout);
    result = run_with(name, m, &e, of, 0);
  }
  if (result == 0) { /* shows that the counters count */
    snprintf(name, sizeof name, "%s, no workspace lent", layout);
    e.exec.workspace = NULL;
    result = run_with(name, m, &e, of, 1);
  }
  engine_destroy(&e);
  return result;
}

static int run_layout(renorm_layout layout, pool *p) {
  model m;
  data of = {0};
  int result = model_create(&m, layout);
  if (result == 0) {
    of.x = malloc((size_t)model_inputs(&m) * sizeof *of.x);
    of.logits = malloc((size_t)model_outputs(&m) * sizeof *of.logits);
    of.reference = malloc((size_t)model_outputs(&m) * sizeof *of.reference);
    result = of.x != NULL && of.logits != NULL && of.reference != NULL ? 0 : -1;
  }
  if (result == 0) {
    generate(of.x, model_inputs(&m), -2, 2, 0);
    result = reference_run(&m, of.x, of.reference);
  }
  if (result == 0) result = run_engine(layout == RENORM_NCHW ? "NCHW" : "NHWC", &m, p, &of);
  free(of.x);
  free(of.logits);
  free(of.reference);
  model_destroy(&m);
  return result;
}

int main(void) {
  printf("%s\n%d runs on %d threads of the engine's pool\n\n", renorm_build_info(), (int)runs, (int)threads);
  printf("%-28s %11s %6s %8s %8s %11s %13s\n", "", "allocations", "frees", "started", "threads", "max error", "of its bound");
  pool *p = pool_create(threads);
  if (p == NULL) return 1;
  const int started = count_now().threads_started == threads - 1; /* the pool's own: the counter counts */
  const int result = started && run_layout(RENORM_NCHW, p) == 0 && run_layout(RENORM_NHWC, p) == 0 ? 0 : 1;
  pool_destroy(p);
  if (result != 0) fprintf(stderr, "not as promised\n");
  return result;
}
