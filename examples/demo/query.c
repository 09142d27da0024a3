/* Questions to the index: one path, all beneath a prefix, a range backwards; then how long many of them take. */
#include "demo.h"
#include <stdlib.h>
#include <string.h>

#define LOOKUPS     100000u
#define OWNER_SHOWN 60 /* bytes of a long list of owners */

static nacre_slice first_bytes(nacre_slice slice, size_t most)
{
    return (nacre_slice){ slice.data, slice.size < most ? slice.size : most };
}

static bool ask_owner(nacre_collection *collection, const char *path)
{
    nacre_value value;
    double begun = seconds_now();
    int status = nacre_get(collection, text_slice(path), NULL, &value);
    double took = seconds_now() - begun;
    if (status != NACRE_OK) {
        return show_failure("%s: %s", path, nacre_status_text(status));
    }
    nacre_slice shown = first_bytes(value.slice, OWNER_SHOWN);
    show_line("who owns a path", "%s -> %.*s%s  (%s)", path, (int)shown.size, (const char *)shown.data,
              shown.size < value.slice.size ? " ..." : "", show_seconds(took));
    nacre_value_release(&value);
    return true;
}

/* What lies in a range, counted against what must lie there; the first keys are shown. */
static bool ask_range(const struct paths *paths, nacre_collection *collection, const char *label, const char *prefix,
                      bool reverse)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    size_t count = 0, expected = 0, size = strlen(prefix), used = 0;
    char shown[72] = "";
    options.prefix = text_slice(prefix);
    options.reverse = reverse;
    for (size_t i = 0; i < paths->count; i++) {
        expected += strncmp(paths->entries[i].path, prefix, size) == 0;
    }
    double begun = seconds_now();
    int status = nacre_scan(collection, &options, &cursor);
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), count++) {
        nacre_slice key = nacre_cursor_key(cursor);
        if (count < 2 && used + key.size + 1 < sizeof shown) {
            memcpy(shown + used, key.data, key.size);
            used += key.size;
            shown[used++] = ' ';
        }
    }
    double took = seconds_now() - begun;
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    if (status != NACRE_OK || count != expected) {
        return show_failure("%s: %zu paths, %zu must be there: %s", prefix, count, expected, nacre_status_text(status));
    }
    show_line(label, "%s -> %s paths: %s... (%s)", prefix, show_number(count), shown, show_seconds(took));
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Looks up paths in a disorderly order; `missing` adds a letter that makes them unknown. */
static bool time_lookups(const struct paths *paths, nacre_collection *collection, const char *label, bool missing)
{
    double *took = malloc(LOOKUPS * sizeof *took), begun = seconds_now();
    uint64_t state = 1;
    bool good = took || show_failure("out of memory");
    for (size_t i = 0; i < LOOKUPS && good; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const struct entry *entry = &paths->entries[(state >> 33) % paths->count];
        nacre_slice path = text_slice(entry->path);
        path.size += missing; /* with the NUL behind it no path is known */
        nacre_value value;
        double before = seconds_now();
        int status = nacre_get(collection, path, NULL, &value);
        took[i] = seconds_now() - before;
        good = missing ? status == NACRE_NOT_FOUND
                       : status == NACRE_OK && value.slice.size == strlen(entry->owner) &&
                             memcmp(value.slice.data, entry->owner, value.slice.size) == 0;
        if (!good) {
            show_failure("%s: %s", entry->path, nacre_status_text(status));
        }
        nacre_value_release(&value);
    }
    double seconds = seconds_now() - begun;
    if (good) {
        qsort(took, LOOKUPS, sizeof *took, compare_numbers);
        show_line(label, "%s/s, half within %s, 99 %% within %s", show_number((uint64_t)(LOOKUPS / seconds)),
                  show_seconds(took[LOOKUPS / 2]), show_seconds(took[LOOKUPS / 100 * 99]));
    }
    free(took);
    return good;
}

static bool time_scan(nacre_collection *collection)
{
    nacre_cursor *cursor;
    uint64_t count = 0;
    double begun = seconds_now();
    int status = nacre_scan(collection, NULL, &cursor);
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        count++;
    }
    double seconds = seconds_now() - begun;
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    if (status != NACRE_OK) {
        return show_failure("scan: %s", nacre_last_error());
    }
    show_line("going over all", "%s paths in %s (%s/s)", show_number(count), show_seconds(seconds),
              show_number((uint64_t)((double)count / seconds)));
    return true;
}

bool queries_run(const struct paths *paths, nacre_collection *collection)
{
    static const char *const known[] = { "/bin/ls", "/usr/bin/ls", "/usr/bin/env" };
    const char *asked = paths->entries[0].path;
    for (size_t i = sizeof known / sizeof known[0]; i-- > 0;) {
        asked = paths_find(paths, text_slice(known[i])) ? known[i] : asked;
    }
    return ask_owner(collection, asked) &&
           ask_range(paths, collection, "beneath a prefix", paths->packages ? "/etc/" : "/usr/lib/", false) &&
           ask_range(paths, collection, "a range, backwards", "/usr/share/", true) &&
           time_lookups(paths, collection, "random lookups", false) &&
           time_lookups(paths, collection, "of unknown paths", true) && time_scan(collection);
}
