/* Statistics as a table (see stats.h). Figures that are zero are left out: what is shown is what there is. */
#include "stats.h"
#include "print.h"
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define ANSWER_MS 1000u

enum unit { COUNT, BYTES, NANOSECONDS, MILLISECONDS };

/* group, name in the JSON, what a person reads, unit */
static const struct row {
    const char *group, *name, *label;
    enum unit unit;
} rows[] = {
    { "data", "segments", "segments", COUNT },
    { "data", "segment_bytes", "bytes in segments", BYTES },
    { "data", "entries", "entries in segments", COUNT },
    { "data", "tombstones", "tombstones among them", COUNT },
    { "data", "reclaimable_bytes", "merges would free", BYTES },
    { "data", "merge_debt_bytes", "merges are behind by", BYTES },
    { "data", "missing_indexes", "segments without index", COUNT },
    { "memory", "memtable_bytes", "memtables", BYTES },
    { "memory", "sealed_bytes", "waiting for their flush", BYTES },
    { "memory", "cache_bytes", "block cache", BYTES },
    { "memory", "cache_hits", "cache hits", COUNT },
    { "memory", "cache_misses", "cache misses", COUNT },
    { "memory", "memory_budget_bytes", "budget", BYTES },
    { "log", "log_bytes", "live log files", BYTES },
    { "log", "log_limit_bytes", "limit", BYTES },
    { "log", "log_appends", "records appended", COUNT },
    { "log", "log_appended_bytes", "bytes appended", BYTES },
    { "log", "log_syncs", "syncs", COUNT },
    { "log", "log_sync_ns", "time in syncs", NANOSECONDS },
    { "log", "log_sync_ns_max", "longest sync", NANOSECONDS },
    { "log", "log_rotations", "files begun", COUNT },
    { "log", "log_recycled", "files used again", COUNT },
    { "recovery at this opening", "recovery_records", "records replayed", COUNT },
    { "recovery at this opening", "recovery_bytes", "bytes replayed", BYTES },
    { "recovery at this opening", "recovery_ns", "time", NANOSECONDS },
    { "recovery at this opening", "recovery_torn_bytes", "torn tail", BYTES },
    { "recovery at this opening", "recovery_damaged_regions", "damaged regions passed over", COUNT },
    { "writes since this opening", "puts", "puts", COUNT },
    { "writes since this opening", "deletes", "deletes", COUNT },
    { "writes since this opening", "range_deletes", "range deletes", COUNT },
    { "writes since this opening", "commits", "commits", COUNT },
    { "writes since this opening", "stalls", "times writers were slowed", COUNT },
    { "writes since this opening", "stall_ns", "time writers were slowed", NANOSECONDS },
    { "writes since this opening", "busy", "writes refused", COUNT },
    { "reads since this opening", "gets", "gets", COUNT },
    { "reads since this opening", "get_hits", "found", COUNT },
    { "reads since this opening", "scans", "cursors opened", COUNT },
    { "reads since this opening", "scan_dead", "dead entries stepped over", COUNT },
    { "reads since this opening", "gap_jumps", "dead ranges jumped over", COUNT },
    { "reads since this opening", "snapshots", "snapshots held", COUNT },
    { "reads since this opening", "oldest_snapshot_age_ms", "age of the oldest", MILLISECONDS },
    { "reads since this opening", "cursors", "cursors held", COUNT },
    { "reads since this opening", "transactions", "transactions open", COUNT },
    { "reads since this opening", "oldest_transaction_age_ms", "age of the oldest", MILLISECONDS },
    { "reads since this opening", "pinned_segments", "removed segments kept for readers elsewhere", COUNT },
    { "reads since this opening", "pinned_age_ms", "since", MILLISECONDS },
    { "behind the scenes since this opening", "seals", "seals", COUNT },
    { "behind the scenes since this opening", "flushes", "flushes", COUNT },
    { "behind the scenes since this opening", "flushed_bytes", "bytes flushed", BYTES },
    { "behind the scenes since this opening", "merges", "merges", COUNT },
    { "behind the scenes since this opening", "merges_running", "merges running", COUNT },
    { "behind the scenes since this opening", "merge_moves", "moved without a merge", COUNT },
    { "behind the scenes since this opening", "merge_drops", "dropped without a merge", COUNT },
    { "behind the scenes since this opening", "merge_read_bytes", "bytes read by merges", BYTES },
    { "behind the scenes since this opening", "merge_written_bytes", "bytes written by merges", BYTES },
    { "behind the scenes since this opening", "background_errors", "tasks that failed", COUNT },
};

json_t *stats_read(nacre_store *store)
{
    char *text = NULL;
    int status = nacre_stats(store, &text);
    if (status != NACRE_OK) {
        complain_status("stats", status);
        return NULL;
    }
    json_t *stats = json_loads(text, 0, NULL);
    nacre_free(text);
    if (!json_is_object(stats)) {
        json_decref(stats);
        complain("stats: the library's answer is not understood");
        return NULL;
    }
    return stats;
}

json_t *stats_ask_writer(const char *path)
{
    char *text = NULL;
    if (nacre_writer_stats(path, NULL, ANSWER_MS, &text) != NACRE_OK) {
        return NULL;
    }
    json_t *stats = json_loads(text, 0, NULL);
    nacre_free(text);
    if (!json_is_object(stats)) {
        json_decref(stats);
        return NULL;
    }
    return stats;
}

static uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static const char *figure(uint64_t value, enum unit unit, char out[FIGURE_SIZE])
{
    switch (unit) {
    case BYTES:
        return figure_bytes((double)value, out);
    case NANOSECONDS:
        return figure_time((double)value * 1e-9, out);
    case MILLISECONDS:
        return figure_time((double)value * 1e-3, out);
    case COUNT:
        break;
    }
    return figure_exact(value, out);
}

uint64_t stats_folder_bytes(const char *path, const char *folder)
{
    uint64_t bytes = 0;
    char name[4096];
    struct stat about;
    int size = snprintf(name, sizeof name, "%s/%s", path, folder);
    DIR *directory = size > 0 && (size_t)size < sizeof name ? opendir(name) : NULL;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (fstatat(dirfd(directory), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode)) {
            bytes += (uint64_t)about.st_blocks * 512;
        }
    }
    if (directory) {
        closedir(directory);
    }
    return bytes;
}

static void print_head(FILE *out, const json_t *stats, const struct stats_view *view)
{
    const char *state = json_string_value(json_object_get(stats, "state_name"));
    const char *reason = json_string_value(json_object_get(stats, "state_reason"));
    const char *trouble = json_string_value(json_object_get(stats, "last_background_error"));
    bool good = state && strcmp(state, "ok") == 0;
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE];
    fprintf(out, "%s%s%s", view->colour ? "\033[1m" : "", view->path, view->colour ? "\033[0m" : "");
    if (view->state_shown) {
        fprintf(out, "  %s%s%s%s%s", view->colour ? good ? "\033[32m" : "\033[31m" : "", state ? state : "?",
                view->colour ? "\033[0m" : "", reason && reason[0] ? ": " : "", reason ? reason : "");
    }
    fputc('\n', out);
    if (trouble && trouble[0]) {
        fprintf(out, "last trouble in the background: %s\n", trouble);
    }
    fprintf(out, "on disk: segments %s, log %s    sequence %s",
            figure_bytes((double)stats_folder_bytes(view->path, "segments"), a),
            figure_bytes((double)stats_folder_bytes(view->path, "log"), b), figure_exact(number(stats, "sequence"), c));
    if (view->writes_per_second >= 0) {
        fprintf(out, "  (%s writes/s)", figure_count(view->writes_per_second, a));
    }
    fputs("\n", out);
}

/* One line per collection: its levels as bytes/segments. */
static void print_collections(FILE *out, const json_t *stats, const struct stats_view *view)
{
    const json_t *list = json_object_get(stats, "collection");
    char a[FIGURE_SIZE], b[FIGURE_SIZE];
    if (json_array_size(list) == 0) {
        fputs("\nno collections\n", out);
        return;
    }
    fprintf(out, "\n%s%-20s %-8s %14s %12s  %s%s\n", view->colour ? "\033[1m" : "", "collection", "kind", "in segments",
            "in memory", "levels: bytes / segments", view->colour ? "\033[0m" : "");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i), *levels = json_object_get(one, "levels");
        fprintf(out, "%-20s %-8s %14s %12s ", json_string_value(json_object_get(one, "name")),
                json_string_value(json_object_get(one, "kind")), figure_exact(number(one, "entries"), a),
                figure_bytes((double)number(one, "memtable_bytes"), b));
        for (size_t level = 0; level < json_array_size(levels); level++) {
            const json_t *l = json_array_get(levels, level);
            if (number(l, "segments")) {
                fprintf(out, " L%zu %s/%llu", level, figure_bytes((double)number(l, "bytes"), a),
                        (unsigned long long)number(l, "segments"));
            }
        }
        fputc('\n', out);
    }
}

void stats_print(FILE *out, const json_t *stats, const struct stats_view *view)
{
    const char *group = "";
    char text[FIGURE_SIZE];
    print_head(out, stats, view);
    print_collections(out, stats, view);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        uint64_t value = number(stats, row->name);
        if (value == 0) {
            continue;
        }
        if (strcmp(group, row->group) != 0) {
            group = row->group;
            fprintf(out, "\n%s%s%s\n", view->colour ? "\033[1m" : "", group, view->colour ? "\033[0m" : "");
        }
        fprintf(out, "  %-28s %16s\n", row->label, figure(value, row->unit, text));
    }
}
