/* Large values: written once, to files of their own; scans for keys do not touch them. */
#include "example.h"

enum { PICTURES = 200, BYTES = 20000 };

static nacre_collection *pictures_of(nacre_store *store)
{
    nacre_collection *pictures;
    int status = nacre_collection_open(store, "pictures", &pictures);
    if (status == NACRE_NOT_FOUND) {
        nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
        options.value_log_threshold = 1000; /* smaller ones stay beside their keys */
        status = nacre_collection_create(store, "pictures", &options, &pictures);
    }
    must(status, "pictures");
    return pictures;
}

static void fill(nacre_collection *pictures)
{
    static char bytes[BYTES];
    char key[32];
    for (int i = 0; i < PICTURES; i++) {
        memset(bytes, 'a' + i % 26, sizeof bytes);
        snprintf(key, sizeof key, "%03d.data", i);
        must(nacre_put(pictures, text(key), (nacre_slice){ bytes, sizeof bytes }, NULL), "put");
        snprintf(key, sizeof key, "%03d.name", i);
        must(nacre_put(pictures, text(key), text("a small value"), NULL), "put");
    }
    must(nacre_flush(pictures), "flush");
}

/* Entries, and the bytes of their values. */
static size_t walk(nacre_collection *pictures, bool keys_only, size_t *bytes)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    size_t entries = 0;
    options.keys_only = keys_only;
    must(nacre_scan(pictures, &options, &cursor), "scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        entries++;
        *bytes += nacre_cursor_value(cursor).size;
    }
    must(nacre_cursor_status(cursor), "cursor"); /* a value that cannot be read ends the walk */
    nacre_cursor_close(cursor);
    return entries;
}

static double figure(nacre_store *store, const char *name)
{
    char *json, wanted[64];
    must(nacre_stats(store, &json), "stats");
    snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *at = strstr(json, wanted);
    check(at != NULL, name);
    double value = strtod(at + strlen(wanted), NULL);
    nacre_free(json);
    return value;
}

int main(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    size_t keys_bytes = 0, bytes = 0;
    options.durability = NACRE_OS;
    must(nacre_open("values.nacre", &options, &store), "open");
    nacre_collection *pictures = pictures_of(store);
    if (walk(pictures, true, &keys_bytes) == 0)
        fill(pictures);

    check(walk(pictures, true, &keys_bytes) == 2 * PICTURES && keys_bytes == 0, "all keys, no values");
    check(figure(store, "value_log_reads") == 0, "no value file was read");
    check(walk(pictures, false, &bytes) == 2 * PICTURES && bytes > (size_t)PICTURES * BYTES, "all values");
    printf("%.0f bytes of values were written to %.0f value files, %.0f bytes through the log; %.0f values were read\n",
           figure(store, "value_log_appended_bytes"), figure(store, "value_log_files"),
           figure(store, "log_appended_bytes"), figure(store, "value_log_reads"));
    nacre_collection_close(pictures);
    must(nacre_close(store), "close");
    return 0;
}
