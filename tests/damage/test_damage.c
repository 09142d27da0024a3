/* Damage to the files of a whole store: for each file and many places in it a byte is flipped, 16 bytes are zeroed, or the file is cut there. Then
   the store is opened and asked everything: either all answers are the model's, or a call fails with NACRE_CORRUPT, NACRE_UNSUPPORTED or NACRE_IO and
   names the file. Never a wrong answer. Side files never even cost an answer. NACRE_TEST_SCALE looks at more places. */
#define BATCHES         260
#define LOGGED          40 /* the last of them are in the log alone */
#define EACH_BYTE_UP_TO 256
#include "history_fixture.h"
#include "os/os.h"

enum blow { FLIP, ZERO, CUT, BLOWS };
static const char *const blow_names[] = { "a flipped byte", "16 bytes zeroed", "a cut" };

static nacre_os *closed_disk, *killed_disk;

static struct {
    const char *path;
    enum blow blow;
    uint64_t offset;
} now;

static void complain(const char *what)
{
    fprintf(stderr, "%s at %llu of %s: %s (%s)\n", blow_names[now.blow], (unsigned long long)now.offset, now.path, what,
            nacre_last_error());
    fail();
}

/* ---- the store ---- */

static int open_store(nacre_os *os, bool salvage)
{
    set_options(os);
    options.salvage = salvage;
    return nacre_open("/store", &options, &store);
}

static void close_store(void)
{
    close_collections();
    assert_true(nacre_close(store) != NACRE_HANDLES_OPEN);
}

static void ingest_batch(struct history *h)
{
    states[h->written + 1] = states[h->written];
    h->written++;
    assert_ok(model_random_ingest(&states[h->written], collections, &h->seed, &h->next_value));
}

static int make_disks(void **state)
{
    (void)state;
    struct history history = { .seed = 4711 };
    closed_disk = os_memory_create();
    killed_disk = os_memory_create();
    disk = os_memory_create();
    states[0].value_log_threshold = 60; /* about half of the values go there */
    begin_history(closed_disk);
    write_compacted(&history);
    assert_ok(nacre_tune(store, "tier_runs", "32"));
    write_batches(&history, FLUSHED - 30);
    ingest_batch(&history);
    write_rest(&history);
    assert_ok(nacre_pause_compaction(store, 10000));
    assert_int_equal(os_memory_copy_tree(killed_disk, closed_disk), NACRE_OK);
    close_store();
    return 0;
}

static int free_disks(void **state)
{
    (void)state;
    os_memory_free(closed_disk);
    os_memory_free(killed_disk);
    os_memory_free(disk);
    return 0;
}

/* ---- the blow ---- */

static size_t read_bytes(const char *path, uint64_t offset, uint8_t *bytes, size_t size)
{
    nacre_file *file;
    size_t got = 0;
    assert_int_equal(disk->open(disk->context, path, NACRE_FILE_READ, &file), NACRE_OK);
    assert_int_equal(disk->read(file, offset, bytes, size, &got), NACRE_OK);
    disk->close(file);
    return got;
}

/* False where nothing would change. */
static bool strike(const char *path, enum blow blow, uint64_t offset)
{
    uint8_t bytes[16];
    size_t got;
    bool changed = false;
    now.path = path;
    now.blow = blow;
    now.offset = offset;
    switch (blow) {
    case FLIP:
        assert_int_equal(os_memory_flip(disk, path, offset, (uint8_t)(1u << (offset * 5 % 8))), NACRE_OK);
        return true;
    case ZERO:
        got = read_bytes(path, offset, bytes, sizeof bytes);
        for (size_t i = 0; i < got; i++) {
            if (bytes[i]) {
                assert_int_equal(os_memory_flip(disk, path, offset + i, bytes[i]), NACRE_OK);
                changed = true;
            }
        }
        return changed;
    default:
        assert_int_equal(os_memory_resize(disk, path, offset), NACRE_OK);
        return true;
    }
}

/* ---- asking ---- */

/* NACRE_OK, or an error that is documented and names the file. */
static bool failed(int status)
{
    if (status == NACRE_OK) {
        return false;
    }
    if (status != NACRE_CORRUPT && status != NACRE_UNSUPPORTED && status != NACRE_IO) {
        complain(nacre_status_name(status));
    }
    char name[128];
    snprintf(name, sizeof name, "%s", strrchr(now.path, '/') + 1);
    if (!strstr(nacre_last_error(), name)) {
        complain("the error does not name the file");
    }
    return true;
}

static bool same(nacre_slice got, uint32_t number)
{
    static char value[MODEL_VALUE_MAX];
    nacre_slice want = model_value(number, value);
    return got.size == want.size && (want.size == 0 || memcmp(got.data, want.data, want.size) == 0);
}

/* Whether any read failed. */
static bool read_all(const struct model *m)
{
    bool any = false;
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        for (unsigned i = 0; i < MODEL_KEYS; i++) {
            nacre_value value;
            int status = nacre_get(collections[c], model_key(i), NULL, &value);
            if (status == NACRE_OK ? !same(value.slice, m->values[c][i]) || m->values[c][i] == 0
                                   : status == NACRE_NOT_FOUND && m->values[c][i] != 0) {
                complain("a wrong answer of get");
            }
            any |= status != NACRE_NOT_FOUND && failed(status);
            nacre_value_release(&value);
        }
    }
    return any;
}

static bool scan_all(const struct model *m, unsigned c, bool reverse)
{
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    o.reverse = reverse;
    if (failed(nacre_scan(collections[c], &o, &cursor))) {
        return true;
    }
    for (unsigned n = 0; n < MODEL_KEYS; n++) {
        unsigned i = reverse ? MODEL_KEYS - 1 - n : n;
        if (m->values[c][i] == 0 || !nacre_cursor_valid(cursor)) {
            if (m->values[c][i] != 0 && nacre_cursor_status(cursor) == NACRE_OK) {
                complain("a scan that ends early, without an error");
            }
            continue;
        }
        nacre_slice key = model_key(i), got = nacre_cursor_key(cursor);
        if (got.size != key.size || memcmp(got.data, key.data, key.size) != 0 ||
            !same(nacre_cursor_value(cursor), m->values[c][i])) {
            complain("a wrong answer of a scan");
        }
        nacre_cursor_next(cursor);
    }
    if (nacre_cursor_valid(cursor)) {
        complain("a scan with more keys than there are");
    }
    bool any = failed(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    return any;
}

/* Of a collection of strings: each pattern, over all keys and over some. */
static bool search_all(const struct model *m, unsigned c)
{
    bool any = false;
    for (unsigned pattern = 0; pattern < MODEL_PATTERNS; pattern++) {
        nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
        int status;
        o.parallelism = 1;
        o.reverse = pattern % 2;
        if (pattern % 3 == 0) {
            o.begin = model_key(pattern * 3);
            o.end = model_key(MODEL_KEYS - 1 - pattern);
        }
        const char *wrong = model_compare_search(m, collections[c], c, pattern, &o, &status);
        if (wrong) {
            complain(wrong);
        }
        any |= failed(status);
    }
    return any;
}

/* Of a collection of vectors: searches of all sorts, and each vector. */
static bool search_nearest(const struct model *m, unsigned c)
{
    uint64_t seed = 99;
    bool any = false;
    for (unsigned n = 0; n < 24; n++) {
        struct model_nearest how = model_random_nearest(&seed);
        int status;
        const char *wrong = model_compare_nearest(m, collections[c], c, &how, NULL, &status);
        if (wrong) {
            complain(wrong);
        }
        any |= failed(status);
    }
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        float want[MODEL_DIMENSION], got[MODEL_DIMENSION];
        int status = nacre_get_vector(collections[c], model_key(i), NULL, got, NULL);
        model_vector(m->values[c][i], want);
        if (status == NACRE_OK ? m->values[c][i] == 0 || memcmp(got, want, sizeof got) != 0
                               : status == NACRE_NOT_FOUND && m->values[c][i] != 0) {
            complain("a wrong answer of get_vector");
        }
        any |= status != NACRE_NOT_FOUND && failed(status);
    }
    return any;
}

static bool ask_all(const struct model *m)
{
    bool any = read_all(m);
    int status;
    const char *wrong = mixed_compare(mixed, &status);
    if (wrong) {
        complain(wrong);
    }
    any |= failed(status);
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        any |= scan_all(m, c, false);
        any |= scan_all(m, c, true);
        if (m->kinds[c] == NACRE_STRINGS) {
            any |= search_all(m, c);
        } else if (m->kinds[c] == NACRE_VECTORS) {
            any |= search_nearest(m, c);
        }
    }
    return any;
}

static bool names_file(const char *text)
{
    return text && strstr(text, strrchr(now.path, '/') + 1);
}

/* Merges that became due with the opening may have taken the file away, where nothing that counts was damaged; answers are compared. */
static bool is_there_still(void)
{
    bool present = true;
    (void)nacre_reclaim(store);
    if (ask_all(&states[BATCHES])) {
        return true;
    }
    return os_look(disk, now.path, &present) != NACRE_OK || present;
}

static bool verify(bool must_find, bool may_not_find)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    int status = nacre_verify(store, &report);
    bool found = status != NACRE_OK;
    if (status == NACRE_CORRUPT && !names_file(report.damage)) {
        complain("verify does not name the file");
    } else if (status != NACRE_OK && status != NACRE_CORRUPT) {
        (void)failed(status);
    }
    if (may_not_find && found) {
        fprintf(stderr, "%s", report.damage);
        complain("damage is left");
    }
    nacre_free(report.damage);
    if (must_find && !found && is_there_still()) {
        complain("verify finds nothing");
    }
    return found;
}

/* ---- the tests ---- */

static uint64_t scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text && atoi(text) > 0 ? (uint64_t)atoi(text) : 1;
}

static uint64_t stride_of(uint64_t size, uint64_t places)
{
    places *= scale();
    return size <= EACH_BYTE_UP_TO || size <= places ? 1 : size / places + 1;
}

static bool ends(const char *path, const char *ending)
{
    return strlen(path) >= strlen(ending) && strcmp(path + strlen(path) - strlen(ending), ending) == 0;
}

static void each_blow(const char *part, uint64_t places, void (*check)(void))
{
    unsigned struck = 0;
    assert_int_equal(os_memory_copy_tree(disk, closed_disk), NACRE_OK);
    list_files();
    for (unsigned n = 0; n < file_count; n++) {
        struct file f = files[n];
        if (!strstr(f.path, part)) {
            continue;
        }
        uint64_t stride = stride_of(f.size, places);
        for (uint64_t offset = 0; offset < f.size; offset += stride) {
            for (enum blow blow = FLIP; blow < BLOWS; blow++) {
                assert_int_equal(os_memory_copy_tree(disk, closed_disk), NACRE_OK);
                if (strike(f.path, blow, offset)) {
                    check();
                    struck++;
                }
            }
        }
    }
    assert_true(struck > 0);
}

static void check_anything(void)
{
    if (failed(open_store(disk, false))) {
        return;
    }
    open_collections();
    /* What failed may have been a version that a search's filter was asked about, and that a merge dropped since. */
    bool any = ask_all(&states[BATCHES]), found = verify(false, false);
    if (any && !found && ask_all(&states[BATCHES])) {
        complain("verify finds nothing");
    }
    close_store();
}

static void check_must_be_found(void)
{
    if (failed(open_store(disk, false))) {
        return;
    }
    open_collections();
    ask_all(&states[BATCHES]);
    verify(true, false);
    close_store();
}

static void check_side_file(void)
{
    if (open_store(disk, false) != NACRE_OK) {
        complain("a store with a damaged side file does not open");
    }
    open_collections();
    if (ask_all(&states[BATCHES])) {
        complain("a damaged side file costs an answer");
    }
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        if (nacre_build_indexes(collections[c]) != NACRE_OK) {
            complain("nacre_build_indexes does not mend it");
        }
    }
    if (nacre_build_indexes(mixed) != NACRE_OK) {
        complain("nacre_build_indexes does not mend it");
    }
    verify(false, true);
    if (ask_all(&states[BATCHES])) {
        complain("an answer fails after nacre_build_indexes");
    }
    close_store();
}

static void damage_of_CURRENT_is_found(void **state)
{
    (void)state;
    each_blow("/CURRENT", 256, check_anything);
}

static void damage_of_the_tuning_file_changes_no_answer(void **state)
{
    (void)state;
    each_blow("/tuning.json", 256, check_anything);
}

static void damage_of_the_manifest_is_found(void **state)
{
    (void)state;
    each_blow("/manifest/", 400, check_must_be_found);
}

static void damage_of_a_segment_is_found(void **state)
{
    (void)state;
    each_blow(".seg", 60, check_must_be_found);
}

static void damage_of_a_side_file_costs_no_answer_and_is_mended(void **state)
{
    (void)state;
    each_blow(".idx", 60, check_side_file);
}

static void damage_of_the_log_of_a_closed_store_is_found_or_without_effect(void **state)
{
    (void)state;
    each_blow(".log", 400, check_anything);
}

static void damage_of_a_value_file_is_found_or_without_effect(void **state)
{
    (void)state;
    each_blow(".val", 150, check_anything);
}

/* The file with the newest record and where its last byte that is not zero is. */
static const char *newest_record(uint64_t *offset)
{
    const char *newest = NULL;
    list_files();
    for (unsigned n = 0; n < file_count; n++) {
        static uint8_t bytes[1 << 17];
        if (ends(files[n].path, ".log")) {
            size_t got = read_bytes(files[n].path, 0, bytes, sizeof bytes);
            while (got > 0 && bytes[got - 1] == 0) {
                got--;
            }
            if (got > 64) { /* more than a header */
                newest = files[n].path;
                *offset = got - 1;
            }
        }
    }
    assert_non_null(newest);
    return newest;
}

static void the_last_record_of_a_closed_store_is_not_taken_for_a_torn_one(void **state)
{
    (void)state;
    for (enum blow blow = FLIP; blow < BLOWS; blow++) {
        uint64_t offset;
        assert_int_equal(os_memory_copy_tree(disk, closed_disk), NACRE_OK);
        const char *path = newest_record(&offset);
        strike(path, blow, offset);
        for (int again = 0; again < 3; again++) { /* an open that failed does not make it torn */
            assert_code(open_store(disk, false), NACRE_CORRUPT);
            assert_true(names_file(nacre_last_error()));
        }
    }
}

static void the_torn_last_record_of_a_killed_store_is_cut_off(void **state)
{
    (void)state;
    for (enum blow blow = FLIP; blow < BLOWS; blow++) {
        uint64_t offset;
        assert_int_equal(os_memory_copy_tree(disk, killed_disk), NACRE_OK);
        const char *path = newest_record(&offset);
        strike(path, blow, offset);
        for (int again = 0; again < 2; again++) {
            assert_ok(open_store(disk, false));
            open_collections();
            const char *wrong = model_compare(&states[BATCHES - 1], collections, NULL);
            if (wrong) {
                complain(wrong);
            }
            close_store();
        }
    }
}

/* Whether each key has a value that it had at some time. */
static void check_history(void)
{
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        for (unsigned i = 0; i < MODEL_KEYS; i++) {
            nacre_value value;
            int status = nacre_get(collections[c], model_key(i), NULL, &value);
            bool known = false;
            for (unsigned n = 0; n <= BATCHES && !known; n++) {
                uint32_t number = states[n].values[c][i];
                known = status == NACRE_OK ? number != 0 && same(value.slice, number)
                                           : status == NACRE_NOT_FOUND && number == 0;
            }
            nacre_value_release(&value);
            if (!known) {
                complain("a salvaged key has a value that it never had");
            }
        }
    }
}

static bool is_kept_aside(void)
{
    list_files();
    for (unsigned n = 0; n < file_count; n++) {
        if (ends(files[n].path, ".corrupt")) {
            return true;
        }
    }
    return false;
}

static void a_damaged_log_is_salvaged_and_kept_aside(void **state)
{
    (void)state;
    uint64_t end;
    assert_int_equal(os_memory_copy_tree(disk, closed_disk), NACRE_OK);
    char path[128];
    snprintf(path, sizeof path, "%s", newest_record(&end));
    uint64_t stride = end / (40 * scale()) + 1;
    for (uint64_t offset = 0; offset <= end; offset += stride) {
        assert_int_equal(os_memory_copy_tree(disk, closed_disk), NACRE_OK);
        strike(path, FLIP, offset);
        int status = open_store(disk, false);
        if (status == NACRE_OK) {
            close_store(); /* before the part that is still needed */
            continue;
        }
        assert_int_equal(status, NACRE_CORRUPT);
        if (open_store(disk, true) != NACRE_OK) {
            complain("salvage does not open the store");
        }
        open_collections();
        check_history();
        close_store();
        if (!is_kept_aside()) {
            complain("no *.corrupt is kept");
        }
        if (open_store(disk, false) != NACRE_OK) {
            complain("the salvaged store does not open again");
        }
        open_collections();
        check_history();
        verify(false, true);
        close_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_of_CURRENT_is_found),
        cmocka_unit_test(damage_of_the_tuning_file_changes_no_answer),
        cmocka_unit_test(damage_of_the_manifest_is_found),
        cmocka_unit_test(damage_of_a_segment_is_found),
        cmocka_unit_test(damage_of_a_side_file_costs_no_answer_and_is_mended),
        cmocka_unit_test(damage_of_the_log_of_a_closed_store_is_found_or_without_effect),
        cmocka_unit_test(damage_of_a_value_file_is_found_or_without_effect),
        cmocka_unit_test(the_last_record_of_a_closed_store_is_not_taken_for_a_torn_one),
        cmocka_unit_test(the_torn_last_record_of_a_killed_store_is_cut_off),
        cmocka_unit_test(a_damaged_log_is_salvaged_and_kept_aside),
    };
    return cmocka_run_group_tests(tests, make_disks, free_disks);
}
