/* Merging histograms and reading percentiles off them. */
#include "histogram.h"

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        into->slots[i] += from->slots[i];
    }
    into->count += from->count;
    if (from->greatest > into->greatest) {
        into->greatest = from->greatest;
    }
}

/* The middle of the slot. */
static double slot_nanoseconds(unsigned slot)
{
    if (slot < (2u << HISTOGRAM_STEP_BITS)) {
        return (double)slot;
    }
    unsigned exponent = (slot >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t least = (uint64_t)(slot - (exponent << HISTOGRAM_STEP_BITS)) << exponent;
    return (double)least + (double)(UINT64_C(1) << exponent) / 2;
}

double histogram_percentile_us(const struct histogram *histogram, double percent)
{
    if (histogram->count == 0) {
        return 0;
    }
    if (percent >= 100) {
        return (double)histogram->greatest / 1000;
    }
    uint64_t rank = (uint64_t)((double)histogram->count * percent / 100), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += histogram->slots[i];
        if (seen > rank) {
            return slot_nanoseconds(i) / 1000;
        }
    }
    return (double)histogram->greatest / 1000;
}
