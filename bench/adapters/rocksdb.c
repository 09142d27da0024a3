/* RocksDB through its C API: leveled, no compression, whole-key bloom filters of 10 bits, everything else as it comes except what is set below. A
   variant keeps values from BLOB_LEAST on in blob files, which compactions collect the garbage of. */
#include "adapters/engine.h"
#include "support.h"
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOB_LEAST 256u

struct store {
    rocksdb_t *handle;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_block_based_table_options_t *table;
    rocksdb_writeoptions_t *writing;
    rocksdb_readoptions_t *reading;
};

struct session {
    struct store *store;
    rocksdb_writebatch_t *batch;
    rocksdb_pinnableslice_t *value;
};

static void check(const char *message, const char *call)
{
    if (message != NULL) {
        die("rocksdb: %s: %s", call, message);
    }
}

static void rocksdb_version(char *text, size_t size)
{
    snprintf(text, size, "%s", BENCH_ROCKSDB_VERSION); /* its version.h is C++; bench/CMakeLists.txt reads it */
}

static void set_options(struct store *store, const struct engine_config *config)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, config->write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(options, (int)config->write_buffers);
    rocksdb_options_set_max_background_jobs(options, (int)config->background_threads);
    rocksdb_options_set_compaction_style(options, rocksdb_level_compaction);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    rocksdb_options_set_bytes_per_sync(options, 1 << 20); /* as its tuning guide advises: smoother writing back */
    rocksdb_options_set_info_log_level(options, 2);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    store->table = rocksdb_block_based_options_create();
    store->cache = rocksdb_cache_create_lru(config->cache_bytes);
    rocksdb_block_based_options_set_block_cache(store->table, store->cache);
    rocksdb_block_based_options_set_filter_policy(store->table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(options, store->table);
    store->options = options;
}

static void *open_with(const struct engine_config *config, bool blobs)
{
    struct store *store = allocate(sizeof *store);
    set_options(store, config);
    if (blobs) {
        rocksdb_options_set_enable_blob_files(store->options, 1);
        rocksdb_options_set_min_blob_size(store->options, BLOB_LEAST);
        rocksdb_options_set_enable_blob_gc(store->options, 1);
    }
    store->writing = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->writing, config->level == LEVEL_DISK);
    store->reading = rocksdb_readoptions_create();
    char *message = NULL;
    store->handle = rocksdb_open(store->options, config->directory, &message);
    check(message, "rocksdb_open");
    return store;
}

static void *store_open(const struct engine_config *config)
{
    return open_with(config, false);
}

static void *store_open_blobs(const struct engine_config *config)
{
    return open_with(config, true);
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    rocksdb_close(store->handle);
    rocksdb_readoptions_destroy(store->reading);
    rocksdb_writeoptions_destroy(store->writing);
    rocksdb_options_destroy(store->options);
    rocksdb_block_based_options_destroy(store->table);
    rocksdb_cache_destroy(store->cache);
    free(store);
}

static void store_flush(void *opaque)
{
    struct store *store = opaque;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    char *message = NULL;
    rocksdb_flush(store->handle, options, &message);
    check(message, "rocksdb_flush");
    rocksdb_flushoptions_destroy(options);
}

static void store_compact(void *opaque)
{
    struct store *store = opaque;
    rocksdb_compact_range(store->handle, NULL, 0, NULL, 0);
}

static void *session_open(void *opaque)
{
    struct session *session = allocate(sizeof *session);
    session->store = opaque;
    session->batch = rocksdb_writebatch_create();
    return session;
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    rocksdb_writebatch_destroy(session->batch);
    free(session);
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct session *session = opaque;
    char *message = NULL;
    rocksdb_put(session->store->handle, session->store->writing, key.data, key.size, value.data, value.size, &message);
    check(message, "rocksdb_put");
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    char *message = NULL;
    rocksdb_delete(session->store->handle, session->store->writing, key.data, key.size, &message);
    check(message, "rocksdb_delete");
}

static void write_batch(void *opaque, const struct entry *entries, size_t count)
{
    struct session *session = opaque;
    rocksdb_writebatch_clear(session->batch);
    for (size_t i = 0; i < count; i++) {
        rocksdb_writebatch_put(session->batch, entries[i].key.data, entries[i].key.size, entries[i].value.data,
                               entries[i].value.size);
    }
    char *message = NULL;
    rocksdb_write(session->store->handle, session->store->writing, session->batch, &message);
    check(message, "rocksdb_write");
}

/* Files of the size that it aims at for the first levels. */
#define BULK_FILE_BYTES (UINT64_C(64) << 20)

struct bulk {
    struct store *store;
    const char *directory;
    rocksdb_envoptions_t *environment;
    rocksdb_sstfilewriter_t *writer;
    char paths[64][256];
    size_t count;
    uint64_t bytes; /* about, of the open file */
};

static void *bulk_begin(void *opaque, const char *directory)
{
    struct bulk *bulk = allocate(sizeof *bulk);
    bulk->store = opaque;
    bulk->directory = directory;
    bulk->environment = rocksdb_envoptions_create();
    return bulk;
}

static void bulk_end_file(struct bulk *bulk)
{
    char *message = NULL;
    rocksdb_sstfilewriter_finish(bulk->writer, &message);
    check(message, "rocksdb_sstfilewriter_finish");
    rocksdb_sstfilewriter_destroy(bulk->writer);
    bulk->writer = NULL;
    bulk->count++;
    bulk->bytes = 0;
}

static void bulk_put(void *opaque, struct slice key, struct slice value)
{
    struct bulk *bulk = opaque;
    char *message = NULL;
    if (bulk->writer == NULL) {
        if (bulk->count == sizeof bulk->paths / sizeof bulk->paths[0]) {
            die("rocksdb: more than %zu files to ingest", bulk->count);
        }
        snprintf(bulk->paths[bulk->count], sizeof bulk->paths[0], "%s/bulk-%zu.sst", bulk->directory, bulk->count);
        bulk->writer = rocksdb_sstfilewriter_create(bulk->environment, bulk->store->options);
        rocksdb_sstfilewriter_open(bulk->writer, bulk->paths[bulk->count], &message);
        check(message, "rocksdb_sstfilewriter_open");
    }
    rocksdb_sstfilewriter_put(bulk->writer, key.data, key.size, value.data, value.size, &message);
    check(message, "rocksdb_sstfilewriter_put");
    bulk->bytes += key.size + value.size;
    if (bulk->bytes >= BULK_FILE_BYTES) {
        bulk_end_file(bulk);
    }
}

static void bulk_end(void *opaque)
{
    struct bulk *bulk = opaque;
    const char *paths[sizeof bulk->paths / sizeof bulk->paths[0]];
    char *message = NULL;
    if (bulk->writer != NULL) {
        bulk_end_file(bulk);
    }
    for (size_t i = 0; i < bulk->count; i++) {
        paths[i] = bulk->paths[i];
    }
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    rocksdb_ingest_external_file(bulk->store->handle, paths, bulk->count, options, &message);
    check(message, "rocksdb_ingest_external_file");
    rocksdb_ingestexternalfileoptions_destroy(options);
    rocksdb_envoptions_destroy(bulk->environment);
    free(bulk);
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    char *message = NULL;
    session->value = rocksdb_get_pinned(session->store->handle, session->store->reading, key.data, key.size, &message);
    check(message, "rocksdb_get_pinned");
    if (session->value == NULL) {
        return false;
    }
    value->data = rocksdb_pinnableslice_value(session->value, &value->size);
    return true;
}

static void release(void *opaque)
{
    struct session *session = opaque;
    rocksdb_pinnableslice_destroy(session->value);
}

static void *cursor_open(void *opaque)
{
    struct session *session = opaque;
    return rocksdb_create_iterator(session->store->handle, session->store->reading);
}

static void cursor_close(void *cursor)
{
    rocksdb_iter_destroy(cursor);
}

static bool stand(rocksdb_iterator_t *cursor, struct entry *entry)
{
    if (!rocksdb_iter_valid(cursor)) {
        char *message = NULL;
        rocksdb_iter_get_error(cursor, &message);
        check(message, "iterator");
        return false;
    }
    entry->key.data = rocksdb_iter_key(cursor, &entry->key.size);
    entry->value.data = rocksdb_iter_value(cursor, &entry->value.size);
    return true;
}

static bool seek(void *cursor, struct slice key, struct entry *entry)
{
    rocksdb_iter_seek(cursor, key.data, key.size);
    return stand(cursor, entry);
}

static bool first(void *cursor, struct entry *entry)
{
    rocksdb_iter_seek_to_first(cursor);
    return stand(cursor, entry);
}

static bool last(void *cursor, struct entry *entry)
{
    rocksdb_iter_seek_to_last(cursor);
    return stand(cursor, entry);
}

static bool next(void *cursor, struct entry *entry)
{
    rocksdb_iter_next(cursor);
    return stand(cursor, entry);
}

static bool prev(void *cursor, struct entry *entry)
{
    rocksdb_iter_prev(cursor);
    return stand(cursor, entry);
}

#define FUNCTIONS \
    .version = rocksdb_version, .close = store_close, .flush = store_flush, .compact = store_compact, \
    .session_open = session_open, .session_close = session_close, .put = put, .remove = remove_key, \
    .write_batch = write_batch, .bulk_begin = bulk_begin, .bulk_put = bulk_put, .bulk_end = bulk_end, .get = get, \
    .release = release, .cursor_open = cursor_open, .cursor_close = cursor_close, .seek = seek, .first = first, \
    .last = last, .next = next, .prev = prev

const struct engine engine_rocksdb = { .name = "rocksdb", .open = store_open, FUNCTIONS };
const struct engine engine_rocksdb_blobs = {
    .name = "rocksdb-blobs", .variant = true, .open = store_open_blobs, FUNCTIONS
};
