/* Inner products with codes (see code_dot.h): choosing the kernel, and the kernels in plain C. Any thread; no locks, no allocation. */
#include "distance/code_kernels.h"
#include "base/cpu.h"

#define LANES 16 /* sums side by side, which a compiler can keep in vectors */

static inline __attribute__((always_inline)) int32_t dot_row(unsigned bits, const int8_t *query, const uint8_t *row,
                                                             size_t bytes)
{
    const int8_t *high = bits == 8 ? query : query + bytes;
    int32_t sums[LANES] = { 0 }, dot = 0;
    size_t at = 0;
    for (; at + LANES <= bytes; at += LANES)
        for (size_t k = at; k < at + LANES; k++)
            sums[k - at] += bits == 8 ? query[k] * row[k] : query[k] * (row[k] & 15) + high[k] * (row[k] >> 4);
    for (; at < bytes; at++)
        dot += bits == 8 ? query[at] * row[at] : query[at] * (row[at] & 15) + high[at] * (row[at] >> 4);
    for (size_t k = 0; k < LANES; k++)
        dot += sums[k];
    return dot;
}

static void code8_portable(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                           size_t bytes, int32_t *dots)
{
    for (size_t i = 0; i < count; i++)
        dots[i] = dot_row(8, query, code_row(rows, stride, list, i), bytes);
}

static void code4_portable(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                           size_t bytes, int32_t *dots)
{
    for (size_t i = 0; i < count; i++)
        dots[i] = dot_row(4, query, code_row(rows, stride, list, i), bytes);
}

code_dot_list code_dot_portable(unsigned bits, size_t bytes)
{
    (void)bytes;
    return bits == 8 ? code8_portable : code4_portable;
}

code_dot_list code_dot_list_for(unsigned bits, size_t bytes)
{
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return code_dot_avx512(bits, bytes);
    case CPU_AVX2:
        return code_dot_avx2(bits, bytes);
    case CPU_PORTABLE:
        break;
    }
#endif
    return code_dot_portable(bits, bytes);
}

void code8_dot_rows(const int8_t *query, const uint8_t *rows, size_t stride, size_t count, size_t bytes, int32_t *dots)
{
    code_dot_list_for(8, bytes)(query, rows, stride, NULL, count, bytes, dots);
}

void code4_dot_rows(const int8_t *query, const uint8_t *rows, size_t stride, size_t count, size_t bytes, int32_t *dots)
{
    code_dot_list_for(4, bytes)(query, rows, stride, NULL, count, bytes, dots);
}

void code8_dot_list(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                    size_t bytes, int32_t *dots)
{
    code_dot_list_for(8, bytes)(query, rows, stride, list, count, bytes, dots);
}

void code4_dot_list(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                    size_t bytes, int32_t *dots)
{
    code_dot_list_for(4, bytes)(query, rows, stride, list, count, bytes, dots);
}
