/* Statistics as one JSON object. Any thread. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/autotune.h"
#include "store/report.h"
#include <unistd.h>

typedef unsigned long long number;

#define TEXT_BYTES 1100

static int append_figures(struct buffer *text, const struct figure *figures, size_t count)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = buffer_append_format(text, "\"%s\":%llu,", figures[i].name, (number)figures[i].value);
    }
    return status;
}

static int append_all_figures(const struct report *report, struct buffer *text)
{
    size_t count = report_gauge_count();
    struct figure *gauges = memory_alloc(count * sizeof *gauges);
    int status = gauges ? NACRE_OK : NACRE_NO_MEMORY;
    for (unsigned i = 0; i < STATS_COUNTER_COUNT && status == NACRE_OK; i++) {
        status = buffer_append_format(text, "\"%s\":%llu,", stats_name(i), (number)stats_sum(&report->store->stats, i));
    }
    if (status == NACRE_OK) {
        report_gauges(report, gauges);
        status = append_figures(text, gauges, count);
    }
    memory_free(gauges);
    return status;
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
                                "\"process\":%ld,\"time_ms\":%llu,\"state_name\":\"%s\",\"state_reason\":\"%s\","
                                "\"last_background_error\":\"%s\",\"last_background_error_ms\":%llu,\"stalled_by\":"
                                "\"%s\",",
                                (long)getpid(), (number)clock_wall_ms(), names[atomic_load(&store->state)],
                                log_escape(reason, escaped, sizeof escaped),
                                log_escape(error, error_escaped, sizeof error_escaped), (number)at,
                                stall_reason_text((enum stall_reason)atomic_load(&store->stall)));
}

static int append_latencies(const struct report *report, struct buffer *text)
{
    int status = buffer_append_format(text, "\"latency\":{");
    for (unsigned i = 0; i < LATENCY_CLASSES && status == NACRE_OK; i++) {
        const struct histogram_sum *sum = &report->latencies[i];
        status = buffer_append_format(text, "%s\"%s\":{\"one_in\":%u,\"count\":%llu,\"sum_ns\":%llu,\"mean_ns\":%llu",
                                      i ? "," : "", latency_table[i].name, latency_table[i].every, (number)sum->count,
                                      (number)sum->sum, (number)(sum->count ? sum->sum / sum->count : 0));
        for (unsigned p = 0; p < LATENCY_PERCENTILES && status == NACRE_OK; p++) {
            status = buffer_append_format(text, ",\"%s_ns\":%llu", latency_percentile_names[p],
                                          (number)histogram_value_at(sum, latency_percentiles[p]));
        }
        if (status == NACRE_OK) {
            status = buffer_append_format(text, ",\"max_ns\":%llu}", (number)sum->greatest);
        }
    }
    return status == NACRE_OK ? buffer_append_format(text, "},") : status;
}

static int append_memory(const struct report *report, struct buffer *text)
{
    int status = buffer_append_format(text, "\"memory\":{");
    if (status == NACRE_OK) {
        status = append_figures(text, report->memory.owners, MEMORY_OWNER_COUNT);
    }
    return status == NACRE_OK ? buffer_append_format(text, "\"total\":%llu},", (number)report->memory.total) : status;
}

static int append_log(nacre_store *store, const struct report *report, struct buffer *text)
{
    if (!store->wal) {
        return NACRE_OK;
    }
    char pin[NACRE_NAME_MAX + 1], escaped[2 * NACRE_NAME_MAX + 8];
    wal_position end = wal_end(store->wal), synced = wal_synced(store->wal);
    store_log_pin(store, pin);
    return buffer_append_format(
        text,
        "\"log\":{\"position\":\"%08x:%u\",\"durable_position\":\"%08x:%u\",\"files\":%llu,\"bytes\":%llu,"
        "\"oldest_file\":\"" WAL_FILE_NAME "\",\"pinned_by\":\"%s\"},",
        WAL_FILE(end), WAL_OFFSET(end), WAL_FILE(synced), WAL_OFFSET(synced), (number)report->wal.files,
        (number)wal_bytes(store->wal), wal_oldest_file(store->wal), log_escape(pin, escaped, sizeof escaped));
}

static int append_tasks(const struct report *report, struct buffer *text)
{
    int status = buffer_append_format(text, "\"tasks\":{");
    for (unsigned i = 0; i < WORK_CLASSES && status == NACRE_OK; i++) {
        const struct work_figures *f = &report->work[i];
        char error[TEXT_BYTES], name[2 * NACRE_NAME_MAX + 8];
        status = buffer_append_format(
            text,
            "%s\"%s\":{\"queued\":%llu,\"running\":%llu,\"done\":%llu,\"failed\":%llu,\"last_ns\":%llu,\"busy_ns\":%"
            "llu,"
            "\"error\":\"%s\",\"error_status\":\"%s\",\"error_collection\":\"%s\",\"error_ms\":%llu}",
            i ? "," : "", work_class_names[i], (number)f->queued, (number)f->running, (number)f->done,
            (number)f->failed, (number)f->last_ns, (number)f->busy_ns, log_escape(f->error, error, sizeof error),
            f->error_status ? nacre_status_name(f->error_status) : "",
            log_escape(f->error_collection, name, sizeof name), (number)f->error_ms);
    }
    return status == NACRE_OK ? buffer_append_format(text, "},") : status;
}

/* What of a view is no longer in its collection's present one, and so is kept for who holds it. */
static uint64_t kept_bytes(const nacre_collection *collection, struct view *held)
{
    uint64_t bytes = 0;
    struct view *now = view_hold((nacre_collection *)(uintptr_t)collection);
    for (uint32_t i = 0; i < held->table_count; i++) {
        bool present = false;
        for (uint32_t j = 0; j < now->table_count; j++) {
            present = present || now->tables[j] == held->tables[i];
        }
        bytes += present ? 0 : memtable_memory(held->tables[i]->memtable);
    }
    for (size_t r = 0; r < held->version->run_count; r++) {
        const struct run *run = &held->version->runs[r];
        for (size_t i = 0; i < run->count; i++) {
            bool gone = atomic_load_explicit(&run->pieces[i].segment->obsolete, memory_order_relaxed);
            bytes += gone ? run->pieces[i].bytes : 0;
        }
    }
    view_release(collection->store, now);
    return bytes;
}

static int append_holders(nacre_store *store, struct buffer *text)
{
    struct holders_look look = { .shown = 0 };
    holders_look(store, &look);
    int status = buffer_append_format(text, "\"holders\":[");
    uint64_t all = 0;
    for (unsigned kind = 0; kind < HOLDER_KINDS; kind++) {
        all += look.counts[kind];
    }
    for (unsigned i = 0; i < look.shown; i++) {
        const struct holder_look *h = &look.oldest[i];
        char name[2 * NACRE_NAME_MAX + 8];
        if (status == NACRE_OK) {
            status = buffer_append_format(
                text, "%s{\"what\":\"%s\",\"age_ms\":%llu,\"sequence\":%llu,\"collection\":\"%s\",\"kept_bytes\":%llu}",
                i ? "," : "", holder_kind_name(h->kind), (number)h->age_ms, (number)h->sequence,
                h->collection ? log_escape(h->collection->name, name, sizeof name) : "",
                (number)(h->view && h->collection ? kept_bytes(h->collection, h->view) : 0));
        }
        if (h->view) {
            view_release(store, h->view);
        }
    }
    return status == NACRE_OK ? buffer_append_format(text, "],\"holders_not_shown\":%llu,",
                                                     (number)(all > look.shown ? all - look.shown : 0))
                              : status;
}

static int append_collection(const struct collection_report *report, struct buffer *text)
{
    char name[2 * NACRE_NAME_MAX + 8];
    const struct tree_stats *tree = &report->tree;
    int status =
        buffer_append_format(text, "{\"name\":\"%s\",\"kind\":\"%s\",",
                             log_escape(report->collection->name, name, sizeof name), report->collection->kind->name);
    if (status == NACRE_OK) {
        status = append_figures(text, report->figures, COLLECTION_FIGURE_COUNT);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(text, "\"levels\":[");
    }
    for (unsigned level = 0; level < TREE_LEVELS && status == NACRE_OK; level++) {
        status = buffer_append_format(
            text, "%s{\"runs\":%llu,\"segments\":%llu,\"bytes\":%llu,\"entries\":%llu,\"tombstones\":%llu}",
            level ? "," : "", (number)tree->level_runs[level], (number)tree->level_segments[level],
            (number)tree->level_bytes[level], (number)tree->level_entries[level], (number)tree->level_deletes[level]);
    }
    return status == NACRE_OK ? buffer_append_format(text, "]}") : status;
}

static int append_collections(const struct report *report, struct buffer *text)
{
    int status = buffer_append_format(text, "\"collection\":[");
    for (size_t i = 0; i < report->totals.collections && status == NACRE_OK; i++) {
        status = i ? buffer_append_format(text, ",") : NACRE_OK;
        status = status == NACRE_OK ? append_collection(&report->totals.reports[i], text) : status;
    }
    return status == NACRE_OK ? buffer_append_format(text, "]}") : status;
}

int store_stats_json(nacre_store *store, char **json)
{
    struct buffer text = { 0 };
    struct report report;
    int status = report_make(store, &report);
    if (status == NACRE_OK && (status = buffer_append_format(&text, "{")) == NACRE_OK &&
        (status = append_all_figures(&report, &text)) == NACRE_OK &&
        (status = append_state(store, &text)) == NACRE_OK && (status = append_latencies(&report, &text)) == NACRE_OK &&
        (status = append_memory(&report, &text)) == NACRE_OK &&
        (status = append_log(store, &report, &text)) == NACRE_OK &&
        (status = append_tasks(&report, &text)) == NACRE_OK && (status = append_holders(store, &text)) == NACRE_OK &&
        (status = autotune_json(store, &text)) == NACRE_OK) {
        status = append_collections(&report, &text);
    }
    report_free(&report);
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}
