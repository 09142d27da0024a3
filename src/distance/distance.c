/* Distances of a query from rows (see distance.h): choosing the kernels, blocks of rows, and what floats cannot do.

   A kernel answers for up to BLOCK_ROWS rows in floats and says which of these answers are not safe; those pairs are done again here, in double.

   1. Whether a pair is safe depends on its own sums alone, so promise 1 of the header holds for pairs done in double too.
   2. Cosine distances lie in 0..2. A row that equals the query, or is it times a power of two, is at exactly 0: the dot product and both norms are
      then sums of the same products in the same order. Where a norm is 0 there is no angle, and the distance is 1.
   3. A row that is not finite (bytes from a disk may be anything) gives some number, never NaN.
   Any thread; no locks, no allocation. */
#include "distance/kernels.h"
#include "base/cpu.h"
#include "base/endian.h"
#include <float.h>
#include <string.h>

#define SIGNS     0x8000000080000000u /* of two floats in a word */
#define EXPONENTS 0x0080000000800000u /* the lowest bit of their exponents */

static const struct distance_kernels *kernels_here(void)
{
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return &distance_avx512;
    case CPU_AVX2:
        return &distance_avx2;
    case CPU_PORTABLE:
        break;
    }
#endif
    return &distance_portable;
}

void distance_begin(struct distance *d, nacre_metric metric, const float *query, uint32_t dimension)
{
    const struct distance_kernels *kernels = kernels_here();
    *d = (struct distance){ .metric = metric,
                            .dimension = dimension,
                            .query = query,
                            .query_norm2 = kernels->products(query, query, dimension),
                            .kernels = kernels };
    if (metric == NACRE_COSINE) {
        float minus_norm2;
        struct block itself = { .rows = (const uint8_t *)query, .count = 1 };
        (void)kernels->dot(d, &itself, &minus_norm2);
        d->rounded_norm2 = -(double)minus_norm2;
        d->always_exact = !(-minus_norm2 >= SUM_LEAST && -minus_norm2 <= NORM2_MOST);
    }
}

static float float_of(double distance)
{
    if (distance > -FLT_MAX && distance < FLT_MAX)
        return (float)distance;
    return distance <= -FLT_MAX ? -FLT_MAX : FLT_MAX; /* invariant 3: NaN goes here */
}

static double cosine_exactly(const struct distance *d, const void *row)
{
    double dot = d->kernels->products(d->query, row, d->dimension);
    double norms2 = d->query_norm2 * d->kernels->products(row, row, d->dimension);
    if (norms2 == 0)
        return 1;
    double distance = 1 - dot / __builtin_sqrt(norms2);
    return distance < 0 ? 0 : distance > 2 ? 2 : distance;
}

static float distance_exactly(const struct distance *d, const void *row)
{
    switch (d->metric) {
    case NACRE_L2:
        return float_of(d->kernels->squared_differences(d->query, row, d->dimension));
    case NACRE_COSINE:
        return float_of(cosine_exactly(d, row));
    case NACRE_DOT:
        break;
    }
    return float_of(-d->kernels->products(d->query, row, d->dimension));
}

static distance_block *kernel_of(const struct distance *d)
{
    return d->metric == NACRE_L2 ? d->kernels->l2 : d->metric == NACRE_COSINE ? d->kernels->cosine : d->kernels->dot;
}

static inline void distance_block_of(const struct distance *d, distance_block *kernel, const struct block *b,
                                     float *distances)
{
    uint64_t unsafe = d->always_exact ? UINT64_MAX >> (64 - b->count) : kernel(d, b, distances);
    for (; __builtin_expect(unsafe != 0, 0); unsafe &= unsafe - 1) {
        size_t i = (size_t)__builtin_ctzll(unsafe);
        distances[i] = distance_exactly(d, block_row(b, i));
    }
}

float distance_to(const struct distance *d, const void *row)
{
    float distance;
    struct block block = { .rows = row, .count = 1 };
    distance_block_of(d, kernel_of(d), &block, &distance);
    return distance;
}

void distance_to_rows(const struct distance *d, const void *rows, size_t stride, size_t count, float *distances)
{
    distance_block *kernel = kernel_of(d);
    for (size_t i = 0; i < count; i += BLOCK_ROWS) {
        struct block block = { .rows = (const uint8_t *)rows + i * stride,
                               .stride = stride,
                               .count = count - i < BLOCK_ROWS ? count - i : BLOCK_ROWS };
        distance_block_of(d, kernel, &block, distances + i);
    }
}

/* The kernel prefetches those behind. Inlined, as gcc drops calls of a function that does nothing else. */
static inline __attribute__((always_inline)) void prefetch_first(const struct distance *d, const struct block *b)
{
    size_t bytes = 4 * (size_t)d->dimension, ahead = rows_ahead(bytes);
    for (size_t i = 0; i < ahead && i < b->count; i++) {
        const uint8_t *row = block_row(b, i);
        for (size_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(row + at, 0, 2);
        __builtin_prefetch(row + bytes - 1, 0, 2);
    }
}

void distance_to_list(const struct distance *d, const void *rows, size_t stride, const uint32_t *list, size_t count,
                      float *distances)
{
    distance_block *kernel = kernel_of(d);
    for (size_t i = 0; i < count; i += BLOCK_ROWS) {
        size_t left = count - i, here = left < BLOCK_ROWS ? left : BLOCK_ROWS;
        struct block block = { .rows = rows, .stride = stride, .list = list + i, .count = here, .ahead = left - here };
        if (i == 0)
            prefetch_first(d, &block);
        distance_block_of(d, kernel, &block, distances + i);
    }
}

/* ---- one vector ---- */

static uint64_t last_float(const void *vector, uint32_t dimension) /* of an odd number of them, with a 0 beside it */
{
    return dimension % 2 ? load_u32((const uint8_t *)vector + 4 * (size_t)(dimension - 1)) : 0;
}

bool vector_is_finite(const void *vector, uint32_t dimension)
{
    const uint8_t *at = vector;
    uint64_t carried =
        (last_float(vector, dimension) & ~SIGNS) + EXPONENTS; /* into the sign: the exponent was all ones */
    for (uint32_t i = 0; i < dimension / 2; i++)
        carried |= (load_u64(at + 8 * (size_t)i) & ~SIGNS) + EXPONENTS;
    return (carried & SIGNS) == 0;
}

bool vector_is_zero(const void *vector, uint32_t dimension)
{
    const uint8_t *at = vector;
    for (uint32_t i = 0; i < dimension / 2; i++)
        if (load_u64(at + 8 * (size_t)i) & ~SIGNS)
            return false;
    return (last_float(vector, dimension) & ~SIGNS) == 0;
}

double vector_norm2(const void *vector, uint32_t dimension)
{
    return kernels_here()->products(vector, vector, dimension);
}
