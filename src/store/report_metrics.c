/* Statistics in the text format of Prometheus: HELP and TYPE once per name, then its lines. Counters end in _total, times are in seconds, calls are
   summaries. Any thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/report.h"
#include <stddef.h>
#include <stdio.h>

typedef unsigned long long number;

static int append_head(struct buffer *text, const char *name, const char *type, const char *help)
{
    return buffer_append_format(text, "# HELP nacre_%s %s\n# TYPE nacre_%s %s\n", name, help, name, type);
}

static int append_figure(struct buffer *text, const struct figure *figure)
{
    const char *end = figure->kind == COUNTER ? "_total" : "", *name = figure->name;
    return buffer_append_format(text, "# HELP nacre_%s%s %s\n# TYPE nacre_%s%s %s\nnacre_%s%s %llu\n", name, end,
                                figure->text, name, end, figure->kind == COUNTER ? "counter" : "gauge", name, end,
                                (number)figure->value);
}

static int append_figures(const struct report *report, struct buffer *text)
{
    size_t count = report_gauge_count();
    struct figure *gauges = memory_alloc(count * sizeof *gauges);
    int status = gauges ? NACRE_OK : NACRE_NO_MEMORY;
    for (unsigned i = 0; i < STATS_COUNTER_COUNT && status == NACRE_OK; i++) {
        struct figure counter = { stats_name(i), COUNTER, stats_text(i), stats_sum(&report->store->stats, i) };
        status = append_figure(text, &counter);
    }
    if (status == NACRE_OK) {
        report_gauges(report, gauges);
    }
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = append_figure(text, &gauges[i]);
    }
    memory_free(gauges);
    return status;
}

static int append_latency(struct buffer *text, const char *call, const struct histogram_sum *sum)
{
    int status = NACRE_OK;
    for (unsigned i = 0; i < LATENCY_PERCENTILES && status == NACRE_OK; i++) {
        status =
            buffer_append_format(text, "nacre_call_seconds{call=\"%s\",quantile=\"%g\"} %.9g\n", call,
                                 latency_percentiles[i], (double)histogram_value_at(sum, latency_percentiles[i]) / 1e9);
    }
    return status == NACRE_OK ? buffer_append_format(text,
                                                     "nacre_call_seconds_sum{call=\"%s\"} %.9g\n"
                                                     "nacre_call_seconds_count{call=\"%s\"} %llu\n",
                                                     call, (double)sum->sum / 1e9, call, (number)sum->count)
                              : status;
}

static int append_latencies(const struct report *report, struct buffer *text)
{
    int status = append_head(text, "call_seconds", "summary", "how long calls and the work behind them took");
    for (unsigned i = 0; i < LATENCY_CLASSES && status == NACRE_OK; i++) {
        status = append_latency(text, latency_table[i].name, &report->latencies[i]);
    }
    return status;
}

static int append_memory(const struct report *report, struct buffer *text)
{
    int status =
        append_head(text, "memory_owner_bytes", "gauge", "what the store holds of the system's memory, by owner");
    for (unsigned i = 0; i < MEMORY_OWNER_COUNT && status == NACRE_OK; i++) {
        const struct figure *owner = &report->memory.owners[i];
        status = buffer_append_format(text, "nacre_memory_owner_bytes{owner=\"%s\"} %llu\n", owner->name,
                                      (number)owner->value);
    }
    return status;
}

/* One name, a line per class of work. */
static int append_task(const struct report *report, struct buffer *text, const struct figure *what, size_t offset)
{
    int status = append_head(text, what->name, what->kind == COUNTER ? "counter" : "gauge", what->text);
    for (unsigned i = 0; i < WORK_CLASSES && status == NACRE_OK; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&report->work[i] + offset, sizeof value);
        status =
            buffer_append_format(text, "nacre_%s{task=\"%s\"} %llu\n", what->name, work_class_names[i], (number)value);
    }
    return status;
}

static int append_tasks(const struct report *report, struct buffer *text)
{
    static const struct figure names[] = {
        { "tasks_queued", GAUGE, "tasks in the background that wait", 0 },
        { "tasks_running", GAUGE, "tasks in the background that run", 0 },
        { "tasks_done_total", COUNTER, "tasks in the background that ended well", 0 },
        { "tasks_failed_total", COUNTER, "tasks in the background that failed", 0 }
    };
    static const size_t offsets[] = { offsetof(struct work_figures, queued), offsetof(struct work_figures, running),
                                      offsetof(struct work_figures, done), offsetof(struct work_figures, failed) };
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0] && status == NACRE_OK; i++) {
        status = append_task(report, text, &names[i], offsets[i]);
    }
    return status;
}

/* A label's value: backslash, quote and newline are escaped; names of collections have no control characters. */
static void escape_label(const char *name, char *out)
{
    for (; *name; name++) {
        if (*name == '"' || *name == '\\') {
            *out++ = '\\';
        }
        *out++ = *name;
    }
    *out = 0;
}

static int append_collections(const struct report *report, struct buffer *text)
{
    const struct totals *totals = &report->totals;
    int status = NACRE_OK;
    for (unsigned f = 0; f < COLLECTION_FIGURE_COUNT && totals->collections > 0 && status == NACRE_OK; f++) {
        const struct figure *what = &totals->reports[0].figures[f];
        char name[128];
        (void)snprintf(name, sizeof name, "collection_%s%s", what->name, what->kind == COUNTER ? "_total" : "");
        status = append_head(text, name, what->kind == COUNTER ? "counter" : "gauge", what->text);
        for (size_t i = 0; i < totals->collections && status == NACRE_OK; i++) {
            char label[2 * NACRE_NAME_MAX + 1];
            escape_label(totals->reports[i].collection->name, label);
            status = buffer_append_format(text, "nacre_%s{collection=\"%s\",kind=\"%s\"} %llu\n", name, label,
                                          totals->reports[i].collection->kind->name,
                                          (number)totals->reports[i].figures[f].value);
        }
    }
    return status;
}

int store_metrics_text(nacre_store *store, char **metrics)
{
    struct buffer text = { 0 };
    struct report report;
    int status = report_make(store, &report);
    if (status == NACRE_OK && (status = append_figures(&report, &text)) == NACRE_OK &&
        (status = append_latencies(&report, &text)) == NACRE_OK &&
        (status = append_memory(&report, &text)) == NACRE_OK && (status = append_tasks(&report, &text)) == NACRE_OK) {
        status = append_collections(&report, &text);
    }
    report_free(&report);
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *metrics = (char *)text.data;
    return NACRE_OK;
}
