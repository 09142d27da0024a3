/* See txn_fixture.h. */
#include "support/txn_fixture.h"

nacre_txn *begin(struct fixture *f, nacre_isolation isolation)
{
    nacre_txn_options options = NACRE_TXN_OPTIONS_INIT;
    nacre_txn *txn;
    options.isolation = isolation;
    assert_ok(nacre_txn_begin(f->store, &options, &txn));
    return txn;
}

nacre_txn *serializable(struct fixture *f)
{
    return begin(f, NACRE_SERIALIZABLE);
}

nacre_txn *snapshot_isolated(struct fixture *f)
{
    return begin(f, NACRE_SNAPSHOT_ISOLATION);
}

void put_in(struct fixture *f, nacre_txn *txn, const char *key, const char *value)
{
    assert_ok(nacre_txn_put(txn, f->collection, text(key), text(value)));
}

void delete_in(struct fixture *f, nacre_txn *txn, const char *key)
{
    assert_ok(nacre_txn_delete(txn, f->collection, text(key)));
}

/* "<none>" when it is not there; a static buffer. */
const char *get_in(struct fixture *f, nacre_txn *txn, const char *key)
{
    static char out[4096];
    nacre_value value;
    int status = nacre_txn_get(txn, f->collection, text(key), &value);
    if (status == NACRE_NOT_FOUND) {
        return "<none>";
    }
    assert_ok(status);
    snprintf(out, sizeof out, "%.*s", (int)value.slice.size, (const char *)value.slice.data);
    nacre_value_release(&value);
    return out;
}

const char *read_all(nacre_cursor *cursor)
{
    static char out[65536];
    size_t used = 0;
    out[0] = 0;
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%.*s", used ? " " : "", (int)key.size,
                                 (const char *)key.data, (int)value.size, (const char *)value.data);
        assert_true(used < sizeof out);
    }
    assert_ok(nacre_cursor_status(cursor));
    return out;
}

nacre_cursor *open_scan(struct fixture *f, nacre_txn *txn, const nacre_scan_options *options)
{
    nacre_cursor *cursor;
    assert_ok(nacre_txn_scan(txn, f->collection, options, &cursor));
    return cursor;
}

const char *scan_in(struct fixture *f, nacre_txn *txn, const nacre_scan_options *options)
{
    nacre_cursor *cursor = open_scan(f, txn, options);
    const char *all = read_all(cursor);
    nacre_cursor_close(cursor);
    return all;
}

nacre_scan_options between(const char *first, const char *end)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    options.begin = text(first);
    options.end = text(end);
    return options;
}

void commit(nacre_txn *txn)
{
    assert_ok(nacre_txn_commit(txn, NULL));
}

/* The commit is refused because of the key; the transaction is aborted. */
void conflicts_on(nacre_txn *txn, const char *key)
{
    const char *collection;
    nacre_slice found;
    assert_code(nacre_txn_conflict(txn, &collection, &found), NACRE_NOT_FOUND);
    assert_code(nacre_txn_commit(txn, NULL), NACRE_CONFLICT);
    assert_non_null(strstr(nacre_last_error(), "'test'"));
    assert_non_null(strstr(nacre_last_error(), key));
    assert_ok(nacre_txn_conflict(txn, &collection, &found));
    assert_string_equal(collection, "test");
    assert_int_equal(found.size, strlen(key));
    assert_memory_equal(found.data, key, found.size);
    assert_code(nacre_txn_commit(txn, NULL), NACRE_CONFLICT);
    nacre_txn_abort(txn);
}

/* It writes something, as only those that write are checked, and is refused. */
void is_refused_for(struct fixture *f, nacre_txn *txn, const char *key)
{
    put_in(f, txn, "~result", "1");
    conflicts_on(txn, key);
}

/* So does this, but into another collection, and it commits. */
void goes_through(struct fixture *f, nacre_txn *txn)
{
    static unsigned number;
    nacre_collection *results;
    char key[20];
    int status = nacre_collection_open(f->store, "results", &results);
    assert_ok(status == NACRE_NOT_FOUND ? nacre_collection_create(f->store, "results", NULL, &results) : status);
    snprintf(key, sizeof key, "%u", number++);
    assert_ok(nacre_txn_put(txn, results, text(key), text("")));
    nacre_collection_close(results);
    commit(txn);
}
