/* Openings for reading beside a writer: what a refresh shows, what stays as it was, and which files the writer keeps for them. */
#include "support/directory.h"
#include "support/store_fixture.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

struct reader {
    nacre_store *store;
    nacre_collection *collection;
};

static struct reader open_reader(const struct fixture *f)
{
    struct reader r;
    nacre_options options = f->options;
    options.read_only = true;
    assert_ok(nacre_open(f->path, &options, &r.store));
    assert_ok(nacre_collection_open(r.store, "test", &r.collection));
    return r;
}

static void close_reader(struct reader *r)
{
    nacre_collection_close(r->collection);
    assert_ok(nacre_close(r->store));
}

/* "<none>" when it is not there. */
static const char *read_key(nacre_collection *collection, const char *key, nacre_snapshot *snapshot)
{
    static char text_of[4][64];
    static unsigned next;
    char *out = text_of[next++ % 4];
    nacre_value value;
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    options.snapshot = snapshot;
    int status = nacre_get(collection, text(key), &options, &value);
    if (status == NACRE_NOT_FOUND) {
        return "<none>";
    }
    assert_ok(status);
    snprintf(out, sizeof text_of[0], "%.*s", (int)value.slice.size, (const char *)value.slice.data);
    nacre_value_release(&value);
    return out;
}

static unsigned count_keys(nacre_collection *collection, nacre_snapshot *snapshot)
{
    nacre_cursor *cursor;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    unsigned count = 0;
    options.snapshot = snapshot;
    assert_ok(nacre_scan(collection, &options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        count++;
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    return count;
}

static unsigned count_files(const struct fixture *f, const char *directory, const char *ending)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->path, directory);
    DIR *d = opendir(path);
    unsigned count = 0;
    assert_non_null(d);
    for (struct dirent *item; (item = readdir(d)) != NULL;) {
        size_t size = strlen(item->d_name);
        count += size > strlen(ending) && strcmp(item->d_name + size - strlen(ending), ending) == 0;
    }
    closedir(d);
    return count;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* Within a second, as the header promises it. */
static unsigned wait_for_segments(const struct fixture *f, unsigned most)
{
    for (int i = 0; i < 200 && count_files(f, "segments", ".seg") > most; i++) {
        sleep_ms(10);
    }
    return count_files(f, "segments", ".seg");
}

static void put_many(struct fixture *f, unsigned first, unsigned count, const char *value)
{
    for (unsigned i = first; i < first + count; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%06u", i);
        put(f, key, value);
    }
}

/* ---- what is seen ---- */

static void a_refresh_shows_what_was_put_since_and_nothing_before_it(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    struct reader r = open_reader(f);
    assert_string_equal(read_key(r.collection, "a", NULL), "1");
    put(f, "a", "2");
    put(f, "b", "3");
    assert_string_equal(read_key(r.collection, "a", NULL), "1");
    assert_string_equal(read_key(r.collection, "b", NULL), "<none>");
    assert_ok(nacre_refresh(r.store));
    assert_string_equal(read_key(r.collection, "a", NULL), "2");
    assert_string_equal(read_key(r.collection, "b", NULL), "3");
    delete_key(f, "a");
    assert_ok(nacre_refresh(r.store));
    assert_ok(nacre_refresh(r.store));
    assert_string_equal(read_key(r.collection, "a", NULL), "<none>");
    close_reader(&r);
}

static void a_refresh_of_a_store_open_for_writing_does_nothing(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_refresh(f->store));
    assert_code(nacre_refresh(NULL), NACRE_INVALID);
}

static void flushes_and_merges_of_the_writer_change_no_answer(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 100, "old");
    struct reader r = open_reader(f);
    for (unsigned round = 0; round < 6; round++) {
        char value[16];
        snprintf(value, sizeof value, "round%u", round);
        put_many(f, round * 50, 100, value);
        assert_ok(nacre_flush(f->collection));
        put(f, "after", value);
        delete_key(f, "key000001");
        assert_ok(nacre_refresh(r.store));
        assert_int_equal(count_keys(r.collection, NULL), count_keys(f->collection, NULL));
        assert_string_equal(read_key(r.collection, "after", NULL), value);
        assert_string_equal(read_key(r.collection, "key000001", NULL), "<none>");
    }
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_ok(nacre_refresh(r.store));
    assert_int_equal(count_keys(r.collection, NULL), count_keys(f->collection, NULL));
    assert_string_equal(read_key(r.collection, "key000299", NULL), "round5");
    close_reader(&r);
}

static void a_memtable_of_which_a_part_was_flushed_keeps_the_rest(void **state)
{
    struct fixture *f = *state;
    struct reader r = open_reader(f);
    put(f, "flushed", "1");
    assert_ok(nacre_seal(f->collection));
    put(f, "kept", "2");
    put(f, "flushed", "3");
    assert_ok(nacre_refresh(r.store));
    assert_ok(nacre_flush(f->collection));
    put(f, "later", "4");
    assert_ok(nacre_refresh(r.store));
    assert_string_equal(read_key(r.collection, "flushed", NULL), "3");
    assert_string_equal(read_key(r.collection, "kept", NULL), "2");
    assert_string_equal(read_key(r.collection, "later", NULL), "4");
    close_reader(&r);
}

static void writes_of_level_memory_come_with_their_flush(void **state)
{
    struct fixture *f = *state;
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.durability = NACRE_MEMORY;
    put(f, "k", "logged");
    struct reader r = open_reader(f);
    assert_ok(nacre_put(f->collection, text("k"), text("unlogged"), &options));
    assert_ok(nacre_refresh(r.store));
    assert_string_equal(read_key(r.collection, "k", NULL), "logged");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_refresh(r.store));
    assert_string_equal(read_key(r.collection, "k", NULL), "unlogged");
    close_reader(&r);
}

static void snapshots_cursors_and_values_keep_what_they_saw(void **state)
{
    struct fixture *f = *state;
    char large[5000];
    memset(large, 'x', sizeof large);
    put_many(f, 0, 200, "old");
    assert_ok(nacre_put(f->collection, text("large"), (nacre_slice){ large, sizeof large }, NULL));
    assert_ok(nacre_flush(f->collection));
    struct reader r = open_reader(f);
    nacre_snapshot *snapshot;
    nacre_cursor *cursor;
    nacre_value value;
    assert_ok(nacre_snapshot_create(r.store, &snapshot));
    assert_ok(nacre_scan(r.collection, NULL, &cursor));
    assert_ok(nacre_get(r.collection, text("large"), NULL, &value));
    put_many(f, 100, 200, "new");
    delete_key(f, "large");
    assert_ok(nacre_delete_range(f->collection, text("key000000"), text("key000050"), NULL));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_ok(nacre_reclaim(f->store));
    assert_ok(nacre_refresh(r.store));
    assert_int_equal(count_keys(r.collection, NULL), 250);
    assert_int_equal(count_keys(r.collection, snapshot), 201);
    assert_string_equal(read_key(r.collection, "key000010", snapshot), "old");
    assert_string_equal(read_key(r.collection, "key000150", snapshot), "old");
    assert_string_equal(read_key(r.collection, "key000150", NULL), "new");
    unsigned seen = 0;
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        seen++;
    }
    assert_ok(nacre_cursor_status(cursor));
    assert_int_equal(seen, 201);
    assert_memory_equal(value.slice.data, large, sizeof large);
    nacre_value_release(&value);
    nacre_cursor_close(cursor);
    nacre_snapshot_release(snapshot);
    close_reader(&r);
}

static void learned_gaps_do_not_hide_what_comes_later(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 1000, "old");
    assert_ok(nacre_flush(f->collection));
    for (unsigned i = 0; i < 900; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%06u", i);
        delete_key(f, key);
    }
    struct reader r = open_reader(f);
    assert_int_equal(count_keys(r.collection, NULL), 100);
    assert_int_equal(count_keys(r.collection, NULL), 100);
    put(f, "key000500", "back");
    assert_ok(nacre_refresh(r.store));
    assert_int_equal(count_keys(r.collection, NULL), 101);
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.durability = NACRE_MEMORY;
    assert_ok(nacre_put(f->collection, text("key000501"), text("back"), &options));
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_refresh(r.store));
    assert_int_equal(count_keys(r.collection, NULL), 102);
    close_reader(&r);
}

static void collections_come_and_go_with_a_refresh(void **state)
{
    struct fixture *f = *state;
    struct reader r = open_reader(f);
    nacre_collection *made, *seen;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_STRINGS;
    assert_ok(nacre_collection_create(f->store, "later", &options, &made));
    assert_ok(nacre_put(made, text("k"), text("v"), NULL));
    assert_code(nacre_collection_open(r.store, "later", &seen), NACRE_NOT_FOUND);
    assert_ok(nacre_refresh(r.store));
    assert_ok(nacre_collection_open(r.store, "later", &seen));
    assert_string_equal(read_key(seen, "k", NULL), "v");
    nacre_collection_close(made);
    assert_ok(nacre_collection_drop(f->store, "later"));
    assert_string_equal(read_key(seen, "k", NULL), "v");
    assert_ok(nacre_refresh(r.store));
    nacre_value value;
    assert_code(nacre_get(seen, text("k"), NULL, &value), NACRE_NOT_FOUND);
    assert_non_null(strstr(nacre_last_error(), "dropped"));
    nacre_collection_close(seen);
    assert_ok(nacre_collection_create(f->store, "later", NULL, &made));
    assert_ok(nacre_put(made, text("k"), text("again"), NULL));
    nacre_collection_close(made);
    assert_ok(nacre_refresh(r.store));
    assert_ok(nacre_collection_open(r.store, "later", &seen));
    assert_string_equal(read_key(seen, "k", NULL), "again");
    nacre_collection_close(seen);
    close_reader(&r);
}

static void a_reader_that_fell_behind_the_log_goes_on_from_segments(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    f->options.log_limit = 4 << 20;
    fixture_open(f);
    assert_ok(nacre_tune(f->store, "seal_bytes", "262144"));
    struct reader r = open_reader(f);
    char value[1000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (unsigned round = 0; round < 4; round++) {
        put_many(f, round * 5000, 10000, value);
        assert_ok(nacre_refresh(r.store));
        assert_int_equal(count_keys(r.collection, NULL), count_keys(f->collection, NULL));
    }
    close_reader(&r);
}

/* ---- writers that come and go ---- */

static void a_reader_follows_from_one_writer_to_the_next(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "1");
    struct reader r = open_reader(f);
    for (unsigned round = 0; round < 3; round++) {
        char value[16];
        snprintf(value, sizeof value, "%u", round);
        put(f, "a", value);
        fixture_close(f);
        assert_ok(nacre_refresh(r.store));
        assert_string_equal(read_key(r.collection, "a", NULL), value);
        fixture_open(f);
        assert_ok(nacre_refresh(r.store));
        put(f, "b", value);
        if (round == 1) {
            assert_ok(nacre_flush(f->collection));
        }
        assert_ok(nacre_refresh(r.store));
        assert_string_equal(read_key(r.collection, "b", NULL), value);
    }
    close_reader(&r);
}

static void a_store_whose_writer_is_gone_is_read_as_it_was_left(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 10, "v");
    fixture_close(f);
    struct reader r = open_reader(f), second = open_reader(f);
    assert_ok(nacre_refresh(r.store));
    assert_int_equal(count_keys(r.collection, NULL), 10);
    assert_int_equal(count_keys(second.collection, NULL), 10);
    close_reader(&r);
    close_reader(&second);
    fixture_open(f);
}

/* ---- what the writer keeps ---- */

static void files_that_a_reader_uses_stay_until_it_refreshes(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 100, "1");
    assert_ok(nacre_flush(f->collection));
    put_many(f, 0, 100, "2");
    assert_ok(nacre_flush(f->collection));
    struct reader r = open_reader(f);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_ok(nacre_reclaim(f->store));
    assert_int_equal(count_files(f, "segments", ".seg"), 3);
    assert_int_equal(stat_of(f->store, "pinned_segments"), 2);
    sleep_ms(50);
    assert_in_range(stat_of(f->store, "pinned_age_ms"), 30, 60000);
    assert_int_equal(count_keys(r.collection, NULL), 100);
    assert_ok(nacre_refresh(r.store));
    assert_int_equal(wait_for_segments(f, 1), 1);
    wait_for_stat(f->store, "pinned_segments", 0);
    assert_int_equal(stat_of(f->store, "pinned_age_ms"), 0);
    assert_int_equal(count_keys(r.collection, NULL), 100);
    close_reader(&r);
}

static void files_that_a_cursor_of_a_reader_uses_stay_until_it_is_closed(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 100, "1");
    assert_ok(nacre_flush(f->collection));
    put_many(f, 0, 100, "2");
    assert_ok(nacre_flush(f->collection));
    struct reader r = open_reader(f);
    nacre_cursor *cursor;
    assert_ok(nacre_scan(r.collection, NULL, &cursor));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_ok(nacre_refresh(r.store));
    assert_ok(nacre_reclaim(f->store));
    assert_int_equal(count_files(f, "segments", ".seg"), 3);
    nacre_cursor_close(cursor);
    assert_int_equal(wait_for_segments(f, 1), 1);
    close_reader(&r);
}

static void a_writer_that_opens_beside_a_reader_keeps_its_files(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 100, "1");
    assert_ok(nacre_flush(f->collection));
    put_many(f, 0, 100, "2");
    assert_ok(nacre_flush(f->collection));
    struct reader r = open_reader(f);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    fixture_close(f);
    assert_int_equal(count_files(f, "segments", ".seg"), 3);
    fixture_open(f);
    assert_int_equal(count_files(f, "segments", ".seg"), 3);
    close_reader(&r);
    assert_int_equal(wait_for_segments(f, 1), 1);
}

/* Larger than what collections keep in segments. */
static void put_large(struct fixture *f, unsigned first, unsigned count, char fill)
{
    static char value[20000];
    memset(value, fill, sizeof value);
    for (unsigned i = first; i < first + count; i++) {
        char key[32];
        snprintf(key, sizeof key, "large%04u", i);
        assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ value, sizeof value }, NULL));
    }
}

static void check_large(nacre_collection *collection, unsigned count, char fill)
{
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        nacre_value value;
        snprintf(key, sizeof key, "large%04u", i);
        assert_ok(nacre_get(collection, text(key), NULL, &value));
        assert_int_equal(value.slice.size, 20000);
        assert_int_equal(((const char *)value.slice.data)[0], fill);
        assert_int_equal(((const char *)value.slice.data)[19999], fill);
        nacre_value_release(&value);
    }
}

static void large_values_are_read_beside_the_writer_and_their_files_stay_as_long(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "value_file_bytes", "1048576"));
    fixture_reopen(f);
    put_large(f, 0, 100, 'a');
    assert_ok(nacre_flush(f->collection));
    struct reader r = open_reader(f);
    put_large(f, 100, 100, 'a');
    assert_ok(nacre_refresh(r.store));
    check_large(r.collection, 200, 'a');
    put_large(f, 0, 200, 'b');
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_ok(nacre_reclaim(f->store));
    check_large(r.collection, 200, 'a');
    unsigned kept = count_files(f, "values", ".val");
    assert_true(kept > 6); /* 8 MB in files of 1 MiB */
    assert_ok(nacre_refresh(r.store));
    check_large(r.collection, 200, 'b');
    for (int i = 0; i < 200 && count_files(f, "values", ".val") > kept - 2; i++) {
        sleep_ms(10);
    }
    assert_true(count_files(f, "values", ".val") <= kept - 2);
    close_reader(&r);
}

static void an_ingest_is_seen_whole_after_a_refresh(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 10, "old");
    struct reader r = open_reader(f);
    nacre_segment_writer *writer;
    assert_ok(nacre_segment_writer_create(f->collection, NULL, &writer));
    for (unsigned i = 5; i < 500; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%06u", i);
        assert_ok(nacre_segment_writer_put(writer, text(key), text("ingested")));
    }
    assert_ok(nacre_ingest(f->collection, &writer, 1));
    nacre_segment_writer_free(writer);
    assert_string_equal(read_key(r.collection, "key000007", NULL), "old");
    put(f, "key000008", "newer");
    assert_ok(nacre_refresh(r.store));
    assert_int_equal(count_keys(r.collection, NULL), 500);
    assert_string_equal(read_key(r.collection, "key000007", NULL), "ingested");
    assert_string_equal(read_key(r.collection, "key000008", NULL), "newer");
    close_reader(&r);
}

/* ---- threads ---- */

struct threads {
    struct fixture *f;
    struct reader reader;
    nacre_collection *other_written, *other_read;
    atomic_bool stop;
    atomic_uint wrong;
};

static unsigned number_of(nacre_collection *collection)
{
    nacre_value value;
    unsigned number = 0;
    if (nacre_get(collection, text("number"), NULL, &value) == NACRE_OK) {
        memcpy(&number, value.slice.data, sizeof number);
        nacre_value_release(&value);
    }
    return number;
}

static void *write_numbers(void *context)
{
    struct threads *t = context;
    nacre_batch *batch;
    char filler[2000];
    memset(filler, 'f', sizeof filler);
    assert_ok(nacre_batch_create(&batch));
    for (unsigned number = 1; !atomic_load(&t->stop); number++) {
        char key[32];
        snprintf(key, sizeof key, "filler%u", number % 300);
        nacre_batch_clear(batch);
        nacre_batch_put(batch, t->f->collection, text("number"), (nacre_slice){ &number, sizeof number });
        nacre_batch_put(batch, t->other_written, text("number"), (nacre_slice){ &number, sizeof number });
        nacre_batch_put(batch, t->f->collection, text(key), (nacre_slice){ filler, sizeof filler });
        if (nacre_write(t->f->store, batch, NULL) != NACRE_OK) {
            atomic_fetch_add(&t->wrong, 1);
        }
    }
    nacre_batch_free(batch);
    return NULL;
}

static void *refresh_often(void *context)
{
    struct threads *t = context;
    while (!atomic_load(&t->stop)) {
        int status = nacre_refresh(t->reader.store);
        if (status != NACRE_OK && status != NACRE_BUSY) {
            print_error("refresh: %s\n", nacre_last_error());
            atomic_fetch_add(&t->wrong, 1);
        }
    }
    return NULL;
}

static void *read_numbers(void *context)
{
    struct threads *t = context;
    unsigned last = 0;
    while (!atomic_load(&t->stop)) {
        unsigned one = number_of(t->reader.collection), other = number_of(t->other_read);
        bool bad = one < last || other < one;
        last = other;
        nacre_snapshot *snapshot;
        if (nacre_snapshot_create(t->reader.store, &snapshot) != NACRE_OK) {
            bad = true;
        } else {
            unsigned count = count_keys(t->reader.collection, snapshot);
            bad = bad || count > 301 || count_keys(t->reader.collection, snapshot) != count;
            nacre_snapshot_release(snapshot);
        }
        if (bad) {
            print_error("from %u on: %u, then %u in the other collection\n", last, one, other);
            atomic_fetch_add(&t->wrong, 1);
        }
    }
    return NULL;
}

static void threads_read_while_others_refresh_and_never_see_half_or_older(void **state)
{
    struct fixture *f = *state;
    struct threads t = { .f = f };
    pthread_t threads[6];
    assert_ok(nacre_tune(f->store, "seal_bytes", "131072"));
    assert_ok(nacre_tune(f->store, "level0_runs", "2"));
    assert_ok(nacre_collection_create(f->store, "other", NULL, &t.other_written));
    t.reader = open_reader(f);
    assert_ok(nacre_collection_open(t.reader.store, "other", &t.other_read));
    void *(*const work[6])(void *) = { write_numbers, refresh_often, refresh_often,
                                       read_numbers,  read_numbers,  read_numbers };
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work[i], &t), 0);
    }
    sleep_ms(2000);
    atomic_store(&t.stop, true);
    for (unsigned i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&t.wrong), 0);
    assert_ok(nacre_refresh(t.reader.store));
    assert_int_equal(number_of(t.reader.collection), number_of(f->collection));
    nacre_collection_close(t.other_read);
    nacre_collection_close(t.other_written);
    close_reader(&t.reader);
}

/* ---- what a reader leaves behind ---- */

static void the_files_of_a_live_store_are_the_same_after_a_reader(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 100, "1");
    assert_ok(nacre_flush(f->collection));
    put_many(f, 0, 100, "2");
    uint64_t before = directory_hash(f->path);
    struct reader r = open_reader(f);
    assert_int_equal(count_keys(r.collection, NULL), 100);
    assert_ok(nacre_refresh(r.store));
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_verify(r.store, &report));
    nacre_free(report.damage);
    assert_int_equal(directory_hash(f->path), before);
    close_reader(&r);
    assert_int_equal(directory_hash(f->path), before);
}

static void a_reader_without_pins_reads_all_the_same(void **state)
{
    struct fixture *f = *state;
    char path[128];
    put_many(f, 0, 100, "1");
    snprintf(path, sizeof path, "%s/READERS", f->path);
    assert_int_equal(unlink(path), 0);
    struct reader r = open_reader(f);
    for (unsigned round = 0; round < 5; round++) {
        put_many(f, 0, 100, "2");
        assert_ok(nacre_flush(f->collection));
        assert_ok(nacre_compact(f->collection, text(""), text("")));
        assert_ok(nacre_refresh(r.store));
        assert_string_equal(read_key(r.collection, "key000042", NULL), "2");
    }
    close_reader(&r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refresh_shows_what_was_put_since_and_nothing_before_it),
        TEST(a_refresh_of_a_store_open_for_writing_does_nothing),
        TEST(flushes_and_merges_of_the_writer_change_no_answer),
        TEST(a_memtable_of_which_a_part_was_flushed_keeps_the_rest),
        TEST(writes_of_level_memory_come_with_their_flush),
        TEST(snapshots_cursors_and_values_keep_what_they_saw),
        TEST(learned_gaps_do_not_hide_what_comes_later),
        TEST(collections_come_and_go_with_a_refresh),
        TEST(a_reader_that_fell_behind_the_log_goes_on_from_segments),
        TEST(a_reader_follows_from_one_writer_to_the_next),
        TEST(a_store_whose_writer_is_gone_is_read_as_it_was_left),
        TEST(files_that_a_reader_uses_stay_until_it_refreshes),
        TEST(files_that_a_cursor_of_a_reader_uses_stay_until_it_is_closed),
        TEST(a_writer_that_opens_beside_a_reader_keeps_its_files),
        TEST(large_values_are_read_beside_the_writer_and_their_files_stay_as_long),
        TEST(an_ingest_is_seen_whole_after_a_refresh),
        TEST(threads_read_while_others_refresh_and_never_see_half_or_older),
        TEST(the_files_of_a_live_store_are_the_same_after_a_reader),
        TEST(a_reader_without_pins_reads_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
