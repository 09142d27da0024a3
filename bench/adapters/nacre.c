/* nacre through its public header. The memory budget is the sum of what the others get as cache and write buffers; compression is off, as theirs is.
   A variant keeps all values in segments. */
#include "adapters/engine.h"
#include "support.h"
#include <nacre/nacre.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_SEAL_BYTES (UINT64_C(64) << 20)

struct store {
    nacre_store *handle;
    nacre_collection *collection;
};

struct session {
    struct store *store;
    nacre_batch *batch;
    nacre_value value;
};

static void check(int status, const char *call)
{
    if (status != NACRE_OK) {
        die("nacre: %s: %s: %s", call, nacre_status_name(status), nacre_last_error());
    }
}

static nacre_slice as_nacre(struct slice slice)
{
    return (nacre_slice){ slice.data, slice.size };
}

static void nacre_engine_version(char *text, size_t size)
{
    snprintf(text, size, "%s", nacre_version());
}

static void tune(nacre_store *handle, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    check(nacre_tune(handle, name, text), name);
}

static void *open_with(const struct engine_config *config, uint64_t value_log_threshold)
{
    struct store *store = allocate(sizeof *store);
    nacre_options options = NACRE_OPTIONS_INIT;
    options.durability = config->level == LEVEL_DISK ? NACRE_DISK : NACRE_OS;
    options.memory_budget = config->cache_bytes + config->write_buffers * config->write_buffer_bytes;
    options.background_threads = config->background_threads;
    check(nacre_open(config->directory, &options, &store->handle), "nacre_open");
    tune(store->handle, "compression_top", 0);
    tune(store->handle, "compression_middle", 0);
    tune(store->handle, "compression_bottom", 0);
    if (config->write_buffer_bytes > DEFAULT_SEAL_BYTES) {
        tune(store->handle, "seal_bytes", config->write_buffer_bytes);
    }
    int status = nacre_collection_open(store->handle, "bench", &store->collection);
    if (status == NACRE_NOT_FOUND) {
        nacre_collection_options collection = NACRE_COLLECTION_OPTIONS_INIT;
        collection.value_log_threshold = value_log_threshold;
        status = nacre_collection_create(store->handle, "bench", &collection, &store->collection);
    }
    check(status, "nacre_collection_open");
    return store;
}

/* NACRE_BENCH_THRESHOLD: another value_log_threshold than the engine's, for sweeps. */
static void *store_open(const struct engine_config *config)
{
    const char *text = getenv("NACRE_BENCH_THRESHOLD");
    return open_with(config, text ? strtoull(text, NULL, 10) : 0);
}

static void *store_open_inline(const struct engine_config *config)
{
    return open_with(config, UINT64_MAX);
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    nacre_collection_close(store->collection);
    check(nacre_close(store->handle), "nacre_close");
    free(store);
}

static void store_flush(void *opaque)
{
    struct store *store = opaque;
    check(nacre_flush(store->collection), "nacre_flush");
}

static void store_compact(void *opaque)
{
    struct store *store = opaque;
    nacre_slice all = { NULL, 0 };
    check(nacre_compact(store->collection, all, all), "nacre_compact");
}

static void store_seal(void *opaque)
{
    struct store *store = opaque;
    check(nacre_seal(store->collection), "nacre_seal");
}

static void *session_open(void *opaque)
{
    struct session *session = allocate(sizeof *session);
    session->store = opaque;
    check(nacre_batch_create(&session->batch), "nacre_batch_create");
    return session;
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    nacre_batch_free(session->batch);
    free(session);
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct session *session = opaque;
    check(nacre_put(session->store->collection, as_nacre(key), as_nacre(value), NULL), "nacre_put");
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    check(nacre_delete(session->store->collection, as_nacre(key), NULL), "nacre_delete");
}

static void write_batch(void *opaque, const struct entry *entries, size_t count)
{
    struct session *session = opaque;
    nacre_batch_clear(session->batch);
    for (size_t i = 0; i < count; i++) {
        check(nacre_batch_put(session->batch, session->store->collection, as_nacre(entries[i].key),
                              as_nacre(entries[i].value)),
              "nacre_batch_put");
    }
    check(nacre_write(session->store->handle, session->batch, NULL), "nacre_write");
}

struct bulk {
    struct store *store;
    nacre_segment_writer *writer;
};

static void *bulk_begin(void *opaque, const char *directory)
{
    struct bulk *bulk = allocate(sizeof *bulk);
    (void)directory;
    bulk->store = opaque;
    check(nacre_segment_writer_create(bulk->store->collection, NULL, &bulk->writer), "nacre_segment_writer_create");
    return bulk;
}

static void bulk_put(void *opaque, struct slice key, struct slice value)
{
    struct bulk *bulk = opaque;
    check(nacre_segment_writer_put(bulk->writer, as_nacre(key), as_nacre(value)), "nacre_segment_writer_put");
}

static void bulk_end(void *opaque)
{
    struct bulk *bulk = opaque;
    check(nacre_ingest(bulk->store->collection, &bulk->writer, 1), "nacre_ingest");
    nacre_segment_writer_free(bulk->writer);
    free(bulk);
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    int status = nacre_get(session->store->collection, as_nacre(key), NULL, &session->value);
    if (status == NACRE_NOT_FOUND) {
        return false;
    }
    check(status, "nacre_get");
    *value = (struct slice){ session->value.slice.data, session->value.slice.size };
    return true;
}

static void release(void *opaque)
{
    struct session *session = opaque;
    nacre_value_release(&session->value);
}

static void *cursor_open(void *opaque)
{
    struct session *session = opaque;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor = NULL;
    check(nacre_scan(session->store->collection, &options, &cursor), "nacre_scan");
    return cursor;
}

static void cursor_close(void *cursor)
{
    nacre_cursor_close(cursor);
}

static bool stand(nacre_cursor *cursor, struct entry *entry)
{
    if (!nacre_cursor_valid(cursor)) {
        check(nacre_cursor_status(cursor), "cursor");
        return false;
    }
    nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
    *entry = (struct entry){ { key.data, key.size }, { value.data, value.size } };
    return true;
}

static bool seek(void *cursor, struct slice key, struct entry *entry)
{
    nacre_cursor_seek(cursor, as_nacre(key));
    return stand(cursor, entry);
}

static bool first(void *cursor, struct entry *entry)
{
    nacre_cursor_first(cursor);
    return stand(cursor, entry);
}

static bool last(void *cursor, struct entry *entry)
{
    nacre_cursor_last(cursor);
    return stand(cursor, entry);
}

static bool next(void *cursor, struct entry *entry)
{
    nacre_cursor_next(cursor);
    return stand(cursor, entry);
}

static bool prev(void *cursor, struct entry *entry)
{
    nacre_cursor_prev(cursor);
    return stand(cursor, entry);
}

#define FUNCTIONS \
    .version = nacre_engine_version, .close = store_close, .flush = store_flush, .compact = store_compact, \
    .seal = store_seal, .session_open = session_open, .session_close = session_close, .put = put, \
    .remove = remove_key, .write_batch = write_batch, .bulk_begin = bulk_begin, .bulk_put = bulk_put, \
    .bulk_end = bulk_end, .get = get, .release = release, .cursor_open = cursor_open, .cursor_close = cursor_close, \
    .seek = seek, .first = first, .last = last, .next = next, .prev = prev

const struct engine engine_nacre = { .name = "nacre", .open = store_open, FUNCTIONS };
const struct engine engine_nacre_inline = {
    .name = "nacre-inline", .variant = true, .open = store_open_inline, FUNCTIONS
};
