/* The traps that engines of this shape have fallen into, a test each. Those that are tested elsewhere:
     sequence numbers that restart at open                    api/basics: overwrite_after_reopen_returns_the_new_value
     an empty value taken for a delete                        api/basics: empty_value_is_a_value_and_not_a_delete
     a merge drops the version that a snapshot needs          api/basics: snapshot_sees_its_point_through_flush_and_compaction
     keys that are prefixes of others                         api/basics: keys_that_are_prefixes_of_others_are_all_found
     the bound of a prefix that ends in 0xFF                  api/basics: prefix_that_ends_in_ff_has_the_right_bound
     reverse scans that return internal keys                  api/basics: scan_honours_bounds_prefix_direction_and_limit
     filters sized for a fixed number of keys                 unit/filter
     merge outputs that overlap newer data                    unit/tree, model/histories
     data seen twice or not at all between swap and publish   api/concurrency
     unbounded queues of sealed tables                        api/limits: a_writer_is_refused_in_time_when_nothing_can_be_flushed
   Traps of vectors have no test, as this version has none. */
#include "support/directory.h"
#include "support/gate.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static const nacre_slice none = { NULL, 0 };

static nacre_os *disk;

/* A store on the disk in memory, where power fails and calls do. */
static int setup_memory(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/store");
    f->options = (nacre_options)NACRE_OPTIONS_INIT;
    f->options.os = gate_over(disk = os_memory_create());
    f->options.memory_budget = 16 << 20;
    fixture_open(f);
    *state = f;
    return 0;
}

static int teardown_memory(void **state)
{
    struct fixture *f = *state;
    os_memory_heal(disk);
    gate_open();
    if (f->store) {
        fixture_close(f);
    }
    os_memory_free(disk);
    free(f);
    return 0;
}

/* The power fails, and the store is opened again. */
static void power_cut(struct fixture *f, uint64_t seed)
{
    os_memory_cut_at(disk, os_memory_calls(disk) + 1);
    nacre_collection_close(f->collection);
    (void)nacre_close(f->store); /* what it still tries fails */
    os_memory_restart(disk, seed);
    fixture_open(f);
}

static void number_key(char *key, size_t size, unsigned n)
{
    snprintf(key, size, "key%06u", n);
}

static void put_numbers(struct fixture *f, unsigned from, unsigned to, const char *value)
{
    char key[20];
    for (unsigned n = from; n < to; n++) {
        number_key(key, sizeof key, n);
        put(f, key, value);
    }
}

static size_t count_keys(struct fixture *f, const nacre_scan_options *options)
{
    nacre_cursor *cursor;
    size_t count = 0;
    assert_ok(nacre_scan(f->collection, options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        count++;
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    return count;
}

/* ---- the log ---- */

struct writer {
    struct fixture *f;
    atomic_uint acknowledged;
    atomic_bool stop;
};

static void *write_on(void *context)
{
    struct writer *w = context;
    char key[20];
    for (unsigned n = 0; !atomic_load(&w->stop) && n < 100000; n++) {
        number_key(key, sizeof key, n);
        if (nacre_put(w->f->collection, text(key), text("v"), NULL) != NACRE_OK) {
            break;
        }
        atomic_store(&w->acknowledged, n + 1);
    }
    return NULL;
}

static void writes_acknowledged_during_a_flush_survive_the_power_cut_after_it(void **state)
{
    struct fixture *f = *state;
    for (uint64_t round = 1; round <= 3; round++) {
        struct writer w = { .f = f };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
        for (int i = 0; i < 4; i++) {
            unsigned before = atomic_load(&w.acknowledged);
            while (atomic_load(&w.acknowledged) < before + 50) {
                struct timespec moment = { 0, 200000 };
                nanosleep(&moment, NULL);
            }
            assert_ok(nacre_flush(f->collection));
            assert_ok(nacre_prune_log(f->store));
        }
        atomic_store(&w.stop, true);
        pthread_join(thread, NULL);
        power_cut(f, round);
        assert_true(count_keys(f, NULL) >= atomic_load(&w.acknowledged));
        assert_ok(nacre_collection_clear(f->collection));
    }
}

static void a_second_crash_right_after_recovery_loses_nothing(void **state)
{
    struct fixture *f = *state;
    put_numbers(f, 0, 50, "first");
    for (uint64_t crash = 1; crash <= 6; crash++) {
        power_cut(f, crash);
        assert_int_equal(count_keys(f, NULL), 50);
    }
    put_numbers(f, 40, 60, "second");
    power_cut(f, 7);
    power_cut(f, 8);
    assert_int_equal(count_keys(f, NULL), 60);
    assert_string_equal(get(f, "key000039"), "first");
    assert_string_equal(get(f, "key000040"), "second");
}

static void writes_after_a_torn_tail_are_found_at_the_next_open(void **state)
{
    struct fixture *f = *state;
    nacre_write_options unsynced = NACRE_WRITE_OPTIONS_INIT;
    unsynced.durability = NACRE_OS;
    for (uint64_t crash = 1; crash <= 12; crash++) {
        char key[20];
        for (unsigned n = 0; n < 30; n++) { /* what the power cut tears */
            number_key(key, sizeof key, 1000 + n);
            assert_ok(nacre_put(f->collection, text(key), text("torn or not, a value of some length"), &unsynced));
        }
        power_cut(f, crash * 77);
        put_numbers(f, (unsigned)crash * 10, (unsigned)crash * 10 + 10, "after");
        power_cut(f, crash * 78);
        nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
        o.end = text("key000999");
        assert_int_equal(count_keys(f, &o), crash * 10);
    }
}

static void each_write_of_level_disk_has_its_own_sync_and_no_timer_holds_it(void **state)
{
    struct fixture *f = *state;
    uint64_t before = stat_of(f->store, "log_syncs");
    put_numbers(f, 0, 100, "v");
    assert_true(stat_of(f->store, "log_syncs") >= before + 100);
    /* Two writers whose syncs cost nothing: a timer of 1 ms would hold them for seconds. */
    struct timespec start, end;
    struct writer w[2] = { { .f = f }, { .f = f } };
    pthread_t threads[2];
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, &w[i]), 0);
    }
    while (atomic_load(&w[0].acknowledged) + atomic_load(&w[1].acknowledged) < 2000) {
        struct timespec moment = { 0, 1000000 };
        nanosleep(&moment, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (int i = 0; i < 2; i++) {
        atomic_store(&w[i].stop, true);
        pthread_join(threads[i], NULL);
    }
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    assert_true(seconds <
                15); /* 80 commits a second would take 25 s; instrumented builds on a busy machine have their room */
}

/* ---- seals and flushes ---- */

static void wait_until_built(struct fixture *f)
{
    for (int i = 0; i < 1000 && stat_of(f->store, "sealed_bytes") > 0; i++) {
        struct timespec moment = { 0, 10000000 };
        nanosleep(&moment, NULL);
    }
    assert_int_equal(stat_of(f->store, "sealed_bytes"), 0);
}

static void a_flush_that_fails_is_tried_again_and_its_data_stays(void **state)
{
    struct fixture *f = *state;
    put_numbers(f, 0, 100, "old");
    os_memory_fail_matching(disk, "", "/segments/", OS_FAULT_IO, 3);
    assert_ok(nacre_seal(f->collection));
    wait_until_built(f);
    assert_true(stat_of(f->store, "background_errors") > 0);
    assert_int_equal(count_keys(f, NULL), 100);
    assert_ok(nacre_resume(f->store)); /* it went read-only, and said so */
    put_numbers(f, 50, 150, "new");
    assert_ok(nacre_flush(f->collection));
    power_cut(f, 3);
    assert_int_equal(count_keys(f, NULL), 150);
    assert_string_equal(get(f, "key000049"), "old");
    assert_string_equal(get(f, "key000050"), "new");
}

static void sealed_data_is_seen_before_it_is_built(void **state)
{
    struct fixture *f = *state;
    gate_close("/segments/"); /* nothing gets built */
    put_numbers(f, 0, 10, "sealed");
    assert_ok(nacre_seal(f->collection));
    put_numbers(f, 5, 15, "newer");
    assert_ok(nacre_seal(f->collection));
    delete_key(f, "key000000");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(count_keys(f, NULL), 14);
        assert_string_equal(get(f, "key000000"), "<none>");
        assert_string_equal(get(f, "key000004"), "sealed");
        assert_string_equal(get(f, "key000005"), "newer");
        assert_true(round > 0 || stat_of(f->store, "segments") == 0);
        gate_open();
        wait_until_built(f);
    }
}

static void of_two_sealed_versions_the_newer_wins_whichever_is_built_first(void **state)
{
    struct fixture *f = *state;
    gate_close("/segments/");
    put(f, "k", "older");
    assert_ok(nacre_seal(f->collection));
    put(f, "k", "newer");
    assert_ok(nacre_seal(f->collection));
    os_memory_fail_matching(disk, "", "/segments/", OS_FAULT_IO, 2); /* the first to be tried fails, and comes later */
    gate_open();
    wait_until_built(f);
    assert_string_equal(get(f, "k"), "newer");
    assert_ok(nacre_compact(f->collection, none, none));
    assert_string_equal(get(f, "k"), "newer");
    power_cut(f, 1);
    assert_string_equal(get(f, "k"), "newer");
}

/* ---- files ---- */

static void a_file_that_waited_for_deletion_does_not_come_back(void **state)
{
    struct fixture *f = *state;
    char segments[100], old[200];
    uint8_t *bytes;
    snprintf(segments, sizeof segments, "%s/segments", f->path);
    put(f, "deleted", "must not come back");
    put(f, "k", "old");
    assert_ok(nacre_flush(f->collection));
    directory_last(segments, ".seg", old, sizeof old);
    size_t size = file_read_all(old, &bytes);
    delete_key(f, "deleted");
    put(f, "k", "new");
    assert_ok(nacre_compact(f->collection, none, none));
    fixture_close(f);
    if (path_exists(old)) {
        assert_int_equal(remove(old), 0);
    }
    file_write_all(old, bytes, size); /* as if the process had died before it was deleted */
    free(bytes);
    fixture_open(f);
    assert_string_equal(scan(f, NULL), "k=new");
    assert_false(path_exists(old));
    assert_ok(nacre_compact(f->collection, none, none));
    assert_string_equal(scan(f, NULL), "k=new");
}

/* ---- deletes ---- */

static void a_snapshot_read_of_a_deleted_key_does_not_fall_through_to_an_older_value(void **state)
{
    struct fixture *f = *state;
    nacre_read_options read = NACRE_READ_OPTIONS_INIT;
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    nacre_value value;
    put(f, "k", "old");
    assert_ok(nacre_flush(f->collection));
    delete_key(f, "k");
    for (int round = 0; round < 3; round++) {
        assert_ok(nacre_snapshot_create(f->store, &read.snapshot));
        put(f, "k", "new");
        assert_code(nacre_get(f->collection, text("k"), &read, &value), NACRE_NOT_FOUND);
        o.snapshot = read.snapshot;
        assert_string_equal(scan(f, &o), "");
        if (round == 0) {
            assert_ok(nacre_flush(f->collection));
        } else {
            assert_ok(nacre_compact(f->collection, none, none));
        }
        assert_code(nacre_get(f->collection, text("k"), &read, &value), NACRE_NOT_FOUND);
        assert_string_equal(scan(f, &o), "");
        nacre_snapshot_release(read.snapshot);
        delete_key(f, "k");
    }
}

static void a_tombstone_stays_while_a_deeper_level_may_hold_its_key(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "level0_runs", "2"));
    assert_ok(nacre_tune(f->store, "level_base_bytes", "65536"));
    assert_ok(nacre_tune(f->store, "segment_bytes", "16384"));
    put_numbers(f, 0, 3000, "a value that makes the levels deep enough to matter");
    assert_ok(nacre_compact(f->collection, none, none));
    for (unsigned n = 0; n < 3000; n += 3) {
        char key[20];
        number_key(key, sizeof key, n);
        delete_key(f, key);
        if (n % 600 == 0) {
            assert_ok(nacre_flush(f->collection)); /* merges of the upper levels follow by themselves */
        }
    }
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text("key000100"), text("key000200")));
    assert_int_equal(count_keys(f, NULL), 2000);
    assert_string_equal(get(f, "key000300"), "<none>");
    fixture_reopen(f);
    assert_int_equal(count_keys(f, NULL), 2000);
}

static void a_segment_of_tombstones_alone_hides_keys_at_both_its_ends(void **state)
{
    struct fixture *f = *state;
    put_numbers(f, 0, 100, "v");
    assert_ok(nacre_flush(f->collection));
    delete_key(f, "key000000");
    delete_key(f, "key000099");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_delete_range(f->collection, text("key000010"), text("key000090"), NULL));
    assert_ok(nacre_flush(f->collection));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(count_keys(f, NULL), 18);
        assert_string_equal(get(f, "key000000"), "<none>");
        assert_string_equal(get(f, "key000099"), "<none>");
        assert_string_equal(get(f, "key000010"), "<none>");
        assert_string_equal(get(f, "key000089"), "<none>");
        assert_string_equal(get(f, "key000090"), "v");
        nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
        o.reverse = true;
        assert_int_equal(count_keys(f, &o), 18);
        fixture_reopen(f);
    }
}

static void a_scan_of_keys_alone_gives_no_dead_ones(void **state)
{
    struct fixture *f = *state;
    nacre_write_options w = NACRE_WRITE_OPTIONS_INIT;
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    o.keys_only = true;
    w.ttl_ms = 1;
    put(f, "a", "1");
    put(f, "b", "2");
    put(f, "c", "3");
    put(f, "d", "4");
    assert_ok(nacre_put(f->collection, text("expired"), text("v"), &w));
    assert_ok(nacre_flush(f->collection));
    delete_key(f, "b");
    assert_ok(nacre_delete_range(f->collection, text("c"), text("d"), NULL));
    struct timespec moment = { 0, 5000000 };
    nanosleep(&moment, NULL);
    for (int round = 0; round < 2; round++) {
        o.reverse = false;
        assert_string_equal(scan(f, &o), "a= d=");
        o.reverse = true;
        assert_string_equal(scan(f, &o), "d= a=");
        assert_ok(nacre_flush(f->collection));
    }
}

/* ---- filters and merges ---- */

static void keys_of_every_way_in_are_found_behind_filters(void **state)
{
    struct fixture *f = *state;
    nacre_batch *batch;
    put(f, "put", "1");
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put(batch, f->collection, text("batch"), text("2")));
    assert_ok(nacre_write(f->store, batch, NULL));
    nacre_batch_free(batch);
    put(f, "replayed", "3");
    fixture_reopen(f); /* from the log, by the other way in */
    assert_ok(nacre_flush(f->collection));
    put_numbers(f, 0, 500, "4");
    assert_ok(nacre_flush(f->collection));
    for (int round = 0; round < 3; round++) {
        assert_string_equal(get(f, "put"), "1");
        assert_string_equal(get(f, "batch"), "2");
        assert_string_equal(get(f, "replayed"), "3");
        assert_string_equal(get(f, "key000250"), "4");
        nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
        o.prefix = text("repl");
        assert_string_equal(scan(f, &o), "replayed=3");
        if (round == 0) {
            assert_ok(nacre_compact(f->collection, none, none)); /* merged */
        } else {
            assert_ok(nacre_build_indexes(f->collection));
            fixture_reopen(f);
        }
    }
}

static void merging_the_last_level_again_and_again_goes_nowhere_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "level_base_bytes", "65536"));
    assert_ok(nacre_tune(f->store, "level_ratio", "2"));
    assert_ok(nacre_tune(f->store, "segment_bytes", "16384"));
    for (unsigned round = 0; round < 12; round++) {
        put_numbers(f, round * 100, round * 100 + 300, "a value of the length that values often have, or so");
        assert_ok(nacre_compact(f->collection, none, none));
        assert_int_equal(count_keys(f, NULL), round * 100 + 300);
    }
    fixture_reopen(f);
    assert_int_equal(count_keys(f, NULL), 1400);
}

static void an_open_cursor_holds_no_writer_up(void **state)
{
    struct fixture *f = *state;
    nacre_cursor *cursor;
    put_numbers(f, 0, 1000, "v");
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    for (unsigned n = 0; n < 500; n++) {
        nacre_cursor_next(cursor);
    }
    put_numbers(f, 500, 1500, "w"); /* in the same thread: a lock of the cursor would hang here */
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, none, none));
    assert_ok(nacre_reclaim(f->store));
    size_t rest = 0;
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        assert_memory_equal(nacre_cursor_value(cursor).data, "v", 1);
        rest++;
    }
    assert_ok(nacre_cursor_status(cursor));
    assert_int_equal(rest, 500);
    nacre_cursor_close(cursor);
}

int main(void)
{
#define TEST(name)   cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define MEMORY(name) cmocka_unit_test_setup_teardown(name, setup_memory, teardown_memory)
    const struct CMUnitTest tests[] = {
        MEMORY(writes_acknowledged_during_a_flush_survive_the_power_cut_after_it),
        MEMORY(a_second_crash_right_after_recovery_loses_nothing),
        MEMORY(writes_after_a_torn_tail_are_found_at_the_next_open),
        MEMORY(each_write_of_level_disk_has_its_own_sync_and_no_timer_holds_it),
        MEMORY(a_flush_that_fails_is_tried_again_and_its_data_stays),
        MEMORY(sealed_data_is_seen_before_it_is_built),
        MEMORY(of_two_sealed_versions_the_newer_wins_whichever_is_built_first),
        TEST(a_file_that_waited_for_deletion_does_not_come_back),
        TEST(a_snapshot_read_of_a_deleted_key_does_not_fall_through_to_an_older_value),
        TEST(a_tombstone_stays_while_a_deeper_level_may_hold_its_key),
        TEST(a_segment_of_tombstones_alone_hides_keys_at_both_its_ends),
        TEST(a_scan_of_keys_alone_gives_no_dead_ones),
        TEST(keys_of_every_way_in_are_found_behind_filters),
        TEST(merging_the_last_level_again_and_again_goes_nowhere_and_loses_nothing),
        TEST(an_open_cursor_holds_no_writer_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
