/* Distances and inner products with codes, on data of the size of the second and third cache and of memory, at each level of the processor.

     distances [megabytes in memory = 512] [rounds = 3] [lowest level = 0]

   Prints millions of vectors per second, GB/s, and what that is of the read bandwidth: a plain sum over the same memory at the best level, measured in
   turn with the rest. `list` walks rows in random order, 32 named in each call, as a walk over a graph does. CPU time of one thread, best round. */
#include "base/cpu.h"
#include "base/memory.h"
#include "distance/code_dot.h"
#include "distance/distance.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define CALL_ROWS  1024 /* in one call for rows */
#define LIST_ROWS  32   /* in one call for a list */
#define DIMENSIONS 768
#define LEAST_NS   30000000u

static uint8_t *memory;
static float query[DIMENSIONS];
static int8_t signed_query[2 * DIMENSIONS];
static volatile int64_t sink;

struct work {
    const char *name;
    nacre_metric metric; /* floats */
    unsigned bits;       /* codes: 8 or 4; 0: floats; 1: the sum alone */
    bool list;
    size_t dimension;
};

static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static int64_t read_avx512(size_t bytes)
{
    __m512i sums[8] = { 0 };
    for (size_t i = 0; i + 512 <= bytes; i += 512)
#pragma GCC unroll 8
        for (size_t k = 0; k < 8; k++)
            sums[k] = _mm512_add_epi64(sums[k], _mm512_load_si512(memory + i + 64 * k));
    for (size_t k = 1; k < 8; k++)
        sums[0] = _mm512_add_epi64(sums[0], sums[k]);
    return _mm512_reduce_add_epi64(sums[0]);
}

__attribute__((target("avx2"))) static int64_t read_avx2(size_t bytes)
{
    __m256i sums[8] = { 0 };
    for (size_t i = 0; i + 256 <= bytes; i += 256)
#pragma GCC unroll 8
        for (size_t k = 0; k < 8; k++)
            sums[k] =
                _mm256_add_epi64(sums[k], _mm256_load_si256((const __m256i *)(const void *)(memory + i + 32 * k)));
    for (size_t k = 1; k < 8; k++)
        sums[0] = _mm256_add_epi64(sums[0], sums[k]);
    return _mm256_extract_epi64(sums[0], 0) + _mm256_extract_epi64(sums[0], 3);
}
#endif

static int64_t read_portable(size_t bytes)
{
    int64_t sums[8] = { 0 };
    for (size_t i = 0; i + sizeof sums <= bytes; i += sizeof sums)
        for (size_t k = 0; k < 8; k++)
            sums[k] += ((const int64_t *)(const void *)(memory + i))[k];
    return sums[0] + sums[3] + sums[7];
}

static int64_t read_all(size_t bytes)
{
#if defined(__x86_64__)
    if (cpu_level() == CPU_AVX512)
        return read_avx512(bytes);
    if (cpu_level() == CPU_AVX2)
        return read_avx2(bytes);
#endif
    return read_portable(bytes);
}

static size_t row_bytes(const struct work *w)
{
    return w->bits == 0 ? 4 * w->dimension : w->bits == 8 ? w->dimension : w->dimension / 2;
}

static uint64_t random_bits(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

static void walk_floats(const struct work *w, size_t rows, const uint32_t *lists)
{
    static float out[CALL_ROWS];
    struct distance d;
    size_t stride = row_bytes(w), step = w->list ? LIST_ROWS : CALL_ROWS;
    distance_begin(&d, w->metric, query, (uint32_t)w->dimension);
    for (size_t i = 0; i < rows; i += step) {
        size_t count = rows - i < step ? rows - i : step;
        if (w->list)
            distance_to_list(&d, memory, stride, lists + i, count, out);
        else
            distance_to_rows(&d, memory + i * stride, stride, count, out);
    }
    sink += (int64_t)out[1];
}

static void walk_codes(const struct work *w, size_t rows, const uint32_t *lists)
{
    static int32_t out[CALL_ROWS];
    size_t bytes = row_bytes(w), stride = bytes, step = w->list ? LIST_ROWS : CALL_ROWS;
    code_dot_list list_dots = code_dot_list_for(w->bits, bytes);
    for (size_t i = 0; i < rows; i += step) {
        size_t count = rows - i < step ? rows - i : step;
        if (w->list)
            list_dots(signed_query, memory, stride, lists + i, count, bytes, out);
        else if (w->bits == 8)
            code8_dot_rows(signed_query, memory + i * stride, stride, count, bytes, out);
        else
            code4_dot_rows(signed_query, memory + i * stride, stride, count, bytes, out);
    }
    sink += out[1];
}

/* Nanoseconds for all rows once. */
static double measure(const struct work *w, size_t bytes, const uint32_t *lists)
{
    size_t rows = bytes / row_bytes(w), times = 0;
    uint64_t start = cpu_ns(), end;
    do {
        if (w->bits == 1)
            sink += read_all(bytes);
        else if (w->bits)
            walk_codes(w, rows, lists);
        else
            walk_floats(w, rows, lists);
        times++;
        end = cpu_ns();
    } while (end - start < LEAST_NS);
    return (double)(end - start) / (double)times / (w->bits == 1 ? (double)bytes : (double)rows);
}

static void measure_all(const char *where, size_t bytes, int rounds, enum cpu_level level)
{
    static const nacre_metric metrics[] = { NACRE_L2, NACRE_COSINE, NACRE_DOT };
    static const char *const names[] = { "L2", "cosine", "dot" };
    static const size_t dimensions[] = { 100, 128, 768 };
    static const char *const level_names[] = { "plain C", "AVX2", "AVX-512" };
    struct work work[64] = { { "read", 0, 1, false, 64 } };
    double best[64] = { 0 };
    size_t count = 1;
    for (size_t k = 0; k < 3; k++) {
        for (size_t m = 0; m < 3; m++)
            work[count++] = (struct work){ names[m], metrics[m], 0, false, dimensions[k] };
        work[count++] = (struct work){ "L2", NACRE_L2, 0, true, dimensions[k] };
        for (unsigned bits = 8; bits >= 4; bits -= 4)
            for (int list = 0; list < 2; list++)
                work[count++] = (struct work){ bits == 8 ? "8 bits" : "4 bits", 0, bits, list, dimensions[k] };
    }
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++) {
            size_t rows = bytes / row_bytes(&work[i]);
            uint32_t *lists = work[i].list ? malloc(rows * sizeof *lists) : NULL;
            for (size_t r = 0; lists && r < rows; r++)
                lists[r] = (uint32_t)(random_bits() % rows);
            cpu_limit(i == 0 ? CPU_AVX512 : level);
            double ns = measure(&work[i], bytes, lists);
            best[i] = round && best[i] < ns ? best[i] : ns;
            free(lists);
        }
    printf("%s, %s, %zu KiB: read %.1f GB/s\n", level_names[level], where, bytes >> 10, 1 / best[0]);
    for (size_t i = 1; i < count; i++) {
        double gigabytes = (double)row_bytes(&work[i]) / best[i];
        printf("  %-7s %-5s %4zu %8.1f M/s %7.1f GB/s %5.0f %%\n", work[i].name, work[i].list ? "list" : "rows",
               work[i].dimension, 1000 / best[i], gigabytes, 100 * gigabytes * best[0]);
    }
}

int main(int argc, char **argv)
{
    size_t most = (argc > 1 ? strtoull(argv[1], NULL, 10) : 512) << 20;
    int rounds = argc > 2 ? atoi(argv[2]) : 3, lowest = argc > 3 ? atoi(argv[3]) : CPU_PORTABLE;
    memory = most >= (size_t)16 << 20 && rounds > 0 ? memory_map(most) : NULL;
    if (!memory)
        return 1;
    for (size_t i = 0; i < most; i += 4) { /* floats of ordinary size, bytes of any */
        uint32_t bits = (uint32_t)(random_bits() & 0x807fffff) | 0x3f000000;
        memcpy(memory + i, &bits, 4);
    }
    memcpy(query, memory, sizeof query);
    memcpy(signed_query, memory, sizeof signed_query);
    for (int level = CPU_AVX512; level >= lowest; level--) {
        cpu_limit((enum cpu_level)level);
        if (cpu_level() != (enum cpu_level)level)
            continue;
        measure_all("second cache", (size_t)3 << 18, rounds, (enum cpu_level)level);
        measure_all("third cache", (size_t)12 << 20, rounds, (enum cpu_level)level);
        measure_all("memory", most, rounds, (enum cpu_level)level);
    }
    memory_unmap(memory, most);
    return 0;
}
