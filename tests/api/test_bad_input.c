/* What a caller can do wrong: each gives the right code with a detail that says what and where, and nothing is written.
   What is wrong with a store's files or place is in test_bad_store.c. */
#include "support/directory.h"
#include "support/store_fixture.h"
#include <sys/wait.h>
#include <unistd.h>

#define assert_refused(call, code, word) refused((call), (code), (word), #call, __LINE__)

static void refused(int got, int want, const char *word, const char *call, int line)
{
    assert_status(got, want, call, __FILE__, line);
    if (!strstr(nacre_last_error(), word)) {
        fprintf(stderr, "%s:%d: %s: the detail \"%s\" does not say \"%s\"\n", __FILE__, line, call, nacre_last_error(),
                word);
        fail();
    }
}

static const nacre_slice none = { NULL, 0 };
static char long_bytes[70000];

static nacre_slice bytes_of(size_t size)
{
    memset(long_bytes, 'k', sizeof long_bytes);
    return (nacre_slice){ long_bytes, size };
}

static uint64_t sequence_of(struct fixture *f)
{
    char *json;
    assert_ok(nacre_stats(f->store, &json));
    const char *at = strstr(json, "\"sequence\":");
    assert_non_null(at);
    uint64_t sequence = strtoull(at + 11, NULL, 10);
    nacre_free(json);
    return sequence;
}

static void empty_keys_are_invalid_everywhere(void **state)
{
    struct fixture *f = *state;
    uint64_t before = sequence_of(f);
    nacre_value value = { { "x", 1 }, f };
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    assert_refused(nacre_put(f->collection, none, text("v"), NULL), NACRE_INVALID, "key is empty");
    assert_refused(nacre_delete(f->collection, none, NULL), NACRE_INVALID, "key is empty");
    assert_refused(nacre_batch_put(batch, f->collection, none, text("v")), NACRE_INVALID, "key is empty");
    assert_refused(nacre_batch_delete(batch, f->collection, none), NACRE_INVALID, "key is empty");
    assert_int_equal(nacre_batch_count(batch), 0);
    assert_refused(nacre_get(f->collection, none, NULL, &value), NACRE_INVALID, "key is empty");
    assert_null(value.pin); /* after any failure it needs no release */
    assert_int_equal(value.slice.size, 0);
    int status = 77;
    nacre_slice keys[] = { text("a"), none };
    nacre_value values[2];
    int statuses[2] = { 77, 77 };
    assert_refused(nacre_multi_get(f->collection, keys, 2, NULL, values, statuses), NACRE_INVALID, "key 1");
    assert_int_equal(statuses[0], status);
    nacre_batch_free(batch);
    assert_int_equal(sequence_of(f), before);
}

static void keys_of_65535_bytes_work_and_of_65536_are_over_the_limit(void **state)
{
    struct fixture *f = *state;
    nacre_value value;
    nacre_cursor *cursor;
    assert_ok(nacre_put(f->collection, bytes_of(NACRE_KEY_MAX), text("long"), NULL));
    assert_ok(nacre_put(f->collection, bytes_of(NACRE_KEY_MAX - 1), text("less"), NULL));
    for (int round = 0; round < 2; round++) {
        assert_ok(nacre_get(f->collection, bytes_of(NACRE_KEY_MAX), NULL, &value));
        assert_memory_equal(value.slice.data, "long", 4);
        nacre_value_release(&value);
        assert_ok(nacre_scan(f->collection, NULL, &cursor));
        assert_int_equal(nacre_cursor_key(cursor).size, NACRE_KEY_MAX - 1);
        nacre_cursor_next(cursor);
        assert_int_equal(nacre_cursor_key(cursor).size, NACRE_KEY_MAX);
        nacre_cursor_close(cursor);
        fixture_reopen(f);
        assert_ok(nacre_flush(f->collection));
    }
    uint64_t before = sequence_of(f);
    nacre_slice over = bytes_of(NACRE_KEY_MAX + 1);
    nacre_batch *batch;
    nacre_scan_options scan = NACRE_SCAN_OPTIONS_INIT;
    assert_ok(nacre_batch_create(&batch));
    assert_refused(nacre_put(f->collection, over, text("v"), NULL), NACRE_LIMIT, "65536");
    assert_refused(nacre_delete(f->collection, over, NULL), NACRE_LIMIT, "65536");
    assert_refused(nacre_get(f->collection, over, NULL, &value), NACRE_LIMIT, "65536");
    assert_refused(nacre_delete_range(f->collection, over, none, NULL), NACRE_LIMIT, "begin");
    assert_refused(nacre_delete_range(f->collection, none, over, NULL), NACRE_LIMIT, "end");
    assert_refused(nacre_delete_prefix(f->collection, over, NULL), NACRE_LIMIT, "prefix");
    assert_refused(nacre_compact(f->collection, over, none), NACRE_LIMIT, "begin");
    assert_refused(nacre_batch_put(batch, f->collection, over, text("v")), NACRE_LIMIT, "65536");
    assert_refused(nacre_batch_delete_range(batch, f->collection, over, none), NACRE_LIMIT, "begin");
    assert_int_equal(nacre_batch_count(batch), 0);
    scan.begin = over;
    assert_refused(nacre_scan(f->collection, &scan, &cursor), NACRE_LIMIT, "begin");
    assert_null(cursor);
    scan.begin = none;
    scan.prefix = over;
    assert_refused(nacre_scan(f->collection, &scan, &cursor), NACRE_LIMIT, "prefix");
    nacre_batch_free(batch);
    assert_int_equal(sequence_of(f), before);
}

static void values_over_the_limit_are_refused_before_a_byte_is_read(void **state)
{
    struct fixture *f = *state;
    uint64_t before = sequence_of(f);
    char one = 'x'; /* only its address is used: the sizes are lies */
    assert_refused(nacre_put(f->collection, text("k"), (nacre_slice){ &one, (size_t)NACRE_VALUE_MAX + 1 }, NULL),
                   NACRE_LIMIT, "4294967296");
    assert_refused(nacre_put(f->collection, text("k"), (nacre_slice){ &one, NACRE_VALUE_MAX }, NULL), NACRE_LIMIT,
                   "2147483648");
    assert_refused(nacre_put(f->collection, text("k"), (nacre_slice){ &one, NACRE_BATCH_MAX }, NULL), NACRE_LIMIT,
                   "2147483648");
    assert_refused(nacre_put(f->collection, text("k"), (nacre_slice){ NULL, 1 }, NULL), NACRE_INVALID, "value");
    assert_refused(nacre_put(f->collection, (nacre_slice){ NULL, 1 }, text("v"), NULL), NACRE_INVALID, "key");
    assert_int_equal(sequence_of(f), before);
    assert_string_equal(get(f, "k"), "<none>");
}

static void ranges_that_end_before_they_begin_are_invalid(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    assert_refused(nacre_delete_range(f->collection, text("b"), text("a"), NULL), NACRE_INVALID, "begin");
    assert_refused(nacre_delete_range(f->collection, text("a"), text("a"), NULL), NACRE_INVALID, "begin");
    assert_refused(nacre_compact(f->collection, text("b"), text("a")), NACRE_INVALID, "begin");
    assert_refused(nacre_batch_delete_range(batch, f->collection, text("b"), text("b")), NACRE_INVALID, "begin");
    nacre_batch_free(batch);
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT; /* for a scan that is no error: nothing lies there */
    o.begin = text("b");
    o.end = text("a");
    assert_string_equal(scan(f, &o), "");
    assert_string_equal(scan(f, NULL), "a=1");
}

static void wrong_names_of_collections_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = { "",     "a/b",     "/",        "line\nbreak",  "del\x7f",         "\x01",
                                       "\xff", "cut\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80" };
    nacre_collection *c;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c = (nacre_collection *)1;
        assert_refused(nacre_collection_create(f->store, bad[i], NULL, &c), NACRE_INVALID, "name");
        assert_null(c);
        c = (nacre_collection *)1;
        assert_refused(nacre_collection_open(f->store, bad[i], &c), NACRE_INVALID, "name");
        assert_null(c);
        assert_refused(nacre_collection_drop(f->store, bad[i]), NACRE_INVALID, "name");
    }
    char name[300];
    memset(name, 'n', sizeof name);
    name[NACRE_NAME_MAX + 1] = 0;
    assert_refused(nacre_collection_create(f->store, name, NULL, &c), NACRE_LIMIT, "255");
    name[NACRE_NAME_MAX] = 0;
    assert_ok(nacre_collection_create(f->store, name, NULL, &c));
    nacre_collection_close(c);
    assert_ok(nacre_collection_create(f->store, "..", NULL, &c)); /* a name, never a path */
    nacre_collection_close(c);
    assert_ok(nacre_collection_create(f->store, "\xe6\x9d\xb1 \xf0\x9f\x90\x9a", NULL, &c));
    nacre_collection_close(c);
    nacre_collection_info *list;
    size_t count;
    fixture_reopen(f);
    assert_ok(nacre_collection_list(f->store, &list, &count));
    assert_int_equal(count, 4);
    nacre_free(list);
}

static void unknown_and_existing_collections_are_told_apart(void **state)
{
    struct fixture *f = *state;
    nacre_collection *c;
    assert_refused(nacre_collection_open(f->store, "nobody", &c), NACRE_NOT_FOUND, "nobody");
    assert_null(c);
    assert_refused(nacre_collection_drop(f->store, "nobody"), NACRE_NOT_FOUND, "nobody");
    assert_refused(nacre_collection_create(f->store, "test", NULL, &c), NACRE_EXISTS, "test");
    assert_null(c);
}

static void kinds_and_options_that_this_version_lacks_are_unsupported(void **state)
{
    struct fixture *f = *state;
    nacre_collection *c;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    o.kind = (nacre_kind)1234;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_INVALID, "kind");
    o = (nacre_collection_options)NACRE_COLLECTION_OPTIONS_INIT;
    o.dimension = 3;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_INVALID, "dimension");
    o = (nacre_collection_options)NACRE_COLLECTION_OPTIONS_INIT;
    o.merge_operator = "add";
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_UNSUPPORTED, "merge operator");
    assert_refused(nacre_collection_open(f->store, "c", &c), NACRE_NOT_FOUND, "'c'");
}

static void things_of_another_store_are_invalid(void **state)
{
    struct fixture *f = *state;
    void *other_state = NULL;
    assert_int_equal(fixture_setup(&other_state), 0);
    struct fixture *other = other_state;
    nacre_snapshot *snapshot;
    nacre_batch *batch;
    nacre_cursor *cursor;
    nacre_value value;
    assert_ok(nacre_snapshot_create(other->store, &snapshot));
    nacre_read_options read = NACRE_READ_OPTIONS_INIT;
    nacre_scan_options scan = NACRE_SCAN_OPTIONS_INIT;
    read.snapshot = scan.snapshot = snapshot;
    nacre_slice key = text("k");
    int status;
    assert_refused(nacre_get(f->collection, key, &read, &value), NACRE_INVALID, "another store");
    assert_refused(nacre_multi_get(f->collection, &key, 1, &read, &value, &status), NACRE_INVALID, "another store");
    assert_refused(nacre_scan(f->collection, &scan, &cursor), NACRE_INVALID, "another store");
    nacre_snapshot_release(snapshot);
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put(batch, f->collection, key, text("v")));
    assert_refused(nacre_batch_put(batch, other->collection, key, text("v")), NACRE_INVALID, "one store");
    assert_refused(nacre_batch_delete(batch, other->collection, key), NACRE_INVALID, "one store");
    assert_int_equal(nacre_batch_count(batch), 1);
    assert_refused(nacre_write(other->store, batch, NULL), NACRE_INVALID, "another store");
    assert_string_equal(get(other, "k"), "<none>");
    assert_ok(nacre_write(f->store, batch, NULL));
    nacre_batch_free(batch);
    fixture_teardown(&other_state);
}

static void options_of_a_wrong_size_or_with_unknown_settings_are_refused(void **state)
{
    struct fixture *f = *state;
    struct {
        nacre_write_options known;
        uint64_t newer;
    } write = { NACRE_WRITE_OPTIONS_INIT, 0 };
    write.known.struct_size = sizeof write;
    assert_ok(nacre_put(f->collection, text("k"), text("v"), &write.known)); /* unknown, but zero */
    write.newer = 1;
    assert_refused(nacre_put(f->collection, text("k"), text("w"), &write.known), NACRE_UNSUPPORTED, "newer header");
    write.known.struct_size = 0;
    assert_refused(nacre_put(f->collection, text("k"), text("w"), &write.known), NACRE_INVALID, "struct_size");
    write.known.struct_size = SIZE_MAX;
    assert_refused(nacre_put(f->collection, text("k"), text("w"), &write.known), NACRE_INVALID, "struct_size");
    write.known = (nacre_write_options)NACRE_WRITE_OPTIONS_INIT;
    write.known.durability = (nacre_durability)4;
    assert_refused(nacre_put(f->collection, text("k"), text("w"), &write.known), NACRE_INVALID, "durability");
    write.known = (nacre_write_options)NACRE_WRITE_OPTIONS_INIT;
    write.known.struct_size = sizeof write.known.struct_size; /* an older header: all the rest is default */
    write.known.durability = (nacre_durability)99;
    assert_ok(nacre_put(f->collection, text("k2"), text("v"), &write.known));
    nacre_scan_options scan = { .struct_size = 3 };
    nacre_cursor *cursor;
    assert_refused(nacre_scan(f->collection, &scan, &cursor), NACRE_INVALID, "struct_size");
    nacre_read_options read = { .struct_size = 1 };
    nacre_value value;
    assert_refused(nacre_get(f->collection, text("k"), &read, &value), NACRE_INVALID, "struct_size");
    nacre_collection_options create = { .struct_size = 7 };
    nacre_collection *c;
    assert_refused(nacre_collection_create(f->store, "x", &create, &c), NACRE_INVALID, "struct_size");
    assert_null(c);
    nacre_verify_report report = { .struct_size = 8 };
    assert_refused(nacre_verify(f->store, &report), NACRE_INVALID, "report");
    assert_string_equal(get(f, "k"), "v");
}

static void wrong_options_of_open_leave_no_directory_behind(void **state)
{
    struct fixture *f = *state;
    char path[100];
    nacre_store *store;
    snprintf(path, sizeof path, "%s/inner", f->path);
    struct {
        nacre_options known;
        uint64_t newer;
    } o = { NACRE_OPTIONS_INIT, 5 };
    o.known.struct_size = sizeof o;
    assert_refused(nacre_open(path, &o.known, &store), NACRE_UNSUPPORTED, "newer header");
    assert_null(store);
    o.known = (nacre_options)NACRE_OPTIONS_INIT;
    o.known.error_if_exists = o.known.error_if_missing = true;
    assert_refused(nacre_open(path, &o.known, &store), NACRE_INVALID, "exclude");
    o.known = (nacre_options)NACRE_OPTIONS_INIT;
    o.known.background_threads = 257;
    assert_refused(nacre_open(path, &o.known, &store), NACRE_INVALID, "256");
    o.known = (nacre_options)NACRE_OPTIONS_INIT;
    o.known.durability = (nacre_durability)-1;
    assert_refused(nacre_open(path, &o.known, &store), NACRE_INVALID, "durability");
    o.known = (nacre_options)NACRE_OPTIONS_INIT;
    nacre_logger logger = { .struct_size = sizeof logger };
    o.known.logger = &logger;
    assert_refused(nacre_open(path, &o.known, &store), NACRE_INVALID, "logger");
    o.known = (nacre_options)NACRE_OPTIONS_INIT;
    nacre_os os = { .struct_size = sizeof os };
    o.known.os = &os;
    assert_refused(nacre_open(path, &o.known, &store), NACRE_INVALID, "os");
    assert_refused(nacre_open("", NULL, &store), NACRE_INVALID, "path");
    assert_false(path_exists(path));
}

static void null_is_refused_where_something_is_needed(void **state)
{
    struct fixture *f = *state;
    nacre_store *store;
    nacre_collection *c;
    nacre_collection_info *list;
    size_t count;
    nacre_value value;
    nacre_cursor *cursor;
    nacre_snapshot *snapshot;
    nacre_batch *batch;
    nacre_slice key = text("k");
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    char *json;
    assert_ok(nacre_batch_create(&batch));
    assert_code(nacre_open(NULL, NULL, &store), NACRE_INVALID);
    assert_code(nacre_open(f->path, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_collection_create(NULL, "n", NULL, &c), NACRE_INVALID);
    assert_code(nacre_collection_create(f->store, NULL, NULL, &c), NACRE_INVALID);
    assert_code(nacre_collection_create(f->store, "n", NULL, NULL), NACRE_INVALID);
    assert_code(nacre_collection_open(NULL, "n", &c), NACRE_INVALID);
    assert_code(nacre_collection_open(f->store, NULL, &c), NACRE_INVALID);
    assert_code(nacre_collection_open(f->store, "n", NULL), NACRE_INVALID);
    assert_code(nacre_collection_drop(NULL, "n"), NACRE_INVALID);
    assert_code(nacre_collection_drop(f->store, NULL), NACRE_INVALID);
    assert_code(nacre_collection_clear(NULL), NACRE_INVALID);
    assert_code(nacre_collection_list(NULL, &list, &count), NACRE_INVALID);
    assert_code(nacre_collection_list(f->store, NULL, &count), NACRE_INVALID);
    assert_code(nacre_collection_list(f->store, &list, NULL), NACRE_INVALID);
    assert_code(nacre_put(NULL, key, key, NULL), NACRE_INVALID);
    assert_code(nacre_delete(NULL, key, NULL), NACRE_INVALID);
    assert_code(nacre_delete_range(NULL, key, none, NULL), NACRE_INVALID);
    assert_code(nacre_delete_prefix(NULL, key, NULL), NACRE_INVALID);
    assert_code(nacre_batch_create(NULL), NACRE_INVALID);
    assert_code(nacre_batch_put(NULL, f->collection, key, key), NACRE_INVALID);
    assert_code(nacre_batch_put(batch, NULL, key, key), NACRE_INVALID);
    assert_code(nacre_batch_delete(NULL, f->collection, key), NACRE_INVALID);
    assert_code(nacre_batch_delete_range(batch, NULL, key, none), NACRE_INVALID);
    assert_code(nacre_write(NULL, batch, NULL), NACRE_INVALID);
    assert_code(nacre_write(f->store, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_sync(NULL), NACRE_INVALID);
    assert_code(nacre_get(NULL, key, NULL, &value), NACRE_INVALID);
    assert_code(nacre_get(f->collection, key, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_multi_get(f->collection, NULL, 1, NULL, &value, NULL), NACRE_INVALID);
    assert_code(nacre_multi_get(NULL, &key, 1, NULL, &value, NULL), NACRE_INVALID);
    assert_code(nacre_snapshot_create(NULL, &snapshot), NACRE_INVALID);
    assert_code(nacre_snapshot_create(f->store, NULL), NACRE_INVALID);
    assert_code(nacre_scan(NULL, NULL, &cursor), NACRE_INVALID);
    assert_code(nacre_scan(f->collection, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_seal(NULL), NACRE_INVALID);
    assert_code(nacre_flush(NULL), NACRE_INVALID);
    assert_code(nacre_compact(NULL, none, none), NACRE_INVALID);
    assert_code(nacre_pause_compaction(NULL, 0), NACRE_INVALID);
    assert_code(nacre_resume_compaction(NULL), NACRE_INVALID);
    assert_code(nacre_build_indexes(NULL), NACRE_INVALID);
    assert_code(nacre_set_async_index_build(NULL, true), NACRE_INVALID);
    assert_code(nacre_prune_log(NULL), NACRE_INVALID);
    assert_code(nacre_reclaim(NULL), NACRE_INVALID);
    assert_code(nacre_resume(NULL), NACRE_INVALID);
    assert_code(nacre_checkpoint(NULL, "/tmp/x"), NACRE_INVALID);
    assert_code(nacre_checkpoint(f->store, NULL), NACRE_INVALID);
    assert_code(nacre_checkpoint(f->store, ""), NACRE_INVALID);
    assert_code(nacre_verify(NULL, &report), NACRE_INVALID);
    assert_code(nacre_verify(f->store, NULL), NACRE_INVALID);
    assert_code(nacre_tune(f->store, NULL, "1"), NACRE_INVALID);
    assert_code(nacre_tune(f->store, "seal_bytes", NULL), NACRE_INVALID);
    assert_code(nacre_tune(NULL, "seal_bytes", "1"), NACRE_INVALID);
    assert_code(nacre_tuning(f->store, NULL), NACRE_INVALID);
    assert_code(nacre_stats(NULL, &json), NACRE_INVALID);
    assert_code(nacre_stats(f->store, NULL), NACRE_INVALID);
    assert_code(nacre_metrics(f->store, NULL), NACRE_INVALID);
    assert_code(nacre_dump(NULL, "x", NULL, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_salvage(NULL, NULL, &json), NACRE_INVALID);
    nacre_batch_free(batch);
}

static void null_handles_are_closed_and_asked_without_harm(void **state)
{
    (void)state;
    assert_ok(nacre_close(NULL));
    nacre_collection_close(NULL);
    nacre_batch_free(NULL);
    nacre_batch_clear(NULL);
    assert_int_equal(nacre_batch_count(NULL), 0);
    assert_int_equal(nacre_batch_bytes(NULL), 0);
    nacre_value_release(NULL);
    nacre_snapshot_release(NULL);
    assert_false(nacre_cursor_valid(NULL));
    nacre_cursor_next(NULL);
    nacre_cursor_prev(NULL);
    nacre_cursor_seek(NULL, text("k"));
    nacre_cursor_first(NULL);
    nacre_cursor_last(NULL);
    assert_int_equal(nacre_cursor_key(NULL).size, 0);
    assert_int_equal(nacre_cursor_value(NULL).size, 0);
    assert_code(nacre_cursor_status(NULL), NACRE_INVALID);
    nacre_cursor_close(NULL);
    nacre_free(NULL);
    assert_int_equal(nacre_store_state(NULL, NULL, 0), NACRE_STATE_FAILED);
    assert_string_equal(nacre_status_name(4711), "NACRE_?");
    assert_non_null(nacre_status_text(4711));
}

static void tuning_refuses_unknown_names_and_values_out_of_range(void **state)
{
    struct fixture *f = *state;
    char path[100];
    snprintf(path, sizeof path, "%s/tuning.json", f->path);
    assert_refused(nacre_tune(f->store, "no_such_knob", "1"), NACRE_INVALID, "no_such_knob");
    assert_refused(nacre_tune(f->store, "seal_bytes", "4095"), NACRE_INVALID, "4096");
    assert_refused(nacre_tune(f->store, "seal_bytes", "-5"), NACRE_INVALID, "seal_bytes");
    assert_refused(nacre_tune(f->store, "seal_bytes", ""), NACRE_INVALID, "seal_bytes");
    assert_refused(nacre_tune(f->store, "seal_bytes", "4096x"), NACRE_INVALID, "seal_bytes");
    assert_refused(nacre_tune(f->store, "seal_bytes", "99999999999999999999999"), NACRE_INVALID, "seal_bytes");
    assert_refused(nacre_tune(f->store, "level_ratio", "65"), NACRE_INVALID, "64");
    assert_false(path_exists(path));
    assert_ok(nacre_tune(f->store, "seal_bytes", "4096"));
    assert_true(path_exists(path));
    assert_ok(nacre_tune(f->store, "seal_bytes", "default"));
}

static void resuming_compaction_more_often_than_pausing_is_invalid(void **state)
{
    struct fixture *f = *state;
    assert_refused(nacre_resume_compaction(f->store), NACRE_INVALID, "pause");
    assert_ok(nacre_pause_compaction(f->store, 1000));
    assert_ok(nacre_pause_compaction(f->store, 1000));
    assert_ok(nacre_resume_compaction(f->store));
    assert_ok(nacre_resume_compaction(f->store));
    assert_refused(nacre_resume_compaction(f->store), NACRE_INVALID, "pause");
    assert_ok(nacre_pause_compaction(f->store, 1000)); /* the count did not go below zero */
    assert_ok(nacre_resume_compaction(f->store));
}

static void close_counts_what_is_still_open_of_each_kind(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *snapshot;
    nacre_cursor *cursor;
    nacre_value value;
    char *big = calloc(1, 1 << 20);
    assert_ok(nacre_put(f->collection, text("big"), (nacre_slice){ big, 1 << 20 }, NULL));
    free(big);
    assert_refused(nacre_close(f->store), NACRE_HANDLES_OPEN, "1 collection");
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    assert_ok(nacre_get(f->collection, text("big"), NULL, &value));
    nacre_collection_close(f->collection);
    f->collection = NULL;
    assert_refused(nacre_close(f->store), NACRE_HANDLES_OPEN, "1 snapshots");
    nacre_snapshot_release(snapshot);
    assert_refused(nacre_close(f->store), NACRE_HANDLES_OPEN, "1 cursors");
    nacre_cursor_close(cursor);
    assert_refused(nacre_close(f->store), NACRE_HANDLES_OPEN, "1 values");
    nacre_value_release(&value);
    nacre_value_release(&value); /* again: a no-op */
    assert_ok(nacre_close(f->store));
    fixture_open(f);
    assert_ok(nacre_get(f->collection, text("big"), NULL, &value));
    nacre_value_release(&value);
}

static int use_in_child(struct fixture *f)
{
    nacre_value value;
    nacre_cursor *cursor;
    nacre_snapshot *snapshot;
    nacre_store *again;
    char *json;
    int wrong = 0;
    wrong += nacre_put(f->collection, text("child"), text("v"), NULL) != NACRE_INVALID;
    wrong += strstr(nacre_last_error(), "fork") == NULL;
    wrong += nacre_get(f->collection, text("k"), NULL, &value) != NACRE_INVALID;
    wrong += nacre_scan(f->collection, NULL, &cursor) != NACRE_INVALID;
    wrong += nacre_snapshot_create(f->store, &snapshot) != NACRE_INVALID;
    wrong += nacre_flush(f->collection) != NACRE_INVALID;
    wrong += nacre_sync(f->store) != NACRE_INVALID;
    wrong += nacre_stats(f->store, &json) != NACRE_INVALID;
    wrong += nacre_checkpoint(f->store, "/tmp/never") != NACRE_INVALID;
    wrong += nacre_close(f->store) != NACRE_INVALID;
    wrong += nacre_open(f->path, NULL, &again) != NACRE_LOCKED; /* the parent has it */
    return wrong;
}

static void a_forked_child_is_refused_and_the_parent_goes_on(void **state)
{
    struct fixture *f = *state;
    put(f, "k", "v");
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(use_in_child(f));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    put(f, "k2", "v");
    assert_ok(nacre_flush(f->collection));
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "k=v k2=v");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(empty_keys_are_invalid_everywhere),
        TEST(keys_of_65535_bytes_work_and_of_65536_are_over_the_limit),
        TEST(values_over_the_limit_are_refused_before_a_byte_is_read),
        TEST(ranges_that_end_before_they_begin_are_invalid),
        TEST(wrong_names_of_collections_are_refused),
        TEST(unknown_and_existing_collections_are_told_apart),
        TEST(kinds_and_options_that_this_version_lacks_are_unsupported),
        TEST(things_of_another_store_are_invalid),
        TEST(options_of_a_wrong_size_or_with_unknown_settings_are_refused),
        TEST(wrong_options_of_open_leave_no_directory_behind),
        TEST(null_is_refused_where_something_is_needed),
        TEST(null_handles_are_closed_and_asked_without_harm),
        TEST(tuning_refuses_unknown_names_and_values_out_of_range),
        TEST(resuming_compaction_more_often_than_pausing_is_invalid),
        TEST(close_counts_what_is_still_open_of_each_kind),
        TEST(a_forked_child_is_refused_and_the_parent_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
