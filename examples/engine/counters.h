/* What the whole process has asked of the system so far. Every library's calls count: the program's definitions replace glibc's. */
#ifndef ENGINE_COUNTERS_H
#define ENGINE_COUNTERS_H

typedef struct counters {
  long allocations;     /* malloc, calloc, realloc, aligned_alloc, posix_memalign, memalign */
  long frees;           /* of memory, not of NULL */
  long threads_started; /* pthread_create */
} counters;

counters count_now(void);

/* Threads that the process has, from /proc; -1 if it does not say. Allocates nothing. */
int threads_now(void);

#endif
