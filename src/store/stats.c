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

const char *stall_reason_text(enum stall_reason reason)
{
    static const char *const reasons[STALL_REASONS] = { "",
                                                        "memtables wait for their flush",
                                                        "merges are behind",
                                                        "the log is near its limit",
                                                        "the next file of the log is not ready",
                                                        "too many commits are under way" };
    return reasons[reason];
}

void stats_add_stall(struct stats *stats, enum stall_reason reason, uint64_t ns)
{
    stats_add(stats, STATS_stalls, 1);
    stats_add(stats, STATS_stall_ns, ns);
    if (reason != STALL_NONE) {
        unsigned first = STATS_stalls_memtables + 2 * ((unsigned)reason - STALL_MEMTABLES);
        stats_add(stats, (enum stats_counter)first, 1);
        stats_add(stats, (enum stats_counter)(first + 1), ns);
    }
}
