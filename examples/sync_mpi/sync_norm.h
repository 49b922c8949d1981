/*
 * Batch norm and batch renorm whose statistics are those of a batch that is spread over the ranks of an MPI communicator: the parts
 * of renorm.h with a reduction in between. Ranks may hold any number of samples, none included. Parameters and running statistics
 * are replicas: they start equal on all ranks and stay so, bit by bit.
 */
#ifndef SYNC_NORM_H
#define SYNC_NORM_H

#include <mpi.h>
#include <renorm/renorm.h>

/* Arrays of c elements, the caller's. Running statistics and parameters are double. */
typedef struct sync_norm {
  MPI_Comm comm;
  renorm_desc desc; /* n is set by each call; param_dtype and stats_dtype are RENORM_F64 */
  const double *gamma, *beta;
  double *running_mean, *running_var;
  double *mean, *sigma, *r, *d; /* of the whole batch, from forward to backward */
  int64_t count;                /* the same: n*s of all ranks together */
} sync_norm;

/* What renorm_train computes for the whole batch, for this rank's n samples of it: y, and the same statistics on every rank. */
void sync_train(sync_norm *layer, int64_t n, const void *x, void *y);

/* What renorm_backward computes for the whole batch: dx of this rank's samples, and the same dgamma and dbeta on every rank. */
void sync_backward(const sync_norm *layer, int64_t n, const void *x, const void *dy, void *dx, double *dgamma, double *dbeta);

#endif
