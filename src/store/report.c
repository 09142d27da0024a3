/* Gathering what statistics say. One table of figures, with that of stats.h and those of report.h, makes JSON, metrics and docs.
   Any thread; takes the locks of what it asks, one after another. */
#include "store/report.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

/* name, kind, text, expression over (report, store, totals, wal, ...) */
#define GAUGES(X) \
    X(collections, GAUGE, "collections", totals.collections) \
    X(memtable_bytes, GAUGE, "bytes of memtables, sealed ones included", totals.memtable_bytes) \
    X(sealed_bytes, GAUGE, "bytes of memtables that wait for their flush", atomic_load(&store->sealed_bytes)) \
    X(memory_budget_bytes, GAUGE, "the memory budget", store->memory_budget) \
    X(chunk_pool_bytes, GAUGE, "memory that memtables hold or keep for the next", chunk_pool_bytes(store->chunks)) \
    X(cache_bytes, GAUGE, "bytes in the block cache", block_cache_bytes(store->cache)) \
    X(cache_hits, COUNTER, "blocks found in the block cache", hits) \
    X(cache_misses, COUNTER, "blocks not found in the block cache", misses) \
    X(memory_bytes, GAUGE, "what the store holds of the system's memory, all owners together", report->memory.total) \
    X(memory_allocated_bytes, GAUGE, "what all stores of the process hold, by the allocator's own sizes", \
      used.heap_bytes + used.mapped_bytes) \
    X(mapped_bytes, GAUGE, "bytes of segments and their side files that are mapped; not in memory_bytes", \
      totals.tree.mapped_bytes) \
    X(file_handles, GAUGE, "open file handles", handles.open) \
    X(file_handles_most, GAUGE, "the bound on them", handles.most) \
    X(file_handles_reopened, COUNTER, "files opened again that had been closed for room", handles.reopened) \
    X(disk_reserve_given_up, GAUGE, "1 while the disk is full and the reserve is used for what frees space", \
      (unsigned)atomic_load(&store->space_low)) \
    X(memory_outside_bytes, GAUGE, "what is held beside memtables and the block cache, as last looked at", \
      atomic_load(&store->budget.outside)) \
    X(build_waits, COUNTER, "builds of indexes that waited for memory", atomic_load(&store->budget.waits)) \
    X(segments, GAUGE, "segments", totals.segments) \
    X(segment_bytes, GAUGE, "bytes of segments", totals.segment_bytes) \
    X(pinned_segments, GAUGE, "removed segments whose files stay for readers in other processes", \
      atomic_load(&store->pinned_segments)) \
    X(pinned_age_ms, GAUGE, "for how long the first of these has waited for them", store_pinned_age_ms(store)) \
    X(entries, GAUGE, "entries in segments, shadowed ones and tombstones included", totals.tree.entries) \
    X(tombstones, GAUGE, "tombstones in segments", totals.tree.deletes) \
    X(operands, GAUGE, "operands of merges in segments, that are not folded into values yet", totals.tree.operands) \
    X(operands_folded, COUNTER, "operands that merges folded into values", totals.tree.operands_folded) \
    X(fold_failures, COUNTER, "times that a merge operator failed on a key in the background, whose operands stayed", \
      totals.tree.fold_failures) \
    X(filter_removed, COUNTER, "entries that compaction filters removed", totals.tree.filter_removed) \
    X(filter_changed, COUNTER, "entries that compaction filters changed", totals.tree.filter_changed) \
    X(filter_redone, COUNTER, "units merged again without their filter because of a snapshot", \
      totals.tree.filter_redone) \
    X(compaction_filters_missing, GAUGE, "collections whose compaction filter the program has not given", \
      totals.filters_missing) \
    X(reclaimable_bytes, GAUGE, "bytes that merges would free, estimated", \
      totals.tree.reclaimable_bytes + totals.values.garbage_bytes) \
    X(merge_debt_bytes, GAUGE, "bytes that merges are behind", totals.debt) \
    X(merges, COUNTER, "units merged", totals.tree.merges) \
    X(merge_moves, COUNTER, "pieces moved down without a merge", totals.tree.moves) \
    X(merge_drops, COUNTER, "pieces dropped without a merge", totals.tree.drops) \
    X(merges_running, GAUGE, "units being merged now", totals.tree.running) \
    X(flushed_bytes, COUNTER, "bytes written by flushes", totals.tree.bytes_flushed) \
    X(merge_read_bytes, COUNTER, "bytes read by merges", totals.tree.bytes_merged_read) \
    X(merge_written_bytes, COUNTER, "bytes written by merges", totals.tree.bytes_merged_written) \
    X(missing_indexes, GAUGE, "segments without a good side file", totals.tree.missing_indexes) \
    X(learned_indexes, GAUGE, "segments whose side file has a learned index", totals.tree.learned_indexes) \
    X(index_builds_running, GAUGE, "indexes of segments being made now", totals.tree.index_builds) \
    X(indexes_built, COUNTER, "indexes made beside flushes and merges or after them", totals.tree.indexes) \
    X(quick_indexes_built, COUNTER, "first steps of indexes made: codes without a graph", totals.tree.quick_indexes) \
    X(dead_rows, GAUGE, "rows of vectors in segments that newer segments supersede", totals.tree.dead_rows) \
    X(value_log_bytes, GAUGE, "bytes of value files", totals.values.bytes) \
    X(value_log_live_bytes, GAUGE, "bytes in value files that segments or memtables point to, estimated", \
      totals.values.live_bytes) \
    X(value_log_garbage_bytes, GAUGE, "the rest of them, which draining frees", totals.values.garbage_bytes) \
    X(value_log_mapped_bytes, GAUGE, "bytes of value files that are mapped; not in memory_bytes", values.mapped_bytes) \
    X(value_log_files, GAUGE, "value files", totals.values.files) \
    X(value_log_draining, GAUGE, "value files that values are moved out of", totals.values.draining) \
    X(value_log_unreadable, GAUGE, "value files that stay because a value could not be read from them", \
      totals.values.unreadable) \
    X(value_log_appends, COUNTER, "values written to value files, those moved by merges included", values.appends) \
    X(value_log_appended_bytes, COUNTER, "bytes that these took", values.appended_bytes) \
    X(value_log_reads, COUNTER, "values read from value files", values.reads) \
    X(value_log_read_bytes, COUNTER, "bytes of these", values.read_bytes) \
    X(value_log_syncs, COUNTER, "syncs of value files", values.syncs) \
    X(value_log_sync_ns, COUNTER, "nanoseconds spent in these", values.sync_ns_total) \
    X(value_log_sync_ns_max, GAUGE, "the longest of them", values.sync_ns_max) \
    X(value_log_removed, COUNTER, "value files removed", values.removed) \
    X(value_log_moved, COUNTER, "values moved out of value files that were to go", totals.tree.values_moved) \
    X(value_log_moved_bytes, COUNTER, "bytes of these", totals.tree.value_bytes_moved) \
    X(log_bytes, GAUGE, "bytes of live log files", store->wal ? wal_bytes(store->wal) : 0) \
    X(log_limit_bytes, GAUGE, "bound of the log", store->log_limit) \
    X(log_appends, COUNTER, "records appended", wal.appends) \
    X(log_appended_bytes, COUNTER, "bytes appended to the log", wal.bytes) \
    X(log_syncs, COUNTER, "syncs of the log", wal.syncs) \
    X(log_sync_ns, COUNTER, "nanoseconds spent in syncs of the log", wal.sync_ns_total) \
    X(log_sync_ns_max, GAUGE, "the longest sync of the log", wal.sync_ns_max) \
    X(log_rotations, COUNTER, "log files begun", wal.rotations) \
    X(log_recycled, COUNTER, "log files used again", wal.recycled) \
    X(log_files, GAUGE, "live log files that this opening made", wal.files) \
    X(log_mapped_bytes, GAUGE, "bytes of log files that are mapped; not in memory_bytes", wal.mapped_bytes) \
    X(sequence, GAUGE, "the visible sequence number", publish_visible(&store->publisher)) \
    X(snapshots, GAUGE, "live snapshots", totals.held.snapshots) \
    X(oldest_snapshot_age_ms, GAUGE, "age of the oldest snapshot", totals.held.oldest_snapshot_age_ms) \
    X(cursors, GAUGE, "open cursors", atomic_load(&store->cursors)) \
    X(transactions, GAUGE, "open transactions", totals.held.transactions) \
    X(oldest_transaction_age_ms, GAUGE, "age of the oldest transaction", totals.held.oldest_transaction_age_ms) \
    X(transaction_bytes, GAUGE, "memory that transactions were granted", atomic_load(&store->changes.txn_bytes)) \
    X(values, GAUGE, "values given out in place and not given back", \
      stats_sum(&store->stats, STATS_values_held) - stats_sum(&store->stats, STATS_values_released)) \
    X(pacing_ns_per_kib, GAUGE, "what a KiB written costs in delay now", atomic_load(&store->delay_ns_per_kib)) \
    X(compaction_pauses, GAUGE, "pauses of compaction in force", (unsigned)atomic_load(&store->compaction_pauses)) \
    X(recovery_records, GAUGE, "records replayed at open", store->recovery.records) \
    X(recovery_bytes, GAUGE, "bytes replayed at open", store->recovery.bytes) \
    X(recovery_ns, GAUGE, "nanoseconds of the replay at open", store->recovery_ns) \
    X(recovery_torn_bytes, GAUGE, "bytes of a torn tail cut off at open", store->recovery.torn_bytes) \
    X(recovery_damaged_regions, GAUGE, "damaged regions passed over by a salvaging open", \
      store->recovery.damaged_regions) \
    X(state, GAUGE, "0 ok, 1 read-only, 2 failed", (unsigned)atomic_load(&store->state))

const double latency_percentiles[LATENCY_PERCENTILES] = { 0.5, 0.9, 0.99, 0.999, 0.9999 };
const char *const latency_percentile_names[LATENCY_PERCENTILES] = { "p50", "p90", "p99", "p99_9", "p99_99" };

static void add_tree(struct tree_stats *sum, const struct tree_stats *one)
{
    sum->entries += one->entries;
    sum->deletes += one->deletes;
    sum->operands += one->operands;
    sum->operands_folded += one->operands_folded;
    sum->fold_failures += one->fold_failures;
    sum->filter_removed += one->filter_removed;
    sum->filter_changed += one->filter_changed;
    sum->filter_redone += one->filter_redone;
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
    sum->dead_rows += one->dead_rows;
    sum->index_builds += one->index_builds;
    sum->indexes += one->indexes;
    sum->quick_indexes += one->quick_indexes;
    sum->dead_bytes += one->dead_bytes;
    sum->version_bytes += one->version_bytes;
    sum->mapped_bytes += one->mapped_bytes;
    sum->learned_indexes += one->learned_indexes;
    sum->values_moved += one->values_moved;
    sum->value_bytes_moved += one->value_bytes_moved;
}

static int make_room(struct totals *totals)
{
    void *reports = totals->reports;
    int status =
        memory_grow(&reports, &totals->report_capacity, (size_t)totals->collections + 1, sizeof *totals->reports);
    totals->reports = reports;
    return status;
}

static int add_collection(nacre_collection *collection, void *context)
{
    struct totals *totals = context;
    int status = make_room(totals);
    if (status != NACRE_OK) {
        return status;
    }
    struct collection_report *report = &totals->reports[totals->collections++];
    memset(report, 0, sizeof *report);
    status = collection_report(collection, report);
    totals->filters_missing += collection->compaction_filter_name && !collection->compaction_filter;
    totals->memtable_bytes += report->memtable_bytes;
    totals->active_memory += report->active_memory;
    totals->sealed_memory += report->sealed_memory;
    totals->gap_bytes += gap_cache_bytes(&collection->gaps);
    totals->debt += tree_debt(collection->tree);
    uint32_t kind = collection->kind->code;
    totals->readers[kind <= NACRE_VECTORS ? kind : 0] += report->tree.readers_bytes;
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        totals->segments += report->tree.level_segments[level];
        totals->segment_bytes += report->tree.level_bytes[level];
    }
    add_tree(&totals->tree, &report->tree);
    return status;
}

static int collect_totals(nacre_store *store, struct totals *totals)
{
    int status = store_each_collection(store, add_collection, totals);
    if (status == NACRE_OK) {
        status = store_value_weight(store, &totals->values);
    }
    store_count_snapshots(store, &totals->held);
    return status;
}

int report_make(nacre_store *store, struct report *report)
{
    *report = (struct report){ .store = store };
    int status = collect_totals(store, &report->totals);
    if (status != NACRE_OK) {
        return status;
    }
    report->latencies = memory_zalloc(LATENCY_CLASSES * sizeof *report->latencies);
    if (!report->latencies) {
        return NACRE_NO_MEMORY;
    }
    for (unsigned i = 0; i < LATENCY_CLASSES; i++) {
        latency_collect(store->latencies, (enum latency_class)i, &report->latencies[i]);
    }
    if (store->wal) {
        wal_get_stats(store->wal, &report->wal);
    }
    memory_report(store, &report->totals, &report->wal, &report->memory);
    work_get_figures(store, report->work);
    return NACRE_OK;
}

void report_free(struct report *report)
{
    memory_free(report->totals.reports);
    memory_free(report->latencies);
}

#define GAUGE_ONE(name, kind, text, expression) +1
enum { GAUGE_COUNT = 0 GAUGES(GAUGE_ONE) };
#define GAUGE_ROW(name, kind, text, expression) { #name, kind, text, (uint64_t)(expression) },

size_t report_gauge_count(void)
{
    return GAUGE_COUNT;
}

void report_gauges(const struct report *report, struct figure *gauges)
{
    nacre_store *store = report->store;
    const struct totals totals = report->totals;
    const struct wal_stats wal = report->wal;
    const struct memory_use used = memory_used();
    struct value_log_stats values = { 0 };
    struct os_handle_counts handles;
    uint64_t hits, misses;
    os_handles_count(store->handles, &handles);
    if (store->values) {
        value_log_get_stats(store->values, &values);
    }
    block_cache_counts(store->cache, &hits, &misses);
    const struct figure rows[GAUGE_COUNT] = { GAUGES(GAUGE_ROW) };
    memcpy(gauges, rows, sizeof rows);
}
