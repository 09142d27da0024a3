/* Distances as plain sums of floats, for the truth and for the check of answers. Smaller is nearer. */
#ifndef BENCH_VECTORS_DISTANCES_H
#define BENCH_VECTORS_DISTANCES_H
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum metric { METRIC_L2, METRIC_COSINE };

static inline bool metric_parse(const char *name, enum metric *metric)
{
    *metric = strcmp(name, "cosine") == 0 ? METRIC_COSINE : METRIC_L2;
    return *metric == METRIC_COSINE || strcmp(name, "l2") == 0;
}

static inline float distance_l2(const float *a, const float *b, size_t dimension)
{
    float sum = 0;
    for (size_t i = 0; i < dimension; i++) {
        float difference = a[i] - b[i];
        sum += difference * difference;
    }
    return sum;
}

static inline float inner_product(const float *a, const float *b, size_t dimension)
{
    float sum = 0;
    for (size_t i = 0; i < dimension; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Rows are of length one where the metric is cosine (normalize). */
static inline float metric_distance(enum metric metric, const float *a, const float *b, size_t dimension)
{
    return metric == METRIC_L2 ? distance_l2(a, b, dimension) : 1 - inner_product(a, b, dimension);
}

static inline void normalize(float *row, size_t dimension)
{
    float length = sqrtf(inner_product(row, row, dimension));
    for (size_t i = 0; i < dimension && length > 0; i++) {
        row[i] /= length;
    }
}

#endif
