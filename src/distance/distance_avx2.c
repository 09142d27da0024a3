/* Distances with AVX2 and FMA (see kernels.h).

   1. The order of a row's sum is always this, alone or beside other rows: vectors of 8 floats go to two sums in turn, the last one padded with
      zeros; the two are added; then lane i and i + 4, i and i + 2, and the last two. Sums of four rows are folded in one go.
   2. Nothing behind a row or the query is read: tails are masked.
   Any thread. */
#include "distance/kernels.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define ROWS   ROWS_AT_ONCE

/* What is summed over the elements of query and row. */
enum sum { SQUARED_DIFFERENCES, PRODUCTS, PRODUCTS_AND_SQUARES };

struct row_sums {
    __m256 sum, squares; /* squares: of the row's elements, where they are wanted */
};

INLINE __m256i lanes(size_t count)
{
    static const int32_t on_then_off[16] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    return _mm256_loadu_si256((const __m256i *)(on_then_off + 8 - (count < 8 ? count : 8)));
}

INLINE __m256 load(const void *floats)
{
    return _mm256_loadu_ps(floats);
}

INLINE void add_vector(enum sum what, __m256 query, __m256 row, struct row_sums *s)
{
    if (what == SQUARED_DIFFERENCES) {
        __m256 difference = _mm256_sub_ps(query, row);
        s->sum = _mm256_fmadd_ps(difference, difference, s->sum);
    } else {
        s->sum = _mm256_fmadd_ps(query, row, s->sum);
    }
    if (what == PRODUCTS_AND_SQUARES)
        s->squares = _mm256_fmadd_ps(row, row, s->squares);
}

/* Four sums of 8 lanes each -> four floats. */
INLINE __m128 fold(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 ac = _mm256_add_ps(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31)); /* a | c */
    __m256 bd = _mm256_add_ps(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
    __m256 abcd =
        _mm256_add_ps(_mm256_shuffle_ps(ac, bd, 0x44), _mm256_shuffle_ps(ac, bd, 0xee)); /* a a b b | c c d d */
    abcd = _mm256_add_ps(abcd, _mm256_permute_ps(abcd, 0xb1));
    return _mm_shuffle_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1), 0x88);
}

/* The sums of one row or of several side by side, while as many others, if any, are prefetched. */
INLINE void sum_rows(enum sum what, int rows, const float *query, size_t dimension, const uint8_t *const row[],
                     const uint8_t *const *next, struct row_sums sums[])
{
    struct row_sums even[ROWS], odd[ROWS];
    size_t i = 0;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        even[r] = odd[r] = (struct row_sums){ _mm256_setzero_ps(), _mm256_setzero_ps() };
    for (; i + 16 <= dimension; i += 16) {
        __m256 first = load(query + i), second = load(query + i + 8);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            if (next)
                _mm_prefetch((const char *)next[r] + 4 * i, _MM_HINT_T1);
            add_vector(what, first, load(row[r] + 4 * i), &even[r]);
            add_vector(what, second, load(row[r] + 4 * i + 32), &odd[r]);
        }
    }
    if (i < dimension) {
        size_t left = dimension - i;
        __m256i here = lanes(left), behind = lanes(left < 8 ? 0 : left - 8);
        __m256 first = _mm256_maskload_ps(query + i, here), second = _mm256_maskload_ps(query + i + 8, behind);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            const float *at = (const float *)(const void *)(row[r] + 4 * i);
            if (next)
                _mm_prefetch((const char *)next[r] + 4 * dimension - 1, _MM_HINT_T1);
            add_vector(what, first, _mm256_maskload_ps(at, here), &even[r]);
            add_vector(what, second, _mm256_maskload_ps(at + 8, behind), &odd[r]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sums[r] =
            (struct row_sums){ _mm256_add_ps(even[r].sum, odd[r].sum), _mm256_add_ps(even[r].squares, odd[r].squares) };
}

INLINE void sum_one(enum sum what, const struct distance *d, const uint8_t *row, struct row_sums *sums)
{
    const uint8_t *const rows[1] = { row };
    sum_rows(what, 1, d->query, d->dimension, rows, NULL, sums);
}

/* Rows that follow each other: one after the other, so that memory is read in one stream. */
INLINE void sum_in_order(enum sum what, const struct distance *d, const struct block *b, size_t i,
                         struct row_sums sums[ROWS])
{
#pragma GCC unroll 4
    for (size_t r = 0; r < ROWS; r++)
        sum_one(what, d, block_row(b, i + r), &sums[r]);
}

/* Rows of a list: side by side, so that the query is read once; two by two where there are squares, as there are 16 registers. */
INLINE void sum_of_list(enum sum what, const struct distance *d, const struct block *b, size_t i, size_t ahead,
                        struct row_sums sums[ROWS])
{
    const uint8_t *row[ROWS], *next[ROWS];
    size_t last = b->count + b->ahead - 1;
#pragma GCC unroll 4
    for (size_t r = 0; r < ROWS; r++) {
        row[r] = block_row(b, i + r);
        next[r] = block_row(b, i + r + ahead < last ? i + r + ahead : last);
    }
    if (what == PRODUCTS_AND_SQUARES) {
        sum_rows(what, 2, d->query, d->dimension, row, next, sums);
        sum_rows(what, 2, d->query, d->dimension, row + 2, next + 2, sums + 2);
    } else {
        sum_rows(what, ROWS, d->query, d->dimension, row, next, sums);
    }
}

INLINE void sum_block(enum sum what, const struct distance *d, const struct block *b, float *sums, float *squares)
{
    size_t i = 0, ahead = rows_ahead(4 * (size_t)d->dimension);
    struct row_sums s[ROWS];
    for (; i + ROWS <= b->count; i += ROWS) {
        if (b->list)
            sum_of_list(what, d, b, i, ahead, s);
        else
            sum_in_order(what, d, b, i, s);
        _mm_storeu_ps(sums + i, fold(s[0].sum, s[1].sum, s[2].sum, s[3].sum));
        if (what == PRODUCTS_AND_SQUARES)
            _mm_storeu_ps(squares + i, fold(s[0].squares, s[1].squares, s[2].squares, s[3].squares));
    }
    for (; i < b->count; i++) {
        sum_one(what, d, block_row(b, i), s);
        _mm_store_ss(sums + i, fold(s->sum, s->sum, s->sum, s->sum));
        if (what == PRODUCTS_AND_SQUARES)
            _mm_store_ss(squares + i, fold(s->squares, s->squares, s->squares, s->squares));
    }
}

/* Which lanes are outside of SUM_LEAST..most, or NaN. */
INLINE uint64_t outside(__m256 v, float least, float most)
{
    __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
    return (uint32_t)_mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(size, _mm256_set1_ps(least), _CMP_NGE_UQ),
                                                     _mm256_cmp_ps(size, _mm256_set1_ps(most), _CMP_NLE_UQ)));
}

/* The sums have room up to a multiple of 8. */
INLINE uint64_t finish(const struct block *b, float *sums, float *distances, __m256 sign)
{
    uint64_t unsafe = 0;
    for (size_t i = 0; i < b->count; i += 8) {
        __m256i here = lanes(b->count - i);
        __m256 sum = _mm256_loadu_ps(sums + i);
        unsafe |= (outside(sum, SUM_LEAST, FLT_MAX) & (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(here))) << i;
        _mm256_maskstore_ps(distances + i, here, _mm256_xor_ps(sum, sign));
    }
    return unsafe;
}

TARGET static uint64_t l2(const struct distance *d, const struct block *b, float *distances)
{
    float sums[BLOCK_ROWS];
    sum_block(SQUARED_DIFFERENCES, d, b, sums, NULL);
    return finish(b, sums, distances, _mm256_setzero_ps());
}

TARGET static uint64_t dot(const struct distance *d, const struct block *b, float *distances)
{
    float sums[BLOCK_ROWS];
    sum_block(PRODUCTS, d, b, sums, NULL);
    return finish(b, sums, distances, _mm256_set1_ps(-0.0f));
}

/* Four at a time, in double: the product of the norms needs its range. */
INLINE __m128 cosine_distances(__m128 dots, __m128 norms2, __m256d query_norm2)
{
    __m256d norms = _mm256_sqrt_pd(_mm256_mul_pd(_mm256_cvtps_pd(norms2), query_norm2));
    __m256d distance = _mm256_sub_pd(_mm256_set1_pd(1), _mm256_div_pd(_mm256_cvtps_pd(dots), norms));
    return _mm256_cvtpd_ps(_mm256_min_pd(_mm256_max_pd(distance, _mm256_setzero_pd()), _mm256_set1_pd(2)));
}

TARGET static uint64_t cosine(const struct distance *d, const struct block *b, float *distances)
{
    float dots[BLOCK_ROWS], norms2[BLOCK_ROWS];
    uint64_t unsafe = 0;
    __m256d query_norm2 = _mm256_set1_pd(d->rounded_norm2);
    sum_block(PRODUCTS_AND_SQUARES, d, b, dots, norms2);
    for (size_t i = 0; i < b->count; i += 8) {
        __m256i here = lanes(b->count - i);
        __m256 dot8 = _mm256_loadu_ps(dots + i), norm8 = _mm256_loadu_ps(norms2 + i);
        uint64_t bad = outside(norm8, SUM_LEAST, NORM2_MOST) | outside(dot8, 0, FLT_MAX);
        unsafe |= (bad & (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(here))) << i;
        __m128 low = cosine_distances(_mm256_castps256_ps128(dot8), _mm256_castps256_ps128(norm8), query_norm2);
        __m128 high = cosine_distances(_mm256_extractf128_ps(dot8, 1), _mm256_extractf128_ps(norm8, 1), query_norm2);
        _mm256_maskstore_ps(distances + i, here, _mm256_set_m128(high, low));
    }
    return unsafe;
}

/* ---- in double ---- */

INLINE double sum_doubles(enum sum what, const float *a, const float *b, uint32_t dimension)
{
    __m256d sums[2] = { _mm256_setzero_pd(), _mm256_setzero_pd() };
    for (size_t i = 0; i < dimension; i += 4) {
        __m128i here = _mm256_castsi256_si128(lanes(dimension - i));
        __m256d x = _mm256_cvtps_pd(_mm_maskload_ps(a + i, here)), y = _mm256_cvtps_pd(_mm_maskload_ps(b + i, here));
        if (what == SQUARED_DIFFERENCES)
            x = y = _mm256_sub_pd(x, y);
        sums[i / 4 % 2] = _mm256_fmadd_pd(x, y, sums[i / 4 % 2]);
    }
    __m256d both = _mm256_add_pd(sums[0], sums[1]);
    __m128d half = _mm_add_pd(_mm256_castpd256_pd128(both), _mm256_extractf128_pd(both, 1));
    return _mm_cvtsd_f64(half) + _mm_cvtsd_f64(_mm_unpackhi_pd(half, half));
}

TARGET static double squared_differences(const void *a, const void *b, uint32_t dimension)
{
    return sum_doubles(SQUARED_DIFFERENCES, a, b, dimension);
}

TARGET static double products(const void *a, const void *b, uint32_t dimension)
{
    return sum_doubles(PRODUCTS, a, b, dimension);
}

const struct distance_kernels distance_avx2 = { l2, cosine, dot, squared_differences, products };
#endif
