/* A log-linear histogram of nanoseconds: 32 steps per power of two, so a percentile is right to 3 %. One per thread; merged afterwards. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H
#include <stdint.h>

#define HISTOGRAM_STEP_BITS 5
#define HISTOGRAM_SLOTS     ((64 - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS)

struct histogram {
    uint64_t count, greatest;
    uint64_t slots[HISTOGRAM_SLOTS];
};

static inline unsigned histogram_slot(uint64_t nanoseconds)
{
    if (nanoseconds < (UINT64_C(1) << HISTOGRAM_STEP_BITS)) {
        return (unsigned)nanoseconds;
    }
    unsigned exponent = 63u - (unsigned)__builtin_clzll(nanoseconds) - HISTOGRAM_STEP_BITS;
    return (exponent << HISTOGRAM_STEP_BITS) + (unsigned)(nanoseconds >> exponent);
}

static inline void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    histogram->slots[histogram_slot(nanoseconds)]++;
    histogram->count++;
    if (nanoseconds > histogram->greatest) {
        histogram->greatest = nanoseconds;
    }
}

void histogram_merge(struct histogram *into, const struct histogram *from);
double histogram_percentile_us(const struct histogram *histogram, double percent); /* microseconds; 0 when empty */

#endif
