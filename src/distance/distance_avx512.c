/* Distances with AVX-512 (see kernels.h).

   1. The order of a row's sum is always this, alone or beside other rows: vectors of 16 floats go to two sums in turn, the last one padded with
      zeros; the two are added; then lane i and i + 8, i and i + 4, i and i + 2, and the last two. Sums of four rows are folded in one go.
   2. Nothing behind a row or the query is read: tails are masked.
   Any thread. */
#include "distance/kernels.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define ROWS   ROWS_AT_ONCE

/* What is summed over the elements of query and row. */
enum sum { SQUARED_DIFFERENCES, PRODUCTS, PRODUCTS_AND_SQUARES };

struct row_sums {
    __m512 sum, squares; /* squares: of the row's elements, where they are wanted */
};

INLINE __mmask16 lanes(size_t count)
{
    return (__mmask16)(count >= 16 ? 0xffff : (1u << count) - 1);
}

INLINE void add_vector(enum sum what, __m512 query, __m512 row, struct row_sums *s)
{
    if (what == SQUARED_DIFFERENCES) {
        __m512 difference = _mm512_sub_ps(query, row);
        s->sum = _mm512_fmadd_ps(difference, difference, s->sum);
    } else {
        s->sum = _mm512_fmadd_ps(query, row, s->sum);
    }
    if (what == PRODUCTS_AND_SQUARES)
        s->squares = _mm512_fmadd_ps(row, row, s->squares);
}

/* Four sums of 16 lanes each -> four floats. */
INLINE __m128 fold(__m512 a, __m512 b, __m512 c, __m512 d)
{
    __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee)); /* a a b b */
    __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    __m512 abcd = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    abcd = _mm512_add_ps(abcd, _mm512_permute_ps(abcd, 0x4e));
    abcd = _mm512_add_ps(abcd, _mm512_permute_ps(abcd, 0xb1));
    return _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, abcd));
}

/* The sums of one row or of ROWS side by side, while as many others, if any, are prefetched. */
INLINE void sum_rows(enum sum what, int rows, const float *query, size_t dimension, const uint8_t *const row[],
                     const uint8_t *const *next, struct row_sums sums[])
{
    struct row_sums even[ROWS], odd[ROWS];
    size_t i = 0;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        even[r] = odd[r] = (struct row_sums){ _mm512_setzero_ps(), _mm512_setzero_ps() };
    for (; i + 32 <= dimension; i += 32) {
        __m512 first = _mm512_loadu_ps(query + i), second = _mm512_loadu_ps(query + i + 16);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            if (next) {
                _mm_prefetch((const char *)next[r] + 4 * i, _MM_HINT_T1);
                _mm_prefetch((const char *)next[r] + 4 * i + 64, _MM_HINT_T1);
            }
            add_vector(what, first, _mm512_loadu_ps(row[r] + 4 * i), &even[r]);
            add_vector(what, second, _mm512_loadu_ps(row[r] + 4 * i + 64), &odd[r]);
        }
    }
    if (i < dimension) {
        size_t left = dimension - i;
        __mmask16 here = lanes(left), behind = lanes(left < 16 ? 0 : left - 16);
        __m512 first = _mm512_maskz_loadu_ps(here, query + i), second = _mm512_maskz_loadu_ps(behind, query + i + 16);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            if (next)
                _mm_prefetch((const char *)next[r] + 4 * dimension - 1, _MM_HINT_T1);
            add_vector(what, first, _mm512_maskz_loadu_ps(here, row[r] + 4 * i), &even[r]);
            add_vector(what, second, _mm512_maskz_loadu_ps(behind, row[r] + 4 * i + 64), &odd[r]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sums[r] =
            (struct row_sums){ _mm512_add_ps(even[r].sum, odd[r].sum), _mm512_add_ps(even[r].squares, odd[r].squares) };
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

/* Rows of a list: side by side, so that the query is read once. */
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
    sum_rows(what, ROWS, d->query, d->dimension, row, next, sums);
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
INLINE __mmask16 outside(__m512 v, float most)
{
    __m512 size = _mm512_abs_ps(v);
    return _mm512_cmp_ps_mask(size, _mm512_set1_ps(SUM_LEAST), _CMP_NGE_UQ) |
           _mm512_cmp_ps_mask(size, _mm512_set1_ps(most), _CMP_NLE_UQ);
}

TARGET static uint64_t l2(const struct distance *d, const struct block *b, float *distances)
{
    uint64_t unsafe = 0;
    sum_block(SQUARED_DIFFERENCES, d, b, distances, NULL);
    for (size_t i = 0; i < b->count; i += 16) {
        __mmask16 here = lanes(b->count - i);
        __m512 sum = _mm512_maskz_loadu_ps(here, distances + i);
        unsafe |= (uint64_t)(outside(sum, FLT_MAX) & here) << i;
    }
    return unsafe;
}

TARGET static uint64_t dot(const struct distance *d, const struct block *b, float *distances)
{
    uint64_t unsafe = 0;
    sum_block(PRODUCTS, d, b, distances, NULL);
    for (size_t i = 0; i < b->count; i += 16) {
        __mmask16 here = lanes(b->count - i);
        __m512 sum = _mm512_maskz_loadu_ps(here, distances + i);
        unsafe |= (uint64_t)(outside(sum, FLT_MAX) & here) << i;
        _mm512_mask_storeu_ps(distances + i, here, _mm512_xor_ps(sum, _mm512_set1_ps(-0.0f)));
    }
    return unsafe;
}

/* Eight at a time, in double: the product of the norms needs its range. */
INLINE __m256 cosine_distances(__m256 dots, __m256 norms2, __m512d query_norm2)
{
    __m512d norms = _mm512_sqrt_pd(_mm512_mul_pd(_mm512_cvtps_pd(norms2), query_norm2));
    __m512d distance = _mm512_sub_pd(_mm512_set1_pd(1), _mm512_div_pd(_mm512_cvtps_pd(dots), norms));
    return _mm512_cvtpd_ps(_mm512_min_pd(_mm512_max_pd(distance, _mm512_setzero_pd()), _mm512_set1_pd(2)));
}

TARGET static uint64_t cosine(const struct distance *d, const struct block *b, float *distances)
{
    float dots[BLOCK_ROWS], norms2[BLOCK_ROWS];
    uint64_t unsafe = 0;
    __m512d query_norm2 = _mm512_set1_pd(d->rounded_norm2);
    sum_block(PRODUCTS_AND_SQUARES, d, b, dots, norms2);
    for (size_t i = 0; i < b->count; i += 8) {
        __mmask8 here = (__mmask8)lanes(b->count - i);
        __m256 dot8 = _mm256_maskz_loadu_ps(here, dots + i), norm8 = _mm256_maskz_loadu_ps(here, norms2 + i);
        _mm256_mask_storeu_ps(distances + i, here, cosine_distances(dot8, norm8, query_norm2));
        __m512 of_norm = _mm512_zextps256_ps512(norm8), of_dot = _mm512_zextps256_ps512(dot8);
        __mmask16 bad = outside(of_norm, NORM2_MOST) |
                        _mm512_cmp_ps_mask(_mm512_abs_ps(of_dot), _mm512_set1_ps(FLT_MAX), _CMP_NLE_UQ);
        unsafe |= (uint64_t)(bad & here) << i;
    }
    return unsafe;
}

/* ---- in double ---- */

INLINE double sum_doubles(enum sum what, const float *a, const float *b, uint32_t dimension)
{
    __m512d sums[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    for (size_t i = 0; i < dimension; i += 8) {
        __mmask8 here = (__mmask8)lanes(dimension - i);
        __m512d x = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(here, a + i));
        __m512d y = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(here, b + i));
        if (what == SQUARED_DIFFERENCES)
            x = y = _mm512_sub_pd(x, y);
        sums[i / 8 % 2] = _mm512_fmadd_pd(x, y, sums[i / 8 % 2]);
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(sums[0], sums[1]));
}

TARGET static double squared_differences(const void *a, const void *b, uint32_t dimension)
{
    return sum_doubles(SQUARED_DIFFERENCES, a, b, dimension);
}

TARGET static double products(const void *a, const void *b, uint32_t dimension)
{
    return sum_doubles(PRODUCTS, a, b, dimension);
}

const struct distance_kernels distance_avx512 = { l2, cosine, dot, squared_differences, products };
#endif
