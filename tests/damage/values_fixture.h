/* What the tests of salvaged values share: a store whose values lie in value files, blows to these, and what is asked of the copy. */
#ifndef NACRE_TESTS_VALUES_FIXTURE_H
#define NACRE_TESTS_VALUES_FIXTURE_H
#include "support/model.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"

#define NAME      "things"
#define HEAD      32u /* of a record */
#define FILE_HEAD 64u
#define DIMENSION 4u

static nacre_os *disk, *struck; /* what the store is on; its copy, which is damaged */
static nacre_options options;
static nacre_store *store;
static nacre_collection *collection;
static char *report;

/* ---- the store ---- */

static inline void set_options(nacre_os *os)
{
    options = (nacre_options)NACRE_OPTIONS_INIT;
    options.os = os;
    options.durability = NACRE_OS;
    options.memory_budget = 16 << 20;
    options.background_threads = 1;
    options.hooks = &model_hooks;
}

static inline void open_with(nacre_kind kind, const char *value_file_bytes)
{
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    how.kind = kind;
    how.value_log_threshold = 100;
    how.merge_operator = kind == NACRE_VECTORS ? NULL : "append";
    how.dimension = kind == NACRE_VECTORS ? DIMENSION : 0;
    how.metric = kind == NACRE_VECTORS ? NACRE_L2 : (nacre_metric)0;
    set_options(disk);
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_tune(store, "value_file_bytes", value_file_bytes));
    assert_ok(nacre_tune(store, "level0_runs", "64")); /* nothing is merged but by compactions */
    assert_ok(nacre_close(store));
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_collection_create(store, NAME, &how, &collection));
}

static inline int make_disks(void **state)
{
    (void)state;
    disk = os_memory_create();
    struck = os_memory_create();
    return 0;
}

static inline int free_disks(void **state)
{
    (void)state;
    nacre_free(report);
    report = NULL;
    os_memory_free(disk);
    os_memory_free(struck);
    return 0;
}

static inline void close_store(void)
{
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
}

/* As a killed process leaves it. */
static inline void end_store(void)
{
    assert_int_equal(os_memory_copy_tree(struck, disk), NACRE_OK);
    close_store();
}

static inline nacre_slice value_of(unsigned number)
{
    static char bytes[300];
    memset(bytes, 'a' + (int)(number % 26), sizeof bytes);
    snprintf(bytes, sizeof bytes, "value %u", number);
    return (nacre_slice){ bytes, sizeof bytes };
}

static inline void put_number(const char *key, unsigned number)
{
    assert_ok(nacre_put(collection, text(key), value_of(number), NULL));
}

static inline void flush(void)
{
    assert_ok(nacre_flush(collection));
}

/* "a" to "j" with the values 0 to 9, in segments. */
static inline void put_ten(void)
{
    for (char key[2] = "a"; key[0] <= 'j'; key[0]++) {
        put_number(key, (unsigned)(key[0] - 'a'));
    }
    flush();
}

/* ---- damage ---- */

#define FILES_MAX 64
static struct file {
    char path[64];
    uint64_t size;
} files[FILES_MAX];
static unsigned file_count;
static char bytes_of_file[1 << 20];

static inline void add_file(void *context, const char *name)
{
    struct file *f = &files[file_count];
    nacre_file *handle;
    assert_true(file_count < FILES_MAX);
    snprintf(f->path, sizeof f->path, "%s/%.20s", (const char *)context, name);
    assert_int_equal(struck->open(struck->context, f->path, NACRE_FILE_READ, &handle), NACRE_OK);
    assert_int_equal(struck->size(handle, &f->size), NACRE_OK);
    struck->close(handle);
    file_count++;
}

static inline void list_files(const char *directory)
{
    file_count = 0;
    assert_int_equal(struck->list(struck->context, directory, add_file, (void *)(uintptr_t)directory), NACRE_OK);
}

static inline size_t read_whole(const char *path)
{
    nacre_file *handle;
    size_t size = 0, got = 1;
    assert_int_equal(struck->open(struck->context, path, NACRE_FILE_READ, &handle), NACRE_OK);
    for (; got > 0 && size < sizeof bytes_of_file; size += got) {
        assert_int_equal(struck->read(handle, size, bytes_of_file + size, sizeof bytes_of_file - size, &got), NACRE_OK);
    }
    struck->close(handle);
    return size;
}

/* Where the record of the key with that value begins. */
static inline uint64_t find_record(const char *key, unsigned number, const char **path)
{
    char wanted[64];
    size_t size = (size_t)snprintf(wanted, sizeof wanted, "%svalue %u", key, number) + 1;
    list_files("/store/values");
    for (unsigned i = 0; i < file_count; i++) {
        size_t bytes = read_whole(files[i].path);
        const char *at = memmem(bytes_of_file, bytes, wanted, size);
        if (at) {
            *path = files[i].path;
            return (uint64_t)(at - bytes_of_file) - HEAD;
        }
    }
    fprintf(stderr, "no record of %s\n", wanted);
    fail();
    return 0;
}

static inline void flip(const char *path, uint64_t offset)
{
    assert_int_equal(os_memory_flip(struck, path, offset, 4), NACRE_OK);
}

/* A byte of its record, so far from where that begins. */
static inline void flip_record(const char *key, unsigned number, uint64_t distance)
{
    const char *path = "";
    uint64_t at = find_record(key, number, &path);
    flip(path, at + distance);
}

static inline void flip_value(const char *key, unsigned number)
{
    flip_record(key, number, HEAD + strlen(key) + 200);
}

static inline void remove_all(const char *directory)
{
    list_files(directory);
    for (unsigned i = 0; i < file_count; i++) {
        assert_int_equal(struck->remove(struck->context, files[i].path), NACRE_OK);
    }
}

static inline void lose_manifest(void)
{
    remove_all("/store/manifest");
    assert_int_equal(struck->remove(struck->context, "/store/CURRENT"), NACRE_OK);
}

/* ---- the copy ---- */

static inline void open_copy(void)
{
    nacre_verify_report verified = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_open("/copy", &options, &store));
    int status = nacre_verify(store, &verified);
    if (status != NACRE_OK) {
        fprintf(stderr, "%s%s\n", verified.damage, report);
    }
    assert_int_equal(status, NACRE_OK);
    nacre_free(verified.damage);
    assert_ok(nacre_collection_open(store, NAME, &collection));
}

static inline void salvage(void)
{
    set_options(struck);
    nacre_free(report);
    report = NULL;
    assert_ok(nacre_salvage_copy("/store", "/copy", &options, &report));
    open_copy();
}

static inline unsigned count_in(const char *begin, const char *end, const char *part)
{
    unsigned count = 0;
    for (const char *at = begin; (at = strstr(at, part)) != NULL && at < end; at++) {
        count++;
    }
    return count;
}

/* How often the report says that a value of the key is lost. */
static inline unsigned times_lost(const char *key)
{
    const char *end = strstr(report, "\"may_be_stale\":");
    unsigned count = 0;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"key\":\"%s\"", key);
    for (const char *at = strstr(report, "{\"file\":\"values/"); at && at < end;
         at = strstr(at + 1, "{\"file\":\"values/")) {
        const char *close = strchr(at, '}');
        count += count_in(at, close, "\"collection\":\"" NAME "\"") == 1 &&
                 count_in(at, close, "\"lost\":\"a value\"") == 1 && count_in(at, close, wanted) == 1;
    }
    return count;
}

static inline unsigned times_stale(const char *key)
{
    const char *begin = strstr(report, "\"may_be_stale\":");
    char wanted[64];
    snprintf(wanted, sizeof wanted, "{\"collection\":\"" NAME "\",\"key\":\"%s\"}", key);
    return count_in(begin, begin + strlen(begin), wanted);
}

static inline void complain(const char *key, const char *what)
{
    fprintf(stderr, "%s: %s\n%s\n", key, what, report);
    fail();
}

/* The number of the value that a key has; -1: none. */
static inline int number_of(const char *key)
{
    nacre_value value;
    unsigned number = 0;
    int status = nacre_get(collection, text(key), NULL, &value);
    if (status == NACRE_NOT_FOUND) {
        return -1;
    }
    assert_ok(status);
    assert_true(value.slice.size == 300 && sscanf(value.slice.data, "value %u", &number) == 1);
    assert_memory_equal(value.slice.data, value_of(number).data, 300);
    nacre_value_release(&value);
    return (int)number;
}

static inline void expect_right(const char *key, unsigned number)
{
    if (number_of(key) != (int)number) {
        complain(key, "its value is not the last one");
    }
    if (times_stale(key)) {
        complain(key, "is not stale");
    }
}

static inline void expect_sound(const char *key, unsigned number)
{
    expect_right(key, number);
    if (times_lost(key)) {
        complain(key, "has lost nothing");
    }
}

/* number: of the older value that shows; -1: none. */
static inline void expect_lost(const char *key, int number)
{
    if (number_of(key) != number) {
        complain(key, "not the older value");
    }
    if (times_lost(key) != 1) {
        complain(key, "is not named once");
    }
    if (times_stale(key) != (number >= 0)) {
        complain(key, "stale or not");
    }
}

static inline void expect_ten_but(const char *lost)
{
    for (char key[2] = "a"; key[0] <= 'j'; key[0]++) {
        if (strchr(lost, key[0])) {
            expect_lost(key, -1);
        } else {
            expect_sound(key, (unsigned)(key[0] - 'a'));
        }
    }
}

#define on_disks(test) cmocka_unit_test_setup_teardown(test, make_disks, free_disks)

#endif
