/* The live view (see dashboard.h). A line is made in memory, cut to the width in characters, and then written. */
#include "dashboard.h"
#include "print.h"
#include "stats.h"
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES 1024u
#define BAR_WIDTH  8u

struct page {
    FILE *out;
    const struct dashboard *view;
    const json_t *now;
    unsigned width, left; /* lines that fit; UINT_MAX where there is no bound */
    char line[LINE_BYTES];
    size_t size;
};

static uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static const char *string(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

__attribute__((format(printf, 2, 3))) static void add(struct page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(page->line + page->size, LINE_BYTES - page->size, format, arguments);
    va_end(arguments);
    size_t room = LINE_BYTES - 1 - page->size;
    page->size += more < 0 ? 0 : (size_t)more < room ? (size_t)more : room;
}

/* Ends the line: names may hold any UTF-8, so characters are counted and not bytes. */
static void end_line(struct page *page, const char *style)
{
    unsigned shown = 0;
    size_t size = 0;
    while (size < page->size && (!page->width || shown < page->width)) {
        size++;
        while (size < page->size && ((unsigned char)page->line[size] & 0xC0) == 0x80) {
            size++;
        }
        shown++;
    }
    bool styled = page->view->colour && style;
    if (page->left > 0) {
        fprintf(page->out, "%s%.*s%s\n", styled ? style : "", (int)size, page->line, styled ? "\033[0m" : "");
        page->left--;
    }
    page->size = 0;
}

/* Per second since the last look; "-" where that is not known. */
static const char *rate(const struct page *page, const char *name, bool bytes, char out[FIGURE_SIZE])
{
    const struct dashboard *view = page->view;
    uint64_t now = number(page->now, name), before = view->before ? number(view->before, name) : 0;
    if (!view->before || view->seconds <= 0 || now < before) {
        return "-";
    }
    double value = (double)(now - before) / view->seconds;
    return bytes ? figure_bytes(value, out) : figure_count(value, out);
}

static void print_head(struct page *page)
{
    char clock[16] = "", a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE];
    time_t at = (time_t)(number(page->now, "time_ms") / 1000);
    struct tm broken;
    if (localtime_r(&at, &broken)) {
        (void)strftime(clock, sizeof clock, "%H:%M:%S", &broken);
    }
    const char *state = string(page->now, "state_name"), *reason = string(page->now, "state_reason");
    bool live = json_is_true(json_object_get(page->now, "live"));
    add(page, "%s  ", clock);
    if (live) {
        add(page, "written by process %llu, %s%s%s", (unsigned long long)number(page->now, "process"), state,
            reason[0] ? ": " : "", reason);
    } else {
        add(page, "nobody has it open for writing");
    }
    add(page, "  %s", page->view->path);
    end_line(page, "\033[1m");
    add(page, "on disk: segments %s, log %s    sequence %s",
        figure_bytes((double)stats_folder_bytes(page->view->path, "segments"), a),
        figure_bytes((double)stats_folder_bytes(page->view->path, "log"), b),
        figure_exact(number(page->now, "sequence"), c));
    end_line(page, NULL);
}

static void print_rates(struct page *page)
{
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE], d[FIGURE_SIZE], e[FIGURE_SIZE];
    add(page, "per second: puts %s  deletes %s  commits %s  gets %s  scans %s", rate(page, "puts", false, a),
        rate(page, "deletes", false, b), rate(page, "commits", false, c), rate(page, "gets", false, d),
        rate(page, "scans", false, e));
    end_line(page, NULL);
    add(page, "  searches %s  nearest %s  written: log %s  flush %s  merge %s", rate(page, "searches", false, a),
        rate(page, "nearest_searches", false, b), rate(page, "log_appended_bytes", true, c),
        rate(page, "flushed_bytes", true, d), rate(page, "merge_written_bytes", true, e));
    end_line(page, NULL);
}

/* Those that were called, the most often called first. */
static void print_latencies(struct page *page, unsigned most)
{
    const json_t *latencies = json_object_get(page->now, "latency"), *shown[64] = { NULL };
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE], d[FIGURE_SIZE], e[FIGURE_SIZE];
    add(page, "%-16s %9s %9s %9s %9s %9s", "latency", "calls", "p50", "p99", "p99.9", "max");
    end_line(page, "\033[1m");
    for (unsigned row = 0; row < most; row++) {
        const char *name, *best = NULL;
        const json_t *one, *found = NULL;
        json_object_foreach((json_t *)(uintptr_t)latencies, name, one)
        {
            bool seen = false;
            for (unsigned i = 0; i < row; i++) {
                seen = seen || shown[i] == one;
            }
            if (!seen && number(one, "count") > (found ? number(found, "count") : 0)) {
                found = one;
                best = name;
            }
        }
        if (!found) {
            return;
        }
        shown[row] = found;
        add(page, "%-16s %9s %9s %9s %9s %9s", best, figure_count((double)number(found, "count"), a),
            figure_time((double)number(found, "p50_ns") * 1e-9, b),
            figure_time((double)number(found, "p99_ns") * 1e-9, c),
            figure_time((double)number(found, "p99_9_ns") * 1e-9, d),
            figure_time((double)number(found, "max_ns") * 1e-9, e));
        end_line(page, NULL);
    }
}

static void print_stalls(struct page *page)
{
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE], d[FIGURE_SIZE];
    const char *now = string(page->now, "stalled_by");
    add(page, "stalls %s, %s in all, %s refused    merges behind by %s%s%s",
        figure_exact(number(page->now, "stalls"), a), figure_time((double)number(page->now, "stall_ns") * 1e-9, b),
        figure_exact(number(page->now, "busy"), c), figure_bytes((double)number(page->now, "merge_debt_bytes"), d),
        now[0] ? "    now: " : "", now);
    end_line(page, now[0] ? "\033[33m" : NULL);
}

static void print_memory(struct page *page)
{
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE], d[FIGURE_SIZE];
    const json_t *memory = json_object_get(page->now, "memory");
    add(page, "memory %s of %s: memtables %s, block cache %s", figure_bytes((double)number(memory, "total"), a),
        figure_bytes((double)number(page->now, "memory_budget_bytes"), b),
        figure_bytes((double)(number(memory, "memtables_active") + number(memory, "memtables_sealed")), c),
        figure_bytes((double)number(memory, "block_cache"), d));
    add(page, ", building %s", figure_bytes((double)number(memory, "building"), a));
    end_line(page, NULL);
}

static void print_log(struct page *page)
{
    char a[FIGURE_SIZE], b[FIGURE_SIZE];
    const json_t *log = json_object_get(page->now, "log");
    const char *pin = string(log, "pinned_by");
    add(page, "log %s of %s in %llu files", figure_bytes((double)number(page->now, "log_bytes"), a),
        figure_bytes((double)number(page->now, "log_limit_bytes"), b), (unsigned long long)number(log, "files"));
    if (log) {
        add(page, ", at %s, durable to %s%s%s", string(log, "position"), string(log, "durable_position"),
            pin[0] ? ", kept for " : "", pin);
    }
    end_line(page, NULL);
}

static void print_tasks(struct page *page)
{
    static const char *const names[] = { "flush", "prepare", "merge", "long_merge", "index" };
    const json_t *tasks = json_object_get(page->now, "tasks");
    add(page, "tasks, running + waiting:");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *task = json_object_get(tasks, names[i]);
        add(page, " %s %llu+%llu", names[i], (unsigned long long)number(task, "running"),
            (unsigned long long)number(task, "queued"));
    }
    add(page, "  seals %llu", (unsigned long long)number(page->now, "seals"));
    end_line(page, NULL);
}

static void print_trouble(struct page *page)
{
    const char *trouble = string(page->now, "last_background_error");
    const json_t *oldest = json_array_get(json_object_get(page->now, "holders"), 0);
    char a[FIGURE_SIZE], b[FIGURE_SIZE];
    if (trouble[0]) {
        add(page, "last trouble: %s", trouble);
        end_line(page, "\033[31m");
    }
    if (oldest) {
        add(page, "oldest holder: %s for %s, keeps %s; %llu snapshots, %llu cursors, %llu values",
            string(oldest, "what"), figure_time((double)number(oldest, "age_ms") * 1e-3, a),
            figure_bytes((double)number(oldest, "kept_bytes"), b), (unsigned long long)number(page->now, "snapshots"),
            (unsigned long long)number(page->now, "cursors"), (unsigned long long)number(page->now, "values"));
        end_line(page, NULL);
    }
}

static uint64_t largest_level(const json_t *collections)
{
    uint64_t most = 0;
    for (size_t i = 0; i < json_array_size(collections); i++) {
        const json_t *levels = json_object_get(json_array_get(collections, i), "levels");
        for (size_t level = 0; level < json_array_size(levels); level++) {
            uint64_t bytes = number(json_array_get(levels, level), "bytes");
            most = bytes > most ? bytes : most;
        }
    }
    return most;
}

static void add_bar(struct page *page, uint64_t bytes, uint64_t most)
{
    char bar[BAR_WIDTH + 1];
    unsigned filled = most ? (unsigned)((double)bytes / (double)most * BAR_WIDTH + 0.5) : 0;
    filled = bytes && filled == 0 ? 1 : filled;
    for (unsigned i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < filled ? '#' : '.';
    }
    bar[BAR_WIDTH] = 0;
    add(page, "%s", bar);
}

static void print_collection(struct page *page, const json_t *one, uint64_t most)
{
    char a[FIGURE_SIZE], b[FIGURE_SIZE];
    const json_t *levels = json_object_get(one, "levels");
    add(page, "%-16.16s %-8s %7s %9s", string(one, "name"), string(one, "kind"),
        figure_count((double)number(one, "keys"), a), figure_bytes((double)number(one, "memtable_bytes"), b));
    for (size_t level = 0; level < json_array_size(levels); level++) {
        const json_t *l = json_array_get(levels, level);
        if (number(l, "segments")) {
            add(page, " %zu", level);
            add_bar(page, number(l, "bytes"), most);
            add(page, "%s/%llu", figure_bytes((double)number(l, "bytes"), a),
                (unsigned long long)number(l, "segments"));
        }
    }
    end_line(page, NULL);
}

static void print_collections(struct page *page)
{
    const json_t *list = json_object_get(page->now, "collection");
    uint64_t most = largest_level(list);
    add(page, "%-16s %-8s %7s %9s levels: bytes/segments", "collection", "kind", "keys", "in memory");
    end_line(page, "\033[1m");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (page->left == 1 && i + 1 < json_array_size(list)) {
            add(page, "and %zu more", json_array_size(list) - i);
            end_line(page, NULL);
            return;
        }
        print_collection(page, json_array_get(list, i), most);
    }
}

void dashboard_print(FILE *out, const struct dashboard *view, const json_t *now, unsigned width, unsigned height)
{
    struct page page = { .out = out, .view = view, .now = now, .width = width, .left = height ? height : UINT_MAX };
    print_head(&page);
    print_rates(&page);
    print_latencies(&page, 6);
    print_stalls(&page);
    print_memory(&page);
    print_log(&page);
    print_tasks(&page);
    print_trouble(&page);
    print_collections(&page);
}
