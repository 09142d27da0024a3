/* Times of operations, counted in buckets that are at most 1/32 wide of what they hold. */
#ifndef NACRE_CLI_HISTOGRAM_H
#define NACRE_CLI_HISTOGRAM_H
#include <stdint.h>

#define HISTOGRAM_PARTS   32u /* buckets for each power of two */
#define HISTOGRAM_BUCKETS (60u * HISTOGRAM_PARTS)

struct histogram {
    uint64_t count, most; /* nanoseconds */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};
void histogram_add(struct histogram *, uint64_t ns);
void histogram_merge(struct histogram *, const struct histogram *other);
uint64_t histogram_percentile(const struct histogram *, double percent); /* nanoseconds, the end of its bucket */
#endif
