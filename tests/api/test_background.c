/* Background threads beside long builds of indexes: flushes, merges and quick steps go on, whatever the number of threads; pauses, drops and closes wait
   for no build. Merges come to an end. */
#include "base/clock.h"
#include "support/store_fixture.h"
#include "support/toy_kind.h"
#include <pthread.h>
#include <string.h>

void store_register_kind(const struct kind *);

static const unsigned thread_counts[] = { 1, 2, 4 };

/* A collection whose full indexes are held, beside the ordered one of the fixture. */
static nacre_collection *open_held(struct fixture *f, unsigned threads)
{
    nacre_collection *toys;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    store_register_kind(&kind_toy_indexed);
    fixture_close(f); /* with its threads */
    memset(&toy_index_watch, 0, sizeof toy_index_watch);
    toy_index_watch.hold = true;
    f->options.background_threads = threads;
    fixture_open(f);
    (void)nacre_collection_drop(f->store, "toys");
    options.kind = (nacre_kind)TOY_INDEXED_KIND;
    assert_ok(nacre_collection_create(f->store, "toys", &options, &toys));
    return toys;
}

static void put_many(nacre_collection *collection, unsigned begin, unsigned end)
{
    for (unsigned i = begin; i < end; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%06u", i);
        assert_ok(nacre_put(collection, text(key), text("value"), NULL));
    }
}

static void hold_a_build(nacre_collection *toys)
{
    put_many(toys, 0, 50);
    assert_ok(nacre_flush(toys));
    while (!toy_index_watch.holding) {
        clock_sleep_ns(100000);
    }
}

/* Of the ordered collection. */
static void flush_until_merged(struct fixture *f)
{
    uint64_t before = stat_of(f->store, "merges");
    for (unsigned flush = 0; flush < 4; flush++) {
        put_many(f->collection, 0, 500);
        assert_ok(nacre_flush(f->collection));
    }
    for (unsigned k = 0; stat_of(f->store, "merges") == before; k++) {
        assert_true(k < 20000);
        clock_sleep_ns(1000000);
    }
}

static void flushes_and_quick_steps_go_on_beside_a_long_build(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        nacre_collection *toys = open_held(f, thread_counts[i]);
        hold_a_build(toys);
        wait_for_stat(f->store, "quick_indexes_built", 1);
        assert_int_equal(stat_of(f->store, "index_builds_running"), 1);
        put_many(toys, 50, 100);
        assert_ok(nacre_seal(toys)); /* the flush is the workers' */
        put_many(f->collection, 0, 50);
        assert_ok(nacre_seal(f->collection));
        wait_for_stat(f->store, "sealed_bytes", 0);
        wait_for_stat(f->store, "quick_indexes_built", 2);
        assert_int_equal(toy_index_watch.full, 0);
        toy_index_watch.hold = false;
        wait_for_stat(f->store, "missing_indexes", 0);
        assert_int_equal(stat_of(f->store, "background_errors"), 0);
        nacre_collection_close(toys);
    }
}

static void merges_of_others_go_on_beside_a_long_build(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "level0_runs", "2"));
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        nacre_collection *toys = open_held(f, thread_counts[i]);
        hold_a_build(toys);
        flush_until_merged(f);
        assert_true(toy_index_watch.holding);
        toy_index_watch.hold = false;
        nacre_collection_close(toys);
    }
}

/* The merge of runs that have indexes makes one: it is held in it. */
static void hold_a_merge(struct fixture *f, nacre_collection *toys)
{
    toy_index_watch.hold = false;
    for (unsigned i = 0; i < 4; i++) {
        toy_index_watch.hold = i == 3;
        put_many(toys, i * 50, i * 50 + 50);
        assert_ok(nacre_flush(toys));
        if (i < 3) {
            wait_for_stat(f->store, "missing_indexes", 0);
        }
    }
    for (unsigned k = 0; stat_of(f->store, "merges_running") == 0 || !toy_index_watch.holding; k++) {
        assert_true(k < 20000);
        clock_sleep_ns(1000000);
    }
}

static void short_merges_go_on_beside_one_that_makes_an_index(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "level0_runs", "2"));
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        nacre_collection *toys = open_held(f, thread_counts[i]);
        hold_a_merge(f, toys);
        for (unsigned flush = 0; flush < 4; flush++) { /* runs without an index, of one size */
            put_many(toys, 200 + flush * 50, 250 + flush * 50);
            assert_ok(nacre_flush(toys));
        }
        wait_for_stat(f->store, "merges", 1);
        flush_until_merged(f);
        assert_true(toy_index_watch.holding);
        toy_index_watch.hold = false;
        wait_for_stat(f->store, "missing_indexes", 0);
        assert_int_equal(stat_of(f->store, "background_errors"), 0);
        nacre_collection_close(toys);
    }
}

static void a_pause_waits_for_no_index_and_the_merge_is_done_after_it(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        nacre_collection *toys = open_held(f, thread_counts[i]);
        hold_a_merge(f, toys);
        put_many(toys, 0, 10);
        assert_ok(nacre_seal(toys)); /* flushes go on beside a merge that makes an index, too */
        wait_for_stat(f->store, "sealed_bytes", 0);
        assert_ok(nacre_pause_compaction(f->store, 5000));
        assert_int_equal(stat_of(f->store, "merges_running"), 0);
        assert_int_equal(stat_of(f->store, "merges"), 0);
        assert_ok(nacre_resume_compaction(f->store));
        toy_index_watch.hold = false;
        wait_for_stat(f->store, "missing_indexes", 0);
        wait_for_stat(f->store, "merges", 1);
        assert_int_equal(stat_of(f->store, "background_errors"), 0);
        nacre_collection_close(toys);
    }
}

static void a_drop_and_a_close_wait_for_no_build(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        nacre_collection *toys = open_held(f, thread_counts[i]);
        hold_a_build(toys);
        uint64_t begun = clock_monotonic_ns();
        if (i % 2) {
            assert_ok(nacre_collection_drop(f->store, "toys"));
        } else {
            nacre_collection_close(toys);
            fixture_close(f);
            fixture_open(f);
        }
        assert_true(clock_monotonic_ns() - begun < UINT64_C(2000000000));
        toy_index_watch.hold = false;
        if (i % 2) {
            nacre_collection_close(toys);
        }
    }
}

static void a_build_that_failed_is_tried_again_and_shown(void **state)
{
    struct fixture *f = *state;
    nacre_collection *toys = open_held(f, 2);
    toy_index_watch.hold = false;
    toy_index_watch.fail = NACRE_NO_MEMORY;
    put_many(toys, 0, 50);
    assert_ok(nacre_flush(toys));
    wait_for_stat(f->store, "missing_indexes", 0);
    assert_int_equal(stat_of(f->store, "background_errors"), 1);
    nacre_collection_close(toys);
}

static void *build_indexes(void *collection)
{
    assert_ok(nacre_build_indexes(collection));
    return NULL;
}

static void asking_for_indexes_waits_for_them_and_holds_up_no_other_collection(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    nacre_collection *toys = open_held(f, 2);
    hold_a_build(toys);
    assert_int_equal(pthread_create(&thread, NULL, build_indexes, toys), 0);
    put_many(f->collection, 0, 50);
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_build_indexes(f->collection));
    assert_int_equal(toy_index_watch.full, 0);
    toy_index_watch.hold = false;
    pthread_join(thread, NULL);
    assert_int_equal(stat_of(f->store, "missing_indexes"), 0);
    nacre_collection_close(toys);
}

/* ---- merges come to an end ---- */

static nacre_collection *create_vectors(struct fixture *f)
{
    nacre_collection *vectors;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_VECTORS;
    options.dimension = 2;
    options.metric = NACRE_L2;
    assert_ok(nacre_collection_create(f->store, "vectors", &options, &vectors));
    return vectors;
}

static void put_vectors(nacre_collection *collection, unsigned begin, unsigned end, unsigned step)
{
    for (unsigned i = begin; i < end; i += step) {
        char key[16];
        const float vector[] = { (float)i, 1 };
        snprintf(key, sizeof key, "key-%06u", i);
        assert_ok(nacre_put_vector(collection, text(key), vector, text(""), NULL));
    }
}

static void delete_many(nacre_collection *collection, unsigned begin, unsigned end, unsigned step)
{
    for (unsigned i = begin; i < end; i += step) {
        char key[16];
        snprintf(key, sizeof key, "key-%06u", i);
        assert_ok(nacre_delete(collection, text(key), NULL));
    }
}

/* No merge began for so long that one that always follows the last would have. */
static void assert_merges_end(struct fixture *f)
{
    uint64_t last = stat_of(f->store, "merges");
    for (unsigned quiet = 0, i = 0; quiet < 200; quiet++, i++) {
        uint64_t now = stat_of(f->store, "merges");
        quiet = now == last ? quiet : 0;
        last = now;
        assert_true(i < 5000);
        clock_sleep_ns(1000000);
    }
}

static void deletes_of_keys_that_never_were_are_merged_away_once(void **state)
{
    struct fixture *f = *state;
    nacre_collection *vectors = create_vectors(f);
    put_vectors(vectors, 0, 40000, 2);
    assert_ok(nacre_flush(vectors));
    /* Deletes over others that are too few in their run to be worth a merge. */
    put_vectors(vectors, 1, 6000, 2);
    delete_many(vectors, 6001, 7200, 2);
    assert_ok(nacre_flush(vectors));
    assert_merges_end(f);
    delete_many(vectors, 6001, 7200, 2);
    assert_ok(nacre_flush(vectors));
    assert_merges_end(f);
    /* So many that filters are wrong about some. */
    delete_many(vectors, 8001, 40000, 2);
    assert_ok(nacre_flush(vectors));
    assert_merges_end(f);
    delete_many(vectors, 8001, 40000, 2);
    assert_ok(nacre_flush(vectors));
    delete_many(vectors, 6001, 7200, 2);
    assert_ok(nacre_flush(vectors));
    assert_merges_end(f);
    nacre_collection_close(vectors);
}

/* ---- flushes ---- */

static void *flush(void *collection)
{
    assert_ok(nacre_flush(collection));
    return NULL;
}

static void what_is_sealed_beside_a_flush_is_flushed_too(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < 500; round++) {
        pthread_t thread;
        put_many(f->collection, 0, 20);
        assert_int_equal(pthread_create(&thread, NULL, flush, f->collection), 0);
        for (unsigned seal = 0; seal < 4; seal++) {
            put_many(f->collection, 20, 21);
            assert_ok(nacre_seal(f->collection));
        }
        pthread_join(thread, NULL);
        wait_for_stat(f->store, "sealed_bytes", 0);
    }
}

/* Nothing of dead rows is on disk, so after an opening each segment is joined with each newer one. */
static void a_close_waits_for_no_joins_of_many_segments(void **state)
{
    enum { SEGMENTS = 500 };
    struct fixture *f = *state;
    nacre_collection *vectors = create_vectors(f);
    assert_ok(nacre_pause_compaction(f->store, 10000));
    for (unsigned i = 0; i < SEGMENTS; i++) {
        put_vectors(vectors, i, i + 1, 1);
        assert_ok(nacre_flush(vectors));
    }
    nacre_collection_close(vectors);
    fixture_close(f);
    fixture_open(f);
    clock_sleep_ns(20000000);
    uint64_t began = clock_monotonic_ns();
    fixture_close(f);
    assert_true(clock_monotonic_ns() - began < UINT64_C(2000000000));
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flushes_and_quick_steps_go_on_beside_a_long_build, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(merges_of_others_go_on_beside_a_long_build, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(short_merges_go_on_beside_one_that_makes_an_index, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_pause_waits_for_no_index_and_the_merge_is_done_after_it, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_drop_and_a_close_wait_for_no_build, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_build_that_failed_is_tried_again_and_shown, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(asking_for_indexes_waits_for_them_and_holds_up_no_other_collection,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_sealed_beside_a_flush_is_flushed_too, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(deletes_of_keys_that_never_were_are_merged_away_once, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_close_waits_for_no_joins_of_many_segments, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
