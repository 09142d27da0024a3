/* Checkpoints, backups and restored stores: what they hold, what they cost, and what damage does to them. */
#include "support/directory.h"
#include "support/model.h"
#include "support/store_fixture.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static char *beside(const struct fixture *f, const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, 200, "%s-%s", f->path, name);
    return path;
}

static int setup(void **state)
{
    int failed = fixture_setup(state);
    struct fixture *f = *state;
    directory_remove(beside(f, "backups"));
    directory_remove(beside(f, "copy"));
    return failed;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    directory_remove(beside(f, "backups"));
    directory_remove(beside(f, "copy"));
    return fixture_teardown(state);
}

static void put_many(struct fixture *f, unsigned from, unsigned to, const char *value)
{
    char key[32];
    for (unsigned i = from; i < to; i++) {
        snprintf(key, sizeof key, "key%06u", i);
        put(f, key, value);
    }
}

static uint64_t make_backup(struct fixture *f)
{
    uint64_t id = 0;
    assert_ok(nacre_backup(f->store, beside(f, "backups"), NULL, &id));
    return id;
}

static uint64_t figure(const char *json, uint64_t id, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, "{\"id\":%llu,", (unsigned long long)id);
    const char *at = strstr(json, text);
    assert_non_null(at);
    snprintf(text, sizeof text, "\"%s\":", name);
    at = strstr(at, text);
    assert_non_null(at);
    return strtoull(at + strlen(text), NULL, 10);
}

static uint64_t backup_figure(struct fixture *f, uint64_t id, const char *name)
{
    char *json;
    assert_ok(nacre_backup_list(beside(f, "backups"), NULL, &json));
    uint64_t value = figure(json, id, name);
    nacre_free(json);
    return value;
}

/* Opens the copy, gives the value of a key, and closes it. */
static const char *value_in(const char *path, const char *key)
{
    static char value[256];
    nacre_store *store;
    nacre_collection *c;
    nacre_value found;
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_open(path, &options, &store));
    assert_ok(nacre_verify(store, &report));
    assert_ok(nacre_collection_open(store, "test", &c));
    int status = nacre_get(c, text(key), NULL, &found);
    snprintf(value, sizeof value, "<none>");
    if (status == NACRE_OK) {
        snprintf(value, sizeof value, "%.*s", (int)found.slice.size, (const char *)found.slice.data);
        nacre_value_release(&found);
    }
    nacre_collection_close(c);
    assert_ok(nacre_close(store));
    return value;
}

static const char *restored(struct fixture *f, uint64_t id, const char *key)
{
    directory_remove(beside(f, "copy"));
    assert_ok(nacre_restore(beside(f, "backups"), id, beside(f, "copy"), NULL));
    return value_in(beside(f, "copy"), key);
}

static void each_backup_restores_what_the_store_was_then(void **state)
{
    struct fixture *f = *state;
    put(f, "k", "one");
    uint64_t first = make_backup(f);
    put(f, "k", "two");
    assert_ok(nacre_flush(f->collection));
    uint64_t second = make_backup(f);
    delete_key(f, "k");
    uint64_t third = make_backup(f);
    assert_true(first == 1 && second == 2 && third == 3);
    assert_string_equal(restored(f, first, "k"), "one");
    assert_string_equal(restored(f, second, "k"), "two");
    assert_string_equal(restored(f, third, "k"), "<none>");
    assert_string_equal(restored(f, 0, "k"), "<none>");
}

static void a_backup_copies_only_what_is_new(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 20000, "a value of some bytes");
    assert_ok(nacre_flush(f->collection));
    uint64_t first = make_backup(f);
    uint64_t all = backup_figure(f, first, "bytes");
    assert_true(all > 200000 && backup_figure(f, first, "copied_bytes") == all);
    uint64_t second = make_backup(f);
    assert_true(backup_figure(f, second, "bytes") >= 200000);
    assert_true(backup_figure(f, second, "copied_bytes") < 20000); /* the manifest, CURRENT */
    put_many(f, 30000, 30100, "new");
    assert_ok(nacre_flush(f->collection));
    uint64_t third = make_backup(f);
    assert_true(backup_figure(f, third, "copied_bytes") < 60000);
    assert_string_equal(restored(f, third, "key030099"), "new");
    assert_string_equal(restored(f, first, "key030099"), "<none>");
}

static void removing_a_backup_frees_what_no_other_one_needs(void **state)
{
    struct fixture *f = *state;
    const nacre_slice none = { NULL, 0 };
    put_many(f, 0, 20000, "a value of some bytes");
    assert_ok(nacre_flush(f->collection));
    uint64_t first = make_backup(f);
    uint64_t small = directory_bytes(beside(f, "backups"));
    put_many(f, 0, 20000, "another value, as long");
    assert_ok(nacre_compact(f->collection, none, none));
    uint64_t second = make_backup(f);
    assert_true(directory_bytes(beside(f, "backups")) > small + small / 2);
    assert_ok(nacre_backup_remove(beside(f, "backups"), first, NULL));
    assert_true(directory_bytes(beside(f, "backups")) < small + small / 2);
    assert_code(nacre_restore(beside(f, "backups"), first, beside(f, "copy"), NULL), NACRE_NOT_FOUND);
    assert_string_equal(restored(f, second, "key019999"), "another value, as long");
    for (int i = 0; i < 4; i++) {
        (void)make_backup(f);
    }
    assert_ok(nacre_backup_keep(beside(f, "backups"), 2, NULL));
    assert_code(nacre_backup_remove(beside(f, "backups"), second, NULL), NACRE_NOT_FOUND);
    assert_string_equal(restored(f, 0, "key000000"), "another value, as long");
    assert_ok(nacre_backup_keep(beside(f, "backups"), 0, NULL));
    assert_code(nacre_restore(beside(f, "backups"), 0, beside(f, "copy"), NULL), NACRE_NOT_FOUND);
}

static void an_id_is_never_used_again(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 20, "value");
    assert_int_equal(make_backup(f), 1);
    assert_int_equal(make_backup(f), 2);
    assert_ok(nacre_backup_remove(beside(f, "backups"), 2, NULL));
    assert_int_equal(make_backup(f), 3);
    assert_ok(nacre_backup_remove(beside(f, "backups"), 1, NULL));
    assert_int_equal(make_backup(f), 4);
    assert_ok(nacre_backup_keep(beside(f, "backups"), 0, NULL));
    assert_int_equal(make_backup(f), 5);
    assert_ok(nacre_backup_remove(beside(f, "backups"), 5, NULL));
    assert_int_equal(make_backup(f), 6);
    assert_code(nacre_restore(beside(f, "backups"), 5, beside(f, "copy"), NULL), NACRE_NOT_FOUND);
}

/* The same ids and names of files, other contents. */
static void two_lives_of_a_store_are_not_confused(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 2000, "before");
    assert_ok(nacre_flush(f->collection));
    uint64_t first = make_backup(f);
    put_many(f, 0, 2000, "left!!");
    assert_ok(nacre_flush(f->collection));
    uint64_t left = make_backup(f);
    fixture_close(f);
    directory_remove(f->path);
    assert_ok(nacre_restore(beside(f, "backups"), first, f->path, NULL));
    fixture_open(f);
    put_many(f, 0, 2000, "right!");
    assert_ok(nacre_flush(f->collection));
    uint64_t right = make_backup(f);
    assert_string_equal(restored(f, left, "key000007"), "left!!");
    assert_string_equal(restored(f, right, "key000007"), "right!");
    assert_string_equal(restored(f, first, "key000007"), "before");
}

static void list_contents(const char *path, char names[][80], size_t *count, size_t most)
{
    DIR *directory = opendir(path);
    struct dirent *item;
    *count = 0;
    assert_non_null(directory);
    while ((item = readdir(directory)) != NULL) {
        if (item->d_name[0] != '.' && *count < most) {
            size_t size = strlen(item->d_name);
            assert_true(size < 80);
            memcpy(names[(*count)++], item->d_name, size + 1);
        }
    }
    closedir(directory);
}

/* A byte of each file, and the file itself. */
static void damage_in_any_file_of_a_backup_is_named_and_never_restored(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 3000, "good");
    assert_ok(nacre_flush(f->collection));
    put(f, "tail", "in the log");
    uint64_t id = make_backup(f);
    char names[64][80], folder[240], path[6000];
    size_t count;
    snprintf(folder, sizeof folder, "%s/files", beside(f, "backups"));
    list_contents(folder, names, &count, 64);
    assert_true(count >= 4);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        size_t size = file_read_all(path, &bytes);
        for (unsigned round = 0; round < 4; round++) {
            nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
            if (round == 3) {
                assert_int_equal(unlink(path), 0);
            } else if (round == 2) {
                file_write_all(path, bytes, size / 2);
            } else {
                bytes[round ? size - 1 : size / 2] ^= 4;
                file_write_all(path, bytes, size);
            }
            assert_code(nacre_restore(beside(f, "backups"), id, beside(f, "copy"), NULL), NACRE_CORRUPT);
            assert_non_null(strstr(nacre_last_error(), names[i]));
            assert_false(path_exists(beside(f, "copy")));
            assert_code(nacre_backup_verify(beside(f, "backups"), id, NULL, &report), NACRE_CORRUPT);
            assert_int_equal(report.damaged, 1);
            assert_non_null(strstr(report.damage, names[i]));
            nacre_free(report.damage);
            if (round < 2) {
                bytes[round ? size - 1 : size / 2] ^= 4;
            }
        }
        file_write_all(path, bytes, size);
        free(bytes);
    }
    assert_string_equal(restored(f, id, "tail"), "in the log");
    assert_string_equal(restored(f, id, "key002999"), "good");
}

static void a_backup_that_cannot_be_read_is_listed_so_and_spoils_no_other(void **state)
{
    struct fixture *f = *state;
    char path[240], *json;
    uint8_t *bytes;
    put(f, "k", "one");
    uint64_t first = make_backup(f);
    put(f, "k", "two");
    uint64_t second = make_backup(f);
    snprintf(path, sizeof path, "%s/backups/%016llx", beside(f, "backups"), (unsigned long long)first);
    size_t size = file_read_all(path, &bytes);
    for (size_t at = 0; at < size; at += 7) {
        bytes[at] ^= 1;
        file_write_all(path, bytes, size);
        int status = nacre_restore(beside(f, "backups"), first, beside(f, "copy"), NULL);
        assert_true(status == NACRE_CORRUPT || status == NACRE_UNSUPPORTED);
        assert_false(path_exists(beside(f, "copy")));
        bytes[at] ^= 1;
    }
    bytes[50] ^= 1;
    file_write_all(path, bytes, size);
    assert_ok(nacre_backup_list(beside(f, "backups"), NULL, &json));
    assert_non_null(strstr(json, "{\"id\":1,\"damage\":"));
    nacre_free(json);
    assert_string_equal(restored(f, second, "k"), "two");
    put(f, "k", "three");
    assert_int_equal(make_backup(f), 3); /* and removes nothing that the first may name */
    bytes[50] ^= 1;
    file_write_all(path, bytes, size);
    assert_string_equal(restored(f, first, "k"), "one");
    free(bytes);
}

static void a_damaged_segment_is_refused_by_a_backup_and_named(void **state)
{
    struct fixture *f = *state;
    char path[300];
    uint8_t *bytes;
    put_many(f, 0, 3000, "good");
    assert_ok(nacre_flush(f->collection));
    fixture_close(f);
    char folder[200];
    snprintf(folder, sizeof folder, "%s/segments", f->path);
    directory_last(folder, ".seg", path, sizeof path);
    size_t size = file_read_all(path, &bytes);
    bytes[size / 3] ^= 1;
    file_write_all(path, bytes, size);
    free(bytes);
    fixture_open(f);
    uint64_t id = 0;
    assert_code(nacre_backup(f->store, beside(f, "backups"), NULL, &id), NACRE_CORRUPT);
    assert_non_null(strstr(nacre_last_error(), ".seg"));
    assert_code(nacre_restore(beside(f, "backups"), 0, beside(f, "copy"), NULL), NACRE_NOT_FOUND);
}

#define LARGE 20000u

/* A value of its letter, beyond the threshold of the value log. */
static void put_large(struct fixture *f, const char *key, char letter)
{
    static char bytes[LARGE];
    memset(bytes, letter, sizeof bytes);
    assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ bytes, sizeof bytes }, NULL));
}

static bool strike_in_file(const char *path, const char *run)
{
    uint8_t *bytes;
    size_t size = file_read_all(path, &bytes);
    const uint8_t *at = memmem(bytes, size, run, LARGE);
    if (at) {
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, (long)(at - bytes) + LARGE / 2, SEEK_SET), 0);
        assert_int_equal(fwrite("\1\2\3\4", 1, 4, file), 4);
        assert_int_equal(fclose(file), 0);
    }
    free(bytes);
    return at != NULL;
}

/* Four bytes in the middle of the one value of the letter, which may lie in any value file. */
static void strike_value(const struct fixture *f, char letter)
{
    char folder[200], path[500], run[LARGE];
    bool struck = false;
    snprintf(folder, sizeof folder, "%s/values", f->path);
    memset(run, letter, sizeof run);
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; !struck && (entry = readdir(directory)) != NULL;) {
        if (strstr(entry->d_name, ".val")) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            struck = strike_in_file(path, run);
        }
    }
    closedir(directory);
    assert_true(struck);
}

/* The letter of each value in the restored backup. */
static void expect_large(struct fixture *f, uint64_t id, const char *keys, const char *letters)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    nacre_store *store;
    nacre_collection *c;
    directory_remove(beside(f, "copy"));
    assert_ok(nacre_restore(beside(f, "backups"), id, beside(f, "copy"), NULL));
    assert_ok(nacre_open(beside(f, "copy"), &options, &store));
    assert_ok(nacre_verify(store, &report));
    assert_ok(nacre_collection_open(store, "test", &c));
    for (size_t i = 0; keys[i]; i++) {
        nacre_value value;
        assert_ok(nacre_get(c, (nacre_slice){ &keys[i], 1 }, NULL, &value));
        assert_true(value.slice.size == LARGE && ((const char *)value.slice.data)[LARGE / 2] == letters[i]);
        nacre_value_release(&value);
    }
    nacre_collection_close(c);
    assert_ok(nacre_close(store));
}

static void expect_refused(struct fixture *f)
{
    uint64_t id = 0;
    assert_code(nacre_backup(f->store, beside(f, "backups"), NULL, &id), NACRE_CORRUPT);
    assert_non_null(strstr(nacre_last_error(), ".val"));
    assert_code(nacre_restore(beside(f, "backups"), 0, beside(f, "copy"), NULL), NACRE_NOT_FOUND);
}

static void a_damaged_value_is_refused_by_a_backup_and_named(void **state)
{
    struct fixture *f = *state;
    put_large(f, "a", 'A');
    put_large(f, "b", 'B');
    put_large(f, "c", 'C');
    put_large(f, "d", 'D');
    assert_ok(nacre_flush(f->collection));
    strike_value(f, 'C');
    expect_refused(f);
    fixture_reopen(f); /* now its file is sealed */
    expect_refused(f);
}

/* As the loss of power leaves an append whose record was not durable. */
static void a_damaged_value_that_nothing_points_to_spoils_no_backup(void **state)
{
    struct fixture *f = *state;
    put_large(f, "a", 'A');
    put_large(f, "b", 'B');
    put_large(f, "a", 'C');
    assert_ok(nacre_flush(f->collection));
    strike_value(f, 'A');
    expect_large(f, make_backup(f), "ab", "CB");
    fixture_reopen(f);
    expect_large(f, make_backup(f), "ab", "CB");
}

/* What lies only where nothing was flushed is looked at, too: a reader brings nothing to segments. */
static void a_damaged_value_that_only_the_log_points_to_is_refused_by_a_backup(void **state)
{
    struct fixture *f = *state;
    nacre_options options = f->options;
    uint64_t id = 0;
    nacre_store *reader;
    put_large(f, "a", 'A');
    put_large(f, "b", 'B');
    options.read_only = true;
    assert_ok(nacre_open(f->path, &options, &reader));
    strike_value(f, 'B');
    assert_code(nacre_backup(reader, beside(f, "backups"), NULL, &id), NACRE_CORRUPT);
    assert_non_null(strstr(nacre_last_error(), ".val"));
    assert_ok(nacre_close(reader));
}

static void a_value_file_that_was_cut_is_refused_by_a_backup(void **state)
{
    struct fixture *f = *state;
    char folder[200], path[300];
    uint8_t *bytes;
    put_large(f, "a", 'A');
    put_large(f, "b", 'B');
    fixture_reopen(f);
    assert_ok(nacre_flush(f->collection));
    fixture_close(f);
    snprintf(folder, sizeof folder, "%s/values", f->path);
    directory_last(folder, ".val", path, sizeof path);
    size_t size = file_read_all(path, &bytes);
    free(bytes);
    assert_int_equal(truncate(path, (off_t)(64 + (size - 64) / 2)), 0); /* the two records are of one size */
    fixture_open(f);
    expect_refused(f);
}

struct writing {
    struct fixture *fixture;
    atomic_bool done;
};

/* Overwrites, so that merges drop and move values. */
static void *write_large(void *context)
{
    struct writing *w = context;
    for (unsigned i = 0; !atomic_load(&w->done); i++) {
        char key[2] = { (char)('a' + i % 7), 0 };
        put_large(w->fixture, key, (char)('A' + i % 26));
        if (i % 40 == 39) {
            assert_ok(nacre_flush(w->fixture->collection));
        }
    }
    return NULL;
}

static void values_that_are_written_while_a_backup_is_made_are_not_taken_for_damage(void **state)
{
    struct fixture *f = *state;
    nacre_options options = f->options;
    struct writing w = { .fixture = f };
    pthread_t thread;
    nacre_store *reader;
    assert_ok(nacre_tune(f->store, "value_file_bytes", "1048576"));
    fixture_reopen(f);
    put_large(f, "a", 'A');
    options.read_only = true;
    assert_ok(nacre_open(f->path, &options, &reader));
    assert_int_equal(pthread_create(&thread, NULL, write_large, &w), 0);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t id = 0;
        assert_ok(nacre_backup(f->store, beside(f, "backups"), NULL, &id));
        if (i % 4 == 0) {
            expect_large(f, id, "", "");
        }
        assert_ok(nacre_refresh(reader));
        int status = nacre_backup(reader, beside(f, "backups"), NULL, &id);
        if (status != NACRE_BUSY) {
            assert_ok(status);
        }
    }
    atomic_store(&w.done, true);
    pthread_join(thread, NULL);
    assert_ok(nacre_close(reader));
}

static void what_must_not_be_written_over_is_not(void **state)
{
    struct fixture *f = *state;
    uint64_t id;
    put(f, "k", "v");
    id = make_backup(f);
    uint64_t before = directory_hash(f->path);
    assert_code(nacre_restore(beside(f, "backups"), id, f->path, NULL), NACRE_EXISTS);
    assert_code(nacre_backup(f->store, f->path, NULL, &id), NACRE_INVALID);
    assert_int_equal(directory_hash(f->path), before);
    assert_code(nacre_backup(NULL, "x", NULL, NULL), NACRE_INVALID);
    assert_code(nacre_backup(f->store, "", NULL, NULL), NACRE_INVALID);
    assert_code(nacre_backup(f->store, NULL, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_backup_list(NULL, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_backup_list("x", NULL, NULL), NACRE_INVALID);
    assert_code(nacre_backup_verify("x", 0, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_backup_remove("x", 0, NULL), NACRE_INVALID);
    assert_code(nacre_backup_remove(beside(f, "nothing"), 1, NULL), NACRE_NOT_FOUND);
    assert_false(path_exists(beside(f, "nothing")));
    assert_code(nacre_restore(NULL, 0, "x", NULL), NACRE_INVALID);
    assert_code(nacre_restore("x", 0, "", NULL), NACRE_INVALID);
}

static void writes_of_level_memory_are_in_a_checkpoint_and_a_backup(void **state)
{
    struct fixture *f = *state;
    nacre_write_options memory = NACRE_WRITE_OPTIONS_INIT;
    memory.durability = NACRE_MEMORY;
    assert_ok(nacre_put(f->collection, text("k"), text("v"), &memory));
    assert_ok(nacre_checkpoint(f->store, beside(f, "copy")));
    assert_string_equal(value_in(beside(f, "copy"), "k"), "v");
    assert_ok(nacre_put(f->collection, text("l"), text("w"), &memory));
    assert_string_equal(restored(f, make_backup(f), "l"), "w");
}

static void an_empty_store_is_copied_too(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_checkpoint(f->store, beside(f, "copy")));
    assert_string_equal(value_in(beside(f, "copy"), "k"), "<none>");
    assert_string_equal(restored(f, make_backup(f), "k"), "<none>");
}

static void a_read_only_opening_makes_checkpoints_and_backups_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 2000, "flushed");
    assert_ok(nacre_flush(f->collection));
    put(f, "tail", "logged");
    fixture_close(f);
    uint64_t before = directory_hash(f->path);
    f->options.read_only = true;
    fixture_open(f);
    assert_ok(nacre_checkpoint(f->store, beside(f, "copy")));
    assert_string_equal(value_in(beside(f, "copy"), "tail"), "logged");
    assert_string_equal(value_in(beside(f, "copy"), "key001999"), "flushed");
    assert_string_equal(restored(f, make_backup(f), "tail"), "logged");
    fixture_close(f);
    assert_int_equal(directory_hash(f->path), before);
}

static void a_read_only_opening_beside_a_writer_makes_a_backup_of_what_it_shows(void **state)
{
    struct fixture *f = *state;
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *reader;
    uint64_t id;
    put_many(f, 0, 2000, "flushed");
    assert_ok(nacre_flush(f->collection));
    put(f, "tail", "shown");
    options.read_only = true;
    assert_ok(nacre_open(f->path, &options, &reader));
    put(f, "tail", "later");
    assert_ok(nacre_backup(reader, beside(f, "backups"), NULL, &id));
    assert_ok(nacre_close(reader));
    assert_string_equal(restored(f, id, "tail"), "shown");
    assert_string_equal(get(f, "tail"), "later");
}

static void side_files_may_be_left_out(void **state)
{
    struct fixture *f = *state;
    nacre_backup_options options = NACRE_BACKUP_OPTIONS_INIT;
    uint64_t with = 0, without = 0;
    put_many(f, 0, 3000, "v");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_build_indexes(f->collection));
    options.verify = true;
    assert_ok(nacre_backup(f->store, beside(f, "backups"), &options, &with));
    options.without_indexes = true;
    assert_ok(nacre_backup(f->store, beside(f, "backups"), &options, &without));
    assert_true(backup_figure(f, without, "files") < backup_figure(f, with, "files"));
    assert_string_equal(restored(f, without, "key002999"), "v");
    assert_string_equal(restored(f, with, "key002999"), "v");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_backup_restores_what_the_store_was_then),
        TEST(a_backup_copies_only_what_is_new),
        TEST(removing_a_backup_frees_what_no_other_one_needs),
        TEST(an_id_is_never_used_again),
        TEST(two_lives_of_a_store_are_not_confused),
        TEST(damage_in_any_file_of_a_backup_is_named_and_never_restored),
        TEST(a_backup_that_cannot_be_read_is_listed_so_and_spoils_no_other),
        TEST(a_damaged_segment_is_refused_by_a_backup_and_named),
        TEST(a_damaged_value_is_refused_by_a_backup_and_named),
        TEST(a_damaged_value_that_nothing_points_to_spoils_no_backup),
        TEST(a_damaged_value_that_only_the_log_points_to_is_refused_by_a_backup),
        TEST(a_value_file_that_was_cut_is_refused_by_a_backup),
        TEST(values_that_are_written_while_a_backup_is_made_are_not_taken_for_damage),
        TEST(what_must_not_be_written_over_is_not),
        TEST(writes_of_level_memory_are_in_a_checkpoint_and_a_backup),
        TEST(an_empty_store_is_copied_too),
        TEST(a_read_only_opening_makes_checkpoints_and_backups_and_changes_nothing),
        TEST(a_read_only_opening_beside_a_writer_makes_a_backup_of_what_it_shows),
        TEST(side_files_may_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
