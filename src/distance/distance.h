/* How far apart two vectors of floats are: what nacre_nearest answers with. Kernels for AVX-512, AVX2 and plain C are chosen at run time
   (base/cpu.h).

   L2: the squared Euclidean distance. Cosine: 1 - the cosine of the angle. Dot: minus the inner product. Smaller is nearer in all three.

   1. All calls give the same bits for the same pair of vectors on one level of the processor, whichever form is called and wherever the rows lie:
      so ties stay ties whatever layer a row sits in.
   2. A distance is never NaN. Where floats overflow or lose all digits on the way (or might), the pair is done again in double, and a distance
      beyond what a float holds is FLT_MAX or -FLT_MAX.
   Rows are `dimension` little-endian floats at any address (aligned to 64 is fastest), all finite. Nothing here allocates or fails. Any thread. */
#ifndef NACRE_DISTANCE_DISTANCE_H
#define NACRE_DISTANCE_DISTANCE_H
#include <nacre/nacre.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct distance { /* a query made ready; the query lives as long as it is used */
    nacre_metric metric;
    uint32_t dimension;
    const float *query;
    double query_norm2; /* of the query; cosine and L2 bounds use it */

    /* For the kernels, which are those of the processor's level when the query was made ready. */
    const struct distance_kernels *kernels;
    double
        rounded_norm2; /* query_norm2 as the kernels sum that of a row: a vector is at cosine distance 0 from itself */
    bool always_exact; /* the query is so large or small that no pair can be done in floats */
};
void distance_begin(struct distance *, nacre_metric, const float *query, uint32_t dimension);
float distance_to(const struct distance *, const void *row);
/* `count` rows, `stride` bytes apart, front to back: bound by the memory they come from. */
void distance_to_rows(const struct distance *, const void *rows, size_t stride, size_t count, float *distances);
/* The rows named, in any order; they are prefetched ahead. */
void distance_to_list(const struct distance *, const void *rows, size_t stride, const uint32_t *list, size_t count,
                      float *distances);

bool vector_is_finite(const void *vector, uint32_t dimension);
bool vector_is_zero(const void *vector, uint32_t dimension); /* every element is 0 or -0 */
double vector_norm2(const void *vector, uint32_t dimension); /* sum of squares */
#endif
