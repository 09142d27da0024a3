/* LMDB. Level os is MDB_NOSYNC|MDB_WRITEMAP: the map belongs to the kernel, so a killed process loses nothing. Level disk is LMDB as it comes. Each
   call is a transaction of its own; a session keeps its read transactions and renews them, as the manual advises. */
#include "adapters/engine.h"
#include "support.h"
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#define MAP_BYTES ((size_t)32 << 30) /* address space; the file is sparse */

struct store {
    MDB_env *env;
    MDB_dbi database;
};

struct cursor {
    struct session *session;
    MDB_txn *transaction;
    MDB_cursor *handle;
};

struct session {
    struct store *store;
    MDB_txn *reading;
    struct cursor *spare; /* a closed cursor, to be renewed */
};

static void check(int code, const char *call)
{
    if (code != MDB_SUCCESS) {
        die("lmdb: %s: %s", call, mdb_strerror(code));
    }
}

static MDB_val as_value(struct slice slice)
{
    return (MDB_val){ slice.size, (void *)(uintptr_t)slice.data };
}

static void lmdb_version(char *text, size_t size)
{
    int major, minor, patch;
    mdb_version(&major, &minor, &patch);
    snprintf(text, size, "%d.%d.%d", major, minor, patch);
}

static void *store_open(const struct engine_config *config)
{
    struct store *store = allocate(sizeof *store);
    unsigned flags = MDB_NOTLS | (config->level == LEVEL_OS ? MDB_NOSYNC | MDB_WRITEMAP : 0u);
    check(mdb_env_create(&store->env), "mdb_env_create");
    check(mdb_env_set_mapsize(store->env, MAP_BYTES), "mdb_env_set_mapsize");
    check(mdb_env_open(store->env, config->directory, flags, 0600), "mdb_env_open");
    MDB_txn *transaction;
    check(mdb_txn_begin(store->env, NULL, 0, &transaction), "mdb_txn_begin");
    check(mdb_dbi_open(transaction, NULL, 0, &store->database), "mdb_dbi_open");
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
    return store;
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    mdb_env_close(store->env);
    free(store);
}

static void store_flush(void *opaque)
{
    struct store *store = opaque;
    check(mdb_env_sync(store->env, 1), "mdb_env_sync");
}

static void *session_open(void *opaque)
{
    struct session *session = allocate(sizeof *session);
    session->store = opaque;
    check(mdb_txn_begin(session->store->env, NULL, MDB_RDONLY, &session->reading), "mdb_txn_begin");
    mdb_txn_reset(session->reading);
    return session;
}

static void cursor_free(struct cursor *cursor)
{
    mdb_cursor_close(cursor->handle);
    mdb_txn_abort(cursor->transaction);
    free(cursor);
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    if (session->spare != NULL) {
        cursor_free(session->spare);
    }
    mdb_txn_abort(session->reading);
    free(session);
}

static void write_batch(void *opaque, const struct entry *entries, size_t count)
{
    struct session *session = opaque;
    MDB_txn *transaction;
    check(mdb_txn_begin(session->store->env, NULL, 0, &transaction), "mdb_txn_begin");
    for (size_t i = 0; i < count; i++) {
        MDB_val key = as_value(entries[i].key), value = as_value(entries[i].value);
        check(mdb_put(transaction, session->store->database, &key, &value, 0), "mdb_put");
    }
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct entry entry = { key, value };
    write_batch(opaque, &entry, 1);
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    MDB_txn *transaction;
    MDB_val wanted = as_value(key);
    check(mdb_txn_begin(session->store->env, NULL, 0, &transaction), "mdb_txn_begin");
    int code = mdb_del(transaction, session->store->database, &wanted, NULL);
    if (code != MDB_NOTFOUND) {
        check(code, "mdb_del");
    }
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    MDB_val wanted = as_value(key), found;
    check(mdb_txn_renew(session->reading), "mdb_txn_renew");
    int code = mdb_get(session->reading, session->store->database, &wanted, &found);
    if (code == MDB_NOTFOUND) {
        mdb_txn_reset(session->reading);
        return false;
    }
    check(code, "mdb_get");
    *value = (struct slice){ found.mv_data, found.mv_size };
    return true;
}

static void release(void *opaque)
{
    struct session *session = opaque;
    mdb_txn_reset(session->reading);
}

static void *cursor_open(void *opaque)
{
    struct session *session = opaque;
    struct cursor *cursor = session->spare;
    if (cursor != NULL) {
        session->spare = NULL;
        check(mdb_txn_renew(cursor->transaction), "mdb_txn_renew");
        check(mdb_cursor_renew(cursor->transaction, cursor->handle), "mdb_cursor_renew");
        return cursor;
    }
    cursor = allocate(sizeof *cursor);
    cursor->session = session;
    check(mdb_txn_begin(session->store->env, NULL, MDB_RDONLY, &cursor->transaction), "mdb_txn_begin");
    check(mdb_cursor_open(cursor->transaction, session->store->database, &cursor->handle), "mdb_cursor_open");
    return cursor;
}

static void cursor_close(void *opaque)
{
    struct cursor *cursor = opaque;
    if (cursor->session->spare != NULL) {
        cursor_free(cursor);
        return;
    }
    mdb_txn_reset(cursor->transaction);
    cursor->session->spare = cursor;
}

static bool stand(struct cursor *cursor, MDB_val *key, MDB_cursor_op operation, struct entry *entry)
{
    MDB_val value;
    int code = mdb_cursor_get(cursor->handle, key, &value, operation);
    if (code == MDB_NOTFOUND) {
        return false;
    }
    check(code, "mdb_cursor_get");
    *entry = (struct entry){ { key->mv_data, key->mv_size }, { value.mv_data, value.mv_size } };
    return true;
}

static bool seek(void *cursor, struct slice key, struct entry *entry)
{
    MDB_val wanted = as_value(key);
    return stand(cursor, &wanted, MDB_SET_RANGE, entry);
}

static bool first(void *cursor, struct entry *entry)
{
    MDB_val key;
    return stand(cursor, &key, MDB_FIRST, entry);
}

static bool last(void *cursor, struct entry *entry)
{
    MDB_val key;
    return stand(cursor, &key, MDB_LAST, entry);
}

static bool next(void *cursor, struct entry *entry)
{
    MDB_val key;
    return stand(cursor, &key, MDB_NEXT, entry);
}

static bool prev(void *cursor, struct entry *entry)
{
    MDB_val key;
    return stand(cursor, &key, MDB_PREV, entry);
}

const struct engine engine_lmdb = {
    .name = "lmdb",
    .version = lmdb_version,
    .open = store_open,
    .close = store_close,
    .flush = store_flush,
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
