/* What the statistics are made of, shared by the JSON and the metrics. Private to src/store/report*.c. */
#ifndef NACRE_STORE_REPORT_H
#define NACRE_STORE_REPORT_H
#include "base/buffer.h"
#include "store/store.h"

enum figure_kind { COUNTER, GAUGE }; /* of Prometheus: a counter's name there ends in _total */
struct figure {
    const char *name;
    enum figure_kind kind;
    const char *text;
    uint64_t value;
};

/* Whose memory it is. name, text, expression over (store, totals, wal, parts) */
#define MEMORY_OWNERS(X) \
    X(memtables_active, "memtables that take writes", parts.active) \
    X(memtables_sealed, "memtables that wait for their flush", parts.sealed) \
    X(memtables_held, "flushed memtables that a reader still holds, or that are about to be freed", parts.held) \
    X(chunk_spares, "memory kept ready for the next memtables", chunk_pool_kept_bytes(store->chunks)) \
    X(block_cache, "the block cache", block_cache_memory(store->cache)) \
    X(readers_ordered, "fences, filters and indexes of segments of kind ordered", totals->readers[NACRE_ORDERED]) \
    X(readers_strings, "the same of kind strings", totals->readers[NACRE_STRINGS]) \
    X(readers_vectors, "the same of kind vectors: graphs and codes where they are not mapped, remembered filters", \
      totals->readers[NACRE_VECTORS] + totals->readers[0]) \
    X(dead_rows, "bitmaps of superseded rows", totals->tree.dead_bytes) \
    X(versions, "which segments there are", totals->tree.version_bytes) \
    X(gaps, "learned dead ranges", totals->gap_bytes) \
    X(building, "flushes, merges and builds of indexes that run now", parts.building) \
    X(transactions, "what transactions have read and written", \
      atomic_load_explicit(&store->changes.txn_bytes, memory_order_relaxed)) \
    X(log, "the log's own, less its maps", wal->heap_bytes) \
    X(value_log, "the value log's own, less its maps: files, and what was found good in them", parts.values) \
    X(handles, "collections, cursors and snapshots", parts.handles) \
    X(statistics, "the store itself, with these figures", sizeof *store + sizeof *store->latencies)
enum {
#define MEMORY_ONE(name, text, expression) +1
    MEMORY_OWNER_COUNT = 0 MEMORY_OWNERS(MEMORY_ONE)
#undef MEMORY_ONE
};
struct memory_report {
    struct figure owners[MEMORY_OWNER_COUNT];
    uint64_t total;
};

/* Of one collection. name, kind, text, expression over (collection, tree, view figures) */
#define COLLECTION_FIGURES(X) \
    X(keys, GAUGE, "live keys, estimated", about.keys) \
    X(memtable_bytes, GAUGE, "bytes of memtables", about.memtable_bytes) \
    X(sealed_bytes, GAUGE, "of these, in memtables that wait for their flush", about.sealed_bytes) \
    X(segments, GAUGE, "segments", about.segments) \
    X(segment_bytes, GAUGE, "bytes of segments", about.segment_bytes) \
    X(entries, GAUGE, "entries in segments, shadowed ones and tombstones included", tree->entries) \
    X(tombstones, GAUGE, "tombstones in segments", tree->deletes) \
    X(dead_rows, GAUGE, "rows of vectors that newer segments supersede", tree->dead_rows) \
    X(reclaimable_bytes, GAUGE, "bytes that merges would free, estimated", tree->reclaimable_bytes) \
    X(merge_debt_bytes, GAUGE, "bytes that merges are behind", tree_debt(collection->tree)) \
    X(missing_indexes, GAUGE, "segments without a good side file", tree->missing_indexes) \
    X(learned_indexes, GAUGE, "segments whose side file has a learned index", tree->learned_indexes) \
    X(index_builds_running, GAUGE, "indexes being made now", tree->index_builds) \
    X(indexes_built, COUNTER, "indexes made", tree->indexes) \
    X(quick_indexes_built, COUNTER, "first steps of indexes made", tree->quick_indexes) \
    X(flushes, COUNTER, "memtables flushed", tree->flushes) \
    X(flushed_bytes, COUNTER, "bytes written by flushes", tree->bytes_flushed) \
    X(merges, COUNTER, "units merged", tree->merges) \
    X(merges_running, GAUGE, "units being merged now", tree->running) \
    X(merge_read_bytes, COUNTER, "bytes read by merges", tree->bytes_merged_read) \
    X(merge_written_bytes, COUNTER, "bytes written by merges", tree->bytes_merged_written) \
    X(write_amplification_percent, GAUGE, "bytes that flushes and merges wrote, over those that flushes did", \
      about.write_amplification) \
    X(gets_sampled, COUNTER, "gets that were looked at for the next ones: one in 64, about", reads(gets)) \
    X(segments_asked, COUNTER, "segments that these asked", reads(segments)) \
    X(read_amplification_percent, GAUGE, "segments that a get asks, times 100", about.read_amplification) \
    X(filters_asked, COUNTER, "filters, and indexes that work as such, that these asked", reads(filter_asked)) \
    X(filters_said_no, COUNTER, "which spared a look", reads(filter_no)) \
    X(filters_were_wrong, COUNTER, "which did not, though the key was not there", reads(filter_wrong)) \
    X(cache_hits, COUNTER, "blocks that these found in the block cache", reads(cache_hits)) \
    X(cache_misses, COUNTER, "blocks that they did not", reads(cache_misses))
enum {
#define COLLECTION_ONE(name, kind, text, expression) +1
    COLLECTION_FIGURE_COUNT = 0 COLLECTION_FIGURES(COLLECTION_ONE)
#undef COLLECTION_ONE
};
struct collection_report {
    const nacre_collection *collection;
    struct figure figures[COLLECTION_FIGURE_COUNT];
    uint64_t memtable_bytes, active_memory, sealed_memory;
    struct tree_stats tree;
};

struct totals {
    struct value_weight values;
    uint64_t collections, memtable_bytes, segments, segment_bytes, debt, filters_missing;
    struct snapshot_counts held;
    uint64_t readers[NACRE_VECTORS + 1]; /* heap by kind; 0: of kinds that a program brought */
    uint64_t active_memory, sealed_memory, gap_bytes;
    struct tree_stats tree;
    struct collection_report *reports; /* memory_alloc'd */
    size_t report_capacity;
};

struct report {
    nacre_store *store;
    struct totals totals;
    struct wal_stats wal;
    struct memory_report memory;
    struct work_figures work[WORK_CLASSES];
    struct histogram_sum *latencies; /* LATENCY_CLASSES of them, memory_alloc'd */
};
/* All that statistics say, at about one instant. */
int report_make(nacre_store *, struct report *);
void report_free(struct report *);

int collection_report(nacre_collection *, struct collection_report *);
void memory_report(nacre_store *, const struct totals *, const struct wal_stats *, struct memory_report *);
#define LATENCY_PERCENTILES 5u
extern const double latency_percentiles[LATENCY_PERCENTILES];
extern const char *const latency_percentile_names[LATENCY_PERCENTILES];
/* The gauges and counters that are not in stats.h. */
size_t report_gauge_count(void);
void report_gauges(const struct report *, struct figure *gauges);
#endif
