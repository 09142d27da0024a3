/* The exact neighbours of queries. */
#ifndef BENCH_VECTORS_TRUTH_H
#define BENCH_VECTORS_TRUTH_H
#include "distances.h"
#include "row_filter.h"
#include "vector_file.h"

#define TRUTH_NEIGHBORS 100

/* For each query the rows of its 100 nearest, nearest first, the lower row first where two are as near; -1 where
   there are no more. By all processors. base, queries: of length one where the metric is cosine. filter: NULL, or
   which rows count. */
void truth_search(enum metric metric, const struct vector_file *base, const struct vector_file *queries,
                  const struct row_filter *filter, int32_t *rows);

/* Reads SET.base.fvecs and SET.query.fvecs, and writes SET.truth.ivecs. */
void truth_make(enum metric metric, const char *set);

#endif
