/* Counters, one table: JSON, Prometheus text and docs are made from it. Adding costs a relaxed add in one of a few shards. */
#ifndef NACRE_STORE_STATS_H
#define NACRE_STORE_STATS_H
#include <stdatomic.h>
#include <stdint.h>

/* name, text */
#define STATS_COUNTERS(X) \
    X(puts, "keys put, by calls, batches and transactions; what ingests take in is counted by ingest_entries") \
    X(deletes, "keys deleted") \
    X(operands_put, "operands of merges written") \
    X(range_deletes, "ranges and prefixes deleted") \
    X(commits, "batches and single writes committed") \
    X(commit_bytes, "bytes of committed payload") \
    X(gets, "keys looked up") \
    X(get_hits, "keys found") \
    X(scans, "cursors opened") \
    X(scan_dead, "dead entries that cursors stepped over") \
    X(gap_jumps, "times a cursor jumped over a learned dead range") \
    X(searches, "regular expressions searched for, by cursors and counts") \
    X(search_matches, "keys that they matched") \
    X(search_keys, "keys that were run through an automaton for them") \
    X(search_candidates, "blocks that indexes left to look at") \
    X(search_blocks_read, "blocks that were read for them") \
    X(search_blocks_counted, "blocks that were counted without reading them") \
    X(nearest_searches, "nearest neighbours searched for") \
    X(nearest_examined, "vectors whose distance was computed or estimated for them") \
    X(nearest_reranked, "vectors whose estimate was computed again on full vectors") \
    X(nearest_filtered, "keys that their filters were asked about") \
    X(txns, "transactions begun") \
    X(txn_commits, "transactions committed") \
    X(txn_conflicts, "transactions refused because of a conflict") \
    X(txn_view_checks, \
      "times a commit was checked against memtables and segments, as recent changes did not reach back") \
    X(seals, "memtables sealed") \
    X(flushes, "memtables flushed into segments") \
    X(ingests, "ingests of sorted segments") \
    X(ingest_entries, "entries they took in") \
    X(ingest_bytes, "bytes of their segments") \
    X(ingest_window_ns, "nanoseconds during which later writes waited for them to become visible") \
    X(stall_ns, "nanoseconds that writers were slowed down or held") \
    X(stalls, "times a writer was slowed down or held") \
    X(stalls_memtables, "of these, because memtables waited for their flush") \
    X(stall_ns_memtables, "nanoseconds of them") \
    X(stalls_merges, "of these, because merges were behind") \
    X(stall_ns_merges, "nanoseconds of them") \
    X(stalls_log, "of these, because the log was near its limit or at it") \
    X(stall_ns_log, "nanoseconds of them") \
    X(stalls_disk, "of these, because the next file of the log was not ready") \
    X(stall_ns_disk, "nanoseconds of them") \
    X(stalls_tickets, "of these, because too many commits were under way") \
    X(stall_ns_tickets, "nanoseconds of them") \
    X(busy, "writes refused because the store stayed over its limits") \
    X(background_errors, "background tasks that failed and were retried") \
    X(refreshes, "times an opening for reading looked for news") \
    X(values_held, "values given out in place") \
    X(values_released, "values given back")

enum stats_counter {
#define STATS_ENUM(name, text) STATS_##name,
    STATS_COUNTERS(STATS_ENUM)
#undef STATS_ENUM
        STATS_COUNTER_COUNT
};

/* Why a writer is slowed down or held: each has two counters, which follow each other in the table. */
enum stall_reason { STALL_NONE, STALL_MEMTABLES, STALL_MERGES, STALL_LOG, STALL_DISK, STALL_TICKETS, STALL_REASONS };
const char *stall_reason_text(enum stall_reason);

#define STATS_SHARDS 16u
struct stats {
    _Alignas(64) struct stats_shard {
        _Alignas(64) _Atomic uint64_t counters[STATS_COUNTER_COUNT];
    } shards[STATS_SHARDS];
};
extern _Thread_local unsigned stats_thread_shard; /* 0 = not chosen yet */
unsigned stats_choose_shard(void);
static inline void stats_add(struct stats *stats, enum stats_counter counter, uint64_t n)
{
    unsigned shard = stats_thread_shard ? stats_thread_shard : stats_choose_shard();
    atomic_fetch_add_explicit(&stats->shards[shard % STATS_SHARDS].counters[counter], n, memory_order_relaxed);
}
uint64_t stats_sum(const struct stats *, enum stats_counter);
void stats_add_stall(struct stats *, enum stall_reason, uint64_t ns); /* to all four */
const char *stats_name(enum stats_counter);
const char *stats_text(enum stats_counter);
#endif
