/* Shared by graphs.c and graphs_hnswlib.cc. */
#ifndef BENCH_GRAPHS_H
#define BENCH_GRAPHS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
struct bench_vectors {
    const float *rows;
    size_t count, stride; /* stride in floats */
    uint32_t dimension;
};
#define BENCH_CURVE_MAX 32
struct bench_curve {
    size_t count;
    double recall[BENCH_CURVE_MAX], rate[BENCH_CURVE_MAX];
};
double bench_cpu_seconds(void);
size_t bench_hits(size_t query, const uint32_t *found, size_t count);
void bench_curve_add(struct bench_curve *, double recall, double rate);
void bench_curve_print(const char *name, const struct bench_curve *);
void bench_hnswlib(const struct bench_vectors *base, const struct bench_vectors *queries, bool cosine, size_t k,
                   const char *path);
#ifdef __cplusplus
}
#endif
#endif
