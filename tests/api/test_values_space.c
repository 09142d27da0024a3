/* Space of the value log: overwrites, deletes and drops give it back by themselves within the bound of docs/limits.md, and no value is lost on the way,
   whatever fails and whenever the power goes. */
#include "base/clock.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <unistd.h>

#define KINDS         3u
#define KEYS          40u
#define FLOATS        4u
#define THRESHOLD     512u
#define VALUE_LEAST   1024u
#define VALUE_MOST    102400u
#define SEGMENT_BYTES 65536u
#define FILE_BYTES    1048576u
#define GARBAGE       30.0 /* percent: the default */
#define NEITHER       UINT32_MAX

struct space {
    nacre_os *os; /* NULL: the machine's files */
    char path[80];
    nacre_options options;
    nacre_store *store;
    nacre_collection *collections[KINDS];
    uint32_t versions[KINDS][KEYS]; /* 0: not there */
    uint64_t seed;
    size_t value_most;
};

static const nacre_kind kinds[KINDS] = { NACRE_ORDERED, NACRE_STRINGS, NACRE_VECTORS };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static nacre_slice key_of(unsigned key, char room[32])
{
    snprintf(room, 32, "key-%04u", key * 7919 % 10000);
    return text(room);
}

/* Any size from VALUE_LEAST on, of bytes that follow from collection, key and version. */
static nacre_slice value_of(const struct space *s, unsigned c, unsigned key, uint32_t version)
{
    static uint8_t room[VALUE_MOST + 8];
    uint64_t state = ((uint64_t)version << 20 | key << 4 | c) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    size_t size = VALUE_LEAST + (size_t)(next_random(&state) >> 8) % (s->value_most - VALUE_LEAST);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = next_random(&state);
        memcpy(room + i, &word, 8);
    }
    return (nacre_slice){ room, size };
}

static int open_collection(struct space *s, unsigned c)
{
    static const char *const names[KINDS] = { "ordered", "strings", "vectors" };
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = kinds[c];
    options.value_log_threshold = THRESHOLD;
    options.dimension = kinds[c] == NACRE_VECTORS ? FLOATS : 0;
    options.metric = kinds[c] == NACRE_VECTORS ? NACRE_L2 : (nacre_metric)0;
    int status = nacre_collection_open(s->store, names[c], &s->collections[c]);
    return status == NACRE_NOT_FOUND ? nacre_collection_create(s->store, names[c], &options, &s->collections[c])
                                     : status;
}

static int try_open(struct space *s)
{
    static const char *const tuning[] = { "seal_bytes",       "65536",  "segment_bytes",    "65536",
                                          "level_base_bytes", "262144", "value_file_bytes", "1048576",
                                          "level0_runs",      "2",      "log_file_bytes",   "65536" };
    int status = nacre_open(s->path, &s->options, &s->store);
    for (size_t i = 0; i < sizeof tuning / sizeof tuning[0] && status == NACRE_OK; i += 2) {
        status = nacre_tune(s->store, tuning[i], tuning[i + 1]);
    }
    for (unsigned c = 0; c < KINDS && status == NACRE_OK; c++) {
        status = open_collection(s, c);
    }
    return status;
}

static int try_close(struct space *s)
{
    for (unsigned c = 0; c < KINDS; c++) {
        nacre_collection_close(s->collections[c]);
        s->collections[c] = NULL;
    }
    int status = s->store ? nacre_close(s->store) : NACRE_OK;
    s->store = NULL;
    return status;
}

static void reopen(struct space *s)
{
    assert_ok(try_close(s));
    assert_ok(try_open(s));
}

/* The second opening reads what was tuned. */
static void begin(struct space *s, bool in_memory)
{
    *s = (struct space){ .options = NACRE_OPTIONS_INIT, .seed = 4711, .value_most = VALUE_MOST };
    s->options.durability = NACRE_OS;
    if (in_memory) {
        (void)snprintf(s->path, sizeof s->path, "%s", "/store");
        s->options.os = s->os = os_memory_create();
    } else {
        (void)snprintf(s->path, sizeof s->path, "%s", "/tmp/nacre-test-XXXXXX");
        assert_non_null(mkdtemp(s->path));
    }
    assert_ok(try_open(s));
    reopen(s);
}

static void end(struct space *s)
{
    assert_ok(try_close(s));
    if (s->os) {
        os_memory_free(s->os);
    } else {
        char command[128];
        snprintf(command, sizeof command, "rm -r '%s'", s->path);
        assert_int_equal(system(command), 0);
    }
}

static int put_version(struct space *s, unsigned c, unsigned key, uint32_t version)
{
    static const float vector[FLOATS] = { 1, 2, 3, 4 };
    char room[32];
    nacre_slice value = value_of(s, c, key, version);
    return kinds[c] == NACRE_VECTORS ? nacre_put_vector(s->collections[c], key_of(key, room), vector, value, NULL)
                                     : nacre_put(s->collections[c], key_of(key, room), value, NULL);
}

static void put_one(struct space *s, unsigned c, unsigned key)
{
    assert_ok(put_version(s, c, key, s->versions[c][key] + 1));
    s->versions[c][key]++;
}

/* Whether the key has that version, or NACRE_NOT_FOUND for 0. */
static bool has_version(struct space *s, unsigned c, unsigned key, uint32_t version, nacre_snapshot *snapshot)
{
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    nacre_value value = { { NULL, 0 }, NULL };
    char room[32];
    options.snapshot = (nacre_snapshot *)snapshot;
    int status = nacre_get(s->collections[c], key_of(key, room), &options, &value);
    if (version == 0 || status == NACRE_NOT_FOUND) {
        bool as_said = status == (version == 0 ? NACRE_NOT_FOUND : NACRE_OK);
        nacre_value_release(&value);
        return as_said;
    }
    assert_ok(status);
    nacre_slice expected = value_of(s, c, key, version);
    bool same = value.slice.size == expected.size && memcmp(value.slice.data, expected.data, expected.size) == 0;
    nacre_value_release(&value);
    return same;
}

static void check_versions(struct space *s, const uint32_t versions[KINDS][KEYS], nacre_snapshot *snapshot)
{
    for (unsigned c = 0; c < KINDS; c++) {
        for (unsigned key = 0; key < KEYS; key++) {
            if (!has_version(s, c, key, versions[c][key], snapshot)) {
                fprintf(stderr, "collection %u, key %u: not version %u\n", c, key, versions[c][key]);
                fail();
            }
        }
    }
}

static void check_all(struct space *s)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    check_versions(s, (const uint32_t(*)[KEYS])s->versions, NULL);
    int status = nacre_verify(s->store, &report);
    if (status != NACRE_OK) {
        fprintf(stderr, "%s\n", report.damage ? report.damage : nacre_last_error());
    }
    nacre_free(report.damage);
    assert_ok(status);
}

/* What all keys have now, with the headers of their records. */
static uint64_t live_bytes(const struct space *s)
{
    uint64_t bytes = 0;
    for (unsigned c = 0; c < KINDS; c++) {
        for (unsigned key = 0; key < KEYS; key++) {
            bytes += s->versions[c][key] ? value_of(s, c, key, s->versions[c][key]).size + 48 : 0;
        }
    }
    return bytes;
}

/* As docs/limits.md says: what segments point to / (1 - p), the two active files, what memtables may hide before they are sealed, and their files. */
static uint64_t bound(const struct space *s)
{
    uint64_t live = live_bytes(s), pointed = live + live / 2 + KINDS * (SEGMENT_BYTES + live / 8);
    return (uint64_t)((double)pointed / (1 - GARBAGE / 100)) + (2 + KINDS) * FILE_BYTES;
}

/* The background comes within the bound without being asked. */
static void wait_within(struct space *s, uint64_t most)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < 20000; i++) {
        bytes = stat_of(s->store, "value_log_bytes");
        if (bytes <= most) {
            return;
        }
        clock_sleep_ns(1000000);
    }
    char *json;
    assert_ok(nacre_stats(s->store, &json));
    fprintf(stderr, "value files hold %llu bytes, the bound is %llu, live are %llu: %s\n", (unsigned long long)bytes,
            (unsigned long long)most, (unsigned long long)live_bytes(s), json);
    nacre_free(json);
    fail();
}

static void fill(struct space *s)
{
    for (unsigned key = 0; key < KEYS; key++) {
        for (unsigned c = 0; c < KINDS; c++) {
            put_one(s, c, key);
        }
    }
}

static void overwrite(struct space *s, unsigned times)
{
    for (unsigned i = 0; i < times * KEYS * KINDS; i++) {
        uint64_t random = next_random(&s->seed) >> 16;
        put_one(s, (unsigned)(random % KINDS), (unsigned)(random / KINDS % KEYS));
    }
}

static void overwriting_ten_times_stays_within_the_bound(void **state)
{
    struct space s;
    (void)state;
    begin(&s, false);
    fill(&s);
    for (unsigned round = 0; round < 10; round++) {
        overwrite(&s, 1);
        wait_within(&s, bound(&s));
        check_versions(&s, (const uint32_t(*)[KEYS])s.versions, NULL);
    }
    assert_true(stat_of(s.store, "value_log_moved") > 0);
    assert_int_equal(stat_of(s.store, "background_errors"), 0);
    check_all(&s);
    reopen(&s);
    check_all(&s);
    wait_within(&s, bound(&s));
    end(&s);
}

static void snapshots_see_their_values_while_files_drain_and_space_follows_their_release(void **state)
{
    struct space s;
    uint32_t seen[2][KINDS][KEYS];
    nacre_snapshot *snapshots[2];
    (void)state;
    begin(&s, false);
    fill(&s);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(seen[i], s.versions, sizeof s.versions);
        assert_ok(nacre_snapshot_create(s.store, &snapshots[i]));
        overwrite(&s, 3);
        check_versions(&s, (const uint32_t(*)[KEYS])seen[0], snapshots[0]);
    }
    for (unsigned c = 0; c < KINDS; c++) {
        assert_ok(nacre_compact(s.collections[c], (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }));
    }
    for (unsigned i = 0; i < 2; i++) {
        check_versions(&s, (const uint32_t(*)[KEYS])seen[i], snapshots[i]);
        nacre_snapshot_release(snapshots[i]);
    }
    overwrite(&s, 2);
    wait_within(&s, bound(&s));
    check_all(&s);
    end(&s);
}

static void a_held_value_and_a_cursor_keep_what_they_show(void **state)
{
    struct space s;
    nacre_value held = { { NULL, 0 }, NULL };
    nacre_cursor *cursor;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    char room[32];
    (void)state;
    begin(&s, false);
    fill(&s);
    uint32_t seen[KEYS];
    memcpy(seen, s.versions[0], sizeof seen);
    assert_ok(nacre_get(s.collections[0], key_of(3, room), NULL, &held));
    assert_ok(nacre_scan(s.collections[0], &options, &cursor));
    overwrite(&s, 4);
    for (unsigned c = 0; c < KINDS; c++) {
        assert_ok(nacre_compact(s.collections[c], (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }));
    }
    nacre_slice expected = value_of(&s, 0, 3, seen[3]);
    assert_int_equal(held.slice.size, expected.size);
    assert_memory_equal(held.slice.data, expected.data, expected.size);
    nacre_value_release(&held);
    unsigned count = 0;
    for (nacre_cursor_first(cursor); nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        for (unsigned key = 0; key < KEYS; key++) {
            nacre_slice name = key_of(key, room), at = nacre_cursor_key(cursor);
            if (name.size == at.size && memcmp(name.data, at.data, at.size) == 0) {
                expected = value_of(&s, 0, key, seen[key]);
                assert_int_equal(nacre_cursor_value(cursor).size, expected.size);
                assert_memory_equal(nacre_cursor_value(cursor).data, expected.data, expected.size);
                count++;
            }
        }
    }
    assert_ok(nacre_cursor_status(cursor));
    assert_int_equal(count, KEYS);
    nacre_cursor_close(cursor);
    wait_within(&s, bound(&s));
    check_all(&s);
    end(&s);
}

static void what_is_deleted_in_any_way_comes_back_without_a_call(void **state)
{
    struct space s;
    char room[32];
    (void)state;
    begin(&s, false);
    fill(&s);
    overwrite(&s, 1);
    for (unsigned key = 0; key < KEYS; key++) {
        assert_ok(nacre_delete(s.collections[0], key_of(key, room), NULL));
    }
    assert_ok(nacre_delete_prefix(s.collections[1], text("key-"), NULL));
    assert_ok(nacre_collection_clear(s.collections[2]));
    memset(s.versions, 0, sizeof s.versions);
    wait_within(&s, 2 * FILE_BYTES);
    check_all(&s);
    end(&s);
}

static void a_dropped_collection_gives_its_values_back(void **state)
{
    struct space s;
    (void)state;
    begin(&s, false);
    fill(&s);
    nacre_collection_close(s.collections[1]);
    s.collections[1] = NULL;
    assert_ok(nacre_collection_drop(s.store, "strings"));
    memset(s.versions[1], 0, sizeof s.versions[1]);
    assert_ok(open_collection(&s, 1));
    overwrite(&s, 1);
    wait_within(&s, bound(&s));
    check_all(&s);
    end(&s);
}

static void expired_values_come_back_after_the_next_opening(void **state)
{
    struct space s;
    char room[32];
    (void)state;
    begin(&s, false);
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.ttl_ms = 1;
    for (unsigned key = 0; key < KEYS; key++) {
        assert_ok(nacre_put(s.collections[0], key_of(key, room), value_of(&s, 0, key, 1), &options));
    }
    assert_ok(nacre_flush(s.collections[0]));
    clock_sleep_ns(3000000);
    reopen(&s);
    wait_within(&s, 2 * FILE_BYTES);
    check_all(&s);
    end(&s);
}

static void a_compaction_leaves_little_but_what_is_live(void **state)
{
    struct space s;
    (void)state;
    begin(&s, false);
    fill(&s);
    overwrite(&s, 2);
    for (unsigned round = 0; round < 2; round++) { /* files are shared: what one leaves the next may free */
        for (unsigned c = 0; c < KINDS; c++) {
            assert_ok(nacre_compact(s.collections[c], (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }));
        }
    }
    wait_within(&s, live_bytes(&s) / 100 * 115 + FILE_BYTES);
    check_all(&s);
    end(&s);
}

static void a_pause_holds_draining_and_an_opening_goes_on_with_it(void **state)
{
    struct space s;
    (void)state;
    begin(&s, false);
    fill(&s);
    assert_ok(nacre_pause_compaction(s.store, 10000));
    uint64_t moved = stat_of(s.store, "value_log_moved");
    overwrite(&s, 4);
    for (unsigned c = 0; c < KINDS; c++) {
        assert_ok(nacre_flush(s.collections[c]));
    }
    clock_sleep_ns(50000000);
    assert_int_equal(stat_of(s.store, "value_log_moved"), moved);
    assert_true(stat_of(s.store, "reclaimable_bytes") > 0);
    assert_ok(nacre_resume_compaction(s.store));
    assert_ok(nacre_pause_compaction(s.store, 10000)); /* wherever it is by now */
    reopen(&s);
    wait_within(&s, bound(&s));
    check_all(&s);
    end(&s);
}

static void checkpoints_beside_draining_open_as_the_store_was(void **state)
{
    struct space s, copy;
    char path[96];
    (void)state;
    begin(&s, false);
    fill(&s);
    for (unsigned round = 0; round < 4; round++) {
        overwrite(&s, 2);
        snprintf(path, sizeof path, "%.64s-copy", s.path);
        assert_ok(nacre_checkpoint(s.store, path));
        copy = s;
        (void)snprintf(copy.path, sizeof copy.path, "%.70s", path);
        overwrite(&s, 1);
        assert_ok(try_open(&copy));
        check_all(&copy);
        end(&copy);
    }
    wait_within(&s, bound(&s));
    check_all(&s);
    end(&s);
}

/* ---- failures ---- */

struct attempt {
    unsigned c, key;
    uint32_t version; /* NEITHER: none */
};

/* Writes at level disk until something fails; what was under way then may be there or not. */
static struct attempt churn(struct space *s, unsigned writes)
{
    for (unsigned i = 0; i < writes; i++) {
        uint64_t random = next_random(&s->seed) >> 16;
        struct attempt a = { (unsigned)(random % KINDS), (unsigned)(random / KINDS % KEYS), 0 };
        a.version = s->versions[a.c][a.key] + 1;
        if (put_version(s, a.c, a.key, a.version) != NACRE_OK) {
            return a;
        }
        s->versions[a.c][a.key] = a.version;
    }
    return (struct attempt){ 0, 0, NEITHER };
}

static void settle_attempt(struct space *s, struct attempt a)
{
    if (a.version != NEITHER && has_version(s, a.c, a.key, a.version, NULL)) {
        s->versions[a.c][a.key] = a.version;
    }
}

static void a_power_cut_at_any_point_loses_no_value(void **state)
{
    struct space s;
    (void)state;
    begin(&s, true);
    s.value_most = 8192;
    s.options.durability = NACRE_DISK;
    reopen(&s);
    fill(&s);
    uint64_t calls = os_memory_calls(s.os);
    (void)churn(&s, 300);
    uint64_t most = os_memory_calls(s.os) - calls;
    for (unsigned i = 0; i < 40; i++) {
        os_memory_cut_at(s.os, os_memory_calls(s.os) + 1 + next_random(&s.seed) % most);
        struct attempt a = churn(&s, 600);
        (void)try_close(&s);
        os_memory_restart(s.os, 7919 * i + 1);
        os_memory_cut_at(s.os, 0);
        int status = try_open(&s);
        if (status != NACRE_OK) {
            fprintf(stderr, "cut %u: %s: %s\n", i, nacre_status_name(status), nacre_last_error());
        }
        assert_ok(status);
        settle_attempt(&s, a);
        check_all(&s);
    }
    wait_within(&s, bound(&s));
    check_all(&s);
    end(&s);
}

static void failing_calls_lose_no_value_and_space_comes_back_after_them(void **state)
{
    struct space s;
    (void)state;
    begin(&s, true);
    s.value_most = 8192;
    fill(&s);
    for (unsigned i = 0; i < 40; i++) {
        static const enum os_fault faults[] = { OS_FAULT_IO, OS_FAULT_NO_SPACE, OS_FAULT_SHORT_WRITE };
        os_memory_fail(s.os, 1 + next_random(&s.seed) % 400, faults[i % 3], i % 2);
        struct attempt a = churn(&s, 300);
        os_memory_heal(s.os);
        if (nacre_resume(s.store) != NACRE_OK) { /* what it is past resuming from, an opening mends */
            (void)try_close(&s);
            assert_ok(try_open(&s));
        }
        settle_attempt(&s, a);
        check_versions(&s, (const uint32_t(*)[KEYS])s.versions, NULL);
    }
    reopen(&s);
    check_all(&s);
    overwrite(&s, 1);
    wait_within(&s, bound(&s));
    check_all(&s);
    end(&s);
}

struct search {
    nacre_slice value;
    struct space *s;
    char path[320];
    uint64_t offset;
    bool found;
};

static void look_into(void *context, const char *name)
{
    struct search *search = context;
    const nacre_os *os = search->s->os;
    nacre_file *file;
    uint64_t size;
    char path[320];
    snprintf(path, sizeof path, "/store/values/%s", name);
    if (search->found || os->open(os->context, path, NACRE_FILE_READ, &file) != NACRE_OK) {
        return;
    }
    assert_int_equal(os->size(file, &size), NACRE_OK);
    uint8_t *bytes = malloc(size + 1);
    size_t got = 0;
    assert_int_equal(os->read(file, 0, bytes, size, &got), NACRE_OK);
    const uint8_t *at = memmem(bytes, got, search->value.data, search->value.size);
    if (at) {
        search->found = true;
        search->offset = (uint64_t)(at - bytes);
        (void)snprintf(search->path, sizeof search->path, "%s", path);
    }
    free(bytes);
    os->close(file);
}

static void a_damaged_value_is_reported_and_the_others_move_on(void **state)
{
    struct space s;
    char room[32];
    (void)state;
    begin(&s, true);
    s.value_most = 8192;
    fill(&s);
    for (unsigned c = 0; c < KINDS; c++) {
        assert_ok(nacre_flush(s.collections[c]));
    }
    struct search search = { .value = value_of(&s, 0, 5, 1), .s = &s };
    assert_int_equal(s.os->list(s.os->context, "/store/values", look_into, &search), NACRE_OK);
    assert_true(search.found);
    assert_ok(try_close(&s));
    assert_int_equal(os_memory_flip(s.os, search.path, search.offset + 10, 1), NACRE_OK);
    assert_ok(try_open(&s));
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < KEYS * KINDS; i++) {
            if (i % KINDS != 0 || i / KINDS != 5) {
                put_one(&s, i % KINDS, i / KINDS);
            }
        }
        for (unsigned c = 0; c < KINDS; c++) {
            assert_ok(nacre_compact(s.collections[c], (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }));
        }
    }
    assert_int_equal(stat_of(s.store, "value_log_unreadable"), 1);
    assert_int_equal(stat_of(s.store, "state"), 0);
    nacre_value value = { { NULL, 0 }, NULL };
    assert_code(nacre_get(s.collections[0], key_of(5, room), NULL, &value), NACRE_CORRUPT);
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_code(nacre_verify(s.store, &report), NACRE_CORRUPT);
    nacre_free(report.damage);
    for (unsigned c = 0; c < KINDS; c++) {
        for (unsigned key = 0; key < KEYS; key++) {
            assert_true((c == 0 && key == 5) || has_version(&s, c, key, s.versions[c][key], NULL));
        }
    }
    put_one(&s, 0, 5); /* a new value needs the old one no more */
    wait_within(&s, bound(&s) + FILE_BYTES);
    check_versions(&s, (const uint32_t(*)[KEYS])s.versions, NULL);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwriting_ten_times_stays_within_the_bound),
        cmocka_unit_test(snapshots_see_their_values_while_files_drain_and_space_follows_their_release),
        cmocka_unit_test(a_held_value_and_a_cursor_keep_what_they_show),
        cmocka_unit_test(what_is_deleted_in_any_way_comes_back_without_a_call),
        cmocka_unit_test(a_dropped_collection_gives_its_values_back),
        cmocka_unit_test(expired_values_come_back_after_the_next_opening),
        cmocka_unit_test(a_compaction_leaves_little_but_what_is_live),
        cmocka_unit_test(a_pause_holds_draining_and_an_opening_goes_on_with_it),
        cmocka_unit_test(checkpoints_beside_draining_open_as_the_store_was),
        cmocka_unit_test(a_power_cut_at_any_point_loses_no_value),
        cmocka_unit_test(failing_calls_lose_no_value_and_space_comes_back_after_them),
        cmocka_unit_test(a_damaged_value_is_reported_and_the_others_move_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
