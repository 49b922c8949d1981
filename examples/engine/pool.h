/* The engine's threads. They are started once, and renorm borrows them. */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct pool pool;

/* A pool of so many threads, the caller's among them. NULL if they cannot be started. */
pool *pool_create(int threads);
void pool_destroy(pool *p);
int pool_threads(const pool *p);

/*
 * Runs task(arg, 0) ... task(arg, n - 1) on all threads and returns 0 when all have returned: the contract of renorm_exec's parallel_for,
 * whose signature this has. One caller at a time.
 */
int32_t pool_run(void *pool, size_t n, void (*task)(void *arg, size_t index), void *arg);

#endif
