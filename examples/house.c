/* Deleting by range, tuning, copying a store that is in use, checking it, and asking what it does. */
#include "example.h"

static size_t count(nacre_collection *from)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    size_t entries = 0;
    options.keys_only = true;
    must(nacre_scan(from, &options, &cursor), "scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor))
        entries++;
    must(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
    return entries;
}

static void fill(nacre_collection *events)
{
    char key[32];
    for (int day = 1; day <= 9; day++) {
        for (int hour = 0; hour < 24; hour++) {
            snprintf(key, sizeof key, "2026-01-%02d %02d:00", day, hour);
            must(nacre_put(events, text(key), text("tick"), NULL), "put");
        }
    }
}

static void copy(nacre_store *store)
{
    int status = nacre_checkpoint(store, "house.copy");
    if (status != NACRE_EXISTS) /* of a run before */
        must(status, "checkpoint");
}

static void verify(nacre_store *store)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    int status = nacre_verify(store, &report);
    if (status == NACRE_CORRUPT)
        fprintf(stderr, "%s", report.damage);
    must(status, "verify");
    nacre_free(report.damage);
}

/* Never needed. What the engine may move by itself, it moves unless it was set. */
static void tune(nacre_store *store)
{
    char *json;
    must(nacre_tune(store, NACRE_TUNING_SEGMENT_BYTES, "33554432"), "tune");
    must(nacre_tune(store, NACRE_TUNING_SEGMENT_BYTES, "default"), "tune");
    must(nacre_set_autotune(store, true), "set_autotune");
    must(nacre_tuning(store, &json), "tuning");
    check(strstr(json, "\"wrong_when\"") != NULL, "each parameter says how to tell that it is wrong");
    nacre_free(json);
    must(nacre_stats(store, &json), "stats");
    check(strstr(json, "\"autotune\":{\"enabled\":true") != NULL, "what it decided is in the statistics");
    nacre_free(json);
    must(nacre_tune(store, NACRE_TUNING_AUTOTUNE, "default"), "tune");
}

static void print_stats(nacre_store *store)
{
    char *json;
    must(nacre_stats(store, &json), "stats");
    printf("%.60s...\n", json);
    nacre_free(json);
}

int main(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    options.durability = NACRE_OS;
    must(nacre_open("house.nacre", &options, &store), "open");
    nacre_collection *events = collection(store, "events");
    fill(events);

    /* One record each, whatever the number of keys. */
    must(nacre_delete_prefix(events, text("2026-01-01"), NULL), "delete_prefix");
    must(nacre_delete_range(events, text("2026-01-02"), text("2026-01-05"), NULL), "delete_range");
    check(count(events) == 5 * 24, "five days are left");

    copy(store);
    verify(store);
    must(nacre_compact(events, text(""), text("")), "compact"); /* never needed: it gives back space at once */
    tune(store);
    print_stats(store);

    nacre_collection_close(events);
    must(nacre_close(store), "close");
    return 0;
}
