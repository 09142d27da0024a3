/* Inner products with codes by AVX-512 VNNI (see code_kernels.h): 64 codes of 8 bits, or 128 of 4, per instruction and register; four rows at a
   time, whose sums are folded in one go. Up to HELD_MOST vectors of the query stay in registers; so there is a kernel for each such length.

   Nothing behind a row or the query is read: the last vector is masked. Any thread. */
#include "distance/code_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>

#define TARGET    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define INLINE    static inline __attribute__((always_inline)) TARGET
#define VECTOR    64                   /* bytes */
#define ROWS      4                    /* at once */
#define HELD_MOST (SHORT_ROW / VECTOR) /* vectors of rows whose query is held in registers */

struct held_query { /* the last vector is padded with zeros */
    __m512i low[HELD_MOST], high[HELD_MOST];
};

INLINE __mmask64 first_bytes(size_t count)
{
    return count >= VECTOR ? ~(__mmask64)0 : ((__mmask64)1 << count) - 1;
}

INLINE __m512i add_dots(unsigned bits, __m512i dots, __m512i codes, __m512i low, __m512i high)
{
    __m512i nibble = _mm512_set1_epi8(15);
    if (bits == 8)
        return _mm512_dpbusd_epi32(dots, codes, low);
    dots = _mm512_dpbusd_epi32(dots, _mm512_and_si512(codes, nibble), low);
    return _mm512_dpbusd_epi32(dots, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble), high);
}

/* Four sums of 16 lanes each -> four numbers. */
INLINE __m128i fold(__m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)); /* a b a b ... */
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

struct shape { /* of the query and of rows */
    size_t bytes, stride;
    __mmask64 tail; /* the bytes of the last vector */
    size_t whole;   /* vectors before it */
};

/* Rows whose query is held: `vectors` is a constant. */
INLINE void dot_held(unsigned bits, size_t vectors, size_t rows, const struct held_query *held, __mmask64 tail,
                     const uint8_t *const row[], __m512i dots[])
{
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        dots[r] = _mm512_setzero_si512();
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) {
            const uint8_t *at = row[r] + v * VECTOR;
            __m512i codes = v + 1 < vectors ? _mm512_loadu_si512(at) : _mm512_maskz_loadu_epi8(tail, at);
            dots[r] = add_dots(bits, dots[r], codes, held->low[v], held->high[v]);
        }
    }
}

/* Rows of any length, side by side. */
INLINE void dot_long(unsigned bits, size_t rows, const int8_t *query, const struct shape *shape,
                     const uint8_t *const row[], __m512i dots[])
{
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
        dots[r] = _mm512_setzero_si512();
    for (size_t v = 0; v <= shape->whole; v++) {
        __mmask64 here = v < shape->whole ? ~(__mmask64)0 : shape->tail;
        __m512i low = _mm512_maskz_loadu_epi8(here, query + v * VECTOR);
        __m512i high = bits == 8 ? low : _mm512_maskz_loadu_epi8(here, query + shape->bytes + v * VECTOR);
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++)
            dots[r] = add_dots(bits, dots[r], _mm512_maskz_loadu_epi8(here, row[r] + v * VECTOR), low, high);
    }
}

INLINE void hold_query(unsigned bits, size_t vectors, const int8_t *query, const struct shape *shape,
                       struct held_query *held)
{
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) {
        __mmask64 here = v + 1 < vectors ? ~(__mmask64)0 : shape->tail;
        held->low[v] = _mm512_maskz_loadu_epi8(here, query + v * VECTOR);
        held->high[v] = bits == 8 ? held->low[v] : _mm512_maskz_loadu_epi8(here, query + shape->bytes + v * VECTOR);
    }
}

/* Four rows: side by side, or one after the other. */
INLINE void dot_four(unsigned bits, size_t vectors, bool in_order, const int8_t *query, const struct held_query *held,
                     const struct shape *shape, const uint8_t *const row[ROWS], __m512i sums[ROWS])
{
    if (vectors)
        dot_held(bits, vectors, ROWS, held, shape->tail, row, sums);
    else if (!in_order)
        dot_long(bits, ROWS, query, shape, row, sums);
    else
#pragma GCC unroll 4
        for (size_t r = 0; r < ROWS; r++)
            dot_long(bits, 1, query, shape, row + r, sums + r);
}

/* `vectors`: how many make a row, if they are held; else 0. */
INLINE void dot_some(unsigned bits, size_t vectors, const int8_t *query, const struct held_query *held,
                     const struct shape *shape, const uint8_t *rows, const uint32_t *list, size_t count, int32_t *dots)
{
    __m512i sums[ROWS];
    size_t i = 0;
    for (; i + ROWS <= count; i += ROWS) {
        const uint8_t *row[ROWS];
#pragma GCC unroll 4
        for (size_t r = 0; r < ROWS; r++)
            row[r] = code_row(rows, shape->stride, list, i + r);
        dot_four(bits, vectors, !list, query, held, shape, row, sums);
        _mm_storeu_si128((__m128i *)(void *)(dots + i), fold(sums[0], sums[1], sums[2], sums[3]));
    }
    for (; i < count; i++) {
        const uint8_t *row[1] = { code_row(rows, shape->stride, list, i) };
        if (vectors)
            dot_held(bits, vectors, 1, held, shape->tail, row, sums);
        else
            dot_long(bits, 1, query, shape, row, sums);
        dots[i] = _mm512_reduce_add_epi32(sums[0]);
    }
}

INLINE void dot_all(unsigned bits, size_t vectors, const int8_t *query, const uint8_t *rows, size_t stride,
                    const uint32_t *list, size_t count, size_t bytes, int32_t *dots)
{
    size_t whole = (bytes - 1) / VECTOR;
    struct shape shape = { bytes, stride, first_bytes(bytes - whole * VECTOR), whole };
    struct held_query held;
    hold_query(bits, vectors, query, &shape, &held);
    if (!list) {
        dot_some(bits, vectors, query, &held, &shape, rows, NULL, count, dots);
    } else if (vectors) {
        dot_some(bits, vectors, query, &held, &shape, rows, list, count, dots);
    } else {
        size_t chunk = CHUNK_BYTES / bytes / ROWS * ROWS + ROWS, here = chunk < count ? chunk : count, next;
        prefetch_codes(rows, stride, list, here, bytes);
        for (; count; list += here, dots += here, count -= here, here = next) {
            next = chunk < count - here ? chunk : count - here;
            prefetch_codes(rows, stride, list + here, next, bytes);
            dot_some(bits, vectors, query, &held, &shape, rows, list, here, dots);
        }
    }
}

#define KERNEL(bits, vectors) \
    TARGET static void code##bits##_##vectors(const int8_t *query, const uint8_t *rows, size_t stride, \
                                              const uint32_t *list, size_t count, size_t bytes, int32_t *dots) \
    { \
        dot_all(bits, vectors, query, rows, stride, list, count, bytes, dots); \
    }
KERNEL(8, 0)
KERNEL(8, 1)
KERNEL(8, 2)
KERNEL(4, 0)
KERNEL(4, 1)
KERNEL(4, 2)

code_dot_list code_dot_avx512(unsigned bits, size_t bytes)
{
    static const code_dot_list kernels8[HELD_MOST + 1] = { code8_0, code8_1, code8_2 };
    static const code_dot_list kernels4[HELD_MOST + 1] = { code4_0, code4_1, code4_2 };
    size_t vectors = (bytes + VECTOR - 1) / VECTOR;
    if (bytes == 0)
        return code_dot_portable(bits, bytes);
    return (bits == 8 ? kernels8 : kernels4)[vectors <= HELD_MOST ? vectors : 0];
}
#endif
