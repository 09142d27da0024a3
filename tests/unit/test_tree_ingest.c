/* Taking segments into a tree: which level they go to, what claims keep them out, and what a failed edit leaves. */
#include "tree_fixture.h"
#include "tree/ingest.h"
#include "tree/tree_private.h"

static struct tree_writer *writer_of(struct fixture *f, unsigned begin, unsigned end)
{
    struct tree_writer *w = NULL;
    assert_int_equal(tree_writer_create(f->tree, &w), NACRE_OK);
    for (unsigned i = begin; i < end; i++) {
        assert_int_equal(tree_writer_add(w, fixture_key(i), slice_of("value", 5), NULL, 0), NACRE_OK);
    }
    return w;
}

static int ingest(struct fixture *f, struct tree_writer *w)
{
    struct tree_ingest in;
    int status = tree_ingest_prepare(f->tree, &w, 1, &in);
    if (status == NACRE_OK) {
        status = tree_ingest_install(&in, ++f->sequence);
    }
    tree_ingest_end(&in);
    return status;
}

static void ingest_range(struct fixture *f, unsigned begin, unsigned end)
{
    struct tree_writer *w = writer_of(f, begin, end);
    assert_int_equal(ingest(f, w), NACRE_OK);
    tree_writer_free(w);
}

/* The level of the one newest piece with the key. */
static uint32_t level_of(struct fixture *f, unsigned key)
{
    struct version *v = tree_version(f->tree);
    uint32_t level = UINT32_MAX;
    for (size_t r = 0; r < v->run_count && level == UINT32_MAX; r++) {
        size_t first, after;
        run_overlap(&v->runs[r], &(struct key_range){ fixture_key(key), fixture_key(key + 1) }, &first, &after);
        level = first < after ? v->runs[r].level : level;
    }
    version_unref(v);
    return level;
}

static uint64_t newest_sequence(struct fixture *f, unsigned key)
{
    nacre_slice k = fixture_key(key);
    struct lookup lookup = { k, hash_bytes(k.data, k.size), SEQUENCE_MAX, NULL };
    struct version *v = tree_version(f->tree);
    struct entry entry = { 0 };
    struct pin pin = { 0 };
    int status = version_get(v, &lookup, 0, &entry, &pin);
    pin_release(&pin);
    version_unref(v);
    return status == NACRE_OK ? entry.sequence : 0;
}

/* By a failed sync of files whose path has the part in it. */
static struct tree_writer *fail_to_ingest(struct fixture *f, const char *part)
{
    struct tree_writer *w = writer_of(f, 0, 10);
    os_memory_fail_matching(f->os, "sync", part, OS_FAULT_IO, 1);
    assert_int_equal(ingest(f, w), NACRE_IO);
    return w;
}

static void flush_another(struct fixture *f)
{
    fixture_put(f, 40, true, 0);
    assert_int_equal(fixture_flush(f), NACRE_OK);
}

static void count_segment(void *context, const char *name)
{
    *(unsigned *)context += strstr(name, ".seg") != NULL;
}

static unsigned segment_files(struct fixture *f)
{
    unsigned count = 0;
    assert_int_equal(f->os->list(f->os->context, "/s/segments", count_segment, &count), NACRE_OK);
    return count;
}

static void what_overlaps_nothing_goes_deep_and_is_not_written_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    ingest_range(&f, 0, 10);
    assert_int_equal(level_of(&f, 0), 1); /* level 1 is large enough for it */
    ingest_range(&f, 20, 30);
    assert_int_equal(level_of(&f, 20), 1);
    bool worked = true;
    assert_int_equal(tree_work(f.tree, &worked), NACRE_OK);
    assert_false(worked);
    assert_int_equal(newest_sequence(&f, 5), 1);
    assert_int_equal(newest_sequence(&f, 25), 2);
    fixture_close(&f);
}

static void a_large_load_goes_to_the_level_that_has_room_for_it(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    struct tree_writer *w = NULL;
    assert_int_equal(tree_writer_create(f.tree, &w), NACRE_OK);
    for (unsigned i = 0; i < 3000; i++) { /* about 100 KB: levels of 8, 24, 72, 216 KB */
        char key[32];
        assert_int_equal(tree_writer_add(w, slice_of(key, (size_t)snprintf(key, sizeof key, "key/%08u", i)),
                                         slice_of("a value of some bytes", 21), NULL, 0),
                         NACRE_OK);
    }
    assert_int_equal(ingest(&f, w), NACRE_OK);
    tree_writer_free(w);
    struct version *v = tree_version(f.tree);
    assert_int_equal(v->run_count, 1);
    assert_int_equal(v->runs[0].level, 4);
    assert_true(v->piece_count > 10);
    version_unref(v);
    fixture_close(&f);
}

static void what_overlaps_level_0_goes_above_it_and_hides_it(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    fixture_put(&f, 5, true, 0);
    assert_int_equal(fixture_flush(&f), NACRE_OK);
    ingest_range(&f, 0, 10);
    assert_int_equal(level_of(&f, 5), 0);
    assert_int_equal(newest_sequence(&f, 5), 2);
    ingest_range(&f, 20, 30); /* beside it */
    assert_int_equal(level_of(&f, 20), 1);
    assert_int_equal(fixture_reopen(&f), NACRE_OK);
    assert_int_equal(newest_sequence(&f, 5), 2);
    assert_int_equal(newest_sequence(&f, 25), 3);
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
    assert_true(newest_sequence(&f, 5) != 0);
    fixture_close(&f);
}

static void what_overlaps_a_deep_level_goes_right_above_it(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    atomic_store(&f.tuning.level_base_bytes, 64); /* even little goes deep */
    ingest_range(&f, 0, 10);
    uint32_t deep = level_of(&f, 5);
    assert_true(deep > 1);
    ingest_range(&f, 3, 7);
    assert_int_equal(level_of(&f, 5), deep - 1);
    assert_int_equal(newest_sequence(&f, 5), 2);
    assert_int_equal(newest_sequence(&f, 1), 1);
    fixture_close(&f);
}

static void no_segment_is_put_where_a_unit_is_at_work(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    struct claim claim = { .range = { fixture_key(5), fixture_key(40) }, .from = 0, .to = 1 };
    pthread_mutex_lock(&f.tree->lock);
    claim_add(f.tree, &claim, true);
    pthread_mutex_unlock(&f.tree->lock);
    ingest_range(&f, 0, 10);
    assert_int_equal(level_of(&f, 0), 0);
    ingest_range(&f, 50, 60);
    assert_int_equal(level_of(&f, 50), 1);
    pthread_mutex_lock(&f.tree->lock);
    claim_remove(f.tree, &claim);
    pthread_mutex_unlock(&f.tree->lock);
    ingest_range(&f, 20, 30);
    assert_int_equal(level_of(&f, 20), 1);
    fixture_close(&f);
}

static void after_a_failed_edit_the_ingest_is_tried_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    struct tree_writer *w = fail_to_ingest(&f, "/manifest/");
    assert_int_equal(newest_sequence(&f, 5), 0);
    assert_int_equal(segment_files(&f), 1);
    flush_another(&f); /* an edit between: what was in doubt is so no more */
    assert_int_equal(segment_files(&f), 2);
    assert_int_equal(ingest(&f, w), NACRE_OK);
    tree_writer_free(w);
    assert_int_equal(newest_sequence(&f, 5), f.sequence);
    assert_int_equal(segment_files(&f), 2);
    assert_int_equal(fixture_reopen(&f), NACRE_OK);
    assert_int_equal(newest_sequence(&f, 5), f.sequence);
    fixture_close(&f);
}

static void files_that_a_failed_edit_named_stay_until_the_next_good_one(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    struct tree_writer *w = fail_to_ingest(&f, "/manifest/");
    tree_writer_free(w);
    assert_int_equal(segment_files(&f), 1); /* the disk may name it */
    flush_another(&f);
    assert_int_equal(segment_files(&f), 1); /* that of the flush */
    assert_int_equal(newest_sequence(&f, 5), 0);
    fixture_close(&f);
}

static void a_failed_sync_of_a_segment_is_for_good(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 1);
    struct tree_writer *w = fail_to_ingest(&f, ".seg");
    assert_int_equal(ingest(&f, w), NACRE_IO); /* the next sync would not say */
    assert_int_equal(tree_writer_add(w, fixture_key(20), slice_of("", 0), NULL, 0), NACRE_IO);
    tree_writer_free(w);
    assert_int_equal(segment_files(&f), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_overlaps_nothing_goes_deep_and_is_not_written_again),
        cmocka_unit_test(a_large_load_goes_to_the_level_that_has_room_for_it),
        cmocka_unit_test(what_overlaps_level_0_goes_above_it_and_hides_it),
        cmocka_unit_test(what_overlaps_a_deep_level_goes_right_above_it),
        cmocka_unit_test(no_segment_is_put_where_a_unit_is_at_work),
        cmocka_unit_test(after_a_failed_edit_the_ingest_is_tried_again),
        cmocka_unit_test(files_that_a_failed_edit_named_stay_until_the_next_good_one),
        cmocka_unit_test(a_failed_sync_of_a_segment_is_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
