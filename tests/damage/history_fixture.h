/* What the tests of damage to whole stores share: a store with a collection of each kind and a mixed one, written batch by batch so that each of its
   states is known; some batches are in segments, the last in the log alone. And the list of its files. Who includes it says how many BATCHES there
   are, of which the last are LOGGED. */
#ifndef NACRE_TESTS_HISTORY_FIXTURE_H
#define NACRE_TESTS_HISTORY_FIXTURE_H
#include "support/mixed.h"
#include "support/model.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"

#define COMPACTED (BATCHES - LOGGED - 59) /* so many batches are in segments that a compaction made */
#define FLUSHED   (BATCHES - LOGGED)
#define FILES_MAX 256

static struct model states[BATCHES + 1]; /* after so many batches */
static nacre_os *disk;                   /* a copy, which is damaged */
static nacre_options options;
static nacre_store *store;
static nacre_collection *collections[MODEL_COLLECTIONS], *mixed;

static inline void set_options(nacre_os *os)
{
    options = (nacre_options)NACRE_OPTIONS_INIT;
    options.os = os;
    options.durability = NACRE_OS;
    options.memory_budget = 16 << 20;
    options.background_threads = 1;
    options.hooks = mixed_hooks();
}

static inline void open_collections(void)
{
    assert_ok(model_open(&states[0], store, collections));
    assert_ok(mixed_open(store, &mixed));
}

static inline void close_collections(void)
{
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        nacre_collection_close(collections[c]);
        collections[c] = NULL;
    }
    nacre_collection_close(mixed);
    mixed = NULL;
}

/* ---- the history ---- */

struct history {
    uint64_t seed;
    uint32_t next_value;
    unsigned written; /* batches */
};

static inline void begin_history(nacre_os *os)
{
    static const char *const tuning[] = {
        "seal_bytes",  "16384", "segment_bytes",   "16384", "level0_runs",    "3",
        "block_bytes", "512",   "compression_top", "1",     "log_file_bytes", "65536"
    };
    states[0].kinds[1] = NACRE_STRINGS;
    states[0].kinds[2] = NACRE_VECTORS;
    set_options(os);
    assert_ok(nacre_open("/store", &options, &store));
    for (size_t i = 0; i < sizeof tuning / sizeof tuning[0]; i += 2) {
        assert_ok(nacre_tune(store, tuning[i], tuning[i + 1]));
    }
    open_collections();
    assert_ok(mixed_write(mixed, 0));
}

static inline void write_batches(struct history *h, unsigned until)
{
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (; h->written < until; h->written++) {
        struct model *next = &states[h->written + 1];
        *next = states[h->written];
        nacre_batch_clear(batch);
        model_random_batch(next, batch, collections, &h->seed, &h->next_value);
        assert_ok(nacre_write(store, batch, NULL));
    }
    nacre_batch_free(batch);
}

/* The batches that are COMPACTED. A later merge would replace what is to be damaged, and is not made. */
static inline void write_compacted(struct history *h)
{
    const nacre_slice none = { NULL, 0 };
    write_batches(h, COMPACTED);
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        assert_ok(nacre_compact(collections[c], none, none));
    }
    assert_ok(nacre_compact(mixed, none, none));
    assert_ok(mixed_write(mixed, 1));
    assert_ok(nacre_tune(store, "level0_runs", "64"));
    assert_ok(nacre_tune(store, "tombstone_percent", "100"));
}

/* The batches that are FLUSHED, and those that are LOGGED. */
static inline void write_rest(struct history *h)
{
    write_batches(h, FLUSHED);
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        assert_ok(nacre_flush(collections[c]));
    }
    assert_ok(nacre_flush(mixed));
    assert_ok(mixed_write(mixed, 2)); /* in the log, before the last batches */
    write_batches(h, BATCHES);
}

/* ---- files ---- */

static struct file {
    char path[128];
    uint64_t size;
} files[FILES_MAX]; /* of the damaged store */
static unsigned file_count;

static inline void add_file(void *context, const char *name)
{
    struct file *f = &files[file_count];
    nacre_file *file;
    assert_true(file_count < FILES_MAX);
    snprintf(f->path, sizeof f->path, "%s/%s", (const char *)context, name);
    if (disk->open(disk->context, f->path, NACRE_FILE_READ, &file) == NACRE_OK) {
        if (disk->size(file, &f->size) == NACRE_OK && f->size > 0) {
            file_count++;
        }
        disk->close(file);
    }
}

static inline void list_files(void)
{
    static char *const directories[] = { "/store", "/store/manifest", "/store/log", "/store/segments",
                                         "/store/values" };
    file_count = 0;
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        assert_int_equal(disk->list(disk->context, directories[i], add_file, directories[i]), NACRE_OK);
    }
}
#endif
