/* Bulk load: what an ingest means among writes, snapshots, cursors and merges, and what it refuses. */
#include "support/store_fixture.h"
#include "base/clock.h"
#include <dirent.h>

static nacre_segment_writer *new_writer(struct fixture *f)
{
    nacre_segment_writer *writer;
    assert_ok(nacre_segment_writer_create(f->collection, NULL, &writer));
    return writer;
}

static void vector_for(const char *word, float out[FIXTURE_DIMENSION])
{
    for (unsigned i = 0; i < FIXTURE_DIMENSION; i++) {
        out[i] = (float)word[0] + (float)i;
    }
}

/* Of any kind. */
static int add(struct fixture *f, nacre_segment_writer *writer, const char *key, const char *value)
{
    float vector[FIXTURE_DIMENSION];
    if (f->kind != NACRE_VECTORS) {
        return nacre_segment_writer_put(writer, text(key), text(value));
    }
    vector_for(key, vector);
    return nacre_segment_writer_put_vector(writer, text(key), vector, text(value));
}

/* "k1=v1 k2=v2" into a writer. */
static nacre_segment_writer *writer_of(struct fixture *f, const char *entries)
{
    char copy[512], *rest = NULL;
    nacre_segment_writer *writer = new_writer(f);
    snprintf(copy, sizeof copy, "%s", entries);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        *value++ = 0;
        assert_ok(add(f, writer, word, value));
    }
    return writer;
}

static void ingest(struct fixture *f, const char *entries)
{
    nacre_segment_writer *writer = writer_of(f, entries);
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    nacre_segment_writer_free(writer);
}

static void put_any(struct fixture *f, const char *key, const char *value)
{
    float vector[FIXTURE_DIMENSION];
    if (f->kind != NACRE_VECTORS) {
        assert_ok(nacre_put(f->collection, text(key), text(value), NULL));
        return;
    }
    vector_for(key, vector);
    assert_ok(nacre_put_vector(f->collection, text(key), vector, text(value), NULL));
}

static unsigned segment_files(struct fixture *f)
{
    char path[96];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/segments", f->path);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        count += strstr(entry->d_name, ".seg") != NULL;
    }
    closedir(directory);
    return count;
}

static void wait_for_segment_files(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; segment_files(f) != count && i < 5000; i++) {
        clock_sleep_ns(1000000);
    }
    assert_int_equal(segment_files(f), count);
}

static void check_all(struct fixture *f)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_verify(f->store, &report));
    nacre_free(report.damage);
}

/* ---- what it means ---- */

static void ingested_entries_are_there_at_once_and_after_reopening(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writer = writer_of(f, "a=1 b=2 c=3");
    assert_string_equal(scan(f, NULL), "");
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    assert_string_equal(scan(f, NULL), "a=1 b=2 c=3");
    assert_string_equal(get(f, "b"), "2");
    nacre_segment_writer_free(writer);
    assert_string_equal(scan(f, NULL), "a=1 b=2 c=3");
    check_all(f);
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "a=1 b=2 c=3");
    check_all(f);
}

static void an_ingest_overwrites_what_is_in_memory(void **state)
{
    struct fixture *f = *state;
    put_any(f, "a", "old");
    put_any(f, "b", "old");
    put_any(f, "x", "stays");
    ingest(f, "a=new c=new");
    assert_string_equal(scan(f, NULL), "a=new b=old c=new x=stays");
    assert_string_equal(get(f, "a"), "new");
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "a=new b=old c=new x=stays");
}

static void an_ingest_overwrites_what_is_in_segments(void **state)
{
    struct fixture *f = *state;
    put_any(f, "a", "old");
    put_any(f, "b", "old");
    assert_ok(nacre_flush(f->collection));
    ingest(f, "a=new c=new");
    assert_string_equal(scan(f, NULL), "a=new b=old c=new");
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, NULL), "a=new b=old c=new");
    check_all(f);
}

static void writes_after_an_ingest_win_over_it(void **state)
{
    struct fixture *f = *state;
    ingest(f, "a=1 b=2 c=3");
    put_any(f, "b", "newer");
    delete_key(f, "c");
    assert_string_equal(scan(f, NULL), "a=1 b=newer");
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "a=1 b=newer");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(scan(f, NULL), "a=1 b=newer");
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, NULL), "a=1 b=newer");
}

static void a_later_ingest_wins_over_an_earlier_one(void **state)
{
    struct fixture *f = *state;
    ingest(f, "a=1 b=1 c=1");
    ingest(f, "b=2 d=2");
    ingest(f, "c=3 d=3");
    assert_string_equal(scan(f, NULL), "a=1 b=2 c=3 d=3");
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "a=1 b=2 c=3 d=3");
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, NULL), "a=1 b=2 c=3 d=3");
}

static void a_deleted_key_is_back_with_an_ingest(void **state)
{
    struct fixture *f = *state;
    put_any(f, "a", "old");
    assert_ok(nacre_flush(f->collection));
    delete_key(f, "a");
    ingest(f, "a=new");
    assert_string_equal(scan(f, NULL), "a=new");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, NULL), "a=new");
}

static void a_range_delete_before_an_ingest_spares_it_and_one_after_takes_it(void **state)
{
    struct fixture *f = *state;
    put_any(f, "b", "old");
    assert_ok(nacre_delete_range(f->collection, text("a"), text("z"), NULL));
    ingest(f, "b=1 c=2");
    assert_string_equal(scan(f, NULL), "b=1 c=2");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(scan(f, NULL), "b=1 c=2");
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "b=1 c=2");
    assert_ok(nacre_delete_range(f->collection, text("c"), text(""), NULL));
    assert_string_equal(scan(f, NULL), "b=1");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, NULL), "b=1");
}

/* The merge gives the entry the sequence of what everybody sees, which the range delete must not be taken for newer than. */
static void a_range_delete_in_memory_spares_an_ingest_after_it_through_merges(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "level0_runs", "2"));
    put_any(f, "a", "1");
    put_any(f, "c", "1");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_delete_range(f->collection, text("b"), text("bz"), NULL));
    ingest(f, "b=2 bb=2");
    assert_ok(nacre_build_indexes(f->collection)); /* and the merges that are due */
    assert_string_equal(scan(f, NULL), "a=1 b=2 bb=2 c=1");
    assert_ok(nacre_flush(f->collection));
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "a=1 b=2 bb=2 c=1");
}

static void snapshots_and_cursors_from_before_see_nothing_of_it(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *snapshot;
    nacre_cursor *cursor;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    put_any(f, "a", "old");
    put_any(f, "b", "old");
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    ingest(f, "a=new c=new");
    options.snapshot = snapshot;
    assert_string_equal(scan(f, &options), "a=old b=old");
    unsigned seen = 0;
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        assert_memory_equal(nacre_cursor_value(cursor).data, "old", 3);
        seen++;
    }
    assert_int_equal(seen, 2);
    nacre_cursor_close(cursor);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, &options), "a=old b=old");
    assert_string_equal(scan(f, NULL), "a=new b=old c=new");
    nacre_snapshot_release(snapshot);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, NULL), "a=new b=old c=new");
    check_all(f);
}

static void a_snapshot_between_two_ingests_sees_the_first(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *snapshot;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    ingest(f, "a=1 b=1");
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    options.snapshot = snapshot;
    ingest(f, "b=2 c=2");
    delete_key(f, "a");
    assert_string_equal(scan(f, &options), "a=1 b=1");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(scan(f, &options), "a=1 b=1");
    assert_string_equal(scan(f, NULL), "b=2 c=2");
    nacre_snapshot_release(snapshot);
}

static void entries_expire_by_the_writers_time_to_live(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer_options options = NACRE_SEGMENT_WRITER_OPTIONS_INIT;
    nacre_segment_writer *writers[2];
    options.ttl_ms = 400;
    assert_ok(nacre_segment_writer_create(f->collection, &options, &writers[0]));
    writers[1] = writer_of(f, "d=stays");
    assert_ok(add(f, writers[0], "a", "goes"));
    assert_ok(add(f, writers[0], "b", "goes"));
    assert_ok(nacre_ingest(f->collection, writers, 2));
    assert_string_equal(scan(f, NULL), "a=goes b=goes d=stays");
    clock_sleep_ns(450000000);
    assert_string_equal(scan(f, NULL), "d=stays");
    nacre_segment_writer_free(writers[0]);
    nacre_segment_writer_free(writers[1]);
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "d=stays");
}

static void the_collections_time_to_live_counts_unless_the_writer_says_never(void **state)
{
    struct fixture *f = *state;
    nacre_collection *collection;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_segment_writer_options never = NACRE_SEGMENT_WRITER_OPTIONS_INIT;
    nacre_segment_writer *writers[2];
    nacre_value value;
    how.kind = NACRE_ORDERED;
    how.default_ttl_ms = 1;
    never.ttl_ms = UINT64_MAX;
    assert_ok(nacre_collection_create(f->store, "brief", &how, &collection));
    assert_ok(nacre_segment_writer_create(collection, NULL, &writers[0]));
    assert_ok(nacre_segment_writer_create(collection, &never, &writers[1]));
    assert_ok(nacre_segment_writer_put(writers[0], text("a"), text("1")));
    assert_ok(nacre_segment_writer_put(writers[1], text("b"), text("2")));
    assert_ok(nacre_ingest(collection, writers, 2));
    clock_sleep_ns(3000000);
    assert_code(nacre_get(collection, text("a"), NULL, &value), NACRE_NOT_FOUND);
    assert_ok(nacre_get(collection, text("b"), NULL, &value));
    nacre_value_release(&value);
    nacre_segment_writer_free(writers[0]);
    nacre_segment_writer_free(writers[1]);
    nacre_collection_close(collection);
}

static void gaps_that_cursors_have_learned_end_where_an_ingest_puts_keys(void **state)
{
    struct fixture *f = *state;
    char key[16];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "k%04u", i);
            round ? delete_key(f, key) : put_any(f, key, "v");
        }
    }
    assert_string_equal(scan(f, NULL), "");
    assert_string_equal(scan(f, NULL), "");
    ingest(f, "k0500=back");
    assert_string_equal(scan(f, NULL), "k0500=back");
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    options.reverse = true;
    assert_string_equal(scan(f, &options), "k0500=back");
}

/* ---- writers ---- */

static void many_writers_in_any_order_are_one_ingest(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writers[4];
    static const char *const parts[] = { "m=5 n=6", "a=1 b=2", "x=7", "c=3 d=4" };
    for (unsigned i = 0; i < 4; i++) {
        writers[i] = writer_of(f, parts[i]);
    }
    assert_ok(nacre_ingest(f->collection, writers, 4));
    for (unsigned i = 0; i < 4; i++) {
        nacre_segment_writer_free(writers[i]);
    }
    assert_string_equal(scan(f, NULL), "a=1 b=2 c=3 d=4 m=5 n=6 x=7");
}

static void one_writer_makes_as_many_segments_as_their_size_asks_for(void **state)
{
    struct fixture *f = *state;
    char key[16], value[513];
    bool vectors = f->kind == NACRE_VECTORS;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    assert_ok(nacre_tune(f->store, vectors ? "run_segment_bytes" : "segment_bytes", "16384"));
    assert_ok(nacre_tune(f->store, "compression_middle", "0"));
    assert_ok(nacre_pause_compaction(f->store, 10000));
    nacre_segment_writer *writer = new_writer(f);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key-%06u", i);
        value[0] = (char)('a' + i % 26);
        assert_ok(add(f, writer, key, value));
    }
    assert_true(segment_files(f) > 5); /* as it goes */
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    nacre_segment_writer_free(writer);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key-%06u", i);
        assert_int_equal(get(f, key)[0], 'a' + i % 26);
    }
    check_all(f);
    fixture_reopen(f);
    assert_int_equal(strlen(get(f, "key-000499")), 512);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_int_equal(strlen(get(f, "key-000000")), 512);
}

static void keys_of_a_writer_must_ascend_and_the_writer_goes_on_after_one_that_does_not(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writer = writer_of(f, "a=1 c=3");
    assert_code(add(f, writer, "c", "again"), NACRE_INVALID);
    assert_non_null(strstr(nacre_last_error(), "'c' after 'c'"));
    assert_code(add(f, writer, "b", "late"), NACRE_INVALID);
    assert_non_null(strstr(nacre_last_error(), "'b' after 'c'"));
    assert_ok(add(f, writer, "d", "4"));
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    nacre_segment_writer_free(writer);
    assert_string_equal(scan(f, NULL), "a=1 c=3 d=4");
}

static void writers_that_overlap_are_refused_and_stay_usable(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writers[2] = { writer_of(f, "a=1 m=2"), writer_of(f, "b=3 n=4") };
    assert_code(nacre_ingest(f->collection, writers, 2), NACRE_INVALID);
    assert_non_null(strstr(nacre_last_error(), "'m'"));
    assert_non_null(strstr(nacre_last_error(), "'b'"));
    assert_string_equal(scan(f, NULL), "");
    assert_ok(add(f, writers[0], "o", "5"));
    assert_ok(nacre_ingest(f->collection, &writers[1], 1));
    assert_string_equal(scan(f, NULL), "b=3 n=4");
    assert_ok(nacre_ingest(f->collection, writers, 1));
    assert_string_equal(scan(f, NULL), "a=1 b=3 m=2 n=4 o=5");
    nacre_segment_writer_free(writers[0]);
    nacre_segment_writer_free(writers[1]);
}

static void two_writers_with_one_key_in_common_overlap(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writers[2] = { writer_of(f, "a=1 m=2"), writer_of(f, "m=3 n=4") };
    assert_code(nacre_ingest(f->collection, writers, 2), NACRE_INVALID);
    nacre_segment_writer_free(writers[0]);
    nacre_segment_writer_free(writers[1]);
    assert_string_equal(scan(f, NULL), "");
}

static void empty_writers_and_none_are_nothing_to_do(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writers[2] = { new_writer(f), writer_of(f, "a=1") };
    assert_ok(nacre_ingest(f->collection, NULL, 0));
    assert_ok(nacre_ingest(f->collection, writers, 1));
    assert_ok(nacre_ingest(f->collection, &writers[1], 1));
    nacre_segment_writer_free(writers[0]);
    nacre_segment_writer_free(writers[1]);
    nacre_segment_writer_free(NULL);
    assert_string_equal(scan(f, NULL), "a=1");
}

static void an_ingested_writer_can_only_be_freed(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writer = writer_of(f, "a=1");
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    assert_code(add(f, writer, "b", "2"), NACRE_INVALID);
    assert_code(nacre_ingest(f->collection, &writer, 1), NACRE_INVALID);
    nacre_segment_writer_free(writer);
    assert_string_equal(scan(f, NULL), "a=1");
}

static void a_writer_that_is_not_ingested_leaves_no_files(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "segment_bytes", "16384"));
    unsigned before = segment_files(f);
    nacre_segment_writer *writer = new_writer(f);
    char key[16], value[400];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (unsigned i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "key-%06u", i);
        assert_ok(add(f, writer, key, value));
    }
    assert_true(segment_files(f) > before);
    nacre_segment_writer_free(writer);
    wait_for_segment_files(f, before);
    assert_string_equal(scan(f, NULL), "");
}

static void a_store_with_a_writer_does_not_close(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writer = new_writer(f);
    nacre_collection_close(f->collection);
    assert_code(nacre_close(f->store), NACRE_HANDLES_OPEN);
    assert_non_null(strstr(nacre_last_error(), "1 segment writer"));
    nacre_segment_writer_free(writer);
    assert_ok(nacre_close(f->store));
    fixture_open(f);
}

static void wrong_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writers[2];
    nacre_collection *other;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    how.kind = NACRE_ORDERED;
    char large[NACRE_KEY_MAX + 1];
    float vector[FIXTURE_DIMENSION] = { 1 };
    memset(large, 'k', sizeof large);
    assert_code(nacre_segment_writer_create(f->collection, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_segment_writer_create(NULL, NULL, &writers[0]), NACRE_INVALID);
    assert_ok(nacre_collection_create(f->store, "other", &how, &other));
    writers[0] = writers[1] = writer_of(f, "a=1");
    assert_code(nacre_ingest(f->collection, writers, 2), NACRE_INVALID); /* twice the same */
    assert_code(nacre_ingest(other, writers, 1), NACRE_INVALID);
    assert_code(nacre_ingest(f->collection, NULL, 1), NACRE_INVALID);
    writers[1] = NULL;
    assert_code(nacre_ingest(f->collection, writers, 2), NACRE_INVALID);
    assert_code(nacre_segment_writer_put(NULL, text("a"), text("")), NACRE_INVALID);
    assert_code(nacre_segment_writer_put(writers[0], text(""), text("")), NACRE_INVALID);
    assert_code(nacre_segment_writer_put(writers[0], (nacre_slice){ large, sizeof large }, text("")), NACRE_LIMIT);
    assert_code(nacre_segment_writer_put_vector(writers[0], text("b"), vector, text("")), NACRE_UNSUPPORTED);
    assert_ok(nacre_ingest(f->collection, writers, 1));
    nacre_segment_writer_free(writers[0]);
    nacre_collection_close(other);
}

static void a_dropped_collection_refuses_an_ingest(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writer = writer_of(f, "a=1");
    assert_ok(nacre_collection_drop(f->store, "test"));
    assert_code(add(f, writer, "b", "2"), NACRE_NOT_FOUND);
    assert_code(nacre_ingest(f->collection, &writer, 1), NACRE_NOT_FOUND);
    nacre_segment_writer_free(writer);
    wait_for_segment_files(f, 0);
}

static void a_store_opened_for_reading_makes_no_writer(void **state)
{
    struct fixture *f = *state;
    nacre_segment_writer *writer;
    fixture_close(f);
    f->options.read_only = true;
    fixture_open(f);
    assert_code(nacre_segment_writer_create(f->collection, NULL, &writer), NACRE_READ_ONLY);
    fixture_close(f);
    f->options.read_only = false;
    fixture_open(f);
}

/* ---- searches ---- */

static void regular_expressions_find_what_was_ingested(void **state)
{
    struct fixture *f = *state;
    uint64_t count = 0;
    assert_ok(nacre_put(f->collection, text("apple pie"), text(""), NULL));
    nacre_segment_writer *writer = new_writer(f);
    assert_ok(nacre_segment_writer_put(writer, text("apple"), text("1")));
    assert_ok(nacre_segment_writer_put(writer, text("apple pie"), text("2")));
    assert_ok(nacre_segment_writer_put(writer, text("pear"), text("3")));
    assert_ok(nacre_regex_count(f->collection, text("apple"), NULL, &count));
    assert_int_equal(count, 1);
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    nacre_segment_writer_free(writer);
    assert_ok(nacre_regex_count(f->collection, text("apple"), NULL, &count));
    assert_int_equal(count, 2);
    delete_key(f, "apple");
    assert_ok(nacre_regex_count(f->collection, text("p.*e"), NULL, &count));
    assert_int_equal(count, 2);
    nacre_cursor *cursor;
    assert_ok(nacre_regex_scan(f->collection, text("^apple"), NULL, &cursor));
    assert_true(nacre_cursor_valid(cursor));
    assert_memory_equal(nacre_cursor_value(cursor).data, "2", 1);
    nacre_cursor_close(cursor);
}

static void nearest_neighbours_are_those_of_the_newest_vectors(void **state)
{
    struct fixture *f = *state;
    float query[FIXTURE_DIMENSION], far[FIXTURE_DIMENSION] = { 1000 };
    nacre_neighbors found;
    nacre_nearest_options exact = NACRE_NEAREST_OPTIONS_INIT;
    exact.exact = true;
    put_any(f, "a", "old");
    put_any(f, "b", "old");
    assert_ok(nacre_flush(f->collection));
    put_any(f, "c", "in memory");
    nacre_segment_writer *writer = new_writer(f);
    assert_ok(nacre_segment_writer_put_vector(writer, text("a"), far, text("moved")));
    assert_ok(add(f, writer, "d", "new"));
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    nacre_segment_writer_free(writer);
    vector_for("a", query);
    for (unsigned round = 0; round < 3; round++) {
        assert_ok(nacre_nearest(f->collection, query, 10, round ? NULL : &exact, &found));
        assert_int_equal(found.count, 4);
        assert_memory_equal(found.items[0].key.data, "b", 1);
        assert_memory_equal(found.items[1].key.data, "c", 1);
        assert_memory_equal(found.items[2].key.data, "d", 1);
        assert_memory_equal(found.items[3].key.data, "a", 1);
        assert_memory_equal(found.items[3].value.data, "moved", 5);
        nacre_neighbors_release(&found);
        round == 1 ? assert_ok(nacre_build_indexes(f->collection)) : assert_ok(nacre_flush(f->collection));
    }
}

/* ---- failures ---- */

static void an_ingest_is_as_a_batch_of_its_puts(void **state)
{
    struct fixture *f = *state;
    char one[4096];
    nacre_collection *other;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_batch *batch;
    how.kind = f->kind;
    assert_ok(nacre_collection_create(f->store, "other", &how, &other));
    assert_ok(nacre_batch_create(&batch));
    uint64_t seed = 7;
    for (unsigned round = 0; round < 60; round++) {
        nacre_segment_writer *writer = new_writer(f);
        nacre_batch_clear(batch);
        for (unsigned i = 0; i < 40; i++) {
            char key[16], value[16];
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            snprintf(key, sizeof key, "%03u", i);
            snprintf(value, sizeof value, "%u.%u", round, i);
            if (seed >> 62 == 0) {
                assert_ok(nacre_segment_writer_put(writer, text(key), text(value)));
                assert_ok(nacre_batch_put(batch, other, text(key), text(value)));
            } else if (seed >> 60 == 5) {
                assert_ok(nacre_delete(f->collection, text(key), NULL));
                assert_ok(nacre_delete(other, text(key), NULL));
            }
        }
        assert_ok(nacre_ingest(f->collection, &writer, 1));
        nacre_segment_writer_free(writer);
        assert_ok(nacre_write(f->store, batch, NULL));
        round % 7 == 3 ? assert_ok(nacre_flush(f->collection)) : (void)0;
        snprintf(one, sizeof one, "%s", scan(f, NULL));
        nacre_collection *swap = f->collection;
        f->collection = other;
        assert_string_equal(scan(f, NULL), one);
        f->collection = swap;
    }
    nacre_batch_free(batch);
    nacre_collection_close(other);
}

#define FOR_KIND(test, kind) \
    { \
#test " (" #kind ")", test, fixture_setup##kind, fixture_teardown, NULL \
    }
#define FOR_ALL_KINDS(test) FOR_KIND(test, ), FOR_KIND(test, _strings), FOR_KIND(test, _vectors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_ALL_KINDS(ingested_entries_are_there_at_once_and_after_reopening),
        FOR_ALL_KINDS(an_ingest_overwrites_what_is_in_memory),
        FOR_ALL_KINDS(an_ingest_overwrites_what_is_in_segments),
        FOR_ALL_KINDS(writes_after_an_ingest_win_over_it),
        FOR_ALL_KINDS(a_later_ingest_wins_over_an_earlier_one),
        FOR_ALL_KINDS(a_deleted_key_is_back_with_an_ingest),
        FOR_ALL_KINDS(a_range_delete_before_an_ingest_spares_it_and_one_after_takes_it),
        FOR_ALL_KINDS(a_range_delete_in_memory_spares_an_ingest_after_it_through_merges),
        FOR_ALL_KINDS(snapshots_and_cursors_from_before_see_nothing_of_it),
        FOR_ALL_KINDS(a_snapshot_between_two_ingests_sees_the_first),
        FOR_ALL_KINDS(entries_expire_by_the_writers_time_to_live),
        FOR_KIND(the_collections_time_to_live_counts_unless_the_writer_says_never, ),
        FOR_KIND(gaps_that_cursors_have_learned_end_where_an_ingest_puts_keys, ),
        FOR_ALL_KINDS(many_writers_in_any_order_are_one_ingest),
        FOR_ALL_KINDS(one_writer_makes_as_many_segments_as_their_size_asks_for),
        FOR_ALL_KINDS(keys_of_a_writer_must_ascend_and_the_writer_goes_on_after_one_that_does_not),
        FOR_KIND(writers_that_overlap_are_refused_and_stay_usable, ),
        FOR_KIND(two_writers_with_one_key_in_common_overlap, ),
        FOR_ALL_KINDS(empty_writers_and_none_are_nothing_to_do),
        FOR_KIND(an_ingested_writer_can_only_be_freed, ),
        FOR_KIND(a_writer_that_is_not_ingested_leaves_no_files, ),
        FOR_KIND(a_store_with_a_writer_does_not_close, ),
        FOR_KIND(wrong_arguments_are_refused, ),
        FOR_ALL_KINDS(a_dropped_collection_refuses_an_ingest),
        FOR_KIND(a_store_opened_for_reading_makes_no_writer, ),
        FOR_KIND(regular_expressions_find_what_was_ingested, _strings),
        FOR_KIND(nearest_neighbours_are_those_of_the_newest_vectors, _vectors),
        FOR_KIND(an_ingest_is_as_a_batch_of_its_puts, ),
        FOR_KIND(an_ingest_is_as_a_batch_of_its_puts, _strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
