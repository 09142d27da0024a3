/* RocksDB through its C API: leveled, no compression, whole-key bloom filters of 10 bits, everything else as it comes except what is set below. */
#include "adapters/engine.h"
#include "support.h"
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

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

static void *store_open(const struct engine_config *config)
{
    struct store *store = allocate(sizeof *store);
    set_options(store, config);
    store->writing = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->writing, config->level == LEVEL_DISK);
    store->reading = rocksdb_readoptions_create();
    char *message = NULL;
    store->handle = rocksdb_open(store->options, config->directory, &message);
    check(message, "rocksdb_open");
    return store;
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

const struct engine engine_rocksdb = {
    .name = "rocksdb",
    .version = rocksdb_version,
    .open = store_open,
    .close = store_close,
    .flush = store_flush,
    .compact = store_compact,
    .session_open = session_open,
    .session_close = session_close,
    .put = put,
    .remove = remove_key,
    .write_batch = write_batch,
    .get = get,
    .release = release,
    .cursor_open = cursor_open,
    .cursor_close = cursor_close,
    .seek = seek,
    .first = first,
    .last = last,
    .next = next,
    .prev = prev,
};
