/* Places and files that cannot be opened as they are: not a store, a newer format, locked, read-only, lost in part. Each is refused with
   a code and a detail that names what is wrong, and not a byte changes. */
#include "base/endian.h"
#include "base/hash.h"
#include "support/directory.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void refuse_open(const char *path, const nacre_options *options, int code, const char *word)
{
    nacre_store *store = (nacre_store *)1;
    assert_code(nacre_open(path, options, &store), code);
    assert_null(store);
    if (!strstr(nacre_last_error(), word)) {
        fprintf(stderr, "the detail \"%s\" does not say \"%s\"\n", nacre_last_error(), word);
        fail();
    }
}

static const char *in(const struct fixture *f, const char *name)
{
    static char path[4][300];
    static unsigned next;
    snprintf(path[next % 4], sizeof path[0], "%s/%s", f->path, name);
    return path[next++ % 4];
}

/* Outside of the store's directory, and nobody else's. */
static const char *beside(const struct fixture *f, const char *name)
{
    static char path[4][300];
    static unsigned next;
    snprintf(path[next % 4], sizeof path[0], "%s-%s", f->path, name);
    return path[next++ % 4];
}

/* A closed store with segments, a log and a setting. */
static void fill_and_close(struct fixture *f)
{
    char key[20];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%04d", i);
        put(f, key, "value");
        if (i == 300) {
            assert_ok(nacre_flush(f->collection));
        }
    }
    assert_ok(nacre_tune(f->store, "level0_runs", "7"));
    fixture_close(f);
}

static void a_directory_with_other_things_is_not_made_a_store(void **state)
{
    struct fixture *f = *state;
    const char *path = in(f, "photos");
    assert_int_equal(mkdir(path, 0755), 0);
    file_write_all(in(f, "photos/one.jpg"), "jpg", 3);
    uint64_t before = directory_hash(path);
    refuse_open(path, NULL, NACRE_INVALID, "one.jpg");
    nacre_options read_only = NACRE_OPTIONS_INIT;
    read_only.read_only = true;
    refuse_open(path, &read_only, NACRE_INVALID, "not a store");
    assert_int_equal(directory_hash(path), before);
    assert_int_equal(unlink(in(f, "photos/one.jpg")), 0);
    file_write_all(in(f, "photos/mine.tmp"), "x", 1);
    before = directory_hash(path);
    refuse_open(path, NULL, NACRE_INVALID, "mine.tmp");
    assert_int_equal(directory_hash(path), before);
}

static void a_file_in_place_of_the_directory_is_refused(void **state)
{
    struct fixture *f = *state;
    file_write_all(in(f, "file"), "text", 4);
    uint8_t *bytes;
    nacre_store *store;
    assert_true(nacre_open(in(f, "file"), NULL, &store) != NACRE_OK);
    assert_null(store);
    assert_non_null(strstr(nacre_last_error(), "file"));
    assert_int_equal(file_read_all(in(f, "file"), &bytes), 4);
    assert_memory_equal(bytes, "text", 4);
    free(bytes);
}

static void a_store_that_must_or_must_not_exist_is_said_so(void **state)
{
    struct fixture *f = *state;
    nacre_options o = NACRE_OPTIONS_INIT;
    o.error_if_missing = true;
    refuse_open(in(f, "nowhere"), &o, NACRE_NOT_FOUND, "nowhere");
    o = (nacre_options)NACRE_OPTIONS_INIT;
    o.read_only = true;
    refuse_open(in(f, "nowhere"), &o, NACRE_NOT_FOUND, "nowhere");
    assert_false(path_exists(in(f, "nowhere")));
    refuse_open(in(f, "no/parent"), NULL, NACRE_NOT_FOUND, "no/parent");
    o = (nacre_options)NACRE_OPTIONS_INIT;
    o.error_if_exists = true;
    fill_and_close(f);
    uint64_t before = directory_hash(f->path);
    refuse_open(f->path, &o, NACRE_EXISTS, f->path);
    assert_int_equal(directory_hash(f->path), before);
}

static void a_store_that_lost_its_CURRENT_is_not_taken_for_an_empty_place(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f);
    assert_int_equal(rename(in(f, "CURRENT"), beside(f, "current")), 0);
    uint64_t before = directory_hash(f->path);
    refuse_open(f->path, NULL, NACRE_CORRUPT, "CURRENT is missing");
    nacre_options o = NACRE_OPTIONS_INIT;
    o.read_only = true;
    refuse_open(f->path, &o, NACRE_CORRUPT, "CURRENT is missing");
    assert_int_equal(directory_hash(f->path), before);
    assert_int_equal(rename(beside(f, "current"), in(f, "CURRENT")), 0);
    fixture_open(f);
    assert_string_equal(get(f, "key0499"), "value");
}

static void a_store_lost_in_part_names_the_file_that_is_missing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *directory, *ending;
    } lost[] = { { "segments", ".seg" }, { "manifest", "" } };
    fill_and_close(f);
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        char path[300];
        const char *aside = beside(f, "aside");
        directory_last(in(f, lost[i].directory), lost[i].ending, path, sizeof path);
        assert_int_equal(rename(path, aside), 0);
        refuse_open(f->path, NULL, NACRE_CORRUPT, strrchr(path, '/') + 1);
        assert_int_equal(rename(aside, path), 0);
    }
    fixture_open(f);
    assert_string_equal(get(f, "key0000"), "value");
    assert_string_equal(get(f, "key0499"), "value");
}

static void a_closed_store_without_its_log_is_corrupt(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f);
    assert_int_equal(rename(in(f, "log"), beside(f, "log")), 0);
    assert_int_equal(mkdir(in(f, "log"), 0700), 0);
    refuse_open(f->path, NULL, NACRE_CORRUPT, "log");
    directory_remove(in(f, "log"));
    assert_int_equal(rename(beside(f, "log"), in(f, "log")), 0);
    fixture_open(f);
    assert_string_equal(get(f, "key0499"), "value");
}

/* ---- newer formats ---- */

static void a_newer_format_in_CURRENT_is_unsupported(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes;
    fill_and_close(f);
    size_t size = file_read_all(in(f, "CURRENT"), &bytes);
    const size_t check_line = 6 + 16 + 1;
    assert_true(size > check_line + 16 && bytes[15] == '1');
    bytes[15] = '2';
    char check[32];
    snprintf(check, sizeof check, "%016llx", (unsigned long long)hash_bytes(bytes, size - check_line));
    memcpy(bytes + size - 17, check, 16);
    file_write_all(in(f, "CURRENT"), bytes, size);
    free(bytes);
    uint64_t before = directory_hash(f->path);
    refuse_open(f->path, NULL, NACRE_UNSUPPORTED, "nacre manifest 2");
    char *report;
    assert_code(nacre_salvage(f->path, NULL, &report), NACRE_UNSUPPORTED);
    assert_int_equal(directory_hash(f->path), before);
}

/* Sets the format number of a file whose header has it at 8 and its own XXH3 at `check`. */
static void set_format(const char *path, uint32_t format, size_t check)
{
    uint8_t *bytes;
    size_t size = file_read_all(path, &bytes);
    assert_true(size > check + 8);
    store_u32(bytes + 8, format);
    store_u64(bytes + check, hash_bytes(bytes, check));
    file_write_all(path, bytes, size);
    free(bytes);
}

static void a_newer_format_of_the_manifest_is_unsupported(void **state)
{
    struct fixture *f = *state;
    char path[300];
    fill_and_close(f);
    directory_last(in(f, "manifest"), "", path, sizeof path);
    set_format(path, 2, 32);
    uint64_t before = directory_hash(f->path);
    refuse_open(f->path, NULL, NACRE_UNSUPPORTED, path);
    char *report;
    assert_code(nacre_salvage(f->path, NULL, &report), NACRE_UNSUPPORTED);
    assert_int_equal(directory_hash(f->path), before);
}

static void a_newer_format_of_a_segment_is_unsupported(void **state)
{
    struct fixture *f = *state;
    char path[300];
    fill_and_close(f);
    directory_last(in(f, "segments"), ".seg", path, sizeof path);
    set_format(path, 2, 56);
    refuse_open(f->path, NULL, NACRE_UNSUPPORTED, path);
    set_format(path, 1, 56);
    fixture_open(f);
    assert_string_equal(get(f, "key0007"), "value");
}

static void a_newer_format_of_a_side_file_makes_answers_slower_and_not_wrong(void **state)
{
    struct fixture *f = *state;
    char path[300];
    fill_and_close(f);
    directory_last(in(f, "segments"), ".idx", path, sizeof path);
    assert_string_not_equal(path, "");
    set_format(path, 2, 56);
    fixture_open(f);
    assert_string_equal(get(f, "key0007"), "value");
    assert_string_equal(get(f, "key0007x"), "<none>");
}

static void a_newer_format_of_the_log_is_unsupported_and_not_cut(void **state)
{
    struct fixture *f = *state;
    char path[300];
    fill_and_close(f);
    directory_last(in(f, "log"), ".log", path, sizeof path);
    /* Whichever file has the records: all are of the newer format. */
    for (unsigned number = 1; number < 20; number++) {
        snprintf(path, sizeof path, "%s/%08x.log", in(f, "log"), number);
        if (path_exists(path)) {
            set_format(path, 2, 56);
        }
    }
    uint64_t before = directory_hash(in(f, "log"));
    refuse_open(f->path, NULL, NACRE_UNSUPPORTED, ".log");
    nacre_options o = NACRE_OPTIONS_INIT;
    o.salvage = true;
    refuse_open(f->path, &o, NACRE_UNSUPPORTED, ".log");
    assert_int_equal(directory_hash(in(f, "log")), before);
}

static void a_damaged_tuning_file_is_named(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f);
    static const char *const bad[] = { "",
                                       "{",
                                       "[1]",
                                       "{\"level0_runs\": \"six\"}",
                                       "{\"no_such\": 1}",
                                       "{\"level0_runs\": 100000}",
                                       "{\"level0_runs\": -1}",
                                       "{\"level0_runs\": 2, \"level0_runs\": 3}" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        file_write_all(in(f, "tuning.json"), bad[i], strlen(bad[i]));
        uint64_t before = directory_hash(in(f, "log"));
        refuse_open(f->path, NULL, NACRE_CORRUPT, "tuning.json");
        assert_int_equal(directory_hash(in(f, "log")), before);
    }
    assert_int_equal(unlink(in(f, "tuning.json")), 0);
    fixture_open(f);
    assert_string_equal(get(f, "key0007"), "value");
}

/* ---- locks ---- */

static void a_store_open_here_is_locked_for_a_second_writer(void **state)
{
    struct fixture *f = *state;
    char pid[40];
    put(f, "k", "v");
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    refuse_open(f->path, NULL, NACRE_LOCKED, pid);
    put(f, "k2", "v");
    fixture_reopen(f); /* the refusal did not let the lock go */
    refuse_open(f->path, NULL, NACRE_LOCKED, pid);
    assert_string_equal(scan(f, NULL), "k=v k2=v");
    char *report;
    assert_code(nacre_salvage(f->path, NULL, &report), NACRE_LOCKED);
}

static void a_store_open_in_another_process_is_locked_until_it_dies(void **state)
{
    struct fixture *f = *state;
    int ready[2];
    char byte, pid[40];
    put(f, "k", "v");
    fixture_close(f);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        nacre_store *store;
        byte = nacre_open(f->path, NULL, &store) == NACRE_OK;
        ssize_t written = write(ready[1], &byte, 1);
        (void)written;
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    snprintf(pid, sizeof pid, "pid %d", (int)child);
    refuse_open(f->path, NULL, NACRE_LOCKED, pid);
    nacre_options o = NACRE_OPTIONS_INIT;
    nacre_store *reader;
    o.read_only = true;
    assert_ok(nacre_open(f->path, &o, &reader));
    assert_ok(nacre_close(reader));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    fixture_open(f);
    assert_string_equal(get(f, "k"), "v");
}

static void what_stands_in_the_LOCK_file_does_not_matter(void **state)
{
    struct fixture *f = *state;
    char long_text[3000];
    memset(long_text, '%', sizeof long_text);
    put(f, "k", "v");
    for (size_t size = 0; size <= sizeof long_text; size += 1000) {
        fixture_close(f);
        file_write_all(in(f, "LOCK"), long_text, size);
        fixture_open(f);
        assert_string_equal(get(f, "k"), "v");
    }
    file_write_all(in(f, "LOCK"), long_text, sizeof long_text);
    refuse_open(f->path, NULL, NACRE_LOCKED, f->path); /* the text is help, not the lock */
    fixture_close(f);
    assert_int_equal(unlink(in(f, "LOCK")), 0);
    fixture_open(f);
}

/* ---- read-only ---- */

static void a_read_only_open_changes_not_a_byte(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f);
    f->options.read_only = true;
    for (int torn = 0; torn < 2; torn++) {
        uint64_t before = directory_hash(f->path);
        fixture_open(f);
        assert_string_equal(get(f, "key0499"), "value");
        nacre_cursor *cursor;
        size_t count = 0;
        assert_ok(nacre_scan(f->collection, NULL, &cursor));
        for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
            count++;
        }
        nacre_cursor_close(cursor);
        assert_int_equal(count, 500);
        nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
        assert_ok(nacre_verify(f->store, &report));
        nacre_free(report.damage);
        char *json;
        assert_ok(nacre_stats(f->store, &json));
        nacre_free(json);
        fixture_close(f);
        assert_int_equal(directory_hash(f->path), before);
        /* And once more as a crash leaves it: opened for writing, written to and killed. */
        if (torn == 0) {
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                nacre_store *store;
                f->options.read_only = false;
                _exit(nacre_open(f->path, &f->options, &store) == NACRE_OK ? 0 : 1);
            }
            int status;
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_int_equal(WEXITSTATUS(status), 0);
        }
    }
}

static void writes_on_a_store_opened_read_only_are_refused(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f);
    f->options.read_only = true;
    uint64_t before = directory_hash(f->path);
    fixture_open(f);
    nacre_collection *c;
    nacre_batch *batch;
    char reason[100];
    assert_int_equal(nacre_store_state(f->store, reason, sizeof reason), NACRE_STATE_READ_ONLY);
    assert_non_null(strstr(reason, "read-only"));
    assert_code(nacre_put(f->collection, text("k"), text("v"), NULL), NACRE_READ_ONLY);
    assert_non_null(strstr(nacre_last_error(), "read-only"));
    assert_code(nacre_delete(f->collection, text("k"), NULL), NACRE_READ_ONLY);
    assert_code(nacre_delete_range(f->collection, text("a"), text("b"), NULL), NACRE_READ_ONLY);
    assert_code(nacre_delete_prefix(f->collection, text("a"), NULL), NACRE_READ_ONLY);
    assert_code(nacre_collection_clear(f->collection), NACRE_READ_ONLY);
    assert_code(nacre_collection_create(f->store, "new", NULL, &c), NACRE_READ_ONLY);
    assert_code(nacre_collection_drop(f->store, "test"), NACRE_READ_ONLY);
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put(batch, f->collection, text("k"), text("v")));
    assert_code(nacre_write(f->store, batch, NULL), NACRE_READ_ONLY);
    nacre_batch_free(batch);
    assert_code(nacre_sync(f->store), NACRE_READ_ONLY);
    assert_code(nacre_seal(f->collection), NACRE_READ_ONLY);
    assert_code(nacre_flush(f->collection), NACRE_READ_ONLY);
    assert_code(nacre_compact(f->collection, text(""), text("")), NACRE_READ_ONLY);
    assert_code(nacre_pause_compaction(f->store, 10), NACRE_READ_ONLY);
    assert_code(nacre_resume_compaction(f->store), NACRE_READ_ONLY);
    assert_code(nacre_build_indexes(f->collection), NACRE_READ_ONLY);
    assert_code(nacre_set_async_index_build(f->store, true), NACRE_READ_ONLY);
    assert_code(nacre_tune(f->store, "level_ratio", "4"), NACRE_READ_ONLY);
    assert_code(nacre_prune_log(f->store), NACRE_READ_ONLY);
    assert_code(nacre_resume(f->store), NACRE_READ_ONLY);
    assert_ok(nacre_reclaim(f->store));
    assert_string_equal(get(f, "key0001"), "value");
    fixture_close(f);
    assert_int_equal(directory_hash(f->path), before);
}

/* The files may be read and nothing else: the mode bits of a directory do not bind root, who runs many a test; the file layer does. */
static void a_directory_that_takes_no_writes_is_an_io_error_and_reads_work(void **state)
{
    (void)state;
    nacre_os *os = os_memory_create();
    nacre_options o = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *c;
    o.os = os;
    static const char *const writes[] = { "make_directory", "rename", "allocate", "write", "truncate", "lock", "link" };
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        os_memory_fail_matching(os, writes[i], "", OS_FAULT_IO, 1000);
    }
    assert_code(nacre_open("/store", &o, &store), NACRE_IO);
    assert_null(store);
    os_memory_heal(os);
    assert_ok(nacre_open("/store", &o, &store));
    assert_ok(nacre_collection_create(store, "test", NULL, &c));
    assert_ok(nacre_put(c, text("k"), text("v"), NULL));
    nacre_collection_close(c);
    assert_ok(nacre_close(store));
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        os_memory_fail_matching(os, writes[i], "", OS_FAULT_IO, 1000);
    }
    assert_code(nacre_open("/store", &o, &store), NACRE_IO);
    o.read_only = true;
    assert_ok(nacre_open("/store", &o, &store));
    assert_ok(nacre_collection_open(store, "test", &c));
    nacre_value value;
    assert_ok(nacre_get(c, text("k"), NULL, &value));
    nacre_value_release(&value);
    nacre_collection_close(c);
    assert_ok(nacre_close(store));
    os_memory_free(os);
}

static void a_checkpoint_over_something_that_exists_is_refused(void **state)
{
    struct fixture *f = *state;
    put(f, "k", "v");
    char taken[300], mine[320];
    snprintf(taken, sizeof taken, "%s", beside(f, "taken"));
    snprintf(mine, sizeof mine, "%s/mine", taken);
    assert_int_equal(mkdir(taken, 0700), 0);
    file_write_all(mine, "x", 1);
    uint64_t before = directory_hash(taken);
    assert_code(nacre_checkpoint(f->store, taken), NACRE_EXISTS);
    assert_non_null(strstr(nacre_last_error(), taken));
    assert_int_equal(directory_hash(taken), before);
    directory_remove(taken);
    assert_true(nacre_checkpoint(f->store, beside(f, "no/such/parent")) != NACRE_OK);
    assert_string_equal(get(f, "k"), "v");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_directory_with_other_things_is_not_made_a_store),
        TEST(a_file_in_place_of_the_directory_is_refused),
        TEST(a_store_that_must_or_must_not_exist_is_said_so),
        TEST(a_store_that_lost_its_CURRENT_is_not_taken_for_an_empty_place),
        TEST(a_store_lost_in_part_names_the_file_that_is_missing),
        TEST(a_closed_store_without_its_log_is_corrupt),
        TEST(a_newer_format_in_CURRENT_is_unsupported),
        TEST(a_newer_format_of_the_manifest_is_unsupported),
        TEST(a_newer_format_of_a_segment_is_unsupported),
        TEST(a_newer_format_of_a_side_file_makes_answers_slower_and_not_wrong),
        TEST(a_newer_format_of_the_log_is_unsupported_and_not_cut),
        TEST(a_damaged_tuning_file_is_named),
        TEST(a_store_open_here_is_locked_for_a_second_writer),
        TEST(a_store_open_in_another_process_is_locked_until_it_dies),
        TEST(what_stands_in_the_LOCK_file_does_not_matter),
        TEST(a_read_only_open_changes_not_a_byte),
        TEST(writes_on_a_store_opened_read_only_are_refused),
        TEST(a_directory_that_takes_no_writes_is_an_io_error_and_reads_work),
        TEST(a_checkpoint_over_something_that_exists_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
