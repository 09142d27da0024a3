/* What a user does first, in memtables and in segments alike. */
#include "support/store_fixture.h"
#include <time.h>

static void put_then_get_returns_the_value(void **state)
{
    struct fixture *f = *state;
    put(f, "one", "1");
    assert_string_equal(get(f, "one"), "1");
    assert_string_equal(get(f, "two"), "<none>");
}

static void empty_value_is_a_value_and_not_a_delete(void **state)
{
    struct fixture *f = *state;
    put(f, "empty", "");
    assert_string_equal(get(f, "empty"), "");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(get(f, "empty"), "");
    fixture_reopen(f);
    assert_string_equal(get(f, "empty"), "");
}

static void overwrite_after_reopen_returns_the_new_value(void **state)
{
    struct fixture *f = *state;
    put(f, "k", "old");
    assert_ok(nacre_flush(f->collection));
    fixture_reopen(f);
    put(f, "k", "new");
    assert_string_equal(get(f, "k"), "new");
    fixture_reopen(f);
    assert_string_equal(get(f, "k"), "new");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(get(f, "k"), "new");
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(get(f, "k"), "new");
}

static void deleted_key_stays_deleted_through_flush_compact_and_reopen(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    put(f, "b", "2");
    assert_ok(nacre_flush(f->collection));
    delete_key(f, "a");
    assert_string_equal(get(f, "a"), "<none>");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(get(f, "a"), "<none>");
    assert_string_equal(scan(f, NULL), "b=2");
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    fixture_reopen(f);
    assert_string_equal(get(f, "a"), "<none>");
    assert_string_equal(scan(f, NULL), "b=2");
}

static void keys_that_are_prefixes_of_others_are_all_found(void **state)
{
    struct fixture *f = *state;
    put(f, "key1", "a");
    put(f, "key10", "b");
    put(f, "key", "c");
    for (int round = 0; round < 2; round++) {
        assert_string_equal(scan(f, NULL), "key=c key1=a key10=b");
        assert_string_equal(get(f, "key1"), "a");
        assert_string_equal(get(f, "key10"), "b");
        assert_ok(nacre_flush(f->collection));
    }
}

static void scan_honours_bounds_prefix_direction_and_limit(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    put(f, "b1", "2");
    assert_ok(nacre_flush(f->collection));
    put(f, "b2", "3");
    put(f, "c", "4");
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    o.prefix = text("b");
    assert_string_equal(scan(f, &o), "b1=2 b2=3");
    o.reverse = true;
    assert_string_equal(scan(f, &o), "b2=3 b1=2");
    o = (nacre_scan_options)NACRE_SCAN_OPTIONS_INIT;
    o.begin = text("b1");
    o.end = text("c");
    assert_string_equal(scan(f, &o), "b1=2 b2=3");
    o.reverse = true;
    o.limit = 1;
    assert_string_equal(scan(f, &o), "b2=3");
    o = (nacre_scan_options)NACRE_SCAN_OPTIONS_INIT;
    o.limit = 3;
    o.keys_only = true;
    assert_string_equal(scan(f, &o), "a= b1= b2=");
}

static void prefix_that_ends_in_ff_has_the_right_bound(void **state)
{
    struct fixture *f = *state;
    put(f, "\xff", "1");
    put(f, "\xff\xff", "2");
    put(f, "\xff\xff\x01", "3");
    put(f, "\xfe", "4");
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    o.prefix = text("\xff\xff");
    o.keys_only = true;
    assert_string_equal(scan(f, &o), "\xff\xff= \xff\xff\x01=");
    assert_ok(nacre_delete_prefix(f->collection, text("\xff\xff"), NULL));
    assert_string_equal(scan(f, NULL), "\xfe=4 \xff=1");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(scan(f, NULL), "\xfe=4 \xff=1");
}

static void delete_range_hides_older_entries_but_not_newer_ones(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    put(f, "b", "2");
    put(f, "c", "3");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_delete_range(f->collection, text("a"), text("c"), NULL));
    put(f, "b", "new");
    for (int round = 0; round < 3; round++) {
        assert_string_equal(scan(f, NULL), "b=new c=3");
        assert_string_equal(get(f, "a"), "<none>");
        assert_string_equal(get(f, "b"), "new");
        if (round == 0) {
            assert_ok(nacre_flush(f->collection));
        } else {
            assert_ok(nacre_compact(f->collection, text(""), text("")));
        }
    }
    assert_ok(nacre_collection_clear(f->collection));
    assert_string_equal(scan(f, NULL), "");
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "");
}

static void snapshot_sees_its_point_through_flush_and_compaction(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    put(f, "b", "2");
    nacre_snapshot *snapshot;
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    put(f, "a", "new");
    delete_key(f, "b");
    put(f, "c", "3");
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    o.snapshot = snapshot;
    for (int round = 0; round < 3; round++) {
        assert_string_equal(scan(f, &o), "a=1 b=2");
        assert_string_equal(scan(f, NULL), "a=new c=3");
        o.reverse = !o.reverse;
        assert_string_equal(scan(f, &o), o.reverse ? "b=2 a=1" : "a=1 b=2");
        o.reverse = false;
        if (round == 0) {
            assert_ok(nacre_flush(f->collection));
        } else {
            assert_ok(nacre_compact(f->collection, text(""), text("")));
        }
    }
    nacre_snapshot_release(snapshot);
}

static void cursor_steps_both_ways_and_seeks(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = { "a", "b", "c", "d", "e" };
    for (int i = 0; i < 5; i++) {
        put(f, keys[i], keys[i]);
        if (i == 2) {
            assert_ok(nacre_flush(f->collection));
        }
    }
    delete_key(f, "c");
    nacre_cursor *c;
    assert_ok(nacre_scan(f->collection, NULL, &c));
    nacre_cursor_seek(c, text("b"));
    assert_memory_equal(nacre_cursor_key(c).data, "b", 1);
    nacre_cursor_next(c);
    assert_memory_equal(nacre_cursor_key(c).data, "d", 1);
    nacre_cursor_prev(c);
    assert_memory_equal(nacre_cursor_key(c).data, "b", 1);
    nacre_cursor_prev(c);
    assert_memory_equal(nacre_cursor_key(c).data, "a", 1);
    nacre_cursor_next(c);
    assert_memory_equal(nacre_cursor_key(c).data, "b", 1);
    nacre_cursor_last(c);
    assert_memory_equal(nacre_cursor_value(c).data, "e", 1);
    nacre_cursor_next(c);
    assert_false(nacre_cursor_valid(c));
    nacre_cursor_seek(c, text("c"));
    assert_memory_equal(nacre_cursor_key(c).data, "d", 1);
    nacre_cursor_close(c);
}

static void expired_entry_is_gone_at_once_and_hides_the_older_version(void **state)
{
    struct fixture *f = *state;
    nacre_write_options w = NACRE_WRITE_OPTIONS_INIT;
    put(f, "k", "old");
    assert_ok(nacre_flush(f->collection));
    w.ttl_ms = 1;
    assert_ok(nacre_put(f->collection, text("k"), text("short"), &w));
    struct timespec wait = { 0, 5000000 };
    nanosleep(&wait, NULL);
    for (int round = 0; round < 3; round++) {
        assert_string_equal(get(f, "k"), "<none>");
        assert_string_equal(scan(f, NULL), "");
        if (round == 0) {
            assert_ok(nacre_flush(f->collection));
        } else {
            assert_ok(nacre_compact(f->collection, text(""), text("")));
        }
    }
}

static void batch_is_applied_in_order_and_survives_reopen(void **state)
{
    struct fixture *f = *state;
    nacre_batch *batch;
    nacre_collection *other;
    assert_ok(nacre_collection_create(f->store, "other", NULL, &other));
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put(batch, f->collection, text("a"), text("1")));
    assert_ok(nacre_batch_put(batch, f->collection, text("a"), text("2")));
    assert_ok(nacre_batch_put(batch, other, text("x"), text("y")));
    assert_ok(nacre_batch_delete(batch, f->collection, text("b")));
    assert_int_equal(nacre_batch_count(batch), 4);
    assert_ok(nacre_write(f->store, batch, NULL));
    assert_string_equal(get(f, "a"), "2");
    nacre_batch_free(batch);
    nacre_collection_close(other);
    fixture_reopen(f);
    assert_string_equal(get(f, "a"), "2");
}

static void large_values_are_held_in_place_until_released(void **state)
{
    struct fixture *f = *state;
    size_t size = 3 << 20;
    char *big = malloc(size);
    memset(big, 'x', size);
    assert_ok(nacre_put(f->collection, text("big"), (nacre_slice){ big, size }, NULL));
    for (int round = 0; round < 2; round++) {
        nacre_value value;
        assert_ok(nacre_get(f->collection, text("big"), NULL, &value));
        assert_int_equal(value.slice.size, size);
        delete_key(f, "other");
        assert_ok(nacre_flush(f->collection));
        assert_ok(nacre_compact(f->collection, text(""), text("")));
        assert_memory_equal(value.slice.data, big, size);
        nacre_collection_close(f->collection);
        assert_code(nacre_close(f->store), NACRE_HANDLES_OPEN);
        nacre_value_release(&value);
        assert_ok(nacre_collection_open(f->store, "test", &f->collection));
    }
    free(big);
}

static void multi_get_answers_each_key(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    assert_ok(nacre_flush(f->collection));
    put(f, "c", "3");
    nacre_slice keys[] = { text("a"), text("b"), text("c") };
    nacre_value values[3];
    int statuses[3];
    assert_ok(nacre_multi_get(f->collection, keys, 3, NULL, values, statuses));
    assert_int_equal(statuses[0], NACRE_OK);
    assert_int_equal(statuses[1], NACRE_NOT_FOUND);
    assert_int_equal(statuses[2], NACRE_OK);
    assert_memory_equal(values[2].slice.data, "3", 1);
    for (int i = 0; i < 3; i++) {
        nacre_value_release(&values[i]);
    }
}

static void dropped_collection_is_gone_and_its_name_is_free(void **state)
{
    struct fixture *f = *state;
    nacre_collection *c;
    assert_ok(nacre_collection_create(f->store, "gone", NULL, &c));
    assert_ok(nacre_put(c, text("k"), text("v"), NULL));
    assert_ok(nacre_flush(c));
    assert_ok(nacre_put(c, text("k2"), text("v"), NULL));
    assert_ok(nacre_collection_drop(f->store, "gone"));
    assert_code(nacre_put(c, text("k"), text("v"), NULL), NACRE_NOT_FOUND);
    nacre_collection_close(c);
    assert_code(nacre_collection_open(f->store, "gone", &c), NACRE_NOT_FOUND);
    assert_ok(nacre_collection_create(f->store, "gone", NULL, &c));
    nacre_value value;
    assert_code(nacre_get(c, text("k"), NULL, &value), NACRE_NOT_FOUND);
    nacre_collection_close(c);
    fixture_reopen(f);
    assert_ok(nacre_collection_open(f->store, "gone", &c));
    assert_code(nacre_get(c, text("k2"), NULL, &value), NACRE_NOT_FOUND);
    nacre_collection_close(c);
}

static void queue_popped_at_the_front_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    char key[16];
    int head = 0, tail = 0;
    for (int round = 0; round < 3000; round++) {
        snprintf(key, sizeof key, "q%08d", tail++);
        put(f, key, "x");
        if (round >= 50) {
            nacre_cursor *c;
            assert_ok(nacre_scan(f->collection, NULL, &c));
            assert_true(nacre_cursor_valid(c));
            snprintf(key, sizeof key, "q%08d", head++);
            assert_int_equal(nacre_cursor_key(c).size, strlen(key));
            assert_memory_equal(nacre_cursor_key(c).data, key, strlen(key));
            nacre_cursor_close(c);
            delete_key(f, key);
        }
        if (round % 700 == 699) {
            assert_ok(nacre_seal(f->collection));
        }
        if (round == 2000) {
            /* A put into the dead range must be seen. */
            put(f, "q00000003", "back");
            assert_string_equal(get(f, "q00000003"), "back");
            nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
            o.limit = 1;
            assert_string_equal(scan(f, &o), "q00000003=back");
            delete_key(f, "q00000003");
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(put_then_get_returns_the_value),
        TEST(empty_value_is_a_value_and_not_a_delete),
        TEST(overwrite_after_reopen_returns_the_new_value),
        TEST(deleted_key_stays_deleted_through_flush_compact_and_reopen),
        TEST(keys_that_are_prefixes_of_others_are_all_found),
        TEST(scan_honours_bounds_prefix_direction_and_limit),
        TEST(prefix_that_ends_in_ff_has_the_right_bound),
        TEST(delete_range_hides_older_entries_but_not_newer_ones),
        TEST(snapshot_sees_its_point_through_flush_and_compaction),
        TEST(cursor_steps_both_ways_and_seeks),
        TEST(expired_entry_is_gone_at_once_and_hides_the_older_version),
        TEST(batch_is_applied_in_order_and_survives_reopen),
        TEST(large_values_are_held_in_place_until_released),
        TEST(multi_get_answers_each_key),
        TEST(dropped_collection_is_gone_and_its_name_is_free),
        TEST(queue_popped_at_the_front_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
