/* Times of calls (see latency.h). Which calls are timed is drawn anew each time, evenly from 1 to 2 * every - 1 calls ahead, so that what
   comes round at a fixed step, as the end of a block under a cursor, is met as often as it is. Any thread; no locks. */
#include "store/latency.h"
#include "store/stats.h"

const struct latency_row latency_table[LATENCY_CLASSES] = {
#define LATENCY_ROW(name, every, text) { #name, every, text },
    LATENCY_TABLE(LATENCY_ROW)
#undef LATENCY_ROW
};

_Thread_local uint32_t latency_left[LATENCY_CLASSES];
static _Thread_local uint32_t timed[LATENCY_CLASSES]; /* so many, up to LATENCY_FIRST */

uint32_t latency_draw(uint32_t every)
{
    static _Thread_local uint64_t random;
    if (random == 0) {
        random = clock_monotonic_ns() | 1;
    }
    random ^= random << 13; /* xorshift */
    random ^= random >> 7;
    random ^= random << 17;
    return (uint32_t)((random >> 32) % (2 * every - 1));
}

uint64_t latency_sample(enum latency_class class)
{
    latency_left[class] = timed[class] + 1 < LATENCY_FIRST ? 0 : latency_draw(latency_table[class].every);
    return clock_monotonic_ns();
}

void latency_add(struct latencies *latencies, enum latency_class class, uint64_t ns, uint64_t weight)
{
    unsigned shard = stats_thread_shard ? stats_thread_shard : stats_choose_shard();
    histogram_note(&latencies->shards[shard % LATENCY_SHARDS][class], ns, weight);
}

void latency_record(struct latencies *latencies, enum latency_class class, uint64_t ns)
{
    uint64_t weight = latency_table[class].every;
    if (weight > 1 && timed[class] < LATENCY_FIRST) {
        timed[class]++;
        weight = 1;
    }
    latency_add(latencies, class, ns, weight);
}

void latency_collect(const struct latencies *latencies, enum latency_class class, struct histogram_sum *sum)
{
    for (unsigned i = 0; i < LATENCY_SHARDS; i++) {
        histogram_collect(&latencies->shards[i][class], sum);
    }
}
