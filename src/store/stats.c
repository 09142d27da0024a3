/* Sharded counters (see stats.h). */
#include "store/stats.h"

_Thread_local unsigned stats_thread_shard;

unsigned stats_choose_shard(void)
{
    static _Atomic unsigned next = 1;
    unsigned shard;
    do {
        shard = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    } while (shard == 0);
    stats_thread_shard = shard;
    return shard;
}

uint64_t stats_sum(const struct stats *stats, enum stats_counter counter)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < STATS_SHARDS; i++) {
        sum += atomic_load_explicit(&stats->shards[i].counters[counter], memory_order_relaxed);
    }
    return sum;
}

#define STATS_NAME(name, text) #name,
#define STATS_TEXT(name, text) text,
static const char *const names[] = { STATS_COUNTERS(STATS_NAME) };
static const char *const texts[] = { STATS_COUNTERS(STATS_TEXT) };

const char *stats_name(enum stats_counter counter)
{
    return names[counter];
}
const char *stats_text(enum stats_counter counter)
{
    return texts[counter];
}
