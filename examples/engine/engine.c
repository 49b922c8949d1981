#include "engine.h"

#define TRY(call)                                   \
  do {                                              \
    const renorm_status try_status = (call);        \
    if (try_status != RENORM_OK) return try_status; \
  } while (0)

static renorm_status norm_by_renorm(void *ctx, int layer, const float *x, const float *z, float *y) {
  engine *e = ctx;
  return norm_run(&e->norm[layer], x, z, y, &e->exec);
}

/* Twice: to count, and to take. */
static void lay_out(engine *e, const model *m, size_t workspace_bytes) {
  for (int i = 0; i < model_norms; ++i)
    norm_lay_out(&e->norm[i], m, i % 2 == 0 ? RENORM_EPILOGUE_RELU : RENORM_EPILOGUE_ADD_RELU, &e->memory);
  average_lay_out(&e->average, m, &e->memory);
  dense_lay_out(&e->hidden, m, &m->hidden, 1, &e->memory);
  dense_lay_out(&e->logits, m, &m->logits, 0, &e->memory);
  for (int i = 0; i < 2; ++i) e->features[i] = arena_take(&e->memory, (size_t)model_inputs(m) * sizeof(float));
  e->averages = arena_take(&e->memory, (size_t)(m->n * m->c) * sizeof(float));
  e->activations = arena_take(&e->memory, (size_t)(m->n * m->hidden.norm.c) * sizeof(float));
  e->exec.workspace = arena_take(&e->memory, workspace_bytes);
  e->exec.workspace_bytes = workspace_bytes;
}

/* One workspace serves all layers, as they run one after another. */
static renorm_status largest_workspace(const engine *e, size_t *bytes) {
  *bytes = 0;
  for (int i = 0; i < model_norms; ++i) {
    size_t needed;
    TRY(renorm_workspace_size(&e->norm[i].desc, RENORM_OP_APPLY, &needed));
    if (needed > *bytes) *bytes = needed;
  }
  return RENORM_OK;
}

static renorm_status allocate(engine *e, const model *m) {
  size_t workspace_bytes;
  lay_out(e, m, 0); /* fills in the descriptors */
  TRY(largest_workspace(e, &workspace_bytes));
  e->memory.used = 0;
  lay_out(e, m, workspace_bytes);
  if (arena_allocate(&e->memory) != 0) return RENORM_ERROR_OUT_OF_MEMORY;
  lay_out(e, m, workspace_bytes);
  return RENORM_OK;
}

renorm_status engine_plan(engine *e, const model *m, pool *threads) {
  *e = (engine){.threads = threads, .run_norm = norm_by_renorm, .norm_ctx = e};
  e->exec = (renorm_exec){.struct_size = sizeof e->exec, .concurrency = pool_threads(threads), .ctx = threads, .parallel_for = pool_run};
  TRY(allocate(e, m));
  for (int i = 0; i < model_norms; ++i) TRY(norm_fold(&e->norm[i], &m->norm[i]));
  TRY(average_fold(&e->average, &m->average));
  TRY(dense_fold(&e->hidden, &m->hidden));
  return dense_fold(&e->logits, &m->logits);
}

renorm_status engine_run(engine *e, const float *x, float *logits) {
  for (int block = 0; block < model_blocks; ++block) {
    float *const y = e->features[block % 2];
    TRY(e->run_norm(e->norm_ctx, 2 * block, x, NULL, y));
    TRY(e->run_norm(e->norm_ctx, 2 * block + 1, y, x, y)); /* in place */
    x = y;
  }
  average_run(&e->average, x, e->averages, e->threads);
  dense_run(&e->hidden, e->averages, e->activations, e->threads);
  dense_run(&e->logits, e->activations, logits, e->threads);
  return RENORM_OK;
}

void engine_destroy(engine *e) { arena_free(&e->memory); }
