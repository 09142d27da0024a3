/* WiredTiger: one row-store table with a log. Level os is transaction_sync with method none (a commit writes the log to the operating system), level
   disk is method fsync. It has one cache for pages read and written, so it gets what the others have as cache and write buffers together. The layout
   of the table is the one MongoDB uses. */
#include "adapters/engine.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <wiredtiger.h>

#define TABLE "table:bench"
#define LAYOUT \
    "key_format=u,value_format=u,allocation_size=4KB,leaf_page_max=32KB,leaf_value_max=64MB,memory_page_max=10MB," \
    "split_pct=90"

struct store {
    WT_CONNECTION *connection;
    WT_SESSION *keeping; /* for checkpoints and compaction */
};

struct session {
    WT_SESSION *handle;
    WT_CURSOR *cursor;
};

static void check(int code, const char *call)
{
    if (code != 0) {
        die("wiredtiger: %s: %s", call, wiredtiger_strerror(code));
    }
}

static WT_ITEM as_item(struct slice slice)
{
    WT_ITEM item = { .data = slice.data, .size = slice.size };
    return item;
}

static void wiredtiger_engine_version(char *text, size_t size)
{
    int major, minor, patch;
    wiredtiger_version(&major, &minor, &patch);
    snprintf(text, size, "%d.%d.%d", major, minor, patch);
}

static void *store_open(const struct engine_config *config)
{
    struct store *store = allocate(sizeof *store);
    char text[512];
    uint64_t cache = config->cache_bytes + config->write_buffers * config->write_buffer_bytes;
    snprintf(text, sizeof text,
             "create,cache_size=%llu,log=(enabled=true,file_max=100MB),checkpoint=(wait=60,log_size=1GB),"
             "eviction=(threads_min=1,threads_max=%u),transaction_sync=(enabled=true,method=%s)",
             (unsigned long long)cache, config->background_threads, config->level == LEVEL_DISK ? "fsync" : "none");
    check(wiredtiger_open(config->directory, NULL, text, &store->connection), "wiredtiger_open");
    check(store->connection->open_session(store->connection, NULL, NULL, &store->keeping), "open_session");
    check(store->keeping->create(store->keeping, TABLE, LAYOUT), "create");
    return store;
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    check(store->connection->close(store->connection, NULL), "close");
    free(store);
}

static void store_flush(void *opaque)
{
    struct store *store = opaque;
    check(store->keeping->checkpoint(store->keeping, NULL), "checkpoint");
}

static void store_compact(void *opaque)
{
    struct store *store = opaque;
    check(store->keeping->checkpoint(store->keeping, NULL), "checkpoint");
    check(store->keeping->compact(store->keeping, TABLE, "timeout=0"), "compact");
}

static void *session_open(void *opaque)
{
    struct store *store = opaque;
    struct session *session = allocate(sizeof *session);
    check(store->connection->open_session(store->connection, NULL, NULL, &session->handle), "open_session");
    check(session->handle->open_cursor(session->handle, TABLE, NULL, NULL, &session->cursor), "open_cursor");
    return session;
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    check(session->handle->close(session->handle, NULL), "close");
    free(session);
}

/* A write that meets a page under heavy eviction may be told to start again. */
static int insert(WT_CURSOR *cursor, struct slice key, struct slice value)
{
    WT_ITEM key_item = as_item(key), value_item = as_item(value);
    cursor->set_key(cursor, &key_item);
    cursor->set_value(cursor, &value_item);
    return cursor->insert(cursor);
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct session *session = opaque;
    int code;
    do {
        code = insert(session->cursor, key, value);
    } while (code == WT_ROLLBACK);
    check(code, "insert");
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    WT_ITEM item = as_item(key);
    int code;
    do {
        session->cursor->set_key(session->cursor, &item);
        code = session->cursor->remove(session->cursor);
    } while (code == WT_ROLLBACK);
    check(code == WT_NOTFOUND ? 0 : code, "remove");
}

static bool write_batch_once(struct session *session, const struct entry *entries, size_t count)
{
    check(session->handle->begin_transaction(session->handle, NULL), "begin_transaction");
    for (size_t i = 0; i < count; i++) {
        int code = insert(session->cursor, entries[i].key, entries[i].value);
        if (code == WT_ROLLBACK) {
            check(session->handle->rollback_transaction(session->handle, NULL), "rollback_transaction");
            return false;
        }
        check(code, "insert");
    }
    check(session->handle->commit_transaction(session->handle, NULL), "commit_transaction");
    return true;
}

static void write_batch(void *opaque, const struct entry *entries, size_t count)
{
    while (!write_batch_once(opaque, entries, count)) {}
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    WT_ITEM item = as_item(key);
    session->cursor->set_key(session->cursor, &item);
    int code = session->cursor->search(session->cursor);
    if (code == WT_NOTFOUND) {
        return false;
    }
    check(code, "search");
    check(session->cursor->get_value(session->cursor, &item), "get_value");
    *value = (struct slice){ item.data, item.size };
    return true;
}

static void release(void *opaque)
{
    struct session *session = opaque;
    check(session->cursor->reset(session->cursor), "reset");
}

static void *cursor_open(void *opaque)
{
    struct session *session = opaque;
    WT_CURSOR *cursor;
    check(session->handle->open_cursor(session->handle, TABLE, NULL, NULL, &cursor), "open_cursor");
    return cursor;
}

static void cursor_close(void *opaque)
{
    WT_CURSOR *cursor = opaque;
    check(cursor->close(cursor), "close");
}

static bool stand(WT_CURSOR *cursor, int code, struct entry *entry)
{
    if (code == WT_NOTFOUND) {
        return false;
    }
    check(code, "cursor");
    WT_ITEM key, value;
    check(cursor->get_key(cursor, &key), "get_key");
    check(cursor->get_value(cursor, &value), "get_value");
    *entry = (struct entry){ { key.data, key.size }, { value.data, value.size } };
    return true;
}

static bool seek(void *opaque, struct slice key, struct entry *entry)
{
    WT_CURSOR *cursor = opaque;
    WT_ITEM item = as_item(key);
    int exact = 0;
    cursor->set_key(cursor, &item);
    int code = cursor->search_near(cursor, &exact);
    if (code == 0 && exact < 0) {
        code = cursor->next(cursor);
    }
    return stand(cursor, code, entry);
}

static bool next(void *opaque, struct entry *entry)
{
    WT_CURSOR *cursor = opaque;
    return stand(cursor, cursor->next(cursor), entry);
}

static bool prev(void *opaque, struct entry *entry)
{
    WT_CURSOR *cursor = opaque;
    return stand(cursor, cursor->prev(cursor), entry);
}

static bool first(void *opaque, struct entry *entry)
{
    WT_CURSOR *cursor = opaque;
    check(cursor->reset(cursor), "reset");
    return next(cursor, entry);
}

static bool last(void *opaque, struct entry *entry)
{
    WT_CURSOR *cursor = opaque;
    check(cursor->reset(cursor), "reset");
    return prev(cursor, entry);
}

const struct engine engine_wiredtiger = {
    .name = "wiredtiger",
    .version = wiredtiger_engine_version,
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
