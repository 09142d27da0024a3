/* What one level of the processor gives to code_dot.c. Private to this layer. */
#ifndef NACRE_DISTANCE_CODE_KERNELS_H
#define NACRE_DISTANCE_CODE_KERNELS_H
#include "distance/code_dot.h"

/* Without a list the rows are the first `count`. */
static inline const uint8_t *code_row(const uint8_t *rows, size_t stride, const uint32_t *list, size_t i)
{
    return rows + (list ? (size_t)list[i] : i) * stride;
}

/* Rows of a list that are longer than SHORT_ROW are prefetched to the second cache, CHUNK_BYTES of them before those in front of them are done. Shorter
   ones come about as fast without, as the processor itself looks several rows ahead, and prefetching them would cost where they are near. Rows that
   follow each other are summed one after the other where they are longer, so that memory is read in one stream. */
#define SHORT_ROW   128
#define CHUNK_BYTES 32768

/* Inlined, as gcc drops calls of a function that does nothing else. */
static inline __attribute__((always_inline)) void prefetch_codes(const uint8_t *rows, size_t stride,
                                                                 const uint32_t *list, size_t count, size_t bytes)
{
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(code_row(rows, stride, list, i) + at, 0, 2);
}

/* The kernel for rows of that many bytes. */
code_dot_list code_dot_portable(unsigned bits, size_t bytes);
#if defined(__x86_64__)
code_dot_list code_dot_avx2(unsigned bits, size_t bytes), code_dot_avx512(unsigned bits, size_t bytes);
#endif
#endif
