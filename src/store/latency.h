/* How long calls and the work behind them take: a histogram per class, in nanoseconds. Long classes are timed always; of short ones the first
   LATENCY_FIRST of each thread are, and then one in so many on average, at random, which stands for as many. Any thread; no locks. */
#ifndef NACRE_STORE_LATENCY_H
#define NACRE_STORE_LATENCY_H
#include "base/clock.h"
#include "base/histogram.h"
#include <stdbool.h>

#define LATENCY_FIRST 32u

/* name, one in how many is timed, text */
#define LATENCY_TABLE(X) \
    X(put, 64, "nacre_put") \
    X(put_vector, 64, "nacre_put_vector") \
    X(delete, 64, "nacre_delete") \
    X(delete_range, 1, "nacre_delete_range, nacre_delete_prefix, nacre_collection_clear") \
    X(merge, 64, "nacre_merge") \
    X(write, 1, "nacre_write") \
    X(get, 64, "nacre_get, nacre_get_vector") \
    X(multi_get, 64, "nacre_multi_get") \
    X(scan, 1, "nacre_scan") \
    X(cursor_move, 256, "nacre_cursor_next, prev, seek, first, last") \
    X(regex_scan, 1, "nacre_regex_scan") \
    X(regex_count, 1, "nacre_regex_count") \
    X(nearest, 1, "nacre_nearest") \
    X(commit, 64, "nacre_txn_commit") \
    X(ingest, 1, "nacre_ingest") \
    X(flush, 1, "nacre_flush") \
    X(seal, 1, "nacre_seal") \
    X(compact, 1, "nacre_compact") \
    X(sync, 1, "nacre_sync") \
    X(log_sync, 1, "inside: a sync of the log's files") \
    X(memtable_flush, 1, "inside: a memtable into segments") \
    X(merge_unit, 1, "inside: a unit of merging") \
    X(index_build, 1, "inside: the index of a segment, or its quick step") \
    X(stall, 1, "inside: a writer slowed down or held")

enum latency_class {
#define LATENCY_ENUM(name, every, text) LATENCY_##name,
    LATENCY_TABLE(LATENCY_ENUM)
#undef LATENCY_ENUM
        LATENCY_CLASSES
};
enum { /* known to the compiler, as the table is not */
#define LATENCY_EVERY(name, every, text) LATENCY_EVERY_##name = every,
       LATENCY_TABLE(LATENCY_EVERY)
#undef LATENCY_EVERY
};
struct latency_row {
    const char *name;
    uint32_t every;
    const char *text;
};
extern const struct latency_row latency_table[LATENCY_CLASSES];

#define LATENCY_SHARDS 4u
struct latencies {
    struct histogram shards[LATENCY_SHARDS][LATENCY_CLASSES];
};

/* One per thread: how many calls of each class to pass over before the next is timed. */
extern _Thread_local uint32_t latency_left[LATENCY_CLASSES];
uint64_t latency_sample(enum latency_class); /* the time, and draws when the next one comes */
uint32_t latency_draw(uint32_t every);       /* how many to pass over */

/* Before what is timed: the time, or 0 where it is not its turn. NULL latencies: nothing is timed. */
static inline uint64_t latency_begin(const struct latencies *latencies, enum latency_class class, uint32_t every)
{
    if (!latencies) {
        return 0;
    }
    if (every == 1) {
        return clock_monotonic_ns();
    }
    return __builtin_expect(latency_left[class] == 0, 0) ? latency_sample(class) : (latency_left[class]--, 0);
}
void latency_record(struct latencies *, enum latency_class, uint64_t ns);
void latency_add(struct latencies *, enum latency_class, uint64_t ns, uint64_t weight);
/* After it, with what latency_begin gave. */
static inline void latency_end(struct latencies *latencies, enum latency_class class, uint64_t began)
{
    if (__builtin_expect(began != 0, 0)) {
        latency_record(latencies, class, clock_monotonic_ns() - began);
    }
}
void latency_collect(const struct latencies *, enum latency_class, struct histogram_sum *);
#endif
