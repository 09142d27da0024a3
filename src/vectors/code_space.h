/* Points of graph space (code_book.h), eight elements at a time, from vectors of floats. Private to src/vectors/code_*.c.

   The arithmetic is written with vectors of the compiler (both gcc and clang have them), inlined into functions for several levels of the processor: CODE_LEVELS. Types
   change their width by a factor of two at a time, which is what gcc makes good code of. */
#ifndef NACRE_VECTORS_CODE_SPACE_H
#define NACRE_VECTORS_CODE_SPACE_H
#include "base/cpu.h"
#include "distance/distance.h"
#include "vectors/code_book.h"
#include <string.h>

#define SPACE_LANES  8
#define SPACE_INLINE static inline __attribute__((always_inline))
typedef double space_lanes __attribute__((vector_size(8 * SPACE_LANES)));
typedef int64_t space_mask __attribute__((vector_size(8 * SPACE_LANES)));
typedef float space_floats __attribute__((vector_size(4 * SPACE_LANES)));
typedef int32_t space_numbers __attribute__((vector_size(4 * SPACE_LANES)));
typedef int16_t space_shorts __attribute__((vector_size(2 * SPACE_LANES)));
typedef uint8_t space_bytes __attribute__((vector_size(SPACE_LANES)));

/* Defines `type name(parameters)`, which is `type body(arguments)`, an inline function, compiled for the processor it runs on. */
#if defined(__x86_64__)
#define CODE_LEVELS(type, name, parameters, body, arguments) \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))) static type name##_avx512 parameters \
    { \
        return body arguments; \
    } \
    __attribute__((target("avx2,fma"))) static type name##_avx2 parameters \
    { \
        return body arguments; \
    } \
    static type name parameters \
    { \
        enum cpu_level level = cpu_level(); \
        if (level == CPU_AVX512) \
            return name##_avx512 arguments; \
        if (level == CPU_AVX2) \
            return name##_avx2 arguments; \
        return body arguments; \
    }
#else
#define CODE_LEVELS(type, name, parameters, body, arguments) \
    static type name parameters \
    { \
        return body arguments; \
    }
#endif

struct space_point {
    const uint8_t *vector; /* floats, at any address */
    double factor;         /* of each of them */
    double extra;          /* dot: the element behind them */
};

static inline struct space_point space_row(const struct code_book *book, const void *vector)
{
    struct space_point point = { .vector = vector, .factor = book->unit };
    if (book->metric == NACRE_L2)
        return point;
    double norm2 = vector_norm2(vector, book->dimension);
    if (book->metric == NACRE_COSINE) {
        point.factor = norm2 > 0 ? 1 / __builtin_sqrt(norm2) : 0;
        return point;
    }
    double rest = 1 - norm2 * book->unit * book->unit;
    point.extra = rest > 0 ? __builtin_sqrt(rest) : 0;
    return point;
}

static inline struct space_point space_query(const struct code_book *book, const struct distance *distance)
{
    struct space_point point = { .vector = (const uint8_t *)distance->query, .factor = book->unit };
    if (book->metric != NACRE_L2)
        point.factor = distance->query_norm2 > 0 ? 1 / __builtin_sqrt(distance->query_norm2) : 0;
    return point;
}

/* Element `at` minus the mean. */
static inline double space_element(const struct code_book *book, const struct space_point *point, size_t at)
{
    float element;
    if (at >= book->dimension)
        return point->extra - (double)book->mean[at];
    memcpy(&element, point->vector + 4 * at, 4);
    return (double)element * point->factor - (double)book->mean[at];
}

struct space_block { /* elements [at, at + count), and zeros */
    space_lanes x;   /* minus the mean */
    space_lanes low, step;
};

SPACE_INLINE void space_block_part(const struct code_book *book, const struct space_point *point, size_t at,
                                   size_t count, struct space_block *block)
{
    double x[SPACE_LANES] = { 0 }, low[SPACE_LANES] = { 0 }, step[SPACE_LANES] = { 0 };
    for (size_t i = 0; i < count; i++) {
        x[i] = space_element(book, point, at + i);
        low[i] = (double)book->low[at + i];
        step[i] = (double)book->step[at + i];
    }
    memcpy(&block->x, x, sizeof x);
    memcpy(&block->low, low, sizeof low);
    memcpy(&block->step, step, sizeof step);
}

/* The next elements before `end`; how many there are. */
SPACE_INLINE size_t space_block_at(const struct code_book *book, const struct space_point *point, size_t at, size_t end,
                                   struct space_block *block)
{
    if (__builtin_expect(at + SPACE_LANES > end || at + SPACE_LANES > book->dimension, 0)) {
        size_t count = end - at < SPACE_LANES ? end - at : SPACE_LANES;
        space_block_part(book, point, at, count, block);
        return count;
    }
    space_floats element, mean, low, step;
    memcpy(&element, point->vector + 4 * at, sizeof element);
    memcpy(&mean, book->mean + at, sizeof mean);
    memcpy(&low, book->low + at, sizeof low);
    memcpy(&step, book->step + at, sizeof step);
    block->x =
        __builtin_convertvector(element, space_lanes) * point->factor - __builtin_convertvector(mean, space_lanes);
    block->low = __builtin_convertvector(low, space_lanes);
    block->step = __builtin_convertvector(step, space_lanes);
    return SPACE_LANES;
}

/* Where the mask is set, else 0. */
#define SPACE_WHERE(mask, lanes) ((space_lanes)((space_mask)(mask) & (space_mask)(lanes)))
#define SPACE_CHOOSE(mask, yes, no) \
    ((space_lanes)(((space_mask)(mask) & (space_mask)(yes)) | (~(space_mask)(mask) & (space_mask)(no))))
/* Added to a number below 2^51 and taken away, it leaves the nearest whole number. */
#define SPACE_ROUND 0x1.8p52

static inline double space_sum(const double *lanes)
{
    double sum = 0;
    for (size_t i = 0; i < SPACE_LANES; i++)
        sum += lanes[i];
    return sum;
}

/* The least float that is not below. */
static inline float float_above(double value)
{
    float rounded = (float)value;
    return (double)rounded >= value ? rounded : __builtin_nextafterf(rounded, __builtin_inff());
}
#endif
