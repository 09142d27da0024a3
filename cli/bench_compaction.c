/* The scenario `bench compaction`: what merges give back. N keys are put, K of them put once more, M deleted; all is flushed, and then
   compacted. Merges that run by themselves are paused until then, so that the disk holds what was written. Keys to overwrite and to delete
   are spread evenly over all. */
#include "bench.h"
#include "print.h"
#include "stats.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLLECTION       "compaction"
#define PAUSE_TIMEOUT_MS 60000u
#define SETTLE_TRIES     500u   /* of 10 ms */
#define EMPTY_BYTES      65536u /* on the disk that count as nothing */

struct standing {
    uint64_t keys, bytes; /* that live; on the disk */
};

struct scenario {
    struct bench *bench;
    nacre_kind kind;
    uint64_t inserts, overwrites, deletes;
    uint64_t bytes_of_others; /* in the store before */
    nacre_batch *batch;
    unsigned char *values;
    struct standing before, after;
    double write_seconds, compact_seconds;
};

static nacre_slice key_of(const struct scenario *scenario, uint64_t number, char text[64])
{
    int size = scenario->kind == NACRE_STRINGS
                   ? snprintf(text, 64, "/scenario/%03" PRIu64 "/file-%012" PRIu64 ".txt", number / 1000 % 1000, number)
                   : snprintf(text, 64, "%016" PRIu64, number);
    return (nacre_slice){ text, (size_t)size };
}

static int write_batch(struct scenario *scenario)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.durability = scenario->bench->durability;
    int status = nacre_write(scenario->bench->session.store, scenario->batch, &options);
    nacre_batch_clear(scenario->batch);
    return status;
}

/* Puts or deletes `count` of all keys, evenly spread. */
static int change(struct scenario *scenario, uint64_t count, bool deleted)
{
    struct bench *bench = scenario->bench;
    nacre_slice value = { scenario->values, bench->value_size };
    char text[64];
    int status = NACRE_OK;
    for (uint64_t i = 0; i < count && status == NACRE_OK; i++) {
        uint64_t number = i * scenario->inserts / count; /* both have at most 30 bits */
        nacre_slice key = key_of(scenario, number, text);
        status = deleted ? nacre_batch_delete(scenario->batch, bench->session.collection, key)
                         : nacre_batch_put(scenario->batch, bench->session.collection, key, value);
        if (status == NACRE_OK && (nacre_batch_count(scenario->batch) >= bench->batch || i + 1 == count)) {
            status = write_batch(scenario);
        }
    }
    return status;
}

static uint64_t count_segment_files(const char *path)
{
    uint64_t count = 0;
    char name[4096];
    int size = snprintf(name, sizeof name, "%s/segments", path);
    DIR *directory = size > 0 && (size_t)size < sizeof name ? opendir(name) : NULL;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        const char *ending = strrchr(entry->d_name, '.');
        count += ending && strcmp(ending, ".seg") == 0;
    }
    if (directory) {
        closedir(directory);
    }
    return count;
}

/* Waits until the only segment files are those that the store has: what a merge has replaced stays as long as one of the background
   threads still looks at it. */
static int settle(const struct bench *bench)
{
    int status = NACRE_OK;
    for (unsigned i = 0; i < SETTLE_TRIES && status == NACRE_OK; i++) {
        json_t *stats = stats_read(bench->session.store);
        json_int_t live = json_integer_value(json_object_get(stats, "segments"));
        json_decref(stats);
        if (count_segment_files(bench->path) <= (uint64_t)live) {
            break;
        }
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        status = nacre_reclaim(bench->session.store);
    }
    return status;
}

static int look(const struct scenario *scenario, struct standing *standing)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor = NULL;
    options.keys_only = true;
    int status = nacre_scan(scenario->bench->session.collection, &options, &cursor);
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        standing->keys++;
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    status = status == NACRE_OK ? settle(scenario->bench) : status;
    uint64_t bytes = stats_folder_bytes(scenario->bench->path, "segments");
    standing->bytes = bytes > scenario->bytes_of_others ? bytes - scenario->bytes_of_others : 0;
    return status;
}

static int write_all(struct scenario *scenario)
{
    nacre_collection *collection = scenario->bench->session.collection;
    double begun = clock_seconds();
    int status = change(scenario, scenario->inserts, false);
    status = status == NACRE_OK ? nacre_flush(collection) : status;
    status = status == NACRE_OK ? change(scenario, scenario->overwrites, false) : status;
    status = status == NACRE_OK ? change(scenario, scenario->deletes, true) : status;
    status = status == NACRE_OK ? nacre_flush(collection) : status;
    scenario->write_seconds = clock_seconds() - begun;
    return status == NACRE_OK ? look(scenario, &scenario->before) : status;
}

static int play(struct scenario *scenario)
{
    nacre_store *store = scenario->bench->session.store;
    nacre_slice all = { NULL, 0 };
    int status = nacre_pause_compaction(store, PAUSE_TIMEOUT_MS);
    if (status != NACRE_OK) {
        return status;
    }
    status = write_all(scenario);
    int resumed = nacre_resume_compaction(store);
    status = status == NACRE_OK ? resumed : status;
    double begun = clock_seconds();
    status = status == NACRE_OK ? nacre_compact(scenario->bench->session.collection, all, all) : status;
    scenario->compact_seconds = clock_seconds() - begun;
    return status == NACRE_OK ? look(scenario, &scenario->after) : status;
}

static void print_standing(const char *label, const struct standing *standing)
{
    char keys[FIGURE_SIZE], bytes[FIGURE_SIZE];
    printf("%-8s %16s %12s\n", label, figure_exact(standing->keys, keys), figure_bytes((double)standing->bytes, bytes));
}

static void print_result(const struct scenario *scenario)
{
    const struct standing *before = &scenario->before, *after = &scenario->after;
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE];
    double reduction = before->bytes ? 1 - (double)after->bytes / (double)before->bytes : 0;
    if (option_given(scenario->bench->arguments, OPTION_JSON)) {
        printf("{\"kind\":\"%s\",\"inserts\":%" PRIu64 ",\"overwrites\":%" PRIu64 ",\"deletes\":%" PRIu64
               ",\"live_before\":%" PRIu64 ",\"live_after\":%" PRIu64 ",\"bytes_before\":%" PRIu64
               ",\"bytes_after\":%" PRIu64 ",\"reduction\":%.4f,\"write_seconds\":%.6f,\"compact_seconds\":%.6f}\n",
               kind_name(scenario->kind), scenario->inserts, scenario->overwrites, scenario->deletes, before->keys,
               after->keys, before->bytes, after->bytes, reduction, scenario->write_seconds, scenario->compact_seconds);
        return;
    }
    printf("%s: %s, %s keys put, %s of them once more, %s deleted\n\n", scenario->bench->path,
           kind_name(scenario->kind), figure_exact(scenario->inserts, a), figure_exact(scenario->overwrites, b),
           figure_exact(scenario->deletes, c));
    printf("%-8s %16s %12s\n", "", "live keys", "on the disk");
    print_standing("before", before);
    print_standing("after", after);
    printf("\nreduction %.2f %%; written and flushed in %s, compacted in %s\n", 100 * reduction,
           figure_time(scenario->write_seconds, a), figure_time(scenario->compact_seconds, b));
}

/* What must be so afterwards. */
static int judge(const struct scenario *scenario)
{
    uint64_t expected = scenario->inserts - scenario->deletes;
    if (scenario->before.keys != expected || scenario->after.keys != expected) {
        return complain("bench: compaction: %" PRIu64 " keys must live, but %" PRIu64 " do before and %" PRIu64
                        " after it",
                        expected, scenario->before.keys, scenario->after.keys);
    }
    if (option_given(scenario->bench->arguments, OPTION_ASSERT_EMPTY) &&
        (scenario->after.keys || scenario->after.bytes > EMPTY_BYTES)) {
        complain("bench: compaction: not empty: %" PRIu64 " live keys and %" PRIu64 " bytes of segments remain",
                 scenario->after.keys, scenario->after.bytes);
        return RESULT_NO_MATCH;
    }
    return RESULT_OK;
}

static int take_options(struct scenario *scenario)
{
    const struct arguments *arguments = scenario->bench->arguments;
    if (!kind_from_option(arguments, &scenario->kind) ||
        !option_number(arguments, OPTION_INSERTS, 1, UINT64_C(1000000000), &scenario->inserts)) {
        return RESULT_ERROR;
    }
    scenario->overwrites = scenario->inserts / 4;
    scenario->deletes = scenario->inserts / 2;
    return option_number(arguments, OPTION_OVERWRITES, 0, scenario->inserts, &scenario->overwrites) &&
                   option_number(arguments, OPTION_DELETES, 0, scenario->inserts, &scenario->deletes)
               ? RESULT_OK
               : RESULT_ERROR;
}

int bench_compaction(struct bench *bench)
{
    struct scenario scenario = { .bench = bench, .kind = NACRE_ORDERED, .inserts = 100000 };
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    if (take_options(&scenario) != RESULT_OK) {
        return RESULT_ERROR;
    }
    options.kind = scenario.kind;
    scenario.bytes_of_others = stats_folder_bytes(bench->path, "segments");
    int status = nacre_collection_create(bench->session.store, COLLECTION, &options, &bench->session.collection);
    if (status != NACRE_OK) {
        return complain_status("bench", status);
    }
    scenario.values = calloc(1, bench->value_size + 1);
    status = scenario.values ? nacre_batch_create(&scenario.batch) : NACRE_NO_MEMORY;
    status = status == NACRE_OK ? play(&scenario) : status;
    nacre_batch_free(scenario.batch);
    free(scenario.values);
    int result = status == NACRE_OK ? RESULT_OK : complain_status("bench", status);
    if (result == RESULT_OK) {
        print_result(&scenario);
        result = judge(&scenario);
    }
    nacre_collection_close(bench->session.collection);
    bench->session.collection = NULL;
    if (!option_given(bench->arguments, OPTION_KEEP)) {
        status = nacre_collection_drop(bench->session.store, COLLECTION);
        result = status == NACRE_OK ? result : complain_status("bench", status);
    }
    return result;
}
