#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct pool {
  pthread_mutex_t lock;
  pthread_cond_t work, idle;
  bool stop;
  int busy; /* workers inside the job */

  /* The job. Written with the lock held while no worker is busy. */
  void (*task)(void *arg, size_t index);
  void *arg;
  size_t n;
  atomic_size_t next;

  int workers;
  pthread_t worker[];
};

static void work_on_job(pool *p) {
  for (size_t i; (i = atomic_fetch_add(&p->next, 1)) < p->n;) p->task(p->arg, i);
}

static bool has_work(pool *p) { return atomic_load(&p->next) < p->n; }

static void *worker_main(void *argument) {
  pool *p = argument;
  pthread_mutex_lock(&p->lock);
  for (;;) {
    while (!p->stop && !has_work(p)) pthread_cond_wait(&p->work, &p->lock);
    if (p->stop) break;
    ++p->busy;
    pthread_mutex_unlock(&p->lock);
    work_on_job(p);
    pthread_mutex_lock(&p->lock);
    if (--p->busy == 0) pthread_cond_signal(&p->idle);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

pool *pool_create(int threads) {
  pool *p = calloc(1, sizeof *p + (size_t)(threads - 1) * sizeof p->worker[0]);
  if (p == NULL) return NULL;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->idle, NULL);
  for (; p->workers < threads - 1; ++p->workers)
    if (pthread_create(&p->worker[p->workers], NULL, worker_main, p) != 0) {
      pool_destroy(p);
      return NULL;
    }
  return p;
}

void pool_destroy(pool *p) {
  pthread_mutex_lock(&p->lock);
  p->stop = true;
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < p->workers; ++i) pthread_join(p->worker[i], NULL);
  pthread_cond_destroy(&p->idle);
  pthread_cond_destroy(&p->work);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

int pool_threads(const pool *p) { return p->workers + 1; }

int32_t pool_run(void *pool_of_caller, size_t n, void (*task)(void *arg, size_t index), void *arg) {
  pool *p = pool_of_caller;
  pthread_mutex_lock(&p->lock);
  p->task = task;
  p->arg = arg;
  p->n = n;
  atomic_store(&p->next, 0);
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);

  work_on_job(p);

  /* Without work left no worker becomes busy, and those that are have their last task. */
  pthread_mutex_lock(&p->lock);
  while (p->busy > 0) pthread_cond_wait(&p->idle, &p->lock);
  pthread_mutex_unlock(&p->lock);
  return 0;
}
