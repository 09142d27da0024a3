/* Trees when something fails: each call of the file layer, each allocation, the power, a stop in the middle. */
#include "tree_fixture.h"

/* What the housekeeper of a store does: files with garbage drain, those that nobody needs go. */
static int mark(void *context, struct value_file *file, const struct value_file_info *info)
{
    struct value_usage *usage = value_file_usage(file);
    uint64_t live = atomic_load(&usage->live_bytes);
    if (!info->active && info->references == atomic_load(&usage->segments) && 10 * live < 7 * info->bytes) {
        atomic_store(&usage->drain, VALUE_DRAINS);
        *(bool *)context = true;
    }
    return NACRE_OK;
}

static int keep_house(struct fixture *f)
{
    bool any = false;
    if (!f->held) {
        return NACRE_OK;
    }
    int status = value_log_prepare(fixture_values);
    if (status == NACRE_OK) {
        status = value_log_each_file(fixture_values, mark, &any);
    }
    if (status == NACRE_OK && any) {
        tree_look_again(f->tree);
    }
    return status == NACRE_OK ? value_log_remove_unused(fixture_values) : status;
}

/* A history in which every sort of step comes; stops at the first failure. */
static int run_history(struct fixture *f, uint64_t seed)
{
    nacre_slice open = { NULL, 0 };
    int status = NACRE_OK;
    f->seed = seed;
    for (unsigned round = 0; round < 7 && status == NACRE_OK; round++) {
        bool worked = true;
        if (f->sequence == f->flushed_sequence) {
            for (unsigned i = 0; i < 40; i++) {
                fixture_put(f, (unsigned)fixture_random(f, TREE_KEYS), fixture_random(f, 4) > 0, 0);
            }
            if (round == 3) {
                fixture_delete_range(f, 10, 40);
            }
        }
        status = fixture_flush(f);
        if (status == NACRE_OK && round == 2) {
            f->snapshots[0] = f->flushed_sequence;
            f->snapshot_count = 1;
        }
        while (status == NACRE_OK && worked) {
            status = keep_house(f);
            if (status == NACRE_OK) {
                status = tree_work(f->tree, &worked);
            }
        }
        if (status == NACRE_OK && round == 5) {
            f->snapshot_count = 0;
            status = tree_compact(f->tree, open, open);
        }
    }
    return status;
}

typedef void opening(struct fixture *, const struct kind *, uint64_t seed);

static void fail_each_call(const struct kind *kind, opening *open)
{
    bool failed = true;
    for (uint64_t nth = 1; failed; nth += 1 + nth / 40) {
        for (int sticky = 0; sticky < 2; sticky++) {
            struct fixture f;
            open(&f, kind, 1);
            os_memory_fail(f.os, nth, nth % 2 ? OS_FAULT_IO : OS_FAULT_NO_SPACE, sticky);
            failed = run_history(&f, 11) != NACRE_OK;
            if (sticky && failed) {
                (void)run_history(&f, 12); /* and fails again */
            }
            os_memory_heal(f.os);
            fixture_check(&f);
            if (f.held && failed) { /* as nacre_resume does */
                assert_int_equal(value_log_recover(fixture_values), NACRE_OK);
            }
            assert_int_equal(run_history(&f, 13), NACRE_OK);
            fixture_check(&f);
            fixture_verify(&f);
            assert_int_equal(fixture_reopen(&f), NACRE_OK);
            fixture_check(&f);
            fixture_close(&f);
        }
    }
}

static void a_failed_call_changes_nothing_and_can_be_tried_again(void **unused)
{
    (void)unused;
    fail_each_call(&kind_ordered, fixture_open);
    fail_each_call(&kind_toy_runs, fixture_open);
}

static void a_failed_call_loses_no_value_of_the_value_log(void **unused)
{
    (void)unused;
    fail_each_call(&kind_ordered, fixture_open_with_values);
    fail_each_call(&kind_toy_runs, fixture_open_with_values);
}

static void reopen_after_cut(struct fixture *f)
{
    struct manifest_state state;
    uint64_t acknowledged = f->flushed_sequence;
    assert_int_equal(fixture_reopen(f), NACRE_OK);
    assert_int_equal(manifest_copy_state(f->manifest, &state), NACRE_OK);
    f->flushed_sequence = state.collections[0].log_position; /* the tests' log position is the sequence */
    assert_true(f->flushed_sequence >= acknowledged);
    assert_true(state.last_sequence >= acknowledged);
    manifest_state_free(&state);
    fixture_check(f);
    fixture_verify(f);
}

static void cut_at_each_call(const struct kind *kind, opening *open)
{
    bool cut = true;
    for (uint64_t at = 1; cut; at += 1 + at / 60) {
        struct fixture f;
        open(&f, kind, 1);
        os_memory_cut_at(f.os, os_memory_calls(f.os) + at);
        cut = run_history(&f, 21) != NACRE_OK;
        os_memory_restart(f.os, at * 7919);
        os_memory_cut_at(f.os, 0);
        reopen_after_cut(&f);
        /* What is in no segment is lost here, as there is no log: begin anew behind it. */
        while (f.event_count > 0 && f.events[f.event_count - 1].sequence > f.flushed_sequence) {
            f.event_count--;
        }
        memtable_unref(f.memtable);
        assert_int_equal(memtable_create(f.chunks, &(struct memtable_options){ .searched = false }, &f.memtable),
                         NACRE_OK);
        f.sequence = f.flushed_sequence = f.sequence + 1;
        f.snapshot_count = 0;
        assert_int_equal(run_history(&f, 22), NACRE_OK);
        fixture_check(&f);
        fixture_close(&f);
    }
}

static void a_power_cut_at_any_call_keeps_what_was_flushed(void **unused)
{
    (void)unused;
    cut_at_each_call(&kind_ordered, fixture_open);
    cut_at_each_call(&kind_toy_runs, fixture_open);
}

static void a_power_cut_at_any_call_keeps_the_values_of_what_was_flushed(void **unused)
{
    (void)unused;
    cut_at_each_call(&kind_ordered, fixture_open_with_values);
    cut_at_each_call(&kind_toy_runs, fixture_open_with_values);
}

static uint64_t allocations_left;
static bool fail_allocation(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return allocations_left-- == 0;
}

static void fail_each_allocation(const struct kind *kind)
{
    bool failed = true;
    for (uint64_t nth = 0; failed; nth += 1 + nth / 60) {
        struct fixture f;
        fixture_open(&f, kind, 1);
        for (unsigned i = 0; i < 60; i++) {
            fixture_put(&f, (unsigned)fixture_random(&f, TREE_KEYS), i % 3 > 0, 0);
            if (i % 10 == 9 && i < 50) {
                assert_int_equal(fixture_flush(&f), NACRE_OK);
            }
        }
        struct memtable *memtable = f.memtable;
        bool worked = true;
        allocations_left = nth;
        memory_set_fault(fail_allocation, NULL);
        int status = tree_flush(f.tree, memtable, f.sequence);
        bool flushed = status == NACRE_OK;
        while (status == NACRE_OK && worked) {
            status = tree_work(f.tree, &worked);
        }
        if (status == NACRE_OK) {
            status = tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
        }
        memory_set_fault(NULL, NULL);
        failed = status != NACRE_OK;
        assert_true(!failed || status == NACRE_NO_MEMORY);
        if (flushed) {
            f.flushed_sequence = f.sequence;
        }
        fixture_check(&f);
        if (!flushed) {
            assert_int_equal(fixture_flush(&f), NACRE_OK);
        }
        fixture_settle(&f);
        fixture_check(&f);
        fixture_check_files(&f);
        fixture_close(&f);
    }
}

static void a_failed_allocation_changes_nothing_and_can_be_tried_again(void **unused)
{
    (void)unused;
    fail_each_allocation(&kind_ordered);
    fail_each_allocation(&kind_toy_runs);
}

static void a_manifest_that_fails_for_long_does_not_pile_up_files(void **unused)
{
    (void)unused;
    struct fixture f;
    size_t files = 0;
    fixture_open(&f, &kind_ordered, 1);
    for (unsigned k = 0; k < TREE_KEYS; k++) {
        fixture_put(&f, k, true, 0);
    }
    os_memory_fail_matching(f.os, "sync", "manifest", OS_FAULT_IO, 1000000);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(fixture_flush(&f), NACRE_IO);
    }
    assert_int_equal(f.os->list(f.os->context, "/s/segments", count_name, &files), NACRE_OK);
    assert_true(files <= 3); /* of the first try: the disk may name them */
    fixture_check(&f);
    os_memory_heal(f.os);
    assert_int_equal(fixture_flush(&f), NACRE_OK);
    fixture_check(&f);
    fixture_check_files(&f);
    fixture_close(&f);
}

static void a_stop_ends_units_soon_and_loses_nothing(void **unused)
{
    (void)unused;
    struct fixture f;
    bool worked;
    fixture_open(&f, &kind_ordered, 1);
    for (unsigned i = 0; i < 8000; i++) {
        fixture_put(&f, i % TREE_KEYS, true, 0);
        if (i % 2000 == 1999) {
            f.snapshots[0] = 1;
            f.snapshot_count = 1;
            assert_int_equal(fixture_flush(&f), NACRE_OK);
        }
    }
    fixture_put(&f, 1, true, 0);
    atomic_store(&f.stop, true);
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_CANCELLED);
    assert_int_equal(tree_work(f.tree, &worked), NACRE_OK);
    assert_false(worked);
    atomic_store(&f.stop, false);
    fixture_check(&f);
    fixture_settle(&f);
    fixture_check(&f);
    fixture_check_files(&f);
    fixture_close(&f);
}

static void a_dropped_tree_lets_its_files_go_when_the_last_reader_does(void **unused)
{
    (void)unused;
    struct fixture f;
    size_t files = 0;
    bool worked;
    fixture_open(&f, &kind_ordered, 1);
    for (unsigned k = 0; k < TREE_KEYS; k++) {
        fixture_put(&f, k, true, 0);
    }
    assert_int_equal(fixture_flush(&f), NACRE_OK);
    struct version *reader = tree_version(f.tree);
    assert_int_equal(tree_drop(f.tree), NACRE_OK);
    struct seen seen[TREE_KEYS];
    model_at(&f, SEQUENCE_MAX, seen);
    check_gets(reader, SEQUENCE_MAX, seen);
    assert_int_equal(f.os->list(f.os->context, "/s/segments", count_name, &files), NACRE_OK);
    assert_true(files > 0);
    version_unref(reader);
    files = 0;
    assert_int_equal(f.os->list(f.os->context, "/s/segments", count_name, &files), NACRE_OK);
    assert_int_equal(files, 0);
    fixture_put(&f, 1, true, 0);
    assert_int_equal(fixture_flush(&f), NACRE_CANCELLED);
    assert_int_equal(tree_work(f.tree, &worked), NACRE_OK);
    assert_false(worked || tree_wants_work(f.tree));
    fixture_close(&f);
}

static void a_segment_that_is_not_the_named_one_is_found_at_opening(void **unused)
{
    (void)unused;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    fixture_put(&f, 1, true, 0);
    assert_int_equal(fixture_flush(&f), NACRE_OK);
    struct version *v = tree_version(f.tree);
    char path[OS_PATH_MAX];
    assert_int_equal(segment_path(&f.segments, v->runs[0].pieces[0].segment->properties.id, false, path), NACRE_OK);
    version_unref(v);
    assert_int_equal(f.os->remove(f.os->context, path), NACRE_OK);
    assert_int_equal(fixture_reopen(&f), NACRE_CORRUPT);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_call_changes_nothing_and_can_be_tried_again),
        cmocka_unit_test(a_power_cut_at_any_call_keeps_what_was_flushed),
        cmocka_unit_test(a_failed_call_loses_no_value_of_the_value_log),
        cmocka_unit_test(a_power_cut_at_any_call_keeps_the_values_of_what_was_flushed),
        cmocka_unit_test(a_failed_allocation_changes_nothing_and_can_be_tried_again),
        cmocka_unit_test(a_manifest_that_fails_for_long_does_not_pile_up_files),
        cmocka_unit_test(a_stop_ends_units_soon_and_loses_nothing),
        cmocka_unit_test(a_dropped_tree_lets_its_files_go_when_the_last_reader_does),
        cmocka_unit_test(a_segment_that_is_not_the_named_one_is_found_at_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
