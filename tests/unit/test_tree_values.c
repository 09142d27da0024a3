/* Trees whose entries point into a value log: what is garbage, what drains, and that nothing is lost on the way. */
#include "tree/value_moves.h"
#include "tree_fixture.h"

#define FILES_MOST 512

struct file_seen {
    uint64_t id, bytes, live;
    uint32_t references, segments;
    bool active, unreadable;
};
struct files_seen {
    struct file_seen list[FILES_MOST];
    size_t count;
    bool drain_all;
};

static int see_file(void *context, struct value_file *file, const struct value_file_info *info)
{
    struct files_seen *seen = context;
    struct value_usage *usage = value_file_usage(file);
    assert_true(seen->count < FILES_MOST);
    seen->list[seen->count++] = (struct file_seen){ info->id,
                                                    info->bytes,
                                                    atomic_load(&usage->live_bytes),
                                                    info->references,
                                                    atomic_load(&usage->segments),
                                                    info->active,
                                                    atomic_load(&usage->unreadable) };
    if (seen->drain_all && !info->active) {
        atomic_store(&usage->drain, VALUE_DRAINS);
    }
    return NACRE_OK;
}

static void see_files(struct files_seen *seen, bool drain_all)
{
    *seen = (struct files_seen){ .drain_all = drain_all };
    assert_int_equal(value_log_prepare(fixture_values), NACRE_OK);
    assert_int_equal(value_log_each_file(fixture_values, see_file, seen), NACRE_OK);
}

/* All files that are there now are to go. */
static void drain_all(struct fixture *f, struct files_seen *before)
{
    value_log_rotate(fixture_values);
    see_files(before, true);
    tree_look_again(f->tree);
}

static bool is_there(const struct files_seen *seen, uint64_t id)
{
    bool there = false;
    for (size_t i = 0; i < seen->count; i++) {
        there = there || seen->list[i].id == id;
    }
    return there;
}

static size_t still_there(const struct files_seen *before)
{
    struct files_seen now;
    size_t count = 0;
    assert_int_equal(value_log_remove_unused(fixture_values), NACRE_OK);
    see_files(&now, false);
    for (size_t i = 0; i < before->count; i++) {
        count += is_there(&now, before->list[i].id);
    }
    return count;
}

static void fill(struct fixture *f, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 120; i++) {
            fixture_put(f, (unsigned)fixture_random(f, TREE_KEYS), fixture_random(f, 8) > 0, 0);
        }
        assert_int_equal(fixture_flush(f), NACRE_OK);
        fixture_settle(f);
    }
}

static uint64_t moved(const struct fixture *f)
{
    struct tree_stats stats;
    tree_get_stats(f->tree, &stats);
    return stats.values_moved;
}

static const struct kind *const kinds[] = { &kind_ordered, &kind_toy_runs };

static void draining_moves_every_value_and_lets_the_files_go(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < 2; k++) {
        struct fixture f;
        struct files_seen before;
        fixture_open_with_values(&f, kinds[k], 5);
        fill(&f, 5);
        drain_all(&f, &before);
        assert_true(before.count > 1);
        assert_true(tree_wants_work(f.tree));
        assert_true(fixture_settle(&f) > 0);
        assert_true(moved(&f) > 0);
        assert_int_equal(still_there(&before), 0);
        fixture_check(&f);
        fixture_verify(&f);
        assert_int_equal(fixture_reopen(&f), NACRE_OK);
        fixture_check(&f);
        fixture_close(&f);
    }
}

static void a_reader_keeps_the_files_that_it_may_read(void **unused)
{
    (void)unused;
    struct fixture f;
    struct files_seen before;
    struct seen seen[TREE_KEYS];
    fixture_open_with_values(&f, &kind_ordered, 6);
    fill(&f, 3);
    model_at(&f, SEQUENCE_MAX, seen);
    struct version *reader = tree_version(f.tree);
    drain_all(&f, &before);
    fixture_settle(&f);
    assert_true(still_there(&before) > 0);
    check_gets(reader, SEQUENCE_MAX, seen);
    version_unref(reader);
    assert_int_equal(still_there(&before), 0);
    fixture_check(&f);
    fixture_close(&f);
}

static void versions_kept_for_snapshots_move_too(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < 2; k++) {
        struct fixture f;
        struct files_seen before;
        fixture_open_with_values(&f, kinds[k], 7);
        fill(&f, 2);
        f.snapshots[f.snapshot_count++] = f.flushed_sequence;
        fill(&f, 2);
        f.snapshots[f.snapshot_count++] = f.flushed_sequence;
        fill(&f, 1);
        drain_all(&f, &before);
        fixture_settle(&f);
        assert_int_equal(still_there(&before), 0);
        fixture_check(&f);
        fixture_close(&f);
    }
}

static void a_damaged_value_keeps_its_file_and_stops_nothing_else(void **unused)
{
    (void)unused;
    struct fixture f;
    struct files_seen before, after;
    char path[OS_PATH_MAX];
    struct value_pointer pointer = { 0 };
    struct entry entry;
    struct pin pin = { 0 };
    nacre_slice key = fixture_key(1);
    struct lookup lookup = { key, hash_bytes(key.data, key.size), SEQUENCE_MAX, NULL };
    fixture_open_with_values(&f, &kind_ordered, 8);
    f.event_count = 1; /* the next value is not empty */
    fixture_put(&f, 1, true, 0);
    fill(&f, 1);
    f.event_count = 203;
    for (unsigned i = 0; i < 2; i++) {
        fixture_put(&f, 1, true, 0);
    }
    assert_int_equal(fixture_flush(&f), NACRE_OK);
    fixture_settle(&f);
    struct version *v = tree_version(f.tree);
    assert_int_equal(version_get(v, &lookup, 0, &entry, &pin), NACRE_OK);
    assert_true(value_pointer_decode(entry.value, &pointer));
    pin_release(&pin);
    version_unref(v);
    assert_int_equal(os_path(path, "/s/values", VALUE_FILE_NAME, (unsigned long long)pointer.file), NACRE_OK);
    assert_int_equal(os_memory_flip(f.os, path, pointer.offset, 0x40), NACRE_OK);
    drain_all(&f, &before);
    fixture_settle(&f);
    assert_true(still_there(&before) >= 1);
    see_files(&after, false);
    size_t unreadable = 0;
    for (size_t i = 0; i < after.count; i++) {
        unreadable += after.list[i].unreadable;
        assert_int_equal(after.list[i].unreadable, after.list[i].id == pointer.file);
    }
    assert_int_equal(unreadable, 1);
    v = tree_version(f.tree);
    assert_int_equal(version_get(v, &lookup, 0, &entry, &pin), NACRE_OK);
    struct value_pointer now = { 0 };
    assert_true(value_pointer_decode(entry.value, &now));
    assert_int_equal(now.file, pointer.file); /* neither dropped nor moved */
    pin_release(&pin);
    version_unref(v);
    fixture_close(&f);
}

static void a_unit_stops_moving_at_its_bound_and_the_next_goes_on(void **unused)
{
    (void)unused;
    struct fixture f;
    struct files_seen before;
    fixture_open_with_values(&f, &kind_ordered, 9);
    atomic_store(&f.tuning.segment_bytes, 1 << 20);
    fill(&f, 3);
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
    atomic_store(&f.tuning.segment_bytes, 64);
    drain_all(&f, &before);
    uint64_t moved_before = moved(&f);
    bool worked;
    assert_int_equal(tree_work(f.tree, &worked), NACRE_OK);
    assert_true(worked);
    uint64_t first = moved(&f) - moved_before;
    assert_true(first >= 1);
    fixture_settle(&f);
    assert_true(moved(&f) - moved_before > first);
    assert_int_equal(still_there(&before), 0);
    fixture_check(&f);
    fixture_close(&f);
}

/* What usage says is what the version's pieces say; all of it goes with the tree. */
static void check_usage(const struct fixture *f)
{
    struct files_seen seen;
    uint64_t counted = 0, expected = 0;
    struct version *v = tree_version(f->tree);
    see_files(&seen, false);
    for (size_t i = 0; i < seen.count; i++) {
        counted += seen.list[i].live;
    }
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            const struct value_shares *values = &piece->segment->properties.values;
            for (size_t k = 0; k < values->count; k++) {
                expected += value_share_of(piece->segment, piece->entries, values->list[k].bytes);
            }
        }
    }
    assert_int_equal(counted, expected);
    version_unref(v);
}

static void live_bytes_follow_the_versions(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < 2; k++) {
        struct fixture f;
        struct files_seen seen;
        fixture_open_with_values(&f, kinds[k], 10);
        for (unsigned round = 0; round < 8; round++) {
            fill(&f, 1);
            check_usage(&f);
            if (round % 3 == 2) {
                drain_all(&f, &seen);
                fixture_settle(&f);
                check_usage(&f);
            }
        }
        assert_int_equal(fixture_reopen(&f), NACRE_OK);
        check_usage(&f);
        assert_int_equal(tree_drop(f.tree), NACRE_OK);
        assert_int_equal(value_log_remove_unused(fixture_values), NACRE_OK);
        see_files(&seen, false);
        for (size_t i = 0; i < seen.count; i++) {
            assert_int_equal(seen.list[i].live, 0);
            assert_int_equal(seen.list[i].segments, 0);
        }
        fixture_close(&f);
    }
}

static void a_compaction_leaves_hardly_any_garbage(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < 2; k++) {
        struct fixture f;
        struct files_seen seen;
        nacre_slice open = { NULL, 0 };
        uint64_t bytes = 0, live = 0;
        fixture_open_with_values(&f, kinds[k], 11);
        fill(&f, 6);
        assert_int_equal(tree_compact(f.tree, open, open), NACRE_OK);
        assert_int_equal(value_log_remove_unused(fixture_values), NACRE_OK);
        see_files(&seen, false);
        for (size_t i = 0; i < seen.count; i++) {
            bytes += seen.list[i].bytes;
            live += seen.list[i].live;
        }
        assert_true(live > 0);
        assert_true(bytes * 100 <= live * 115 + 100 * 64 * seen.count); /* 64: of the headers */
        fixture_check(&f);
        fixture_close(&f);
    }
}

static void a_list_that_does_not_agree_with_the_entries_is_damage(void **unused)
{
    (void)unused;
    struct fixture f;
    fixture_open_with_values(&f, &kind_ordered, 12);
    fill(&f, 1);
    struct version *v = tree_version(f.tree);
    struct segment *segment = v->runs[0].pieces[0].segment;
    uint64_t entries = 0;
    assert_true(segment->properties.values.count > 0);
    assert_int_equal(segment_verify(segment, &entries), NACRE_OK);
    segment->properties.values.list[0].bytes++;
    assert_int_equal(segment_verify(segment, &entries), NACRE_CORRUPT);
    segment->properties.values.list[0].bytes--;
    segment->properties.values.list[0].pointers++;
    assert_int_equal(segment_verify(segment, &entries), NACRE_CORRUPT);
    segment->properties.values.list[0].pointers--;
    version_unref(v);
    fixture_close(&f);
}

static void a_file_that_is_missing_is_named_at_opening(void **unused)
{
    (void)unused;
    struct fixture f;
    char path[OS_PATH_MAX], name[32];
    fixture_open_with_values(&f, &kind_ordered, 13);
    fill(&f, 1);
    struct version *v = tree_version(f.tree);
    uint64_t id = v->runs[0].pieces[0].segment->properties.values.list[0].file;
    version_unref(v);
    snprintf(name, sizeof name, VALUE_FILE_NAME, (unsigned long long)id);
    assert_int_equal(os_path(path, "/s/values", "%s", name), NACRE_OK);
    assert_int_equal(f.os->remove(f.os->context, path), NACRE_OK);
    assert_int_equal(fixture_reopen(&f), NACRE_CORRUPT);
    name[16] = 0;
    assert_non_null(strstr(fail_detail(), name));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_moves_every_value_and_lets_the_files_go),
        cmocka_unit_test(a_reader_keeps_the_files_that_it_may_read),
        cmocka_unit_test(versions_kept_for_snapshots_move_too),
        cmocka_unit_test(a_damaged_value_keeps_its_file_and_stops_nothing_else),
        cmocka_unit_test(a_unit_stops_moving_at_its_bound_and_the_next_goes_on),
        cmocka_unit_test(live_bytes_follow_the_versions),
        cmocka_unit_test(a_compaction_leaves_hardly_any_garbage),
        cmocka_unit_test(a_list_that_does_not_agree_with_the_entries_is_damage),
        cmocka_unit_test(a_file_that_is_missing_is_named_at_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
