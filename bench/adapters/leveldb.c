/* LevelDB through its C API: no compression, bloom filters of 10 bits. It keeps two write buffers, so each gets half of what the others have in all. */
#include "adapters/engine.h"
#include "support.h"
#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store {
    leveldb_t *handle;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_writeoptions_t *writing;
    leveldb_readoptions_t *reading;
};

struct session {
    struct store *store;
    leveldb_writebatch_t *batch;
    char *value;
};

static void check(const char *message, const char *call)
{
    if (message != NULL) {
        die("leveldb: %s: %s", call, message);
    }
}

static void leveldb_version(char *text, size_t size)
{
    snprintf(text, size, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void *store_open(const struct engine_config *config)
{
    struct store *store = allocate(sizeof *store);
    store->options = leveldb_options_create();
    store->cache = leveldb_cache_create_lru(config->cache_bytes);
    store->filter = leveldb_filterpolicy_create_bloom(10);
    leveldb_options_set_create_if_missing(store->options, 1);
    leveldb_options_set_write_buffer_size(store->options, config->write_buffers * config->write_buffer_bytes / 2);
    leveldb_options_set_cache(store->options, store->cache);
    leveldb_options_set_filter_policy(store->options, store->filter);
    leveldb_options_set_compression(store->options, leveldb_no_compression);
    store->writing = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(store->writing, config->level == LEVEL_DISK);
    store->reading = leveldb_readoptions_create();
    char *message = NULL;
    store->handle = leveldb_open(store->options, config->directory, &message);
    check(message, "leveldb_open");
    return store;
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    leveldb_close(store->handle);
    leveldb_readoptions_destroy(store->reading);
    leveldb_writeoptions_destroy(store->writing);
    leveldb_options_destroy(store->options);
    leveldb_cache_destroy(store->cache);
    leveldb_filterpolicy_destroy(store->filter);
    free(store);
}

/* The C API has no flush; compacting a range that holds nothing first writes the memtable out and waits for it. */
static void store_flush(void *opaque)
{
    struct store *store = opaque;
    char begin[32], end[33];
    memset(begin, 0xFF, sizeof begin);
    memset(end, 0xFF, sizeof end);
    leveldb_compact_range(store->handle, begin, sizeof begin, end, sizeof end);
}

static void store_compact(void *opaque)
{
    struct store *store = opaque;
    leveldb_compact_range(store->handle, NULL, 0, NULL, 0);
}

static void *session_open(void *opaque)
{
    struct session *session = allocate(sizeof *session);
    session->store = opaque;
    session->batch = leveldb_writebatch_create();
    return session;
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    leveldb_writebatch_destroy(session->batch);
    free(session);
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct session *session = opaque;
    char *message = NULL;
    leveldb_put(session->store->handle, session->store->writing, key.data, key.size, value.data, value.size, &message);
    check(message, "leveldb_put");
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    char *message = NULL;
    leveldb_delete(session->store->handle, session->store->writing, key.data, key.size, &message);
    check(message, "leveldb_delete");
}

static void write_batch(void *opaque, const struct entry *entries, size_t count)
{
    struct session *session = opaque;
    leveldb_writebatch_clear(session->batch);
    for (size_t i = 0; i < count; i++) {
        leveldb_writebatch_put(session->batch, entries[i].key.data, entries[i].key.size, entries[i].value.data,
                               entries[i].value.size);
    }
    char *message = NULL;
    leveldb_write(session->store->handle, session->store->writing, session->batch, &message);
    check(message, "leveldb_write");
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    char *message = NULL;
    session->value =
        leveldb_get(session->store->handle, session->store->reading, key.data, key.size, &value->size, &message);
    check(message, "leveldb_get");
    value->data = session->value;
    return session->value != NULL;
}

static void release(void *opaque)
{
    struct session *session = opaque;
    leveldb_free(session->value);
}

static void *cursor_open(void *opaque)
{
    struct session *session = opaque;
    return leveldb_create_iterator(session->store->handle, session->store->reading);
}

static void cursor_close(void *cursor)
{
    leveldb_iter_destroy(cursor);
}

static bool stand(leveldb_iterator_t *cursor, struct entry *entry)
{
    if (!leveldb_iter_valid(cursor)) {
        char *message = NULL;
        leveldb_iter_get_error(cursor, &message);
        check(message, "iterator");
        return false;
    }
    entry->key.data = leveldb_iter_key(cursor, &entry->key.size);
    entry->value.data = leveldb_iter_value(cursor, &entry->value.size);
    return true;
}

static bool seek(void *cursor, struct slice key, struct entry *entry)
{
    leveldb_iter_seek(cursor, key.data, key.size);
    return stand(cursor, entry);
}

static bool first(void *cursor, struct entry *entry)
{
    leveldb_iter_seek_to_first(cursor);
    return stand(cursor, entry);
}

static bool last(void *cursor, struct entry *entry)
{
    leveldb_iter_seek_to_last(cursor);
    return stand(cursor, entry);
}

static bool next(void *cursor, struct entry *entry)
{
    leveldb_iter_next(cursor);
    return stand(cursor, entry);
}

static bool prev(void *cursor, struct entry *entry)
{
    leveldb_iter_prev(cursor);
    return stand(cursor, entry);
}

const struct engine engine_leveldb = {
    .name = "leveldb",
    .version = leveldb_version,
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
