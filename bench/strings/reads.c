/* Gets, scans of a prefix, and matches in order. All that is read is first compared with the lines, then read once more by the clock. */
#include "store.h"
#include "machine.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GETS         1000000 /* at most */
#define REPEATS      3
#define PREFIX_SHARE 200 /* a prefix to scan is one that so many of the lines begin with at least: 1 in 200 */

/* Keys that were copied beforehand, one behind the other, so that the reading of far lines is not in the time. */
struct keys {
    nacre_slice *list;
    char *bytes;
    size_t count;
};

/* Every n-th of the shuffled lines. absent: with one more character behind, which no line has. */
static void keys_draw(struct keys *keys, const struct corpus *corpus, bool absent)
{
    uint64_t step = corpus->lines / GETS + 1;
    const char *at = corpus->shuffled;
    size_t used = 0;
    *keys = (struct keys){ .list = allocate((corpus->lines / step + 1) * sizeof *keys->list),
                           .bytes = allocate(corpus->size + corpus->lines) };
    for (uint64_t i = 0; i < corpus->lines; i++) {
        const char *end = strchrnul(at, '\n');
        size_t size = (size_t)(end - at);
        if (i % step == 0) {
            char *key = keys->bytes + used;
            memcpy(key, at, size);
            if (absent) {
                key[size++] = '\x01';
            }
            keys->list[keys->count++] = (nacre_slice){ key, size };
            used += size;
        }
        at = end + 1;
    }
}

static void keys_free(struct keys *keys)
{
    free(keys->list);
    free(keys->bytes);
}

static double gets_ns(const struct store *store, const struct keys *keys, int expected)
{
    double best = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t start = clock_ns();
        for (size_t i = 0; i < keys->count; i++) {
            nacre_value value;
            int status = nacre_get(store->collection, keys->list[i], NULL, &value);
            if (status != expected) {
                die("nacre_get of '%.*s' is %s", (int)keys->list[i].size, (const char *)keys->list[i].data,
                    nacre_status_name(status));
            }
            nacre_value_release(&value);
        }
        double taken = (double)(clock_ns() - start) / (double)keys->count;
        best = repeat == 0 || taken < best ? taken : best;
    }
    return best;
}

static void measure_gets(struct store *store, struct results *results)
{
    struct keys keys;
    keys_draw(&keys, store->corpus, false);
    figure_add(results, "get, keys that are there", gets_ns(store, &keys, NACRE_OK), "ns");
    keys_free(&keys);
    keys_draw(&keys, store->corpus, true);
    figure_add(results, "get, keys that are not there", gets_ns(store, &keys, NACRE_NOT_FOUND), "ns");
    keys_free(&keys);
}

/* Reads a cursor to its end and closes it; `bytes` keeps the keys from being not looked at. */
static uint64_t read_all(nacre_cursor *cursor, uint64_t *bytes)
{
    uint64_t count = 0;
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), count++) {
        nacre_slice key = nacre_cursor_key(cursor);
        *bytes += key.size + ((const uint8_t *)key.data)[key.size - 1];
    }
    check(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
    return count;
}

/* Compares a cursor with the lines from `line` on, and closes it. */
static uint64_t compare_all(const struct store *store, nacre_cursor *cursor, const char *line)
{
    const struct corpus *corpus = store->corpus;
    uint64_t count = 0;
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), count++) {
        nacre_slice key = nacre_cursor_key(cursor);
        if (line >= corpus->bytes + corpus->size) {
            die("a cursor gives more keys than there are lines");
        }
        const char *end = line_end(corpus, line);
        if (key.size != (size_t)(end - line) || memcmp(key.data, line, key.size) != 0) {
            die("a cursor gives '%.*s' where '%.*s' is next", (int)key.size, (const char *)key.data, (int)(end - line),
                line);
        }
        line = end + 1;
    }
    check(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
    return count;
}

static nacre_cursor *scan(const struct store *store, const char *prefix)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor = NULL;
    options.prefix = (nacre_slice){ prefix, strlen(prefix) };
    options.keys_only = true;
    check(nacre_scan(store->collection, &options, &cursor), "nacre_scan");
    return cursor;
}

static nacre_cursor *search(const struct store *store, const char *pattern)
{
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    nacre_cursor *cursor = NULL;
    options.keys_only = true;
    check(nacre_regex_scan(store->collection, (nacre_slice){ pattern, strlen(pattern) }, &options, &cursor), pattern);
    return cursor;
}

/* The first line that begins with a prefix, and how many do. */
static const char *lines_with(const struct corpus *corpus, const char *prefix, uint64_t *count)
{
    const char *first = NULL;
    size_t size = strlen(prefix);
    *count = 0;
    for (const char *at = corpus->bytes; at < corpus->bytes + corpus->size; at = line_end(corpus, at) + 1) {
        if (strncmp(at, prefix, size) == 0) {
            first = first == NULL ? at : first;
            (*count)++;
        }
    }
    return first;
}

typedef nacre_cursor *(*opener)(const struct store *store, const char *what);

static double keys_per_second(const struct store *store, opener open, const char *what, uint64_t expected)
{
    double best = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t bytes = 0, start = clock_ns();
        uint64_t count = read_all(open(store, what), &bytes);
        double rate = (double)count * 1e9 / (double)(clock_ns() - start);
        if (count != expected || (count > 0 && bytes == 0)) {
            die("'%s' gives %llu keys, and should give %llu", what, (unsigned long long)count,
                (unsigned long long)expected);
        }
        best = rate > best ? rate : best;
    }
    return best;
}

static void measure_prefix(struct store *store, struct results *results)
{
    static const char *const candidates[] = { "usr/share/doc/", "react-", "a", "" };
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        uint64_t lines;
        const char *first = lines_with(store->corpus, candidates[i], &lines);
        if (lines >= store->corpus->lines / PREFIX_SHARE) {
            if (compare_all(store, scan(store, candidates[i]), first) != lines) {
                die("a scan of '%s' does not give all keys", candidates[i]);
            }
            figure_add(results, "scan of a prefix", keys_per_second(store, scan, candidates[i], lines), "keys/s");
            figure_add(results, "scan of a prefix: keys in it", (double)lines, "keys");
            return;
        }
    }
}

static void measure_enumeration(struct store *store, struct results *results)
{
    uint64_t lines = store->corpus->lines;
    if (compare_all(store, search(store, ".*"), store->corpus->bytes) != lines) {
        die("a search for .* does not give all keys");
    }
    figure_add(results, "enumerate, every key", keys_per_second(store, search, ".*", lines), "keys/s");
}

/* The matches of a pattern in order: as many as were counted. */
static void measure_matches(struct store *store, struct results *results)
{
    static const char pattern[] = "[0-9]{4}";
    uint64_t count = 0;
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    check(nacre_regex_count(store->collection, (nacre_slice){ pattern, strlen(pattern) }, &options, &count), pattern);
    figure_add(results, "enumerate, matches of [0-9]{4}", keys_per_second(store, search, pattern, count), "keys/s");
    figure_add(results, "enumerate, matches of [0-9]{4}: keys", (double)count, "keys");
}

void store_reads(struct store *store, struct results *results)
{
    measure_gets(store, results);
    measure_prefix(store, results);
    measure_enumeration(store, results);
    measure_matches(store, results);
}
