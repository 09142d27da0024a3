/* Random histories of calls against the plain model, each under several option sets: whatever is sealed, merged, indexed, reopened or held by
   snapshots in between, the store shows what the model shows. The seed is printed with a failure; NACRE_TEST_SEED runs that one alone,
   NACRE_TEST_SCALE makes more of them. */
#include "support/model.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"

#define SNAPSHOTS 4
#define STEPS     400

struct history {
    const char *const *tuning; /* name, value, ..., NULL */
    uint64_t first_seed, seed;
    nacre_os *os;
    nacre_options options;
    nacre_store *store;
    nacre_collection *collections[MODEL_COLLECTIONS];
    struct model model, kept[SNAPSHOTS];
    nacre_snapshot *snapshots[SNAPSHOTS];
    uint32_t next_value;
    unsigned step, checkpoints, pauses;
};

static const char *const tuned_defaults[] = { NULL };
static const char *const tuned_tiny[] = {
    "seal_bytes",  "8192", "segment_bytes", "16384", "level_base_bytes", "65536", "level0_runs", "2",
    "block_bytes", "512",  "level_ratio",   "2",     "log_file_bytes",   "65536", NULL
};
static const char *const tuned_compressed[] = { "seal_bytes",
                                                "16384",
                                                "segment_bytes",
                                                "32768",
                                                "level_base_bytes",
                                                "65536",
                                                "compression_top",
                                                "1",
                                                "compression_middle",
                                                "2",
                                                "block_bytes",
                                                "1024",
                                                "async_index_build",
                                                "1",
                                                NULL };
static const char *const tuned_unmapped[] = {
    "seal_bytes",  "16384", "segment_bytes", "32768", "level_base_bytes",  "65536", "log_map",        "0",
    "segment_map", "0",     "log_recycle",   "0",     "tombstone_percent", "5",     "log_file_bytes", "65536",
    NULL
};
static const char *const *const tunings[] = { tuned_defaults, tuned_tiny, tuned_compressed, tuned_unmapped };

static void complain(const struct history *h, const char *what)
{
    fprintf(stderr, "seed %llu, option set starting with %s, step %u: %s\n", (unsigned long long)h->first_seed,
            h->tuning[0] ? h->tuning[0] : "defaults", h->step, what);
    fail();
}

static void must(const struct history *h, int status, const char *call)
{
    if (status != NACRE_OK) {
        char text[1200];
        snprintf(text, sizeof text, "%s gave %s: %s", call, nacre_status_name(status), nacre_last_error());
        complain(h, text);
    }
}
#define MUST(call) must(h, (call), #call)

static void open_store(struct history *h)
{
    MUST(nacre_open("/store", &h->options, &h->store));
    MUST(model_open(&h->model, h->store, h->collections));
}

static void tune(struct history *h)
{
    for (unsigned i = 0; h->tuning[i]; i += 2) {
        MUST(nacre_tune(h->store, h->tuning[i], h->tuning[i + 1]));
    }
}

static void close_store(struct history *h)
{
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        nacre_snapshot_release(h->snapshots[i]);
        h->snapshots[i] = NULL;
    }
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        nacre_collection_close(h->collections[c]);
    }
    MUST(nacre_close(h->store));
    h->pauses = 0;
}

static void compare(struct history *h)
{
    const char *wrong = model_compare(&h->model, h->collections, NULL);
    if (wrong) {
        complain(h, wrong);
    }
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        if (h->snapshots[i] && (wrong = model_compare(&h->kept[i], h->collections, h->snapshots[i]))) {
            complain(h, wrong);
        }
    }
}

static void write_some(struct history *h)
{
    nacre_batch *batch;
    MUST(nacre_batch_create(&batch));
    for (unsigned n = 1 + (unsigned)(model_random(&h->seed) % 30); n > 0; n--) {
        nacre_batch_clear(batch);
        model_random_batch(&h->model, batch, h->collections, &h->seed, &h->next_value);
        nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
        options.durability = model_random(&h->seed) % 8 ? NACRE_OS : NACRE_DISK;
        MUST(nacre_write(h->store, batch, &options));
    }
    nacre_batch_free(batch);
}

/* A cursor goes its own way through one collection. */
static void wander(struct history *h)
{
    unsigned c = (unsigned)(model_random(&h->seed) % MODEL_COLLECTIONS);
    nacre_cursor *cursor;
    MUST(nacre_scan(h->collections[c], NULL, &cursor));
    int at = -1; /* index in the model; -1 unknown */
    for (unsigned n = 0; n < 40; n++) {
        unsigned what = (unsigned)(model_random(&h->seed) % 4);
        if (what == 0 || at < 0) {
            at = (int)(model_random(&h->seed) % MODEL_KEYS);
            nacre_cursor_seek(cursor, model_key((unsigned)at));
            while (at < MODEL_KEYS && !h->model.values[c][at]) {
                at++;
            }
        } else if (what < 3) {
            nacre_cursor_next(cursor);
            do {
                at++;
            } while (at < MODEL_KEYS && !h->model.values[c][at]);
        } else {
            nacre_cursor_prev(cursor);
            do {
                at--;
            } while (at >= 0 && !h->model.values[c][at]);
        }
        bool there = at >= 0 && at < MODEL_KEYS;
        if (nacre_cursor_valid(cursor) != there) {
            complain(h, "a wandering cursor ends where it should not, or does not end");
        }
        if (there) {
            nacre_slice key = model_key((unsigned)at), got = nacre_cursor_key(cursor);
            if (got.size != key.size || memcmp(got.data, key.data, key.size) != 0) {
                complain(h, "a wandering cursor stands on another key");
            }
        } else {
            at = -1;
        }
    }
    nacre_cursor_close(cursor);
}

static void take_snapshot(struct history *h)
{
    unsigned i = (unsigned)(model_random(&h->seed) % SNAPSHOTS);
    nacre_snapshot_release(h->snapshots[i]);
    h->snapshots[i] = NULL;
    if (model_random(&h->seed) % 3) {
        MUST(nacre_snapshot_create(h->store, &h->snapshots[i]));
        h->kept[i] = h->model;
    }
}

static void check_checkpoint(struct history *h)
{
    char path[64];
    struct history copy = *h;
    snprintf(path, sizeof path, "/checkpoint%u", h->checkpoints++);
    MUST(nacre_checkpoint(h->store, path));
    MUST(nacre_open(path, &h->options, &copy.store));
    MUST(model_open(&h->model, copy.store, copy.collections));
    const char *wrong = model_compare(&h->model, copy.collections, NULL);
    if (wrong) {
        complain(h, wrong);
    }
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        nacre_collection_close(copy.collections[c]);
    }
    MUST(nacre_close(copy.store));
}

static void check_files(struct history *h)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    int status = nacre_verify(h->store, &report);
    if (status != NACRE_OK) {
        complain(h, report.damage ? report.damage : nacre_last_error());
    }
    nacre_free(report.damage);
}

static void compact_some(struct history *h, nacre_collection *collection)
{
    unsigned a = (unsigned)(model_random(&h->seed) % MODEL_KEYS), b = (unsigned)(model_random(&h->seed) % MODEL_KEYS);
    nacre_slice none = { NULL, 0 };
    MUST(nacre_compact(collection, a < b ? model_key(a) : none, a < b ? model_key(b) : none));
}

static void pause_or_resume(struct history *h)
{
    if (h->pauses && model_random(&h->seed) % 2) {
        MUST(nacre_resume_compaction(h->store));
        h->pauses--;
    } else if (h->pauses < 2) {
        MUST(nacre_pause_compaction(h->store, 60000));
        h->pauses++;
    }
}

static void step(struct history *h)
{
    nacre_collection *collection = h->collections[model_random(&h->seed) % MODEL_COLLECTIONS];
    unsigned what = (unsigned)(model_random(&h->seed) % 100);
    if (what < 50) {
        write_some(h);
    } else if (what < 60) {
        MUST(nacre_seal(collection));
    } else if (what < 66) {
        MUST(nacre_flush(collection));
    } else if (what < 72) {
        compact_some(h, collection);
    } else if (what < 80) {
        take_snapshot(h);
    } else if (what < 86) {
        wander(h);
    } else if (what < 88) {
        MUST(nacre_build_indexes(collection));
    } else if (what < 90) {
        pause_or_resume(h);
    } else if (what < 92) {
        check_checkpoint(h);
    } else if (what < 94) {
        check_files(h);
    } else if (what < 96) {
        MUST(nacre_reclaim(h->store));
        MUST(nacre_prune_log(h->store));
    } else {
        close_store(h);
        if (what == 96) {
            os_memory_kill(h->os);
        }
        open_store(h);
    }
}

/* Strings beside an ordered collection, ordered ones alone, strings alone. */
static void set_kinds(struct model *m, uint64_t number)
{
    m->kinds[0] = number % 3 == 0 ? NACRE_STRINGS : NACRE_ORDERED;
    m->kinds[1] = number % 3 == 2 ? NACRE_ORDERED : NACRE_STRINGS;
}

static void run_history(uint64_t seed, const char *const *tuning)
{
    struct history *h = calloc(1, sizeof *h);
    set_kinds(&h->model, seed / 7919);
    h->tuning = tuning;
    h->first_seed = seed / 7919;
    h->seed = seed;
    h->os = os_memory_create();
    h->options = (nacre_options)NACRE_OPTIONS_INIT;
    h->options.os = h->os;
    h->options.memory_budget = 64 << 20;
    h->options.log_limit = 4 << 20;
    open_store(h);
    tune(h);
    close_store(h);
    open_store(h); /* what is read at open */
    for (h->step = 0; h->step < STEPS; h->step++) {
        step(h);
        if (h->step % 8 == 0) {
            compare(h);
        }
    }
    compare(h);
    close_store(h);
    os_memory_free(h->os);
    free(h);
}

static void a_random_history_agrees_with_the_model_under_every_option_set(void **state)
{
    (void)state;
    const char *seed = getenv("NACRE_TEST_SEED"), *scale = getenv("NACRE_TEST_SCALE");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1,
             count = seed ? 1 : 7 * (scale ? strtoull(scale, NULL, 10) : 1);
    for (uint64_t s = first; s < first + count; s++) {
        for (unsigned t = 0; t < sizeof tunings / sizeof tunings[0]; t++) {
            run_history(s * 7919, tunings[t]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        a_random_history_agrees_with_the_model_under_every_option_set) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
