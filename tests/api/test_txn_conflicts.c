/* What is a conflict and what is not, one rule per test: at both levels, in memtables and segments, with and without the ring of recent changes
   reaching back. */
#include "support/txn_fixture.h"

/* ---- conflicts ---- */

static void a_lost_update_is_refused_at_both_levels(void **state)
{
    struct fixture *f = *state;
    put(f, "counter", "1");
    for (int level = NACRE_SERIALIZABLE; level <= NACRE_SNAPSHOT_ISOLATION; level++) {
        nacre_txn *first = begin(f, level), *second = begin(f, level);
        get_in(f, first, "counter");
        get_in(f, second, "counter");
        put_in(f, first, "counter", "2");
        put_in(f, second, "counter", "2");
        commit(first);
        conflicts_on(second, "counter");
    }
}

static void blind_writes_conflict_at_both_levels(void **state)
{
    struct fixture *f = *state;
    for (int level = NACRE_SERIALIZABLE; level <= NACRE_SNAPSHOT_ISOLATION; level++) {
        nacre_txn *putting = begin(f, level), *deleting = begin(f, level);
        put_in(f, putting, "k", "mine");
        delete_in(f, deleting, "k");
        put(f, "k", "theirs");
        conflicts_on(putting, "k");
        conflicts_on(deleting, "k");
        assert_string_equal(get(f, "k"), "theirs");
    }
}

static void write_skew_is_refused_if_serializable_and_let_through_at_snapshot_isolation(void **state)
{
    struct fixture *f = *state;
    for (int level = NACRE_SERIALIZABLE; level <= NACRE_SNAPSHOT_ISOLATION; level++) {
        put(f, "alice", "on call");
        put(f, "bob", "on call");
        nacre_txn *first = begin(f, level), *second = begin(f, level);
        get_in(f, first, "bob");
        get_in(f, second, "alice");
        put_in(f, first, "alice", "off");
        put_in(f, second, "bob", "off");
        commit(first);
        if (level == NACRE_SERIALIZABLE) {
            conflicts_on(second, "alice");
        } else {
            commit(second);
        }
    }
}

static void a_key_that_was_read_and_not_found_is_relied_on(void **state)
{
    struct fixture *f = *state;
    nacre_txn *txn = serializable(f), *other = snapshot_isolated(f);
    assert_string_equal(get_in(f, txn, "name"), "<none>");
    assert_string_equal(get_in(f, other, "name"), "<none>");
    put_in(f, txn, "x", "1");
    put_in(f, other, "y", "1");
    put(f, "name", "taken");
    conflicts_on(txn, "name");
    commit(other);
}

static void what_others_do_elsewhere_is_no_conflict(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    nacre_txn *txn = serializable(f);
    nacre_scan_options options = between("m", "n");
    get_in(f, txn, "a");
    scan_in(f, txn, &options);
    put_in(f, txn, "a", "2");
    put(f, "b", "1");
    put(f, "l\xff", "1");
    put(f, "n", "1");
    assert_ok(nacre_delete_range(f->collection, text("n"), text("z"), NULL));
    assert_ok(nacre_delete_range(f->collection, text("b"), text("m"), NULL));
    commit(txn);
    assert_string_equal(get(f, "a"), "2");
}

static void a_key_of_the_same_name_in_another_collection_is_another_key(void **state)
{
    struct fixture *f = *state;
    nacre_collection *other;
    assert_ok(nacre_collection_create(f->store, "other", NULL, &other));
    nacre_txn *txn = serializable(f);
    get_in(f, txn, "a");
    scan_in(f, txn, NULL);
    put_in(f, txn, "a", "1");
    assert_ok(nacre_put(other, text("a"), text("2"), NULL));
    assert_ok(nacre_collection_clear(other));
    commit(txn);
    nacre_collection_close(other);
}

static void range_deletes_and_clears_are_changes_of_every_key_in_them(void **state)
{
    struct fixture *f = *state;
    for (int clear = 0; clear < 2; clear++) {
        put(f, "k5", "1");
        nacre_txn *writing = snapshot_isolated(f), *reading = serializable(f), *scanning = serializable(f),
                  *batched = snapshot_isolated(f), *prefixed = snapshot_isolated(f);
        put_in(f, writing, "k5", "2");
        get_in(f, reading, "k5");
        put_in(f, reading, "z", "2");
        nacre_scan_options options = between("k4", "k6");
        scan_in(f, scanning, &options);
        put_in(f, scanning, "z2", "2");
        put_in(f, batched, "k5", "2");
        put_in(f, prefixed, "k5", "2");
        if (clear) {
            assert_ok(nacre_collection_clear(f->collection));
        } else {
            assert_ok(nacre_delete_range(f->collection, text("k0"), text("k9"), NULL));
        }
        conflicts_on(writing, "k5");
        conflicts_on(reading, clear ? "z" : "k5"); /* all that it wrote was cleared, too */
        conflicts_on(scanning, clear ? "z2" : "k4");
        conflicts_on(batched, "k5");
        conflicts_on(prefixed, "k5");
    }
}

static void batches_are_changes_like_single_writes(void **state)
{
    struct fixture *f = *state;
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = 0; i < 40; i++) { /* more than a commit keeps in place */
        char key[8];
        snprintf(key, sizeof key, "k%02u", i);
        assert_ok(nacre_batch_put(batch, f->collection, text(key), text("batch")));
    }
    nacre_txn *txn = serializable(f);
    put_in(f, txn, "k39", "mine");
    assert_ok(nacre_write(f->store, batch, NULL));
    conflicts_on(txn, "k39");
    nacre_batch_free(batch);
}

static void an_ingested_file_is_a_change_of_its_keys(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writer;
    put(f, "b", "1");
    nacre_txn *reading = serializable(f), *writing = snapshot_isolated(f), *scanning = serializable(f),
              *elsewhere = serializable(f);
    nacre_scan_options options = between("c", "e"), other = between("e", "g");
    assert_string_equal(get_in(f, reading, "b"), "1");
    put_in(f, writing, "h", "mine");
    assert_string_equal(scan_in(f, scanning, &options), "");
    assert_string_equal(scan_in(f, elsewhere, &other), "");
    assert_string_equal(get_in(f, elsewhere, "c"), "<none>");
    assert_ok(nacre_segment_writer_create(f->collection, NULL, &writer));
    assert_ok(nacre_segment_writer_put(writer, text("b"), text("2")));
    assert_ok(nacre_segment_writer_put(writer, text("d"), text("2")));
    assert_ok(nacre_segment_writer_put(writer, text("g"), text("2")));
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    nacre_segment_writer_free(writer);
    assert_string_equal(get_in(f, reading, "b"), "1");
    is_refused_for(f, reading, "b");
    is_refused_for(f, scanning, "d");
    goes_through(f, writing);
    goes_through(f, elsewhere);
}

static void large_values_go_to_the_value_log_at_commit(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *large;
    nacre_value value;
    static char bytes[20000];
    memset(bytes, 'x', sizeof bytes);
    options.value_log_threshold = 1000;
    assert_ok(nacre_collection_create(f->store, "large", &options, &large));
    nacre_txn *txn = serializable(f), *late = serializable(f);
    assert_ok(nacre_txn_put(txn, large, text("k"), (nacre_slice){ bytes, sizeof bytes }));
    assert_ok(nacre_txn_put(txn, large, text("k"), (nacre_slice){ bytes, sizeof bytes - 1 }));
    assert_ok(nacre_txn_put(late, large, text("k"), (nacre_slice){ bytes, sizeof bytes }));
    commit(txn);
    assert_code(nacre_txn_commit(late, NULL), NACRE_CONFLICT);
    nacre_txn_abort(late);
    txn = serializable(f);
    for (int round = 0; round < 2; round++) {
        assert_ok(nacre_txn_get(txn, large, text("k"), &value));
        assert_int_equal(value.slice.size, sizeof bytes - 1);
        assert_memory_equal(value.slice.data, bytes, sizeof bytes - 1);
        nacre_value_release(&value);
        assert_ok(nacre_put(large, text("k"), text("small"), NULL));
        assert_ok(nacre_flush(large));
        assert_ok(nacre_compact(large, text(""), text("")));
    }
    commit(txn);
    nacre_collection_close(large);
}

/* ---- phantoms ---- */

static void a_key_put_into_a_range_that_was_scanned_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    nacre_scan_options bounds = between("b", "d"), prefix = NACRE_SCAN_OPTIONS_INIT;
    prefix.prefix = text("b");
    put(f, "b5", "1");
    static const char *const fresh[] = { "b", "b9", "b1", "b99" }; /* at both ends of what is there, either way */
    for (int round = 0; round < 4; round++) {
        bounds.reverse = prefix.reverse = round % 2;
        nacre_txn *by_bounds = serializable(f), *by_prefix = serializable(f), *all = serializable(f),
                  *weak = snapshot_isolated(f);
        scan_in(f, by_bounds, &bounds);
        scan_in(f, by_prefix, &prefix);
        scan_in(f, all, NULL);
        scan_in(f, weak, &bounds);
        put(f, fresh[round], "new");
        is_refused_for(f, by_bounds, fresh[round]);
        is_refused_for(f, by_prefix, fresh[round]);
        is_refused_for(f, all, fresh[round]);
        goes_through(f, weak);
    }
}

static void put_any(nacre_collection *collection, bool vectors, const char *key)
{
    static const float vector[2] = { 1, 2 };
    assert_ok(vectors ? nacre_put_vector(collection, text(key), vector, text("v"), NULL)
                      : nacre_put(collection, text(key), text("v"), NULL));
}

static void assert_conflict(nacre_txn *txn, const char *name, const char *key)
{
    const char *collection;
    nacre_slice found;
    assert_code(nacre_txn_commit(txn, NULL), NACRE_CONFLICT);
    assert_ok(nacre_txn_conflict(txn, &collection, &found));
    assert_string_equal(collection, name);
    assert_int_equal(found.size, strlen(key));
    assert_memory_equal(found.data, key, found.size);
    nacre_txn_abort(txn);
}

/* What was read or written is in a memtable, then in a segment. */
static void conflicts_in_collections_of_all_kinds_name_the_key(void **state)
{
    struct fixture *f = *state;
    static const float vector[2] = { 3, 4 };
    for (nacre_kind kind = NACRE_ORDERED; kind <= NACRE_VECTORS; kind++) {
        const bool vectors = kind == NACRE_VECTORS;
        nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
        nacre_collection *collection;
        char name[8] = { 'c', (char)('0' + kind) };
        options.kind = kind;
        options.dimension = vectors ? 2 : 0;
        options.metric = vectors ? NACRE_L2 : (nacre_metric)0;
        assert_ok(nacre_collection_create(f->store, name, &options, &collection));
        for (int flushed = 0; flushed < 2; flushed++) {
            put_any(collection, vectors, "b");
            nacre_txn *ranging = serializable(f), *reading = serializable(f), *blind = snapshot_isolated(f);
            nacre_cursor *cursor;
            nacre_value value;
            float got[2];
            assert_ok(nacre_txn_scan(ranging, collection, NULL, &cursor));
            while (nacre_cursor_valid(cursor)) {
                nacre_cursor_next(cursor);
            }
            nacre_cursor_close(cursor);
            put_in(f, ranging, "result", "1");
            assert_code(vectors ? nacre_txn_get_vector(reading, collection, text("c"), got, &value)
                                : nacre_txn_get(reading, collection, text("c"), &value),
                        NACRE_NOT_FOUND);
            put_in(f, reading, "result", "1");
            assert_ok(vectors ? nacre_txn_put_vector(blind, collection, text("c"), vector, text(""))
                              : nacre_txn_put(blind, collection, text("c"), text("")));
            put_any(collection, vectors, "c");
            if (flushed) {
                assert_ok(nacre_flush(collection));
            }
            assert_conflict(ranging, name, "c");
            assert_conflict(reading, name, "c");
            assert_conflict(blind, name, "c");
            assert_ok(nacre_delete(collection, text("c"), NULL));
        }
        nacre_collection_close(collection);
    }
}

static void a_key_deleted_from_a_range_that_was_scanned_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    nacre_scan_options options = between("b", "d");
    options.keys_only = true;
    put(f, "b", "1");
    put(f, "c", "1");
    nacre_txn *txn = serializable(f);
    scan_in(f, txn, &options);
    delete_key(f, "c");
    is_refused_for(f, txn, "c");
}

static void a_cursor_has_read_as_far_as_it_went(void **state)
{
    struct fixture *f = *state;
    put(f, "b", "1");
    put(f, "d", "1");
    put(f, "f", "1");
    for (int reverse = 0; reverse < 2; reverse++) {
        nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
        options.reverse = reverse;
        nacre_txn *near = serializable(f), *far = serializable(f), *limited = serializable(f), *whole = serializable(f);
        nacre_cursor *near_cursor = open_scan(f, near, &options), *far_cursor = open_scan(f, far, &options);
        nacre_cursor_next(far_cursor);
        options.limit = 1;
        nacre_cursor *limited_cursor = open_scan(f, limited, &options);
        nacre_cursor_next(limited_cursor); /* over its limit: that shows nothing of what is behind */
        assert_false(nacre_cursor_valid(limited_cursor));
        options.limit = 3;
        scan_in(f, whole, &options);
        put(f, reverse ? "e" : "c", "new");
        goes_through(f, near);
        goes_through(f, limited);
        is_refused_for(f, far, reverse ? "e" : "c");
        is_refused_for(f, whole, reverse ? "e" : "c");
        nacre_cursor_close(near_cursor);
        nacre_cursor_close(far_cursor);
        nacre_cursor_close(limited_cursor);
        delete_key(f, reverse ? "e" : "c");
    }
}

static void the_end_of_a_range_is_read_only_by_who_comes_there(void **state)
{
    struct fixture *f = *state;
    nacre_scan_options options = between("b", "y");
    put(f, "c", "1");
    nacre_txn *standing = serializable(f), *ended = serializable(f), *back = serializable(f);
    nacre_cursor *cursor = open_scan(f, standing, &options), *other = open_scan(f, ended, &options),
                 *third = open_scan(f, back, &options);
    nacre_cursor_next(other);
    nacre_cursor_prev(third);
    put(f, "x", "new");
    is_refused_for(f, ended, "x");
    goes_through(f, back);
    goes_through(f, standing);
    nacre_cursor_close(cursor);
    nacre_cursor_close(other);
    nacre_cursor_close(third);
}

/* Up from "d" is "f", down from before "m" is "k", and the last of all is "p". */
static nacre_txn *txn_with_seeks(struct fixture *f)
{
    nacre_txn *txn = serializable(f);
    nacre_scan_options up = between("d", ""), down = between("d", "m");
    nacre_cursor *cursor = open_scan(f, txn, &up);
    nacre_cursor_last(cursor);
    nacre_cursor_close(cursor);
    down.reverse = true;
    cursor = open_scan(f, txn, &down);
    nacre_cursor_close(cursor);
    up = between("", "");
    cursor = open_scan(f, txn, &up);
    nacre_cursor_seek(cursor, text("i"));
    nacre_cursor_close(cursor);
    return txn;
}

static void seeks_read_what_lies_between_the_target_and_what_is_found(void **state)
{
    struct fixture *f = *state;
    static const char *const there[] = { "b", "f", "k", "p" }, *const read[] = { "a", "d", "e", "i", "j", "l", "q" },
                             *const unread[] = { "c", "g", "hz", "m", "n" };
    for (unsigned i = 0; i < sizeof there / sizeof there[0]; i++) {
        put(f, there[i], "1");
    }
    for (unsigned i = 0; i < sizeof read / sizeof read[0]; i++) {
        nacre_txn *txn = txn_with_seeks(f);
        put(f, read[i], "new");
        is_refused_for(f, txn, read[i]);
        delete_key(f, read[i]);
    }
    for (unsigned i = 0; i < sizeof unread / sizeof unread[0]; i++) {
        nacre_txn *txn = txn_with_seeks(f);
        put(f, unread[i], "new");
        goes_through(f, txn);
        delete_key(f, unread[i]);
    }
}

/* ---- serializability beyond two transactions ---- */

/* Fekete, O'Neil, O'Neil 2004: a reader between two writers sees a state that no order gives. */
static void the_anomaly_of_a_reader_cannot_be_seen_if_serializable(void **state)
{
    struct fixture *f = *state;
    put(f, "checking", "0");
    put(f, "saving", "0");
    nacre_txn *withdraw = serializable(f);
    get_in(f, withdraw, "checking");
    get_in(f, withdraw, "saving");
    nacre_txn *deposit = serializable(f);
    get_in(f, deposit, "saving");
    put_in(f, deposit, "saving", "20");
    commit(deposit);
    nacre_txn *report = serializable(f);
    assert_string_equal(get_in(f, report, "saving"), "20");
    assert_string_equal(get_in(f, report, "checking"), "0");
    commit(report);
    put_in(f, withdraw, "checking", "-11"); /* with a fee, as it did not see the deposit */
    conflicts_on(withdraw, "saving");
}

static void two_readers_never_see_two_writes_in_different_orders(void **state)
{
    struct fixture *f = *state;
    nacre_txn *before = serializable(f);
    put(f, "x", "1");
    nacre_txn *between_them = serializable(f);
    put(f, "y", "1");
    nacre_txn *after = serializable(f);
    assert_string_equal(scan_in(f, before, NULL), "");
    assert_string_equal(scan_in(f, between_them, NULL), "x=1");
    assert_string_equal(scan_in(f, after, NULL), "x=1 y=1");
    commit(before); /* those who write nothing are not held against anything */
    commit(between_them);
    commit(after);
}

/* ---- when the ring does not reach back ---- */

static void put_many(struct fixture *f, unsigned count)
{
    nacre_batch *batch;
    char key[24];
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "filler%08u", i);
        assert_ok(nacre_batch_put(batch, f->collection, text(key), text("")));
        if (nacre_batch_count(batch) == 100 || i + 1 == count) {
            assert_ok(nacre_write(f->store, batch, NULL));
            nacre_batch_clear(batch);
        }
    }
    nacre_batch_free(batch);
}

/* For each way to have changed something: in the active memtable, in a segment, in a merged one; with more changes behind it than the ring holds, or
   than are compared under the lock, or in one batch that is not noted at all. */
static void what_changed_long_ago_is_found_in_memtables_and_segments(void **state)
{
    struct fixture *f = *state;
    static const unsigned behind[] = { 1000, 60000 };
    for (unsigned round = 0; round < 6; round++) {
        put(f, "read", "1");
        put(f, "m3", "1");
        nacre_txn *writing = snapshot_isolated(f), *reading = serializable(f), *scanning = serializable(f),
                  *deleted = serializable(f), *covered = serializable(f), *not_concerned = serializable(f);
        nacre_scan_options options = between("m", "n"), covers = between("c", "d"), elsewhere = between("o", "p");
        put_in(f, writing, "written", "mine");
        get_in(f, reading, "read");
        scan_in(f, scanning, &options);
        get_in(f, deleted, "m3");
        scan_in(f, covered, &covers);
        get_in(f, not_concerned, "nothing");
        scan_in(f, not_concerned, &elsewhere);
        put(f, "written", "2");
        put(f, "read", "2");
        delete_key(f, "m3");
        assert_ok(nacre_delete_range(f->collection, text("ca"), text("cb"), NULL));
        put_many(f, behind[round % 2]);
        if (round >= 2) {
            assert_ok(nacre_flush(f->collection));
        }
        if (round >= 4) {
            assert_ok(nacre_compact(f->collection, text(""), text("")));
        }
        uint64_t before = stat_of(f->store, "txn_view_checks");
        goes_through(f, not_concerned);
        conflicts_on(writing, "written");
        is_refused_for(f, reading, "read");
        is_refused_for(f, scanning, "m3");
        is_refused_for(f, deleted, "m3");
        is_refused_for(f, covered, "ca");
        assert_true(stat_of(f->store, "txn_view_checks") >= before + 6);
    }
}

static void a_batch_too_large_for_the_ring_is_found_all_the_same(void **state)
{
    struct fixture *f = *state;
    nacre_batch *batch;
    char key[24];
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "filler%08u", i);
        assert_ok(nacre_batch_put(batch, f->collection, text(key), text("")));
    }
    nacre_txn *concerned = serializable(f), *other = serializable(f);
    get_in(f, concerned, "filler00012345");
    get_in(f, other, "x");
    assert_ok(nacre_write(f->store, batch, NULL));
    is_refused_for(f, concerned, "filler00012345");
    goes_through(f, other);
    nacre_batch_free(batch);
}

static void the_first_transaction_after_a_long_time_without_any_is_checked_too(void **state)
{
    struct fixture *f = *state;
    nacre_txn_abort(serializable(f));
    for (unsigned i = 0; i < 70000; i++) { /* nobody notes any more */
        put(f, "x", "1");
    }
    nacre_txn *txn = serializable(f), *other = serializable(f);
    get_in(f, txn, "x");
    get_in(f, other, "y");
    put(f, "x", "2");
    is_refused_for(f, txn, "x");
    goes_through(f, other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lost_update_is_refused_at_both_levels),
        TEST(blind_writes_conflict_at_both_levels),
        TEST(write_skew_is_refused_if_serializable_and_let_through_at_snapshot_isolation),
        TEST(a_key_that_was_read_and_not_found_is_relied_on),
        TEST(what_others_do_elsewhere_is_no_conflict),
        TEST(a_key_of_the_same_name_in_another_collection_is_another_key),
        TEST(range_deletes_and_clears_are_changes_of_every_key_in_them),
        TEST(batches_are_changes_like_single_writes),
        TEST(an_ingested_file_is_a_change_of_its_keys),
        TEST(large_values_go_to_the_value_log_at_commit),
        TEST(a_key_put_into_a_range_that_was_scanned_is_a_conflict),
        TEST(conflicts_in_collections_of_all_kinds_name_the_key),
        TEST(a_key_deleted_from_a_range_that_was_scanned_is_a_conflict),
        TEST(a_cursor_has_read_as_far_as_it_went),
        TEST(the_end_of_a_range_is_read_only_by_who_comes_there),
        TEST(seeks_read_what_lies_between_the_target_and_what_is_found),
        TEST(the_anomaly_of_a_reader_cannot_be_seen_if_serializable),
        TEST(two_readers_never_see_two_writes_in_different_orders),
        TEST(what_changed_long_ago_is_found_in_memtables_and_segments),
        TEST(a_batch_too_large_for_the_ring_is_found_all_the_same),
        TEST(the_first_transaction_after_a_long_time_without_any_is_checked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
