/* Vectors in clusters, the same ones each time. */
#ifndef BENCH_VECTORS_GENERATE_H
#define BENCH_VECTORS_GENERATE_H
#include <stddef.h>

#define GENERATED_DIMENSION 768

/* Writes SET.base.fvecs and SET.query.fvecs. */
void generate_clustered(size_t rows, const char *set, size_t queries);

#endif
