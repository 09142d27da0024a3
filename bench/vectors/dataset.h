/* A set of vectors, its queries, and their exact neighbours. */
#ifndef BENCH_VECTORS_DATASET_H
#define BENCH_VECTORS_DATASET_H
#include "distances.h"
#include "row_filter.h"
#include "vector_file.h"

struct dataset {
    const char *name; /* without its directory */
    enum metric metric;
    struct vector_file base, queries; /* of length one where the metric is cosine */
    int32_t *truth;                   /* TRUTH_NEIGHBORS for each query */
};

/* Reads SET.base.fvecs and so on; at most so many rows and queries (0: all). The truth is computed where not all rows
   are taken. */
void dataset_read(struct dataset *dataset, const char *set, enum metric metric, size_t rows, size_t queries);
void dataset_free(struct dataset *dataset);

/* Which part of the k nearest are in the answers, on average over the queries. An answer counts where it is as near
   as the k-th nearest, so that it does not matter which of two that are as near is given; one that is given twice
   ends the program. truth: TRUTH_NEIGHBORS for each query, -1 where there are less. answers: k for each query.
   filter: NULL, or what each answer must keep. */
double dataset_recall(const struct dataset *dataset, const int32_t *truth, const int32_t *answers, size_t queries,
                      size_t k, const struct row_filter *filter);

#endif
