/* What one level of the processor gives to distance.c. Private to this layer. */
#ifndef NACRE_DISTANCE_KERNELS_H
#define NACRE_DISTANCE_KERNELS_H
#include "distance/distance.h"

#define BLOCK_ROWS   64 /* at most so many in one call of a kernel: its answer has a bit for each */
#define ROWS_AT_ONCE 4  /* whose sums a kernel folds in one go */

/* A float sum within these lost nothing to underflow: the parts that vanished, up to 65 535 times 2^-150, are far smaller. Norms are kept
   away from the upper end too, so that products with them stay finite. */
#define SUM_LEAST  1e-30f
#define NORM2_MOST 1e30f

struct block {
    const uint8_t *rows;
    size_t stride;
    const uint32_t *list; /* which rows; NULL: the first `count` */
    size_t count;         /* 1..BLOCK_ROWS */
    size_t ahead;         /* so many more are in the list behind these */
};

/* Rows of a list are prefetched, to the second cache, while others are summed: so many rows ahead, or none where a row is so long that the
   processor's own prefetching has time to find it. */
#define AHEAD_BYTES 8192
#define LONG_ROW    32768

static inline size_t rows_ahead(size_t row_bytes)
{
    return row_bytes > LONG_ROW ? 0 : ROWS_AT_ONCE + AHEAD_BYTES / row_bytes;
}

static inline const uint8_t *block_row(const struct block *b, size_t i)
{
    return b->rows + (b->list ? (size_t)b->list[i] : i) * b->stride;
}

/* Computes the distances of a block in floats. A bit is set where that was not safe, whatever stands there: zero or tiny sums, overflow. */
typedef uint64_t distance_block(const struct distance *, const struct block *, float *distances);

struct distance_kernels {
    distance_block *l2, *cosine, *dot;
    double (*squared_differences)(const void *a, const void *b, uint32_t dimension); /* sums in double */
    double (*products)(const void *a, const void *b, uint32_t dimension);
};

extern const struct distance_kernels distance_portable;
#if defined(__x86_64__)
extern const struct distance_kernels distance_avx2, distance_avx512;
#endif
#endif
