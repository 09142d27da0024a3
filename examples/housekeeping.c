/* Keeping house by the clock: a collection per month; while the machine is busy merges wait and indexes are built behind; at night the oldest month goes, and the rest catches up. None of it must be
   done: all happens by itself, at times of the engine's own choosing. */
#include "example.h"

#define MONTHS_KEPT 2

static void fill(nacre_store *store, const char *month)
{
    nacre_collection *calls = collection(store, month);
    char key[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "caller %05d", i * 7919 % 5000);
        must(nacre_put(calls, text(key), text("3 minutes"), NULL), "put");
    }
    must(nacre_seal(calls), "seal"); /* on its way to a file; nothing waits for it */
    nacre_collection_close(calls);
}

static void busy_hours(nacre_store *store)
{
    must(nacre_pause_compaction(store, 10000), "pause");
    must(nacre_set_async_index_build(store, true), "async index build");
    fill(store, "2026-01");
    fill(store, "2026-02");
    fill(store, "2026-03");
    must(nacre_resume_compaction(store), "resume");
}

/* Drops the oldest months: their files go as soon as no reader holds them. */
static size_t drop_oldest(nacre_store *store)
{
    for (;;) {
        nacre_collection_info *months;
        size_t count, oldest = 0;
        must(nacre_collection_list(store, &months, &count), "list");
        for (size_t i = 1; i < count; i++)
            if (strcmp(months[i].name, months[oldest].name) < 0)
                oldest = i;
        bool drop = count > MONTHS_KEPT;
        if (drop) {
            printf("%s goes\n", months[oldest].name);
            must(nacre_collection_drop(store, months[oldest].name), "drop");
        }
        nacre_free(months);
        if (!drop)
            return count;
    }
}

static void night(nacre_store *store)
{
    check(drop_oldest(store) == MONTHS_KEPT, "the newest months stay");
    nacre_collection *newest = collection(store, "2026-03");
    must(nacre_compact(newest, text(""), text("")), "compact"); /* garbage gives its space back now */
    must(nacre_build_indexes(newest), "build indexes");
    nacre_collection_close(newest);
    must(nacre_prune_log(store), "prune log");
    must(nacre_reclaim(store), "reclaim");
}

int main(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    char *json;
    options.durability = NACRE_OS;
    must(nacre_open("housekeeping.nacre", &options, &store), "open");
    busy_hours(store);
    night(store);

    /* Everything that can be set, with what it is set to. */
    must(nacre_tuning(store, &json), "tuning");
    printf("%.60s...\n", json);
    check(strstr(json, "segment_bytes") != NULL, "it names them");
    nacre_free(json);
    must(nacre_close(store), "close");
    return 0;
}
