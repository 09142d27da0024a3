/* Statistics as JSON and as Prometheus text. One table of gauges and the table of counters (stats.h) make both. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/store.h"

/* name, text, expression over (store, wal, trees) */
#define GAUGES(X) \
    X(collections, "collections", totals.collections) \
    X(memtable_bytes, "bytes of memtables, sealed ones included", totals.memtable_bytes) \
    X(sealed_bytes, "bytes of memtables that wait for their flush", atomic_load(&store->sealed_bytes)) \
    X(memory_budget_bytes, "the memory budget", store->memory_budget) \
    X(chunk_pool_bytes, "memory that memtables hold or keep for the next", chunk_pool_bytes(store->chunks)) \
    X(cache_bytes, "bytes in the block cache", block_cache_bytes(store->cache)) \
    X(cache_hits, "blocks found in the block cache", hits) \
    X(cache_misses, "blocks not found in the block cache", misses) \
    X(segments, "segments", totals.segments) \
    X(segment_bytes, "bytes of segments", totals.segment_bytes) \
    X(entries, "entries in segments, shadowed ones and tombstones included", totals.tree.entries) \
    X(tombstones, "tombstones in segments", totals.tree.deletes) \
    X(reclaimable_bytes, "bytes that merges would free, estimated", totals.tree.reclaimable_bytes) \
    X(merge_debt_bytes, "bytes that merges are behind", totals.debt) \
    X(merges, "units merged", totals.tree.merges) \
    X(merge_moves, "pieces moved down without a merge", totals.tree.moves) \
    X(merge_drops, "pieces dropped without a merge", totals.tree.drops) \
    X(merges_running, "units being merged now", totals.tree.running) \
    X(flushed_bytes, "bytes written by flushes", totals.tree.bytes_flushed) \
    X(merge_read_bytes, "bytes read by merges", totals.tree.bytes_merged_read) \
    X(merge_written_bytes, "bytes written by merges", totals.tree.bytes_merged_written) \
    X(missing_indexes, "segments without a good side file", totals.tree.missing_indexes) \
    X(log_bytes, "bytes of live log files", store->wal ? wal_bytes(store->wal) : 0) \
    X(log_limit_bytes, "bound of the log", store->log_limit) \
    X(log_appends, "records appended", wal.appends) \
    X(log_appended_bytes, "bytes appended to the log", wal.bytes) \
    X(log_syncs, "syncs of the log", wal.syncs) \
    X(log_sync_ns, "nanoseconds spent in syncs of the log", wal.sync_ns_total) \
    X(log_sync_ns_max, "the longest sync of the log", wal.sync_ns_max) \
    X(log_rotations, "log files begun", wal.rotations) \
    X(log_recycled, "log files used again", wal.recycled) \
    X(sequence, "the visible sequence number", publish_visible(&store->publisher)) \
    X(snapshots, "live snapshots", totals.snapshots) \
    X(oldest_snapshot_age_ms, "age of the oldest snapshot", totals.oldest_snapshot_age_ms) \
    X(cursors, "open cursors", atomic_load(&store->cursors)) \
    X(pacing_ns_per_kib, "what a KiB written costs in delay now", atomic_load(&store->delay_ns_per_kib)) \
    X(compaction_pauses, "pauses of compaction in force", (unsigned)atomic_load(&store->compaction_pauses)) \
    X(recovery_records, "records replayed at open", store->recovery.records) \
    X(recovery_bytes, "bytes replayed at open", store->recovery.bytes) \
    X(recovery_ns, "nanoseconds of the replay at open", store->recovery_ns) \
    X(recovery_torn_bytes, "bytes of a torn tail cut off at open", store->recovery.torn_bytes) \
    X(recovery_damaged_regions, "damaged regions passed over by a salvaging open", store->recovery.damaged_regions) \
    X(state, "0 ok, 1 read-only, 2 failed", (unsigned)atomic_load(&store->state))

struct totals {
    struct buffer *json; /* one object per collection, or NULL */
    uint64_t collections, memtable_bytes, segments, segment_bytes, debt, snapshots, oldest_snapshot_age_ms;
    struct tree_stats tree;
};

static void add_tree(struct tree_stats *sum, const struct tree_stats *one)
{
    sum->entries += one->entries;
    sum->deletes += one->deletes;
    sum->flushes += one->flushes;
    sum->merges += one->merges;
    sum->moves += one->moves;
    sum->drops += one->drops;
    sum->bytes_flushed += one->bytes_flushed;
    sum->bytes_merged_read += one->bytes_merged_read;
    sum->bytes_merged_written += one->bytes_merged_written;
    sum->running += one->running;
    sum->missing_indexes += one->missing_indexes;
    sum->reclaimable_bytes += one->reclaimable_bytes;
}

static int describe(const nacre_collection *collection, const struct tree_stats *tree, uint64_t memtables,
                    struct totals *totals)
{
    char name[2 * NACRE_NAME_MAX + 8];
    struct buffer *json = totals->json;
    int status = buffer_append_format(
        json,
        "%s{\"name\":\"%s\",\"kind\":\"%s\",\"memtable_bytes\":%llu,\"entries\":%llu,\"tombstones\":%llu,"
        "\"merge_debt_bytes\":%llu,\"levels\":[",
        totals->collections > 1 ? "," : "", log_escape(collection->name, name, sizeof name), collection->kind->name,
        (unsigned long long)memtables, (unsigned long long)tree->entries, (unsigned long long)tree->deletes,
        (unsigned long long)tree_debt(collection->tree));
    for (unsigned level = 0; level < TREE_LEVELS && status == NACRE_OK; level++) {
        status = buffer_append_format(json, "%s{\"runs\":%llu,\"segments\":%llu,\"bytes\":%llu}", level ? "," : "",
                                      (unsigned long long)tree->level_runs[level],
                                      (unsigned long long)tree->level_segments[level],
                                      (unsigned long long)tree->level_bytes[level]);
    }
    return status == NACRE_OK ? buffer_append_format(json, "]}") : status;
}

static int add_collection(nacre_collection *collection, void *context)
{
    struct totals *totals = context;
    struct tree_stats tree = { 0 };
    uint64_t memtables = 0;
    tree_get_stats(collection->tree, &tree);
    struct view *view = view_hold(collection);
    for (uint32_t i = 0; i < view->table_count; i++) {
        memtables += memtable_bytes(view->tables[i]->memtable);
    }
    view_release(collection->store, view);
    totals->collections++;
    totals->memtable_bytes += memtables;
    totals->debt += tree_debt(collection->tree);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        totals->segments += tree.level_segments[level];
        totals->segment_bytes += tree.level_bytes[level];
    }
    add_tree(&totals->tree, &tree);
    return totals->json ? describe(collection, &tree, memtables, totals) : NACRE_OK;
}

static int collect(nacre_store *store, struct totals *totals)
{
    int status = store_each_collection(store, add_collection, totals);
    pthread_mutex_lock(&store->snapshots_lock);
    totals->snapshots = store->snapshot_count;
    uint64_t now = clock_wall_ms();
    for (const nacre_snapshot *s = store->snapshots; s; s = s->previous) {
        totals->oldest_snapshot_age_ms = now > s->created_ms ? now - s->created_ms : 0;
    }
    pthread_mutex_unlock(&store->snapshots_lock);
    return status;
}

struct gauge {
    const char *name, *text;
    uint64_t value;
};

#define GAUGE_ROW(name, text, expression) { #name, text, (uint64_t)(expression) },
#define GAUGE_ONE(name, text, expression) +1
enum { GAUGE_COUNT = 0 GAUGES(GAUGE_ONE) };

static void read_gauges(nacre_store *store, const struct totals *given, struct gauge gauges[GAUGE_COUNT])
{
    const struct totals totals = *given;
    struct wal_stats wal = { 0 };
    uint64_t hits, misses;
    if (store->wal) {
        wal_get_stats(store->wal, &wal);
    }
    block_cache_counts(store->cache, &hits, &misses);
    const struct gauge rows[GAUGE_COUNT] = { GAUGES(GAUGE_ROW) };
    memcpy(gauges, rows, sizeof rows);
}

static int append_state(nacre_store *store, struct buffer *text)
{
    static const char *const names[] = { "ok", "read_only", "failed" };
    char reason[sizeof store->state_reason], escaped[2 * sizeof reason], error[sizeof store->work.last_error],
        error_escaped[2 * sizeof error];
    pthread_mutex_lock(&store->state_lock);
    memcpy(reason, store->state_reason, sizeof reason);
    pthread_mutex_unlock(&store->state_lock);
    pthread_mutex_lock(&store->work.lock);
    memcpy(error, store->work.last_error, sizeof error);
    uint64_t at = store->work.last_error_ms;
    pthread_mutex_unlock(&store->work.lock);
    return buffer_append_format(text,
                                "\"state_name\":\"%s\",\"state_reason\":\"%s\",\"last_background_error\":\"%s\",\"last_"
                                "background_error_ms\":%llu",
                                names[atomic_load(&store->state)], log_escape(reason, escaped, sizeof escaped),
                                log_escape(error, error_escaped, sizeof error_escaped), (unsigned long long)at);
}

int store_stats_json(nacre_store *store, char **json)
{
    struct buffer text = { 0 }, collections = { 0 };
    struct totals totals = { .json = &collections };
    struct gauge gauges[GAUGE_COUNT];
    int status = collect(store, &totals);
    if (status == NACRE_OK) {
        read_gauges(store, &totals, gauges);
        status = buffer_append_format(&text, "{");
    }
    for (unsigned i = 0; i < STATS_COUNTER_COUNT && status == NACRE_OK; i++) {
        status =
            buffer_append_format(&text, "\"%s\":%llu,", stats_name(i), (unsigned long long)stats_sum(&store->stats, i));
    }
    for (unsigned i = 0; i < GAUGE_COUNT && status == NACRE_OK; i++) {
        status = buffer_append_format(&text, "\"%s\":%llu,", gauges[i].name, (unsigned long long)gauges[i].value);
    }
    if (status == NACRE_OK) {
        status = append_state(store, &text);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, ",\"collection\":[%s]}",
                                      collections.data ? (const char *)collections.data : "");
    }
    buffer_free(&collections);
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}

int store_metrics_text(nacre_store *store, char **metrics)
{
    struct buffer text = { 0 };
    struct totals totals = { 0 };
    struct gauge gauges[GAUGE_COUNT];
    int status = collect(store, &totals);
    for (unsigned i = 0; i < STATS_COUNTER_COUNT && status == NACRE_OK; i++) {
        const char *name = stats_name(i);
        status = buffer_append_format(&text,
                                      "# HELP nacre_%s_total %s\n# TYPE nacre_%s_total counter\nnacre_%s_total %llu\n",
                                      name, stats_text(i), name, name, (unsigned long long)stats_sum(&store->stats, i));
    }
    read_gauges(store, &totals, gauges);
    for (unsigned i = 0; i < GAUGE_COUNT && status == NACRE_OK; i++) {
        const char *name = gauges[i].name;
        status = buffer_append_format(&text, "# HELP nacre_%s %s\n# TYPE nacre_%s gauge\nnacre_%s %llu\n", name,
                                      gauges[i].text, name, name, (unsigned long long)gauges[i].value);
    }
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *metrics = (char *)text.data;
    return NACRE_OK;
}
