/* Distances in plain C, with the short vectors that gcc and clang know for every processor (see kernels.h).

   The order of a row's sum is always this: elements go to 16 sums in turn, the last ones padded with zeros; then sum i and i + 8, i and i + 4,
   i and i + 2, and the last two are added. Any thread. */
#include "distance/kernels.h"
#include <float.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define LANES  16

typedef float four_floats __attribute__((vector_size(16)));

/* What is summed over the elements of query and row. */
enum sum { SQUARED_DIFFERENCES, PRODUCTS, PRODUCTS_AND_SQUARES };

INLINE four_floats load(const void *floats)
{
    four_floats loaded;
    memcpy(&loaded, floats, sizeof loaded);
    return loaded;
}

INLINE void add_lanes(enum sum what, const uint8_t *query, const uint8_t *row, four_floats sums[4],
                      four_floats squares[4])
{
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        four_floats q = load(query + 16 * k), x = load(row + 16 * k);
        if (what == SQUARED_DIFFERENCES)
            sums[k] += (q - x) * (q - x);
        else
            sums[k] += q * x;
        if (what == PRODUCTS_AND_SQUARES)
            squares[k] += x * x;
    }
}

INLINE float total(const four_floats sums[4])
{
    four_floats four = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

INLINE float sum_row(enum sum what, const struct distance *d, const uint8_t *row, float *squares_of_row)
{
    four_floats sums[4] = { { 0 } }, squares[4] = { { 0 } };
    const uint8_t *query = (const uint8_t *)d->query;
    size_t at = 0, bytes = 4 * (size_t)d->dimension;
    for (; at + 4 * LANES <= bytes; at += 4 * LANES)
        add_lanes(what, query + at, row + at, sums, squares);
    if (at < bytes) {
        uint8_t query_end[4 * LANES] = { 0 }, row_end[4 * LANES] = { 0 };
        memcpy(query_end, query + at, bytes - at);
        memcpy(row_end, row + at, bytes - at);
        add_lanes(what, query_end, row_end, sums, squares);
    }
    if (what == PRODUCTS_AND_SQUARES)
        *squares_of_row = total(squares);
    return total(sums);
}

static bool is_safe(float sum, float most) /* false for NaN */
{
    return __builtin_fabsf(sum) >= SUM_LEAST && __builtin_fabsf(sum) <= most;
}

static uint64_t l2(const struct distance *d, const struct block *b, float *distances)
{
    uint64_t unsafe = 0;
    for (size_t i = 0; i < b->count; i++) {
        distances[i] = sum_row(SQUARED_DIFFERENCES, d, block_row(b, i), NULL);
        unsafe |= (uint64_t)!is_safe(distances[i], FLT_MAX) << i;
    }
    return unsafe;
}

static uint64_t dot(const struct distance *d, const struct block *b, float *distances)
{
    uint64_t unsafe = 0;
    for (size_t i = 0; i < b->count; i++) {
        distances[i] = -sum_row(PRODUCTS, d, block_row(b, i), NULL);
        unsafe |= (uint64_t)!is_safe(distances[i], FLT_MAX) << i;
    }
    return unsafe;
}

static uint64_t cosine(const struct distance *d, const struct block *b, float *distances)
{
    uint64_t unsafe = 0;
    for (size_t i = 0; i < b->count; i++) {
        float norm2, product = sum_row(PRODUCTS_AND_SQUARES, d, block_row(b, i), &norm2);
        if (is_safe(norm2, NORM2_MOST) && __builtin_fabsf(product) <= FLT_MAX) {
            double distance = 1 - (double)product / __builtin_sqrt((double)norm2 * d->rounded_norm2);
            distances[i] = (float)(distance < 0 ? 0 : distance > 2 ? 2 : distance);
        } else {
            unsafe |= (uint64_t)1 << i;
        }
    }
    return unsafe;
}

/* ---- in double ---- */

static double double_at(const void *floats, size_t i)
{
    float one;
    memcpy(&one, (const uint8_t *)floats + 4 * i, 4);
    return (double)one;
}

static double squared_differences(const void *a, const void *b, uint32_t dimension)
{
    double sum = 0;
    for (size_t i = 0; i < dimension; i++) {
        double difference = double_at(a, i) - double_at(b, i);
        sum += difference * difference;
    }
    return sum;
}

static double products(const void *a, const void *b, uint32_t dimension)
{
    double sum = 0;
    for (size_t i = 0; i < dimension; i++)
        sum += double_at(a, i) * double_at(b, i);
    return sum;
}

const struct distance_kernels distance_portable = { l2, cosine, dot, squared_differences, products };
