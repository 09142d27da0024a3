/* Transactions: what they see of the store and of themselves, savepoints, cursors, limits, and what is refused. Conflicts are in test_txn_conflicts.c. */
#include "base/memory.h"
#include "store/read_points.h"
#include "support/txn_fixture.h"
#include <time.h>

/* ---- what it sees ---- */

static void its_own_writes_are_seen_by_it_alone_until_it_commits(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "old");
    put(f, "b", "old");
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "a", "new");
    delete_in(f, txn, "b");
    put_in(f, txn, "c", "");
    assert_string_equal(get_in(f, txn, "a"), "new");
    assert_string_equal(get_in(f, txn, "b"), "<none>");
    assert_string_equal(get_in(f, txn, "c"), "");
    assert_string_equal(scan(f, NULL), "a=old b=old");
    commit(txn);
    assert_string_equal(scan(f, NULL), "a=new c=");
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "a=new c=");
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "a", "1");
    nacre_txn_abort(txn);
    nacre_txn_abort(NULL);
    assert_string_equal(scan(f, NULL), "");
}

static void it_reads_the_point_where_it_began_whatever_is_written_and_merged_meanwhile(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    put(f, "b", "1");
    nacre_txn *txn = serializable(f);
    put(f, "a", "2");
    delete_key(f, "b");
    put(f, "c", "2");
    for (int round = 0; round < 3; round++) {
        assert_string_equal(get_in(f, txn, "a"), "1");
        assert_string_equal(get_in(f, txn, "b"), "1");
        assert_string_equal(get_in(f, txn, "c"), "<none>");
        assert_string_equal(scan_in(f, txn, NULL), "a=1 b=1");
        assert_ok(round ? nacre_compact(f->collection, text(""), text("")) : nacre_flush(f->collection));
    }
    nacre_txn_abort(txn);
}

static void a_large_value_of_its_own_outlives_later_writes_and_the_transaction(void **state)
{
    struct fixture *f = *state;
    static char large[100000];
    nacre_value value;
    memset(large, 'x', sizeof large);
    nacre_txn *txn = serializable(f);
    assert_ok(nacre_txn_put(txn, f->collection, text("a"), (nacre_slice){ large, sizeof large }));
    assert_ok(nacre_txn_get(txn, f->collection, text("a"), &value));
    for (int i = 0; i < 20; i++) {
        assert_ok(nacre_txn_put(txn, f->collection, text("b"), (nacre_slice){ large, sizeof large }));
    }
    nacre_txn_abort(txn);
    assert_int_equal(value.slice.size, sizeof large);
    assert_memory_equal(value.slice.data, large, sizeof large);
    nacre_value_release(&value);
}

static void writes_to_several_collections_become_visible_together(void **state)
{
    struct fixture *f = *state;
    nacre_collection *other;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_value value;
    options.kind = NACRE_STRINGS;
    assert_ok(nacre_collection_create(f->store, "other", &options, &other));
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "same", "here");
    assert_ok(nacre_txn_put(txn, other, text("same"), text("there")));
    assert_string_equal(get_in(f, txn, "same"), "here");
    commit(txn);
    assert_string_equal(get(f, "same"), "here");
    assert_ok(nacre_get(other, text("same"), NULL, &value));
    assert_memory_equal(value.slice.data, "there", 5);
    nacre_value_release(&value);
    nacre_collection_close(other);
}

static void many_keys_of_its_own_are_all_found(void **state)
{
    struct fixture *f = *state;
    char key[20], want[20];
    nacre_txn *txn = serializable(f);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "key%u", i * 7919 % 1000);
        snprintf(want, sizeof want, "%u", i);
        put_in(f, txn, key, want);
    }
    for (unsigned i = 2000; i < 3000; i++) {
        snprintf(key, sizeof key, "key%u", i * 7919 % 1000);
        snprintf(want, sizeof want, "%u", i);
        assert_string_equal(get_in(f, txn, key), want);
    }
    commit(txn);
    assert_string_equal(get(f, "key919"), "2001");
}

static void its_puts_expire_as_the_commit_says(void **state)
{
    struct fixture *f = *state;
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "short", "1");
    put_in(f, txn, "short", "2");
    options.ttl_ms = 1;
    assert_ok(nacre_txn_commit(txn, &options));
    struct timespec moment = { 0, 5000000 };
    nanosleep(&moment, NULL);
    assert_string_equal(get(f, "short"), "<none>");
}

static void vectors_are_read_and_written_in_it(void **state)
{
    struct fixture *f = *state;
    float one[FIXTURE_DIMENSION] = { 1 }, two[FIXTURE_DIMENSION] = { 2 }, got[FIXTURE_DIMENSION];
    nacre_value value;
    nacre_neighbors found;
    assert_ok(nacre_put_vector(f->collection, text("a"), one, text("one"), NULL));
    nacre_txn *txn = serializable(f), *late = serializable(f);
    assert_ok(nacre_txn_get_vector(txn, f->collection, text("a"), got, &value));
    assert_memory_equal(got, one, sizeof one);
    nacre_value_release(&value);
    assert_ok(nacre_txn_put_vector(txn, f->collection, text("a"), two, text("two")));
    assert_ok(nacre_txn_get_vector(txn, f->collection, text("a"), got, NULL));
    assert_memory_equal(got, two, sizeof two);
    assert_string_equal(scan_in(f, txn, NULL), "a=two");
    assert_code(nacre_txn_put(txn, f->collection, text("a"), text("")), NACRE_INVALID);
    one[0] = 0.0f / 0.0f;
    assert_code(nacre_txn_put_vector(txn, f->collection, text("a"), one, text("")), NACRE_INVALID);
    assert_ok(nacre_txn_get_vector(late, f->collection, text("a"), got, NULL));
    assert_ok(nacre_txn_put_vector(late, f->collection, text("b"), two, text("")));
    commit(txn);
    conflicts_on(late, "a");
    assert_ok(nacre_nearest(f->collection, two, 2, NULL, &found));
    assert_int_equal(found.count, 1);
    assert_true(found.items[0].distance == 0);
    nacre_neighbors_release(&found);
}

/* ---- cursors and own writes ---- */

static void a_cursor_gives_own_writes_among_the_others_in_both_directions(void **state)
{
    struct fixture *f = *state;
    put(f, "b", "store");
    put(f, "d", "store");
    assert_ok(nacre_flush(f->collection));
    put(f, "f", "store");
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "a", "own");
    put_in(f, txn, "d", "own");
    delete_in(f, txn, "f");
    put_in(f, txn, "g", "gone");
    delete_in(f, txn, "g");
    put(f, "c", "late");
    put(f, "d", "late");
    assert_string_equal(scan_in(f, txn, NULL), "a=own b=store d=own");
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    options.reverse = true;
    assert_string_equal(scan_in(f, txn, &options), "d=own b=store a=own");
    options = between("b", "d");
    assert_string_equal(scan_in(f, txn, &options), "b=store");
    options.prefix = text("a");
    options.begin = options.end = text("");
    assert_string_equal(scan_in(f, txn, &options), "a=own");
    nacre_txn_abort(txn);
}

static void a_cursor_moves_both_ways_among_own_writes(void **state)
{
    struct fixture *f = *state;
    put(f, "b", "store");
    put(f, "d", "store");
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "a", "own");
    put_in(f, txn, "b", "own");
    put_in(f, txn, "c", "own");
    nacre_cursor *cursor = open_scan(f, txn, NULL);
    static const char *const wanted = "abcdcbab";
    for (unsigned i = 0; wanted[i]; i++) {
        assert_true(nacre_cursor_valid(cursor));
        assert_int_equal(*(const char *)nacre_cursor_key(cursor).data, wanted[i]);
        if (wanted[i + 1] > wanted[i]) {
            nacre_cursor_next(cursor);
        } else if (wanted[i + 1]) {
            nacre_cursor_prev(cursor);
        }
    }
    nacre_cursor_seek(cursor, text("bb"));
    assert_int_equal(*(const char *)nacre_cursor_key(cursor).data, 'c');
    nacre_cursor_last(cursor);
    assert_int_equal(*(const char *)nacre_cursor_key(cursor).data, 'd');
    nacre_cursor_close(cursor);
    nacre_txn_abort(txn);
}

static void a_cursor_does_not_see_writes_made_after_it(void **state)
{
    struct fixture *f = *state;
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "a", "1");
    nacre_cursor *cursor = open_scan(f, txn, NULL);
    put_in(f, txn, "a", "2");
    put_in(f, txn, "b", "2");
    assert_string_equal(read_all(cursor), "a=1");
    nacre_cursor_close(cursor);
    assert_string_equal(scan_in(f, txn, NULL), "a=2 b=2");
    nacre_txn_abort(txn);
}

static void a_cursor_outlives_its_transaction(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    nacre_txn *txn = serializable(f), *other = serializable(f);
    put_in(f, txn, "b", "own");
    nacre_cursor *cursor = open_scan(f, txn, NULL), *second = open_scan(f, other, NULL);
    commit(txn);
    nacre_txn_abort(other);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(read_all(cursor), "a=1 b=own");
    assert_string_equal(read_all(second), "a=1");
    nacre_cursor_seek(second, text("a"));
    assert_true(nacre_cursor_valid(second));
    nacre_cursor_close(cursor);
    nacre_cursor_close(second);
}

/* Own deletes are no dead range of the store's, and own puts lie in those. */
static void dead_ranges_that_cursors_learn_are_the_stores_and_hide_no_own_write(void **state)
{
    struct fixture *f = *state;
    char key[20];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%04u", i);
        put(f, key, "1");
    }
    nacre_txn *deleting = serializable(f);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%04u", i);
        delete_in(f, deleting, key);
    }
    assert_string_equal(scan_in(f, deleting, NULL), "");
    nacre_cursor *cursor;
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    assert_true(nacre_cursor_valid(cursor));
    nacre_cursor_close(cursor);
    commit(deleting);
    assert_string_equal(scan(f, NULL), ""); /* learns that all are dead */
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "k0500", "own");
    for (int reverse = 0; reverse < 2; reverse++) {
        nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
        options.reverse = reverse;
        assert_string_equal(scan_in(f, txn, &options), "k0500=own");
    }
    nacre_txn_abort(txn);
}

static void range_deletes_cover_no_own_write(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    assert_ok(nacre_collection_clear(f->collection));
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "a", "own");
    assert_string_equal(scan_in(f, txn, NULL), "a=own");
    assert_string_equal(get_in(f, txn, "a"), "own");
    commit(txn);
    assert_string_equal(scan(f, NULL), "a=own");
}

/* ---- operands ---- */

static nacre_collection *appending(struct fixture *f)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *collection;
    options.merge_operator = "append:,";
    assert_ok(nacre_collection_create(f->store, "appending", &options, &collection));
    return collection;
}

static void merge_in(nacre_txn *txn, nacre_collection *collection, const char *key, const char *operand)
{
    assert_ok(nacre_txn_merge(txn, collection, text(key), text(operand)));
}

static void own_operands_are_merged_into_what_lies_beneath_in_gets_and_scans(void **state)
{
    struct fixture *f = *state;
    nacre_collection *collection = appending(f), *test = f->collection;
    uint64_t savepoint;
    assert_ok(nacre_put(collection, text("base"), text("0"), NULL));
    assert_ok(nacre_merge(collection, text("base"), text("1"), NULL));
    assert_ok(nacre_flush(collection));
    assert_ok(nacre_put(collection, text("gone"), text("0"), NULL));
    assert_ok(nacre_delete_range(collection, text("g"), text("h"), NULL));
    nacre_txn *txn = serializable(f);
    assert_ok(nacre_merge(collection, text("base"), text("late"), NULL));
    merge_in(txn, collection, "base", "2");
    merge_in(txn, collection, "base", "3");
    merge_in(txn, collection, "gone", "4");
    merge_in(txn, collection, "none", "5");
    assert_ok(nacre_txn_put(txn, collection, text("own"), text("6")));
    merge_in(txn, collection, "own", "7");
    assert_ok(nacre_txn_savepoint(txn, &savepoint));
    merge_in(txn, collection, "own", "8");
    assert_ok(nacre_txn_delete(txn, collection, text("none")));
    merge_in(txn, collection, "none", "9");
    f->collection = collection;
    assert_string_equal(get_in(f, txn, "base"), "0,1,2,3");
    assert_string_equal(get_in(f, txn, "own"), "6,7,8");
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    assert_string_equal(scan_in(f, txn, &options), "base=0,1,2,3 gone=4 none=9 own=6,7,8");
    options.reverse = true;
    assert_string_equal(scan_in(f, txn, &options), "own=6,7,8 none=9 gone=4 base=0,1,2,3");
    assert_ok(nacre_txn_rollback_to(txn, savepoint));
    assert_string_equal(scan_in(f, txn, &options), "own=6,7 none=5 gone=4 base=0,1,2,3");
    assert_code(nacre_txn_commit(txn, NULL), NACRE_CONFLICT);
    nacre_txn_abort(txn);
    f->collection = test;
    nacre_collection_close(collection);
}

static void operands_are_committed_in_order_and_those_under_a_put_are_not(void **state)
{
    struct fixture *f = *state;
    nacre_collection *collection = appending(f), *test = f->collection;
    assert_ok(nacre_put(collection, text("a"), text("0"), NULL));
    nacre_txn *txn = serializable(f), *other = snapshot_isolated(f);
    merge_in(txn, collection, "a", "1");
    merge_in(txn, collection, "a", "2");
    merge_in(txn, collection, "b", "lost");
    assert_ok(nacre_txn_put(txn, collection, text("b"), text("3")));
    merge_in(txn, collection, "b", "4");
    merge_in(other, collection, "a", "9");
    commit(txn);
    assert_code(nacre_txn_commit(other, NULL), NACRE_CONFLICT);
    nacre_txn_abort(other);
    f->collection = collection;
    assert_string_equal(scan(f, NULL), "a=0,1,2 b=3,4");
    f->collection = test;
    txn = serializable(f);
    assert_code(nacre_txn_merge(txn, f->collection, text("a"), text("1")), NACRE_UNSUPPORTED);
    nacre_txn_abort(txn);
    nacre_collection_close(collection);
}

/* ---- savepoints ---- */

static void going_back_to_a_savepoint_takes_back_what_came_after_it(void **state)
{
    struct fixture *f = *state;
    uint64_t first, second;
    put(f, "a", "store");
    put(f, "d", "store");
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "a", "1");
    put_in(f, txn, "a", "2");
    assert_ok(nacre_txn_savepoint(txn, &first));
    put_in(f, txn, "a", "3");
    put_in(f, txn, "b", "3");
    assert_ok(nacre_txn_savepoint(txn, &second));
    delete_in(f, txn, "a");
    delete_in(f, txn, "d");
    put_in(f, txn, "c", "4");
    assert_string_equal(scan_in(f, txn, NULL), "b=3 c=4");
    assert_ok(nacre_txn_rollback_to(txn, second));
    assert_string_equal(scan_in(f, txn, NULL), "a=3 b=3 d=store");
    assert_ok(nacre_txn_rollback_to(txn, second)); /* it stays */
    assert_ok(nacre_txn_rollback_to(txn, first));
    assert_string_equal(scan_in(f, txn, NULL), "a=2 d=store");
    assert_string_equal(get_in(f, txn, "b"), "<none>");
    assert_code(nacre_txn_rollback_to(txn, second), NACRE_INVALID);
    assert_code(nacre_txn_rollback_to(txn, 99), NACRE_INVALID);
    put_in(f, txn, "e", "5");
    commit(txn);
    assert_string_equal(scan(f, NULL), "a=2 d=store e=5");
}

static void many_keys_are_taken_back_as_if_they_had_never_been(void **state)
{
    struct fixture *f = *state;
    char key[20];
    uint64_t savepoint;
    nacre_txn *txn = serializable(f);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++) {
            snprintf(key, sizeof key, "stays%u", i);
            put_in(f, txn, key, round == 2 ? "2" : "1");
        }
        assert_ok(nacre_txn_savepoint(txn, &savepoint));
        for (unsigned i = 0; i < 500; i++) {
            snprintf(key, sizeof key, "goes%u", i * (round + 1) % 300);
            put_in(f, txn, key, "1");
            snprintf(key, sizeof key, "stays%u", i % 100);
            delete_in(f, txn, key);
        }
        assert_ok(nacre_txn_rollback_to(txn, savepoint));
    }
    assert_string_equal(get_in(f, txn, "goes1"), "<none>");
    assert_string_equal(get_in(f, txn, "stays99"), "2");
    commit(txn);
    assert_string_equal(get(f, "stays0"), "2");
    assert_string_equal(get(f, "goes0"), "<none>");
}

static void a_write_that_was_taken_back_is_not_relied_on_but_a_read_is(void **state)
{
    struct fixture *f = *state;
    uint64_t savepoint;
    nacre_collection *other;
    assert_ok(nacre_collection_create(f->store, "other", NULL, &other));
    nacre_txn *txn = serializable(f), *reading = serializable(f);
    assert_ok(nacre_txn_savepoint(txn, &savepoint));
    put_in(f, txn, "a", "1");
    assert_ok(nacre_txn_put(txn, other, text("a"), text("1")));
    assert_ok(nacre_txn_rollback_to(txn, savepoint));
    assert_ok(nacre_txn_savepoint(reading, &savepoint));
    get_in(f, reading, "a");
    assert_ok(nacre_txn_rollback_to(reading, savepoint));
    put(f, "a", "2");
    nacre_collection_close(other);
    assert_ok(nacre_collection_drop(f->store, "other"));
    goes_through(f, txn);
    is_refused_for(f, reading, "a");
}

/* ---- limits, states, arguments ---- */

static void what_it_may_remember_is_bounded_and_it_goes_on_after_a_refusal(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    f->options.memory_budget = 16 << 20;
    fixture_open(f);
    static char value[100000];
    char key[40];
    unsigned count = 0;
    put(f, "a", "1");
    nacre_txn *txn = serializable(f);
    int status;
    do {
        snprintf(key, sizeof key, "key%u", count);
        status = nacre_txn_put(txn, f->collection, text(key), (nacre_slice){ value, sizeof value });
        count += status == NACRE_OK;
    } while (status == NACRE_OK);
    assert_code(status, NACRE_LIMIT);
    assert_in_range(count, 10, 21);
    nacre_txn *reading = serializable(f);
    unsigned reads = 0;
    nacre_value got;
    do {
        snprintf(key, sizeof key, "none%u", reads++);
        status = nacre_txn_get(reading, f->collection, text(key), &got);
    } while (status == NACRE_NOT_FOUND);
    assert_code(status, NACRE_LIMIT);
    nacre_txn_abort(reading);
    commit(txn);
    assert_string_equal(get(f, "a"), "1");
    snprintf(key, sizeof key, "key%u", count);
    assert_string_equal(get(f, key), "<none>");
    assert_int_equal(stat_of(f->store, "transaction_bytes"), 0);
}

static uint64_t allocated_now(void)
{
    struct memory_use used = memory_used();
    return used.heap_bytes + used.mapped_bytes;
}

/* However small each of them is. */
static void many_that_are_open_at_once_are_bounded_together(void **state)
{
    enum { MOST = 4000 };
    static nacre_txn *open[MOST];
    static char value[1000];
    struct fixture *f = *state;
    unsigned count = 0;
    int status = NACRE_OK;
    fixture_close(f);
    f->options.memory_budget = 16 << 20;
    fixture_open(f);
    put(f, "a", "1");
    uint64_t before = allocated_now();
    while (status == NACRE_OK) {
        assert_true(count < MOST);
        open[count] = serializable(f);
        for (unsigned i = 0; i < 10 && status == NACRE_OK; i++) {
            char key[40];
            snprintf(key, sizeof key, "key%u.%u", count, i);
            status = nacre_txn_put(open[count], f->collection, text(key), (nacre_slice){ value, sizeof value });
        }
        count++;
    }
    assert_code(status, NACRE_LIMIT);
    uint64_t share = f->options.memory_budget / 8, uncounted = READ_POINTS * (UINT64_C(16) << 10);
    assert_true(count > READ_POINTS);
    assert_true(allocated_now() - before <= 2 * (share + uncounted));
    while (count > 0) {
        nacre_txn_abort(open[--count]);
    }
    assert_int_equal(stat_of(f->store, "transaction_bytes"), 0);
    assert_int_equal(stat_of(f->store, "transactions"), 0);
}

static void savepoints_without_end_are_bounded_too(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    f->options.memory_budget = 16 << 20;
    fixture_open(f);
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "k", "1");
    uint64_t savepoint = 0, count = 0, before = allocated_now();
    int status;
    do {
        status = nacre_txn_savepoint(txn, &savepoint);
    } while (status == NACRE_OK && ++count < 1000000);
    assert_code(status, NACRE_LIMIT);
    assert_true(allocated_now() - before <= 2 * (f->options.memory_budget / 8));
    assert_ok(nacre_txn_rollback_to(txn, savepoint)); /* the last that was made */
    commit(txn);
    assert_string_equal(get(f, "k"), "1");
}

static void seeks_without_end_are_bounded_too(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    f->options.memory_budget = 16 << 20;
    fixture_open(f);
    for (unsigned i = 0; i < 26; i++) {
        char key[2] = { (char)('a' + i), 0 };
        put(f, key, "1");
    }
    nacre_txn *txn = serializable(f);
    nacre_cursor *cursor = open_scan(f, txn, NULL);
    unsigned moves = 0;
    while (nacre_cursor_valid(cursor) && moves < 1000000) {
        char key[2] = { (char)('a' + moves * 7 % 26), 0 };
        nacre_cursor_seek(cursor, text(key));
        moves++;
    }
    assert_true(moves > 1000 && moves < 1000000);
    assert_code(nacre_cursor_status(cursor), NACRE_LIMIT);
    nacre_cursor_close(cursor);
    put(f, "c", "2");
    nacre_txn_abort(txn);
}

static void closing_the_store_says_how_many_transactions_are_open(void **state)
{
    struct fixture *f = *state;
    nacre_txn *first = serializable(f), *second = serializable(f);
    nacre_collection_close(f->collection);
    assert_code(nacre_close(f->store), NACRE_HANDLES_OPEN);
    assert_non_null(strstr(nacre_last_error(), "2 transactions"));
    assert_non_null(strstr(nacre_last_error(), " 0 snapshots"));
    assert_ok(nacre_collection_open(f->store, "test", &f->collection));
    assert_int_equal(stat_of(f->store, "transactions"), 2);
    assert_int_equal(stat_of(f->store, "snapshots"), 0);
    nacre_txn_abort(first);
    nacre_txn_abort(second);
    assert_int_equal(stat_of(f->store, "transactions"), 0);
    fixture_reopen(f);
}

static void a_dropped_collection_fails_who_read_or_wrote_it(void **state)
{
    struct fixture *f = *state;
    nacre_collection *other;
    nacre_value value;
    nacre_cursor *cursor;
    assert_ok(nacre_collection_create(f->store, "other", NULL, &other));
    nacre_txn *reading = serializable(f), *writing = serializable(f), *scanning = serializable(f),
              *not_concerned = serializable(f);
    assert_code(nacre_txn_get(reading, other, text("a"), &value), NACRE_NOT_FOUND);
    assert_ok(nacre_txn_put(writing, other, text("a"), text("1")));
    assert_ok(nacre_txn_scan(scanning, other, NULL, &cursor));
    nacre_cursor_close(cursor);
    assert_ok(nacre_collection_drop(f->store, "other"));
    assert_code(nacre_txn_put(writing, other, text("a"), text("1")), NACRE_NOT_FOUND);
    nacre_collection_close(other);
    put_in(f, reading, "r", "1");
    put_in(f, scanning, "s", "1");
    assert_code(nacre_txn_commit(reading, NULL), NACRE_NOT_FOUND);
    assert_code(nacre_txn_commit(writing, NULL), NACRE_NOT_FOUND);
    assert_code(nacre_txn_commit(scanning, NULL), NACRE_NOT_FOUND);
    goes_through(f, not_concerned);
    nacre_txn_abort(reading);
    nacre_txn_abort(writing);
    nacre_txn_abort(scanning);
    assert_string_equal(scan(f, NULL), "");
}

static void one_that_wrote_nothing_commits_whatever_happened(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    nacre_txn *txn = serializable(f);
    get_in(f, txn, "a");
    scan_in(f, txn, NULL);
    put(f, "a", "2");
    commit(txn);
}

static void a_read_only_store_has_transactions_that_read(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    fixture_close(f);
    f->options.read_only = true;
    fixture_open(f);
    nacre_txn *txn = serializable(f);
    assert_string_equal(get_in(f, txn, "a"), "1");
    assert_string_equal(scan_in(f, txn, NULL), "a=1");
    commit(txn);
    txn = serializable(f);
    put_in(f, txn, "a", "2");
    assert_code(nacre_txn_commit(txn, NULL), NACRE_READ_ONLY);
    nacre_txn_abort(txn);
    fixture_close(f);
    f->options.read_only = false;
    fixture_open(f);
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    nacre_txn_options options = NACRE_TXN_OPTIONS_INIT;
    nacre_scan_options with_snapshot = NACRE_SCAN_OPTIONS_INIT;
    nacre_txn *txn = serializable(f), *none;
    nacre_value value;
    nacre_cursor *cursor;
    float vector[4] = { 0 };
    const char *name;
    nacre_slice key;
    options.isolation = (nacre_isolation)7;
    assert_code(nacre_txn_begin(f->store, &options, &none), NACRE_INVALID);
    assert_null(none);
    assert_code(nacre_txn_begin(NULL, NULL, &none), NACRE_INVALID);
    assert_code(nacre_txn_begin(f->store, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_txn_put(NULL, f->collection, text("a"), text("")), NACRE_INVALID);
    assert_code(nacre_txn_put(txn, NULL, text("a"), text("")), NACRE_INVALID);
    assert_code(nacre_txn_put(txn, f->collection, text(""), text("")), NACRE_INVALID);
    assert_code(nacre_txn_delete(txn, f->collection, text("")), NACRE_INVALID);
    assert_code(nacre_txn_put_vector(txn, f->collection, text("a"), vector, text("")), NACRE_UNSUPPORTED);
    assert_code(nacre_txn_get_vector(txn, f->collection, text("a"), vector, NULL), NACRE_UNSUPPORTED);
    assert_code(nacre_txn_get(txn, f->collection, text("a"), NULL), NACRE_INVALID);
    assert_code(nacre_txn_get(NULL, f->collection, text("a"), &value), NACRE_INVALID);
    assert_code(nacre_txn_scan(txn, f->collection, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_txn_savepoint(txn, NULL), NACRE_INVALID);
    assert_code(nacre_txn_conflict(txn, NULL, &key), NACRE_INVALID);
    assert_code(nacre_txn_conflict(txn, &name, NULL), NACRE_INVALID);
    assert_code(nacre_txn_commit(NULL, NULL), NACRE_INVALID);
    assert_ok(nacre_snapshot_create(f->store, &with_snapshot.snapshot));
    assert_code(nacre_txn_scan(txn, f->collection, &with_snapshot, &cursor), NACRE_INVALID);
    nacre_snapshot_release(with_snapshot.snapshot);
    nacre_txn_abort(txn);
}

static void a_collection_of_another_store_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fixture *other;
    nacre_value value;
    assert_int_equal(fixture_setup((void **)&other), 0);
    nacre_txn *txn = serializable(f);
    assert_code(nacre_txn_put(txn, other->collection, text("a"), text("")), NACRE_INVALID);
    assert_code(nacre_txn_get(txn, other->collection, text("a"), &value), NACRE_INVALID);
    nacre_txn_abort(txn);
    fixture_teardown((void **)&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_own_writes_are_seen_by_it_alone_until_it_commits),
        TEST(an_aborted_transaction_leaves_nothing),
        TEST(it_reads_the_point_where_it_began_whatever_is_written_and_merged_meanwhile),
        TEST(a_large_value_of_its_own_outlives_later_writes_and_the_transaction),
        TEST(writes_to_several_collections_become_visible_together),
        TEST(many_keys_of_its_own_are_all_found),
        TEST(its_puts_expire_as_the_commit_says),
        cmocka_unit_test_setup_teardown(vectors_are_read_and_written_in_it, fixture_setup_vectors, fixture_teardown),
        TEST(a_cursor_gives_own_writes_among_the_others_in_both_directions),
        TEST(a_cursor_moves_both_ways_among_own_writes),
        TEST(a_cursor_does_not_see_writes_made_after_it),
        TEST(a_cursor_outlives_its_transaction),
        TEST(dead_ranges_that_cursors_learn_are_the_stores_and_hide_no_own_write),
        TEST(range_deletes_cover_no_own_write),
        TEST(own_operands_are_merged_into_what_lies_beneath_in_gets_and_scans),
        TEST(operands_are_committed_in_order_and_those_under_a_put_are_not),
        TEST(going_back_to_a_savepoint_takes_back_what_came_after_it),
        TEST(many_keys_are_taken_back_as_if_they_had_never_been),
        TEST(a_write_that_was_taken_back_is_not_relied_on_but_a_read_is),
        TEST(what_it_may_remember_is_bounded_and_it_goes_on_after_a_refusal),
        TEST(many_that_are_open_at_once_are_bounded_together),
        TEST(savepoints_without_end_are_bounded_too),
        TEST(seeks_without_end_are_bounded_too),
        TEST(closing_the_store_says_how_many_transactions_are_open),
        TEST(a_dropped_collection_fails_who_read_or_wrote_it),
        TEST(one_that_wrote_nothing_commits_whatever_happened),
        TEST(a_read_only_store_has_transactions_that_read),
        TEST(bad_arguments_are_refused),
        TEST(a_collection_of_another_store_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
