/*
 * librenorm_openmp: a ready executor on OpenMP threads, in a library of its own so that librenorm itself never brings an
 * OpenMP runtime into a process.
 */
#ifndef RENORM_OPENMP_H
#define RENORM_OPENMP_H

#include "renorm.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Clears the first struct_size bytes of *exec and sets struct_size, concurrency, ctx and parallel_for. struct_size is sizeof *exec; a
 * caller of another version may have a shorter or longer struct, but not one that ends before parallel_for does.
 * threads is the size of the team, 0 for omp_get_max_threads() at this moment. The calling thread is part of the team.
 * A process that has used GNU OpenMP must not use it again in a child made by fork: that hangs inside the OpenMP runtime.
 * Returns RENORM_OK, RENORM_ERROR_NULL, RENORM_ERROR_STRUCT_SIZE, RENORM_ERROR_VALUE (threads < 0); renorm_last_error belongs to
 * librenorm and has no text for these.
 */
RENORM_API renorm_status renorm_openmp_init(renorm_exec *exec, size_t struct_size, int32_t threads);

#ifdef __cplusplus
}
#endif

#endif /* RENORM_OPENMP_H */
