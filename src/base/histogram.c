/* Log-linear buckets (see histogram.h). A value below 2 * HISTOGRAM_STEPS has a bucket of its own; 2^e <= value < 2^(e+1) is divided into
   HISTOGRAM_STEPS buckets of 2^(e - HISTOGRAM_STEP_BITS) values, and is told as the middle of its bucket.
   Any thread; no locks. All orders are relaxed: each count stands alone. */
#include "base/histogram.h"

static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS) {
        return (unsigned)value;
    }
    if (value >> HISTOGRAM_BITS_MOST) {
        return HISTOGRAM_BUCKETS - 1;
    }
    unsigned power = 63u - (unsigned)__builtin_clzll(value), shift = power - HISTOGRAM_STEP_BITS;
    return (shift + 1) * HISTOGRAM_STEPS + (unsigned)(value >> shift) % HISTOGRAM_STEPS;
}

static uint64_t middle_of(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS) {
        return bucket;
    }
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t least = (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << shift;
    return least + ((UINT64_C(1) << shift) - 1) / 2;
}

void histogram_note(struct histogram *h, uint64_t value, uint64_t weight)
{
    atomic_fetch_add_explicit(&h->buckets[bucket_of(value)], weight, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value * weight, memory_order_relaxed);
    uint64_t greatest = atomic_load_explicit(&h->greatest, memory_order_relaxed);
    while (value > greatest && !atomic_compare_exchange_weak_explicit(&h->greatest, &greatest, value,
                                                                      memory_order_relaxed, memory_order_relaxed)) {}
}

void histogram_collect(const struct histogram *h, struct histogram_sum *sum)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        sum->buckets[i] += count;
        sum->count += count;
    }
    sum->sum += atomic_load_explicit(&h->sum, memory_order_relaxed);
    uint64_t greatest = atomic_load_explicit(&h->greatest, memory_order_relaxed);
    sum->greatest = greatest > sum->greatest ? greatest : sum->greatest;
}

uint64_t histogram_value_at(const struct histogram_sum *sum, double share)
{
    double wanted = share * (double)sum->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += sum->buckets[i];
        if (sum->buckets[i] > 0 && (double)seen >= wanted) {
            uint64_t value = i == HISTOGRAM_BUCKETS - 1 ? sum->greatest : middle_of(i);
            return value < sum->greatest ? value : sum->greatest;
        }
    }
    return sum->greatest;
}
