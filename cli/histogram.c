/* Times in buckets (see histogram.h): below 32 ns each has its own, above them 32 for each power of two. */
#include "histogram.h"

static unsigned bucket_of(uint64_t ns)
{
    if (ns < HISTOGRAM_PARTS) {
        return (unsigned)ns;
    }
    unsigned power = 63u - (unsigned)__builtin_clzll(ns);
    return (power - 4) * HISTOGRAM_PARTS + (unsigned)(ns >> (power - 5)) % HISTOGRAM_PARTS;
}

static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < HISTOGRAM_PARTS) {
        return bucket;
    }
    unsigned power = bucket / HISTOGRAM_PARTS + 4;
    return ((uint64_t)(HISTOGRAM_PARTS + bucket % HISTOGRAM_PARTS + 1) << (power - 5)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->most = ns > histogram->most ? ns : histogram->most;
    histogram->buckets[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    histogram->count += other->count;
    histogram->most = other->most > histogram->most ? other->most : histogram->most;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram->buckets[i] += other->buckets[i];
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t below = (uint64_t)((double)histogram->count * percent / 100), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > below) {
            return bucket_end(i) < histogram->most ? bucket_end(i) : histogram->most;
        }
    }
    return histogram->most;
}
