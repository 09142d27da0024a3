/* Random histories of calls against the plain model, each under several option sets and one that is drawn from the table of parameters: whatever is sealed, merged, indexed, reopened or held by
   snapshots in between, the store shows what the model shows, and an opening for reading beside it what the model was at its last refresh. The seed is printed with a failure; NACRE_TEST_SEED runs that one alone,
   NACRE_TEST_SCALE makes more of them. */
#include "store/tuning.h"
#include "support/model_txn.h"
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
    struct model_txn txn; /* goes on for many steps */
    uint32_t next_value;
    unsigned step, checkpoints, pauses;
    struct beside { /* an opening for reading; store NULL: none */
        nacre_store *store;
        nacre_collection *collections[MODEL_COLLECTIONS];
        nacre_snapshot *snapshot;
        struct model seen, kept;
    } beside;
};

static const char *const tuned_defaults[] = { NULL };
static const char *const tuned_tiny[] = {
    "seal_bytes",  "8192", "segment_bytes", "16384", "level_base_bytes", "65536", "level0_runs",      "2",
    "block_bytes", "512",  "level_ratio",   "2",     "log_file_bytes",   "65536", "value_file_bytes", "16384",
    NULL
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
static const char *const tuned_unmapped[] = { "seal_bytes",
                                              "16384",
                                              "segment_bytes",
                                              "32768",
                                              "level_base_bytes",
                                              "65536",
                                              "log_map",
                                              "0",
                                              "segment_map",
                                              "0",
                                              "log_recycle",
                                              "0",
                                              "tombstone_percent",
                                              "5",
                                              "log_file_bytes",
                                              "65536",
                                              "value_file_bytes",
                                              "65536",
                                              NULL };
static const char *const *const tunings[] = { tuned_defaults, tuned_tiny, tuned_compressed, tuned_unmapped };

/* A set of most parameters, each drawn from its range, so that small ones are as likely as large ones; sizes stay small enough to matter. */
struct drawn {
    char values[TUNING_COUNT][24];
    const char *tuning[2 * TUNING_COUNT + 1];
};

static uint64_t draw_value(uint64_t *seed, uint64_t least, uint64_t most)
{
    uint64_t cap = most < (1 << 20) ? most : 1 << 20;
    cap = cap > least ? cap : least;
    unsigned bits = 0;
    while (((cap - least) >> bits) != 0) {
        bits++;
    }
    uint64_t more = model_random(seed) & ((UINT64_C(1) << model_random(seed) % (bits + 1)) - 1);
    return least + (more < cap - least ? more : cap - least);
}

static void draw_tuning(struct drawn *drawn, uint64_t seed)
{
    unsigned at = 0;
    for (unsigned i = 0; i < TUNING_COUNT; i++) {
        enum tuning_name name = (enum tuning_name)i;
        uint64_t value = draw_value(&seed, tuning_least(name), tuning_most(name));
        snprintf(drawn->values[i], sizeof drawn->values[i], "%llu", (unsigned long long)value);
        if (model_random(&seed) % 4) { /* else the engine's */
            drawn->tuning[at++] = tuning_name_of(name);
            drawn->tuning[at++] = drawn->values[i];
        }
    }
    drawn->tuning[at] = NULL;
}

static void complain(const struct history *h, const char *what)
{
    fprintf(stderr, "seed %llu, option set starting with %s, step %u: %s\n", (unsigned long long)h->first_seed,
            h->tuning[0] ? h->tuning[0] : "defaults", h->step, what);
    for (unsigned i = 0; h->tuning[i]; i += 2) {
        fprintf(stderr, "  %s %s\n", h->tuning[i], h->tuning[i + 1]);
    }
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

/* A transaction of its own, or the next steps of the one that stays open while others write. */
static void transact(struct history *h)
{
    const char *wrong = NULL;
    if (model_random(&h->seed) % 2) {
        MUST(model_random_txn(&h->model, h->store, h->collections, &h->seed, &h->next_value, NULL, &wrong));
    } else if (!h->txn.txn) {
        MUST(model_txn_begin(&h->txn, &h->model, h->store, &h->seed));
    } else if (model_random(&h->seed) % 3) {
        MUST(model_txn_step(&h->txn, h->collections, &h->seed, &h->next_value, &wrong));
    } else {
        int status = model_txn_commit(&h->txn, &h->model, NULL, &wrong);
        must(h, status == NACRE_CONFLICT ? NACRE_OK : status, "the commit of a long transaction");
    }
    if (wrong) {
        complain(h, wrong);
    }
}

static void close_store(struct history *h)
{
    model_txn_abort(&h->txn);
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

static void close_beside(struct history *h)
{
    struct beside *b = &h->beside;
    if (b->store) {
        nacre_snapshot_release(b->snapshot);
        for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
            nacre_collection_close(b->collections[c]);
        }
        MUST(nacre_close(b->store));
    }
    b->store = NULL;
    b->snapshot = NULL;
}

static void compare_beside(struct history *h)
{
    struct beside *b = &h->beside;
    const char *wrong = b->store ? model_compare(&b->seen, b->collections, NULL) : NULL;
    if (!wrong && b->snapshot) {
        wrong = model_compare(&b->kept, b->collections, b->snapshot);
    }
    if (wrong) {
        fprintf(stderr, "an opening for reading:\n");
        complain(h, wrong);
    }
}

static void read_beside(struct history *h)
{
    struct beside *b = &h->beside;
    unsigned what = (unsigned)(model_random(&h->seed) % 16);
    compare_beside(h);
    if (!b->store) {
        nacre_options options = h->options;
        options.read_only = true;
        MUST(nacre_open("/store", &options, &b->store));
        MUST(model_open(&h->model, b->store, b->collections));
    } else if (what == 0) {
        close_beside(h);
        return;
    } else {
        MUST(nacre_refresh(b->store));
    }
    b->seen = h->model;
    if (what % 5 == 1) {
        nacre_snapshot_release(b->snapshot);
        MUST(nacre_snapshot_create(b->store, &b->snapshot));
        b->kept = b->seen;
    }
    compare_beside(h);
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

/* What a backup restores is the store as it is now. */
static void check_backup(struct history *h)
{
    char path[64];
    uint64_t id = 0;
    struct history copy = *h;
    snprintf(path, sizeof path, "/restored%u", h->checkpoints++);
    MUST(nacre_backup(h->store, "/backups", NULL, &id));
    MUST(nacre_restore("/backups", id, path, &h->options));
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
    MUST(nacre_backup_keep("/backups", 3, &h->options));
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
    if (what < 36) {
        write_some(h);
    } else if (what < 42) {
        read_beside(h);
    } else if (what < 50) {
        transact(h);
    } else if (what < 60) {
        MUST(nacre_seal(collection));
    } else if (what < 64) {
        MUST(nacre_flush(collection));
    } else if (what < 66) {
        MUST(model_random_ingest(&h->model, h->collections, &h->seed, &h->next_value));
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
    } else if (what < 91) {
        check_checkpoint(h);
    } else if (what < 92) {
        check_backup(h);
    } else if (what < 94) {
        check_files(h);
    } else if (what < 96) {
        MUST(nacre_reclaim(h->store));
        MUST(nacre_prune_log(h->store));
    } else {
        close_store(h);
        if (what == 96) {
            close_beside(h);
            os_memory_kill(h->os);
        }
        open_store(h);
    }
}

/* Vectors beside strings and an ordered collection, two ordered ones, two of strings; each metric with each of these. */
static void set_kinds(struct model *m, uint64_t number)
{
    m->kinds[0] = number % 3 == 0 ? NACRE_STRINGS : NACRE_ORDERED;
    m->kinds[1] = number % 3 == 2 ? NACRE_ORDERED : NACRE_STRINGS;
    m->kinds[2] = NACRE_VECTORS;
    m->metrics[2] = (nacre_metric)(NACRE_L2 + (number + number / 3) % 3);
}

static void run_history(uint64_t seed, const char *const *tuning)
{
    struct history *h = calloc(1, sizeof *h);
    set_kinds(&h->model, seed / 7919);
    static const uint64_t thresholds[] = { 16, 0, 300, UINT64_MAX };
    h->model.value_log_threshold = thresholds[(seed / 7919 + (tuning != tuned_tiny)) % 4];
    h->tuning = tuning;
    h->first_seed = seed / 7919;
    h->seed = seed;
    h->os = os_memory_create();
    h->options = (nacre_options)NACRE_OPTIONS_INIT;
    h->options.os = h->os;
    h->model.merges = h->first_seed % 2 == 0;
    h->options.hooks = h->model.merges ? &model_hooks : NULL;
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
    close_beside(h);
    close_store(h);
    os_memory_free(h->os);
    free(h);
}

static void a_random_history_agrees_with_the_model_under_every_option_set(void **state)
{
    (void)state;
    const char *seed = getenv("NACRE_TEST_SEED"), *scale = getenv("NACRE_TEST_SCALE");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1,
             count = seed ? 1 : 4 * (scale ? strtoull(scale, NULL, 10) : 1);
    for (uint64_t s = first; s < first + count; s++) {
        for (unsigned t = 0; t < sizeof tunings / sizeof tunings[0]; t++) {
            run_history(s * 7919, tunings[t]);
        }
        struct drawn drawn;
        draw_tuning(&drawn, s * 7919 + 1);
        run_history(s * 7919, drawn.tuning);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        a_random_history_agrees_with_the_model_under_every_option_set) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
