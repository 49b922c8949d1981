#include "arena.h"

#include <assert.h>
#include <stdlib.h>

enum { cache_line = 64 };

void *arena_take(arena *a, size_t size) {
  const size_t at = a->used;
  a->used += (size + cache_line - 1) / cache_line * cache_line;
  if (a->base == NULL) return NULL;
  assert(a->used <= a->size);
  return a->base + at;
}

int arena_allocate(arena *a) {
  a->size = a->used;
  a->used = 0;
  a->base = aligned_alloc(cache_line, a->size);
  return a->base == NULL ? -1 : 0;
}

void arena_free(arena *a) { free(a->base); }
