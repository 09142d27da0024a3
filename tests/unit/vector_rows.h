/* Random rows of vectors for tests of codes and graphs. */
#ifndef NACRE_TESTS_VECTOR_ROWS_H
#define NACRE_TESTS_VECTOR_ROWS_H
#include "distance/distance.h"
#include "vectors/reader.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = (*state ^ (*state >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return random_next(state) % bound;
}

static inline double random_unit(uint64_t *random) /* 0..1 */
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

static inline double random_normal(uint64_t *random)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += random_unit(random);
    return sum - 6;
}

enum shape { SHAPE_NORMAL, SHAPE_CLUSTERS, SHAPE_FEW_VALUES, SHAPE_UNEVEN, SHAPE_WILD, SHAPE_FAR_AWAY, SHAPE_COUNT };

/* One vector of a shape; clusters' centres follow from the dimension alone. */
static inline void random_vector(enum shape shape, uint32_t dimension, uint64_t *random, float *vector)
{
    uint64_t cluster = random_below(random, 20);
    double size = shape == SHAPE_WILD ? pow(10, 60 * random_unit(random) - 30) : 1;
    for (uint32_t i = 0; i < dimension; i++) {
        uint64_t centre = cluster * 1000003 + i * 7919 + 1;
        double value = random_normal(random);
        if (shape == SHAPE_CLUSTERS)
            value = random_normal(&centre) + 0.05 * value;
        else if (shape == SHAPE_FEW_VALUES)
            value = (double)random_below(random, 3) - 1;
        else if (shape == SHAPE_UNEVEN)
            value = i % 4 == 0 ? 5 : value * pow(10, -(double)(i % 5));
        else if (shape == SHAPE_FAR_AWAY)
            value = 1e6 + value;
        vector[i] = (float)(value * size);
    }
    if (vector_is_zero(vector, dimension))
        vector[0] = 1;
}

/* `count` rows at multiples of 4 bytes; the memory is *rows.vectors, to be freed. */
static inline struct vector_rows random_rows(nacre_metric metric, enum shape shape, uint32_t count, uint32_t dimension,
                                             uint64_t *random)
{
    size_t stride = ((size_t)dimension * 4 + 63) / 64 * 64;
    uint8_t *vectors = aligned_alloc(64, (count + 1) * stride);
    memset(vectors, 0, (count + 1) * stride);
    for (uint32_t i = 0; i < count; i++)
        random_vector(shape, dimension, random, (float *)(void *)(vectors + i * stride));
    return (struct vector_rows){ vectors, stride, count, dimension, metric, NULL };
}

static inline const float *row_vector(const struct vector_rows *rows, uint32_t row)
{
    return (const float *)(const void *)(rows->vectors + row * rows->stride);
}
#endif
