/* Salvage copies of a store with all kinds, several runs and a log tail, of which one file at a time is damaged at many places: a byte flipped, 600 bytes zeroed,
   the file cut, the file gone. The copy opens, verifies, and has every entry outside of the damage with its right value; what is not right is named by the report; no
   key ever has a value that it never had; the damaged store is not touched. NACRE_TEST_SCALE looks at more places. */
#define BATCHES           220
#define LOGGED            30 /* the last of them are in the log alone */
#define KEYS_OF_A_BLOCK   64
#define TABLE_BYTES_LEAST 160 /* and the footer */
#include "history_fixture.h"

enum blow { FLIP, ZERO, CUT, GONE, BLOWS };
static const char *const blow_names[] = { "a flipped byte", "600 bytes zeroed", "a cut", "its loss" };

static nacre_os *whole_disk;
static char *report;
static unsigned wrong_keys; /* of the copy that was checked last */

static struct {
    const char *path;
    enum blow blow;
    uint64_t offset;
} now;

static void complain(const char *what)
{
    fprintf(stderr, "%s at %llu of %s: %s (%s)\n%s\n", blow_names[now.blow], (unsigned long long)now.offset, now.path,
            what, nacre_last_error(), report ? report : "");
    fail();
}

static void close_store(void)
{
    close_collections();
    assert_ok(nacre_close(store));
}

static int make_disk(void **state)
{
    (void)state;
    struct history history = { .seed = 815 };
    whole_disk = os_memory_create();
    disk = os_memory_create();
    begin_history(whole_disk);
    write_compacted(&history);
    write_rest(&history);
    assert_ok(nacre_reclaim(store)); /* no segment that a merge has replaced is left */
    close_store();
    return 0;
}

static int free_disks(void **state)
{
    (void)state;
    os_memory_free(whole_disk);
    os_memory_free(disk);
    return 0;
}

/* ---- files ---- */

/* Of all bytes of all files of the damaged store. */
static uint64_t disk_hash(void)
{
    uint64_t hash = 1;
    list_files();
    for (unsigned i = 0; i < file_count; i++) {
        nacre_file *file;
        static uint8_t bytes[1 << 16];
        size_t got = 1;
        assert_int_equal(disk->open(disk->context, files[i].path, NACRE_FILE_READ, &file), NACRE_OK);
        for (uint64_t at = 0; got > 0; at += got) {
            assert_int_equal(disk->read(file, at, bytes, sizeof bytes, &got), NACRE_OK);
            for (size_t j = 0; j < got; j++) {
                hash = (hash ^ bytes[j]) * 0x100000001b3u;
            }
        }
        disk->close(file);
    }
    return hash * 31 + file_count;
}

static void strike(const char *path, enum blow blow, uint64_t offset)
{
    now.path = path;
    now.blow = blow;
    now.offset = offset;
    if (blow == FLIP) {
        assert_int_equal(os_memory_flip(disk, path, offset, (uint8_t)(1u << (offset * 5 % 8))), NACRE_OK);
    } else if (blow == ZERO) {
        static uint8_t bytes[600];
        nacre_file *file;
        size_t got = 0;
        assert_int_equal(disk->open(disk->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE, &file), NACRE_OK);
        assert_int_equal(disk->read(file, offset, bytes, sizeof bytes, &got), NACRE_OK);
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(disk->write(file, offset, bytes, got), NACRE_OK);
        disk->close(file);
    } else if (blow == CUT) {
        assert_int_equal(os_memory_resize(disk, path, offset), NACRE_OK);
    } else {
        assert_int_equal(disk->remove(disk->context, path), NACRE_OK);
    }
}

/* ---- the report ---- */

struct text {
    char bytes[4096];
    size_t size;
    bool there;
};

/* The string member of the object that begins at `object`. */
static struct text member(const char *object, const char *name)
{
    static struct text text;
    char wanted[32];
    const char *end = strchr(object, '}');
    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    const char *at = strstr(object, wanted);
    text.size = 0;
    text.there = at && end && at < end;
    if (!text.there) {
        return text;
    }
    for (at += strlen(wanted); *at != '"' && text.size < sizeof text.bytes; at++) {
        unsigned byte = (unsigned char)*at;
        if (*at == '\\') {
            sscanf(at + 2, "%4x", &byte);
            at += 5;
        }
        text.bytes[text.size++] = (char)byte;
    }
    return text;
}

static int compare(const struct text *text, nacre_slice key)
{
    size_t shared = text->size < key.size ? text->size : key.size;
    int order = shared ? memcmp(text->bytes, key.data, shared) : 0;
    return order ? order : text->size < key.size ? -1 : text->size > key.size;
}

/* Whether the report says that something of the key may be lost or stale. */
static bool is_named(const char *name, unsigned c, nacre_slice key)
{
    for (const char *at = strstr(strstr(report, "\"damage\":["), "{\""); at; at = strstr(at + 1, "{\"")) {
        struct text collection = member(at, "collection"), only, from, to;
        char lost_name[32];
        snprintf(lost_name, sizeof lost_name, "salvaged-%u", c + 1);
        bool named = collection.there && (compare(&collection, (nacre_slice){ name, strlen(name) }) == 0 ||
                                          compare(&collection, (nacre_slice){ lost_name, strlen(lost_name) }) == 0);
        if (collection.there ? !named
                             : !member(at, "lost").there) { /* of a segment of which nothing tells whose it was */
            continue;
        }
        only = member(at, "key");
        from = member(at, "from");
        to = member(at, "to");
        if (only.there ? compare(&only, key) == 0
                       : member(at, "lost").there && (!from.there || compare(&from, key) <= 0) &&
                             (!to.there || compare(&to, key) >= 0)) {
            return true;
        }
    }
    return false;
}

/* ---- the copy ---- */

static uint32_t number_of(unsigned c, unsigned i, const nacre_value *value)
{
    static char bytes[MODEL_VALUE_MAX];
    for (unsigned n = BATCHES + 1; n-- > 0;) {
        uint32_t number = states[n].values[c][i];
        nacre_slice want = model_value(number, bytes);
        if (number && want.size == value->slice.size && memcmp(want.data, value->slice.data, want.size) == 0) {
            return number;
        }
    }
    complain("a key has a value that it never had");
    return 0;
}

/* Whether the log's part of the history changed the key. */
static bool is_logged(unsigned c, unsigned i)
{
    for (unsigned n = BATCHES - LOGGED; n < BATCHES; n++) {
        if (states[n].values[c][i] != states[n + 1].values[c][i]) {
            return true;
        }
    }
    return false;
}

static void check_collection(unsigned c, bool log_damaged)
{
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        nacre_value value;
        int status = nacre_get(collections[c], model_key(i), NULL, &value);
        uint32_t number = status == NACRE_OK ? number_of(c, i, &value) : 0;
        if (status != NACRE_OK && status != NACRE_NOT_FOUND) {
            complain("a key cannot be read");
        }
        wrong_keys += number != states[BATCHES].values[c][i];
        if (number != states[BATCHES].values[c][i] && !is_named(model_names[c], c, model_key(i)) &&
            !(log_damaged && is_logged(c, i))) {
            fprintf(stderr, "collection %u, key %u: value %u instead of %u\n", c, i, number,
                    states[BATCHES].values[c][i]);
            complain("an entry outside of the damage is not right, and not named");
        }
        nacre_value_release(&value);
    }
}

/* All of its keys were written in the log's part, too. */
static void check_mixed(bool log_damaged)
{
    for (unsigned i = 0; i < MIXED_KEYS; i++) {
        char bytes[8];
        nacre_value value;
        nacre_slice key = mixed_key(i, bytes);
        int status = nacre_get(mixed, key, NULL, &value);
        if (!mixed_is_right(i, status, value.slice) && !is_named(MIXED_NAME, MODEL_COLLECTIONS, key) && !log_damaged) {
            fprintf(stderr, "%s of the mixed collection: status %d\n", bytes, status);
            complain("an entry outside of the damage is not right, and not named");
        }
        nacre_value_release(&value);
    }
}

static void check_copy(bool log_damaged)
{
    nacre_verify_report verified = NACRE_VERIFY_REPORT_INIT;
    set_options(disk);
    options.error_if_missing = true;
    if (nacre_open("/copy", &options, &store) != NACRE_OK) {
        complain("the copy does not open");
    }
    if (nacre_verify(store, &verified) != NACRE_OK) {
        complain(verified.damage);
    }
    nacre_free(verified.damage);
    wrong_keys = 0;
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        char lost_name[32];
        snprintf(lost_name, sizeof lost_name, "salvaged-%u", c + 1);
        if (nacre_collection_open(store, model_names[c], &collections[c]) != NACRE_OK &&
            nacre_collection_open(store, lost_name, &collections[c]) != NACRE_OK) {
            complain("a collection is missing");
        }
        check_collection(c, log_damaged);
    }
    if (nacre_collection_open(store, MIXED_NAME, &mixed) != NACRE_OK &&
        nacre_collection_open(store, "salvaged-4", &mixed) != NACRE_OK) {
        complain("the mixed collection is missing");
    }
    check_mixed(log_damaged);
    close_store();
}

static void check_salvage(bool log_damaged)
{
    uint64_t before = disk_hash();
    nacre_free(report);
    set_options(disk);
    report = NULL;
    if (nacre_salvage_copy("/store", "/copy", &options, &report) != NACRE_OK) {
        complain("the salvage fails");
    }
    if (disk_hash() != before) {
        complain("the damaged store was changed");
    }
    check_copy(log_damaged);
}

static void salvage_after(const char *path, enum blow blow, uint64_t offset)
{
    assert_int_equal(os_memory_copy_tree(disk, whole_disk), NACRE_OK);
    strike(path, blow, offset);
    check_salvage(strstr(path, "/log/") != NULL);
}

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text ? (unsigned)atoi(text) : 1;
}

/* Files whose path has the part in it. */
static void strike_all(const char *part, unsigned places)
{
    static struct file all[FILES_MAX];
    assert_int_equal(os_memory_copy_tree(disk, whole_disk), NACRE_OK);
    list_files();
    unsigned count = file_count, struck = 0;
    memcpy(all, files, sizeof all);
    for (unsigned f = 0; f < count; f++) {
        if (!strstr(all[f].path, part) || strstr(all[f].path, "LOCK")) {
            continue;
        }
        for (unsigned n = 0; n < places * scale(); n++) {
            uint64_t offset = all[f].size * n / (places * scale()) + n % 7;
            offset = offset < all[f].size ? offset : all[f].size - 1;
            salvage_after(all[f].path, (enum blow)(n % 3), offset);
            if (n % 3 == FLIP && wrong_keys > KEYS_OF_A_BLOCK) {
                complain("a flipped byte costs more than a block");
            }
        }
        for (uint64_t tail = 1; tail < 400 && tail < all[f].size && strstr(part, "seg"); tail += 37) {
            salvage_after(all[f].path, FLIP, all[f].size - tail); /* table and footer */
            if (wrong_keys > 0 && tail < TABLE_BYTES_LEAST) {
                complain("a flipped byte of the table or the footer costs an entry");
            }
        }
        salvage_after(all[f].path, GONE, 0);
        struck++;
    }
    assert_true(struck > 0);
}

static void a_whole_store_is_copied_whole(void **state)
{
    (void)state;
    assert_int_equal(os_memory_copy_tree(disk, whole_disk), NACRE_OK);
    now.path = "no file";
    set_options(disk);
    assert_ok(nacre_salvage_copy("/store", "/copy", &options, &report));
    assert_non_null(strstr(report, "\"damaged\":0"));
    assert_non_null(strstr(report, "\"state\":\"whole\""));
    check_copy(false);
    assert_code(nacre_salvage_copy("/store", "/copy", &options, NULL), NACRE_EXISTS);
    assert_code(nacre_salvage_copy("/nothing", "/copy2", &options, NULL), NACRE_NOT_FOUND);
    nacre_free(report);
    report = NULL;
}

static void damaged_segments_keep_what_is_outside_of_the_damage(void **state)
{
    (void)state;
    strike_all(".seg", 24);
}

/* Several files at once, several bytes of each. */
static void many_random_blows_never_make_a_wrong_value(void **state)
{
    (void)state;
    static struct file all[FILES_MAX];
    uint64_t seed = 4711;
    for (unsigned round = 0; round < 60 * scale(); round++) {
        bool log = false;
        assert_int_equal(os_memory_copy_tree(disk, whole_disk), NACRE_OK);
        list_files();
        unsigned count = file_count;
        memcpy(all, files, sizeof all);
        for (unsigned n = 0; n < 1 + round % 12; n++) {
            const struct file *f = &all[model_random(&seed) % count];
            log |= strstr(f->path, "/log/") != NULL;
            strike(f->path, round % 3 ? FLIP : ZERO, model_random(&seed) % f->size);
        }
        check_salvage(log);
    }
}

static void damaged_side_files_cost_nothing(void **state)
{
    (void)state;
    strike_all(".idx", 3);
}

static void damaged_value_files_keep_what_is_outside_of_the_damage(void **state)
{
    (void)state;
    strike_all(".val", 24);
}

static void damaged_logs_keep_the_records_before_and_behind(void **state)
{
    (void)state;
    strike_all("/log/", 12);
}

static void damaged_manifests_are_made_up_for_by_the_segments(void **state)
{
    (void)state;
    strike_all("/manifest/", 24);
    strike_all("CURRENT", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_store_is_copied_whole),
        cmocka_unit_test(damaged_segments_keep_what_is_outside_of_the_damage),
        cmocka_unit_test(many_random_blows_never_make_a_wrong_value),
        cmocka_unit_test(damaged_side_files_cost_nothing),
        cmocka_unit_test(damaged_value_files_keep_what_is_outside_of_the_damage),
        cmocka_unit_test(damaged_logs_keep_the_records_before_and_behind),
        cmocka_unit_test(damaged_manifests_are_made_up_for_by_the_segments),
    };
    return cmocka_run_group_tests(tests, make_disk, free_disks);
}
