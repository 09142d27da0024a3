/* What must hold when a killed store is opened again: every acknowledged path has its owners, a later batch is there as a whole or not
   at all, and nothing else is there. */
#include "demo.h"
#include <string.h>

/* 1 = there and right, 0 = not there, -1 = wrong, and said. */
static int look_up(nacre_collection *collection, const struct entry *entry)
{
    nacre_value value;
    int status = nacre_get(collection, text_slice(entry->path), NULL, &value);
    if (status == NACRE_NOT_FOUND) {
        return 0;
    }
    if (status != NACRE_OK) {
        show_failure("%s: %s: %s", entry->path, nacre_status_name(status), nacre_last_error());
        return -1;
    }
    bool right =
        value.slice.size == strlen(entry->owner) && memcmp(value.slice.data, entry->owner, value.slice.size) == 0;
    nacre_value_release(&value);
    if (!right) {
        show_failure("%s has wrong owners", entry->path);
    }
    return right ? 1 : -1;
}

/* All batches; *found gets how many are there, from the first on. */
static bool check_batches(const struct paths *paths, nacre_collection *collection, size_t acknowledged, size_t *found)
{
    *found = 0;
    for (size_t batch = 0; batch < paths_batches(paths); batch++) {
        size_t begin = batch * BATCH_PATHS,
               end = begin + BATCH_PATHS < paths->count ? begin + BATCH_PATHS : paths->count, there = 0;
        for (size_t i = begin; i < end; i++) {
            int got = look_up(collection, &paths->entries[i]);
            if (got < 0) {
                return false;
            }
            if (got == 0 && batch < acknowledged) {
                return show_failure("%s was acknowledged (batch %zu) and is lost", paths->entries[i].path, batch);
            }
            there += (size_t)got;
        }
        if (there != 0 && there != end - begin) {
            return show_failure("batch %zu is there in part: %zu of %zu", batch, there, end - begin);
        }
        if (there && *found != batch) {
            return show_failure("batch %zu is there, but batch %zu before it is not", batch, *found);
        }
        *found += there != 0;
    }
    return true;
}

/* Goes over the whole collection: in order, nothing but known paths, and as many as there must be. */
static bool check_scan(const struct paths *paths, nacre_collection *collection, size_t expected)
{
    nacre_cursor *cursor;
    size_t count = 0;
    const struct entry *before = NULL;
    int status = nacre_scan(collection, NULL, &cursor);
    bool good = status == NACRE_OK || show_failure("scan: %s", nacre_last_error());
    for (; good && nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        const struct entry *entry = paths_find(paths, nacre_cursor_key(cursor));
        if (!entry) {
            good = show_failure("a path is there that was never written");
        } else if (before && strcmp(before->path, entry->path) >= 0) {
            good = show_failure("%s does not come after %s", entry->path, before->path);
        }
        before = entry;
        count++;
    }
    if (good && nacre_cursor_status(cursor) != NACRE_OK) {
        good = show_failure("scan: %s", nacre_last_error());
    }
    nacre_cursor_close(cursor);
    return good && (count == expected || show_failure("a scan finds %zu paths, %zu must be there", count, expected));
}

bool recovery_check(const struct paths *paths, const char *directory, size_t acknowledged, struct recovery *recovery)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store = NULL;
    nacre_collection *collection = NULL;
    double begun = seconds_now();
    *recovery = (struct recovery){ 0 };
    options.error_if_missing = true;
    options.log_limit = LOG_LIMIT;
    int status = nacre_open(directory, &options, &store);
    recovery->open_seconds = seconds_now() - begun;
    if (status == NACRE_OK) {
        status = nacre_collection_open(store, COLLECTION, &collection);
    }
    bool good = status == NACRE_OK || show_failure("open: %s: %s", nacre_status_name(status), nacre_last_error());
    if (good) {
        recovery->records = stats_figure(store, "recovery_records");
        recovery->bytes = stats_figure(store, "recovery_bytes");
        recovery->nanoseconds = stats_figure(store, "recovery_ns");
        recovery->torn_bytes = stats_figure(store, "recovery_torn_bytes");
        begun = seconds_now();
        good = check_batches(paths, collection, acknowledged, &recovery->batches);
        size_t there = recovery->batches * BATCH_PATHS < paths->count ? recovery->batches * BATCH_PATHS : paths->count;
        good = good && check_scan(paths, collection, there);
        recovery->check_seconds = seconds_now() - begun;
    }
    nacre_collection_close(collection);
    return nacre_close(store) == NACRE_OK ? good : show_failure("close: %s", nacre_last_error());
}
