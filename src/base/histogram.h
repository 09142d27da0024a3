/* How long things took: counts in log-linear buckets, so that percentiles are known to 1/32 of their value, whatever their size. Any thread adds,
   any thread reads; a reader sees each count a little earlier or later than another. Adding costs three relaxed adds. */
#ifndef NACRE_BASE_HISTOGRAM_H
#define NACRE_BASE_HISTOGRAM_H
#include <stdatomic.h>
#include <stdint.h>

/* Each power of two has so many buckets of equal width; below the first two powers each value has its own. */
#define HISTOGRAM_STEP_BITS 4u
#define HISTOGRAM_STEPS     (1u << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_BITS_MOST 40u /* greater values count as 2^40 - 1, which is 18 minutes in nanoseconds */
#define HISTOGRAM_BUCKETS   ((HISTOGRAM_BITS_MOST - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

struct histogram { /* zero at first */
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum; /* of values as they were given, times their weights */
    _Atomic uint64_t greatest;
};
/* `weight`: what the value stands for, where only some are added. */
void histogram_note(struct histogram *, uint64_t value, uint64_t weight);

/* Counts taken together, for asking. */
struct histogram_sum {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count, sum, greatest;
};
void histogram_collect(const struct histogram *, struct histogram_sum *); /* adds to what is there; zero at first */
/* The value that `share` (0 to 1) of all are not greater than, off by 1/32 of it at most, never over the greatest. 0 where there is none. */
uint64_t histogram_value_at(const struct histogram_sum *, double share);
#endif
