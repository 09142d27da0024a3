/* Inner products with codes by AVX2 (see code_kernels.h): 32 bytes of a row at a time, four rows side by side, whose sums are folded in one go.

   1. Exact: products of a code of 8 bits and a signed byte, added in pairs, do not fit 16 bits; so even and odd bytes are widened to 16 bits and
      multiplied into 32. With codes of 4 bits four products fit, at most 4 * 15 * 128, and are widened then.
   2. Nothing behind a row or the query is read.
   Any thread. */
#include "distance/code_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define TARGET __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define VECTOR 32 /* bytes */
#define ROWS   4  /* at once */

INLINE __m256i load(const void *bytes)
{
    return _mm256_loadu_si256(bytes);
}

INLINE __m256i add_dots(unsigned bits, __m256i dots, __m256i codes, __m256i first, __m256i second)
{
    if (bits == 8) { /* first, second: the query's even and odd bytes, widened */
        __m256i even = _mm256_and_si256(codes, _mm256_set1_epi16(0xff)), odd = _mm256_srli_epi16(codes, 8);
        dots = _mm256_add_epi32(dots, _mm256_madd_epi16(even, first));
        return _mm256_add_epi32(dots, _mm256_madd_epi16(odd, second));
    }
    __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(codes, nibble), first);
    __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble), second);
    return _mm256_add_epi32(dots, _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1)));
}

/* Four sums of 8 lanes each -> four numbers. */
INLINE __m128i fold(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i abcd = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1));
}

INLINE void split_query(unsigned bits, __m256i low, __m256i high, __m256i *first, __m256i *second)
{
    *first = bits == 8 ? _mm256_srai_epi16(_mm256_slli_epi16(low, 8), 8) : low;
    *second = bits == 8 ? _mm256_srai_epi16(low, 8) : high;
}

/* The last vector of a row is that of its last VECTOR bytes, where there are so many: what it has in common with the one before meets zeros in the
   query. A shorter row is copied. */
struct shape {
    size_t bytes, whole;   /* vectors before the last one */
    __m256i first, second; /* the query for the last one */
};

INLINE __m256i load_last(const uint8_t *row, const struct shape *shape)
{
    uint8_t copy[VECTOR] = { 0 };
    if (shape->bytes >= VECTOR)
        return load(row + shape->bytes - VECTOR);
    memcpy(copy, row, shape->bytes);
    return load(copy);
}

INLINE void shape_begin(struct shape *shape, unsigned bits, const int8_t *query, size_t bytes)
{
    size_t whole = (bytes - 1) / VECTOR, last = bytes - whole * VECTOR, at = whole ? VECTOR - last : 0;
    int8_t low[VECTOR] = { 0 }, high[VECTOR] = { 0 };
    memcpy(low + at, query + whole * VECTOR, last);
    if (bits == 4)
        memcpy(high + at, query + bytes + whole * VECTOR, last);
    shape->bytes = bytes;
    shape->whole = whole;
    split_query(bits, load(low), load(high), &shape->first, &shape->second);
}

INLINE void dot_rows(unsigned bits, size_t rows, const int8_t *query, const struct shape *shape,
                     const uint8_t *const row[], __m256i dots[])
{
    const int8_t *high = bits == 8 ? query : query + shape->bytes;
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
        dots[r] = add_dots(bits, _mm256_setzero_si256(), load_last(row[r], shape), shape->first, shape->second);
    for (size_t at = 0; at < shape->whole * VECTOR; at += VECTOR) {
        __m256i first, second;
        split_query(bits, load(query + at), load(high + at), &first, &second);
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++)
            dots[r] = add_dots(bits, dots[r], load(row[r] + at), first, second);
    }
}

/* Four rows: side by side, or one after the other. */
INLINE void dot_four(unsigned bits, bool in_order, const int8_t *query, const struct shape *shape,
                     const uint8_t *const row[ROWS], __m256i sums[ROWS])
{
    if (!in_order)
        dot_rows(bits, ROWS, query, shape, row, sums);
    else
#pragma GCC unroll 4
        for (size_t r = 0; r < ROWS; r++)
            dot_rows(bits, 1, query, shape, row + r, sums + r);
}

INLINE void dot_some(unsigned bits, bool in_order, const int8_t *query, const struct shape *shape, const uint8_t *rows,
                     size_t stride, const uint32_t *list, size_t count, int32_t *dots)
{
    __m256i sums[ROWS];
    size_t i = 0;
    for (; i + ROWS <= count; i += ROWS) {
        const uint8_t *row[ROWS];
#pragma GCC unroll 4
        for (size_t r = 0; r < ROWS; r++)
            row[r] = code_row(rows, stride, list, i + r);
        dot_four(bits, in_order, query, shape, row, sums);
        _mm_storeu_si128((__m128i *)(void *)(dots + i), fold(sums[0], sums[1], sums[2], sums[3]));
    }
    for (; i < count; i++) {
        const uint8_t *row[1] = { code_row(rows, stride, list, i) };
        dot_rows(bits, 1, query, shape, row, sums);
        dots[i] = _mm_cvtsi128_si32(fold(sums[0], sums[0], sums[0], sums[0]));
    }
}

INLINE void dot_all(unsigned bits, const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list,
                    size_t count, size_t bytes, int32_t *dots)
{
    struct shape shape;
    shape_begin(&shape, bits, query, bytes);
    if (bytes <= SHORT_ROW) {
        dot_some(bits, false, query, &shape, rows, stride, list, count, dots);
    } else if (!list) {
        dot_some(bits, true, query, &shape, rows, stride, NULL, count, dots);
    } else {
        size_t chunk = CHUNK_BYTES / bytes / ROWS * ROWS + ROWS, here = chunk < count ? chunk : count, next;
        prefetch_codes(rows, stride, list, here, bytes);
        for (; count; list += here, dots += here, count -= here, here = next) {
            next = chunk < count - here ? chunk : count - here;
            prefetch_codes(rows, stride, list + here, next, bytes);
            dot_some(bits, false, query, &shape, rows, stride, list, here, dots);
        }
    }
}

TARGET static void code8(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                         size_t bytes, int32_t *dots)
{
    dot_all(8, query, rows, stride, list, count, bytes, dots);
}

TARGET static void code4(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                         size_t bytes, int32_t *dots)
{
    dot_all(4, query, rows, stride, list, count, bytes, dots);
}

code_dot_list code_dot_avx2(unsigned bits, size_t bytes)
{
    if (bytes == 0)
        return code_dot_portable(bits, bytes);
    return bits == 8 ? code8 : code4;
}
#endif
