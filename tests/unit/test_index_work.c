/* Indexes of whole runs: made in steps, behind merges or with them, by one thread per segment, and given up when they are of no use. */
#include "tree_fixture.h"
#include <pthread.h>

static _Atomic bool paused;
static _Atomic unsigned lent;

static void count_lending(void *context)
{
    (void)context;
    atomic_fetch_add(&lent, 1);
}

static void open_indexed(struct fixture *f)
{
    fixture_open(f, &kind_toy_indexed, 3);
    atomic_store(&f->tuning.tier_runs, 3);
    atomic_store(&f->tuning.segment_bytes, 256 << 10); /* all runs of these tests are small: of one size */
    f->env.paused = &paused;
    f->env.lend = count_lending;
    atomic_store(&paused, false);
    atomic_store(&lent, 0);
    memset(&toy_index_watch, 0, sizeof toy_index_watch);
}

static void flush_keys(struct fixture *f, unsigned begin, unsigned end)
{
    for (unsigned k = begin; k < end; k++) {
        fixture_put(f, k, true, 0);
    }
    assert_int_equal(fixture_flush(f), NACRE_OK);
}

static void flush_three_runs(struct fixture *f)
{
    for (unsigned i = 0; i < 3; i++) {
        flush_keys(f, 30 * i, 30 * i + 30);
    }
}

/* One step of it; says whether there was anything to do. */
typedef int (*tree_step)(struct tree *, bool *worked);

static unsigned repeat_while_it_works(struct fixture *f, tree_step step)
{
    unsigned steps = 0;
    bool worked = true;
    while (worked) {
        assert_int_equal(step(f->tree, &worked), NACRE_OK);
        steps += worked;
    }
    return steps;
}

static unsigned prepare_all(struct fixture *f)
{
    return repeat_while_it_works(f, tree_prepare_work);
}

static unsigned index_all(struct fixture *f)
{
    return repeat_while_it_works(f, tree_index_work);
}

static uint64_t missing(struct fixture *f)
{
    struct tree_stats stats;
    tree_get_stats(f->tree, &stats);
    return stats.missing_indexes;
}

/* Three runs of which the first two are indexed, so that the merge that is due makes an index. */
static void open_with_due_merge(struct fixture *f)
{
    open_indexed(f);
    for (unsigned i = 0; i < 3; i++) {
        flush_keys(f, 30 * i, 30 * i + 30);
        if (i < 2) {
            assert_int_equal(index_all(f), 1);
        }
    }
}

static void a_flush_makes_no_index_and_says_that_one_is_wanted(void **unused)
{
    (void)unused;
    struct fixture f;
    open_indexed(&f);
    assert_false(tree_wants_prepare(f.tree) || tree_wants_index(f.tree));
    flush_keys(&f, 0, 30);
    assert_int_equal(toy_index_watch.begun, 0);
    assert_true(tree_wants_prepare(f.tree) && tree_wants_index(f.tree));
    assert_int_equal(prepare_all(&f), 1);
    assert_int_equal(toy_index_watch.quick, 1);
    assert_false(tree_wants_prepare(f.tree));
    assert_int_equal(missing(&f), 1); /* until the full one */
    assert_int_equal(index_all(&f), 1);
    assert_int_equal(toy_index_watch.full, 1);
    assert_false(tree_wants_index(f.tree));
    assert_int_equal(missing(&f), 0);
    fixture_close(&f);
}

/* Two threads may begin with the two steps at once. */
static void a_full_index_of_a_raw_segment_begins_with_the_quick_step(void **unused)
{
    (void)unused;
    struct fixture f;
    open_indexed(&f);
    flush_keys(&f, 0, 30);
    assert_int_equal(index_all(&f), 1);
    assert_int_equal(toy_index_watch.quick, 1);
    assert_int_equal(toy_index_watch.full, 1);
    assert_int_equal(prepare_all(&f), 0);
    assert_int_equal(missing(&f), 0);
    fixture_close(&f);
}

static void full_indexes_wait_for_merges_that_are_due(void **unused)
{
    (void)unused;
    struct fixture f;
    open_indexed(&f);
    flush_three_runs(&f);
    assert_true(tree_wants_work(f.tree));
    assert_int_equal(prepare_all(&f), 3);
    assert_int_equal(index_all(&f), 0);
    assert_int_equal(fixture_settle(&f), 1);
    assert_int_equal(toy_index_watch.full, 0); /* nothing had one: the merge did not wait for it */
    assert_int_equal(missing(&f), 1);
    assert_int_equal(index_all(&f), 1);
    fixture_check(&f);
    fixture_close(&f);
}

static void a_merge_of_indexed_segments_brings_its_index(void **unused)
{
    (void)unused;
    struct fixture f;
    open_with_due_merge(&f);
    assert_int_equal(fixture_settle(&f), 1);
    assert_int_equal(toy_index_watch.full, 3);
    assert_int_equal(toy_index_watch.sources, 2);
    assert_int_equal(missing(&f), 0);
    fixture_check_files(&f);
    fixture_close(&f);
}

static void brief_work_leaves_merges_that_make_an_index(void **unused)
{
    (void)unused;
    struct fixture f;
    bool worked;
    open_with_due_merge(&f);
    assert_int_equal(tree_brief_work(f.tree, &worked), NACRE_OK);
    assert_false(worked);
    assert_true(tree_wants_work(f.tree));
    flush_three_runs(&f);
    assert_int_equal(tree_brief_work(f.tree, &worked), NACRE_OK);
    assert_true(worked);
    assert_int_equal(toy_index_watch.full, 2);
    fixture_check(&f);
    fixture_close(&f);
}

static void wait_until_begun(unsigned builds)
{
    while (atomic_load(&toy_index_watch.begun) < builds) {
        clock_sleep_ns(100000);
    }
}

/* A step in a thread of its own. */
struct call {
    pthread_t thread;
    struct fixture *f;
    tree_step step;
    bool worked;
    int status;
};

static void *run_step(void *context)
{
    struct call *c = context;
    c->status = c->step(c->f->tree, &c->worked);
    return NULL;
}

static void begin_call(struct call *c, struct fixture *f, tree_step step)
{
    *c = (struct call){ .f = f, .step = step };
    assert_int_equal(pthread_create(&c->thread, NULL, run_step, c), 0);
}

/* Until the index that it makes is held. */
static void begin_held_call(struct call *c, struct fixture *f, tree_step step)
{
    atomic_store(&toy_index_watch.hold, true);
    begin_call(c, f, step);
    while (!atomic_load(&toy_index_watch.holding)) {
        clock_sleep_ns(100000);
    }
}

static int end_call(struct call *c)
{
    pthread_join(c->thread, NULL);
    return c->status;
}

static int build_all(struct tree *tree, bool *worked)
{
    (void)worked;
    return tree_build_indexes(tree, true);
}

static void merges_that_make_an_index_end_when_they_are_paused_and_are_done_after(void **unused)
{
    (void)unused;
    struct fixture f;
    struct call call;
    open_with_due_merge(&f);
    begin_held_call(&call, &f, tree_work);
    uint64_t begun = clock_monotonic_ns();
    atomic_store(&paused, true);
    assert_int_equal(end_call(&call), NACRE_CANCELLED);
    assert_true(clock_monotonic_ns() - begun < 1000000000);
    fixture_check(&f);
    fixture_check_files(&f);
    assert_int_equal(tree_level0_runs(f.tree), 3);
    atomic_store(&paused, false);
    atomic_store(&toy_index_watch.hold, false);
    assert_int_equal(fixture_settle(&f), 1);
    assert_int_equal(missing(&f), 0);
    fixture_check(&f);
    fixture_close(&f);
}

static void flushes_go_on_while_a_merge_makes_its_index_and_their_deletes_are_marked(void **unused)
{
    (void)unused;
    struct fixture f;
    struct call call;
    open_with_due_merge(&f);
    begin_held_call(&call, &f, tree_work);
    for (unsigned k = 0; k < TREE_KEYS; k += 3) {
        fixture_put(&f, k, k % 2, 0);
    }
    fixture_delete_range(&f, 40, 50);
    assert_int_equal(fixture_flush(&f), NACRE_OK);
    atomic_store(&toy_index_watch.hold, false);
    assert_int_equal(end_call(&call), NACRE_OK);
    assert_true(call.worked);
    assert_true(atomic_load(&lent) > 0);
    struct version *v = tree_version(f.tree);
    assert_int_equal(v->run_count, 2);
    assert_int_equal(v->unknown_dead, 0);
    assert_int_equal(v->runs[1].pieces[0].dead_rows->count,
                     30 + 10 - 3); /* 40 to 49, of which 42, 45 and 48 are written too */
    version_unref(v);
    fixture_check(&f);
    fixture_close(&f);
}

static void a_stop_ends_a_build_and_a_merge_with_one(void **unused)
{
    (void)unused;
    struct fixture f;
    struct call merge, build;
    open_with_due_merge(&f);
    begin_held_call(&merge, &f, tree_work);
    flush_keys(&f, 0, 10);
    begin_call(&build, &f, tree_index_work);
    wait_until_begun(4);
    uint64_t begun = clock_monotonic_ns();
    atomic_store(&f.stop, true);
    assert_int_equal(end_call(&merge), NACRE_CANCELLED);
    assert_int_equal(end_call(&build), NACRE_CANCELLED);
    assert_true(clock_monotonic_ns() - begun < 1000000000);
    atomic_store(&f.stop, false);
    atomic_store(&toy_index_watch.hold, false);
    fixture_check(&f);
    fixture_check_files(&f);
    assert_int_equal(fixture_reopen(&f), NACRE_OK);
    fixture_check(&f);
    assert_true(tree_wants_prepare(f.tree)); /* nobody knows the dead rows after an opening */
    prepare_all(&f);
    fixture_settle(&f);
    index_all(&f);
    struct version *v = tree_version(f.tree);
    assert_int_equal(v->unknown_dead, 0);
    version_unref(v);
    fixture_check(&f);
    assert_int_equal(missing(&f), 0);
    fixture_close(&f);
}

static void a_dropped_tree_waits_for_no_build(void **unused)
{
    (void)unused;
    struct fixture f;
    struct call call;
    open_with_due_merge(&f);
    begin_held_call(&call, &f, tree_work);
    assert_int_equal(tree_drop(f.tree), NACRE_OK);
    assert_int_equal(end_call(&call), NACRE_CANCELLED);
    fixture_check_files(&f);
    atomic_store(&toy_index_watch.hold, false);
    fixture_close(&f);
}

static void a_build_ends_when_its_segment_is_merged_away(void **unused)
{
    (void)unused;
    struct fixture f;
    struct call call;
    open_indexed(&f);
    flush_keys(&f, 0, 30);
    begin_held_call(&call, &f, tree_index_work);
    flush_keys(&f, 10, 40);
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
    assert_int_equal(end_call(&call), NACRE_OK); /* there is nothing wrong */
    assert_int_equal(toy_index_watch.full, 0);
    atomic_store(&toy_index_watch.hold, false);
    assert_int_equal(index_all(&f), 1);
    fixture_check_files(&f);
    fixture_close(&f);
}

static void asked_for_indexes_are_all_there_after_the_call(void **unused)
{
    (void)unused;
    struct fixture f;
    struct call one, all;
    open_indexed(&f);
    flush_keys(&f, 0, 30);
    flush_keys(&f, 30, 60);
    begin_held_call(&one, &f, tree_index_work);
    begin_call(&all, &f, build_all);
    wait_until_begun(1);
    clock_sleep_ns(30000000);
    atomic_store(&toy_index_watch.hold, false);
    assert_int_equal(end_call(&one), NACRE_OK);
    assert_int_equal(end_call(&all), NACRE_OK);
    assert_int_equal(toy_index_watch.full, 2); /* the one that was being built was waited for */
    assert_int_equal(missing(&f), 0);
    flush_keys(&f, 60, 90);
    assert_int_equal(tree_build_indexes(f.tree, true), NACRE_OK);
    assert_int_equal(tree_level0_runs(f.tree), 1); /* the merge that was due came first */
    assert_int_equal(missing(&f), 0);
    fixture_close(&f);
}

static void a_build_that_fails_is_tried_again_and_a_merge_may_go_without(void **unused)
{
    (void)unused;
    struct fixture f;
    bool worked;
    open_with_due_merge(&f);
    atomic_store(&toy_index_watch.fail, NACRE_IO);
    assert_int_equal(tree_work(f.tree, &worked), NACRE_IO);
    fixture_check_files(&f);
    assert_int_equal(tree_level0_runs(f.tree), 3);
    atomic_store(&toy_index_watch.fail, NACRE_NO_MEMORY);
    assert_int_equal(tree_work(f.tree, &worked), NACRE_OK);
    assert_int_equal(tree_level0_runs(f.tree), 1);
    assert_int_equal(missing(&f), 1);
    atomic_store(&toy_index_watch.fail, NACRE_IO);
    assert_int_equal(tree_index_work(f.tree, &worked), NACRE_IO);
    assert_true(tree_wants_index(f.tree));
    assert_int_equal(tree_index_work(f.tree, &worked), NACRE_OK);
    assert_int_equal(missing(&f), 0);
    fixture_check(&f);
    fixture_close(&f);
}

static void one_build_that_fails_keeps_no_other_from_its_turn(void **unused)
{
    (void)unused;
    struct fixture f;
    bool worked;
    open_indexed(&f);
    flush_keys(&f, 0, 60);
    flush_keys(&f, 60, 80);
    for (unsigned i = 0; i < 2; i++) {
        atomic_store(&toy_index_watch.fail, NACRE_NO_MEMORY);
        assert_int_equal(tree_index_work(f.tree, &worked), NACRE_NO_MEMORY);
        assert_int_equal(toy_index_watch.full, i);
        assert_int_equal(tree_index_work(f.tree, &worked), NACRE_OK); /* the other one, then this one */
        assert_int_equal(toy_index_watch.full, i + 1);
    }
    assert_int_equal(missing(&f), 0);
    fixture_close(&f);
}

static void a_side_file_that_a_crash_left_half_made_is_made_again(void **unused)
{
    (void)unused;
    struct fixture f;
    nacre_file *file;
    open_indexed(&f);
    flush_keys(&f, 0, 30);
    struct version *v = tree_version(f.tree);
    char path[OS_PATH_MAX];
    assert_int_equal(os_path(path, "/s/segments", "%016llx.idx.tmp",
                             (unsigned long long)v->runs[0].pieces[0].segment->properties.id),
                     NACRE_OK);
    version_unref(v);
    assert_int_equal(f.os->open(f.os->context, path, NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file), NACRE_OK);
    f.os->close(file);
    assert_int_equal(fixture_reopen(&f), NACRE_OK);
    assert_int_equal(prepare_all(&f), 1);
    assert_int_equal(index_all(&f), 1);
    assert_int_equal(missing(&f), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flush_makes_no_index_and_says_that_one_is_wanted),
        cmocka_unit_test(a_full_index_of_a_raw_segment_begins_with_the_quick_step),
        cmocka_unit_test(full_indexes_wait_for_merges_that_are_due),
        cmocka_unit_test(a_merge_of_indexed_segments_brings_its_index),
        cmocka_unit_test(brief_work_leaves_merges_that_make_an_index),
        cmocka_unit_test(merges_that_make_an_index_end_when_they_are_paused_and_are_done_after),
        cmocka_unit_test(flushes_go_on_while_a_merge_makes_its_index_and_their_deletes_are_marked),
        cmocka_unit_test(a_stop_ends_a_build_and_a_merge_with_one),
        cmocka_unit_test(a_dropped_tree_waits_for_no_build),
        cmocka_unit_test(a_build_ends_when_its_segment_is_merged_away),
        cmocka_unit_test(asked_for_indexes_are_all_there_after_the_call),
        cmocka_unit_test(a_build_that_fails_is_tried_again_and_a_merge_may_go_without),
        cmocka_unit_test(one_build_that_fails_keeps_no_other_from_its_turn),
        cmocka_unit_test(a_side_file_that_a_crash_left_half_made_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
