/* The engine's memory: one block, from which arrays are taken when a network is planned. Nothing is given back before all is. */
#ifndef ENGINE_ARENA_H
#define ENGINE_ARENA_H

#include <stddef.h>

typedef struct arena {
  unsigned char *base; /* NULL: only counts */
  size_t used, size;
} arena;

/* The next size bytes, aligned to a cache line. NULL while counting. */
void *arena_take(arena *a, size_t size);

/* Memory for all that was counted, to be taken again in the same order. Returns 0, or -1 without memory. */
int arena_allocate(arena *a);

void arena_free(arena *a);

#endif
