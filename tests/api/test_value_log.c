/* Large values as users see them: in every kind, through every way of reading, through seals, merges, openings, checkpoints, failures and damage. */
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <pthread.h>

#define KINDS      3u
#define KEYS       60u
#define FLOATS     4u
#define VALUE_MOST 20000u

struct large {
    nacre_os *os;
    nacre_options options;
    nacre_store *store;
    nacre_collection *collections[KINDS];
    uint64_t threshold;
};

static nacre_slice key_of(unsigned n, char room[32])
{
    snprintf(room, 32, "key %05u", n);
    return text(room);
}

/* Tells by itself which key and version it is of. */
static nacre_slice value_of(unsigned n, unsigned version, char *room)
{
    size_t size = n % 7 == 3 ? 10 + n : 500 + (n * 7919 + version * 104729) % (VALUE_MOST - 500);
    for (size_t i = 0; i < size; i++) {
        room[i] = (char)(i * 31 + n * 7 + version * 13 + i / 251);
    }
    return (nacre_slice){ room, size };
}

static bool is_value_of(nacre_slice got, unsigned n, unsigned version)
{
    static _Thread_local char room[VALUE_MOST];
    nacre_slice want = value_of(n, version, room);
    return got.size == want.size && memcmp(got.data, want.data, want.size) == 0;
}

static const float *vector_of(unsigned n)
{
    static _Thread_local float vector[FLOATS];
    for (unsigned i = 0; i < FLOATS; i++) {
        vector[i] = (float)(n * (i + 1) % 17) + (float)n;
    }
    return vector;
}

static int try_open(struct large *l)
{
    static const nacre_kind kinds[KINDS] = { NACRE_ORDERED, NACRE_STRINGS, NACRE_VECTORS };
    static const char *const names[KINDS] = { "ordered", "strings", "vectors" };
    int status = nacre_open("/store", &l->options, &l->store);
    for (unsigned c = 0; c < KINDS && status == NACRE_OK; c++) {
        nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
        o.kind = kinds[c];
        o.value_log_threshold = l->threshold;
        o.dimension = kinds[c] == NACRE_VECTORS ? FLOATS : 0;
        o.metric = kinds[c] == NACRE_VECTORS ? NACRE_L2 : (nacre_metric)0;
        status = nacre_collection_open(l->store, names[c], &l->collections[c]);
        if (status == NACRE_NOT_FOUND) {
            status = nacre_collection_create(l->store, names[c], &o, &l->collections[c]);
        }
    }
    return status;
}

static void close_store(struct large *l)
{
    for (unsigned c = 0; c < KINDS; c++) {
        nacre_collection_close(l->collections[c]);
        l->collections[c] = NULL;
    }
    assert_true(nacre_close(l->store) != NACRE_HANDLES_OPEN);
    l->store = NULL;
}

static void reopen(struct large *l)
{
    close_store(l);
    assert_ok(try_open(l));
}

static void begin(struct large *l)
{
    *l = (struct large){ .os = os_memory_create(), .options = NACRE_OPTIONS_INIT, .threshold = 300 };
    l->options.os = l->os;
    l->options.durability = NACRE_OS;
    assert_ok(try_open(l));
    assert_ok(nacre_tune(l->store, "value_file_bytes", "262144"));
    reopen(l);
}

static void end(struct large *l)
{
    if (l->store) {
        close_store(l);
    }
    os_memory_free(l->os);
}

static int put_one(struct large *l, unsigned c, unsigned n, unsigned version, const nacre_write_options *options)
{
    static _Thread_local char room[VALUE_MOST];
    char key[32];
    nacre_slice value = value_of(n, version, room);
    return c == 2 ? nacre_put_vector(l->collections[c], key_of(n, key), vector_of(n), value, options)
                  : nacre_put(l->collections[c], key_of(n, key), value, options);
}

static void put_all(struct large *l, unsigned version)
{
    for (unsigned c = 0; c < KINDS; c++) {
        for (unsigned n = 0; n < KEYS; n++) {
            assert_ok(put_one(l, c, n, version, NULL));
        }
    }
}

static void check_gets(struct large *l, unsigned c, unsigned version)
{
    char room[KEYS][32];
    nacre_slice keys[KEYS];
    nacre_value values[KEYS];
    int statuses[KEYS];
    for (unsigned n = 0; n < KEYS; n++) {
        nacre_value value;
        keys[n] = key_of(n, room[n]);
        assert_ok(nacre_get(l->collections[c], keys[n], NULL, &value));
        assert_true(is_value_of(value.slice, n, version));
        nacre_value_release(&value);
    }
    assert_ok(nacre_multi_get(l->collections[c], keys, KEYS, NULL, values, statuses));
    for (unsigned n = 0; n < KEYS; n++) {
        assert_true(is_value_of(values[n].slice, n, version));
        nacre_value_release(&values[n]);
    }
}

static void check_cursor(nacre_cursor *cursor, bool reverse, unsigned version)
{
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned n = reverse ? KEYS - 1 - i : i;
        assert_true(nacre_cursor_valid(cursor));
        assert_true(is_value_of(nacre_cursor_value(cursor), n, version));
        assert_true(is_value_of(nacre_cursor_value(cursor), n, version)); /* asked again */
        nacre_cursor_next(cursor);
        if (i % 5 == 4 && i + 1 < KEYS) { /* back and forth */
            nacre_cursor_prev(cursor);
            assert_true(is_value_of(nacre_cursor_value(cursor), n, version));
            nacre_cursor_next(cursor);
        }
    }
    assert_false(nacre_cursor_valid(cursor));
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
}

static void check_scans(struct large *l, unsigned c, unsigned version)
{
    for (int reverse = 0; reverse < 2; reverse++) {
        nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
        nacre_cursor *cursor;
        o.reverse = reverse;
        assert_ok(nacre_scan(l->collections[c], &o, &cursor));
        check_cursor(cursor, reverse, version);
        if (c == 1) {
            nacre_regex_options r = NACRE_REGEX_OPTIONS_INIT;
            r.reverse = reverse;
            assert_ok(nacre_regex_scan(l->collections[c], text("key [0-9]+"), &r, &cursor));
            check_cursor(cursor, reverse, version);
        }
    }
}

static bool is_whole(void *context, nacre_slice key, nacre_slice value)
{
    unsigned n = 0;
    char room[32] = "";
    memcpy(room, key.data, key.size < 31 ? key.size : 31);
    return sscanf(room, "key %05u", &n) == 1 && is_value_of(value, n, *(unsigned *)context) && n % 2 == 0;
}

static void check_vectors(struct large *l, unsigned version)
{
    nacre_nearest_options o = NACRE_NEAREST_OPTIONS_INIT;
    nacre_neighbors found;
    o.exact = true;
    o.filter = is_whole;
    o.filter_context = &version;
    assert_ok(nacre_nearest(l->collections[2], vector_of(31), 10, &o, &found));
    assert_int_equal(found.count, 10);
    for (size_t i = 0; i < found.count; i++) {
        assert_true(is_whole(&version, found.items[i].key, found.items[i].value));
    }
    nacre_neighbors_release(&found);
    for (unsigned n = 0; n < KEYS; n++) {
        float vector[FLOATS];
        nacre_value value;
        char key[32];
        assert_ok(nacre_get_vector(l->collections[2], key_of(n, key), NULL, vector, &value));
        assert_memory_equal(vector, vector_of(n), sizeof vector);
        assert_true(is_value_of(value.slice, n, version));
        nacre_value_release(&value);
    }
}

static void check_all(struct large *l, unsigned version)
{
    for (unsigned c = 0; c < KINDS; c++) {
        check_gets(l, c, version);
        check_scans(l, c, version);
    }
    check_vectors(l, version);
}

static void flush_all(struct large *l, bool compact)
{
    for (unsigned c = 0; c < KINDS; c++) {
        assert_ok(compact ? nacre_compact(l->collections[c], text(""), text("")) : nacre_flush(l->collections[c]));
    }
}

static void large_values_are_read_in_every_way_from_memtables_segments_and_after_openings(void **state)
{
    (void)state;
    for (int map = 0; map < 2; map++) {
        struct large l;
        begin(&l);
        assert_ok(nacre_tune(l.store, "segment_map", map ? "1" : "0"));
        reopen(&l);
        put_all(&l, 1);
        assert_true(stat_of(l.store, "value_log_appends") > 100);
        check_all(&l, 1);
        reopen(&l);
        check_all(&l, 1);
        flush_all(&l, false);
        check_all(&l, 1);
        put_all(&l, 2);
        check_all(&l, 2);
        flush_all(&l, true);
        check_all(&l, 2);
        reopen(&l);
        check_all(&l, 2);
        nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
        assert_ok(nacre_verify(l.store, &report));
        nacre_free(report.damage);
        end(&l);
    }
}

static void values_are_written_once(void **state)
{
    (void)state;
    struct large l;
    begin(&l);
    put_all(&l, 1);
    flush_all(&l, false);
    uint64_t values = stat_of(l.store, "value_log_appended_bytes");
    assert_true(stat_of(l.store, "log_appended_bytes") < values / 20);
    assert_true(stat_of(l.store, "flushed_bytes") < values / 10);
    end(&l);
}

/* Entries that a cursor gives, and values that it reads from value files meanwhile. */
static uint64_t values_read(struct large *l, const nacre_scan_options *options, unsigned entries)
{
    uint64_t before = stat_of(l->store, "value_log_reads");
    nacre_cursor *cursor;
    unsigned count = 0;
    assert_ok(nacre_scan(l->collections[0], options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        count += nacre_cursor_key(cursor).size > 0;
        assert_int_equal(nacre_cursor_value(cursor).size == 0, options->keys_only);
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    assert_int_equal(count, entries);
    return stat_of(l->store, "value_log_reads") - before;
}

static void scans_read_the_values_that_they_give_and_no_other(void **state)
{
    (void)state;
    struct large l;
    begin(&l);
    assert_ok(nacre_tune(l.store, "value_garbage_percent", "90")); /* else merges that move values read them, too */
    put_all(&l, 1);
    flush_all(&l, false);
    put_all(&l, 2); /* what it hides is not read */
    unsigned large = 0, first = 0;
    for (unsigned n = 0; n < KEYS; n++) {
        large += n % 7 != 3;
        first += n < 10 && n % 7 != 3;
    }
    for (int reverse = 0; reverse < 2; reverse++) {
        nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
        o.reverse = reverse;
        assert_int_equal(values_read(&l, &o, KEYS), large);
        o.keys_only = true;
        assert_int_equal(values_read(&l, &o, KEYS), 0);
    }
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    o.limit = 10;
    assert_int_equal(values_read(&l, &o, 10), first);
    char key[32];
    for (unsigned n = 10; n < KEYS; n++) {
        assert_ok(nacre_delete(l.collections[0], key_of(n, key), NULL));
    }
    o.limit = 0;
    assert_int_equal(values_read(&l, &o, 10), first);
    o.reverse = true;
    assert_int_equal(values_read(&l, &o, 10), first);
    end(&l);
}

static char largest[64];
static void note_name(void *context, const char *name)
{
    (void)context;
    if (strcmp(name, largest) > 0) {
        snprintf(largest, sizeof largest, "%s", name);
    }
}

static void newest_value_file(struct large *l, char path[128])
{
    largest[0] = 0;
    assert_int_equal(l->os->list(l->os->context, "/store/values", note_name, NULL), NACRE_OK);
    snprintf(path, 128, "/store/values/%s", largest);
}

static void expect_stop_at_key_2(nacre_cursor *cursor, bool reverse)
{
    char key[32];
    for (unsigned n = reverse ? 4 : 0; n != 2; n += reverse ? -1u : 1u) {
        assert_true(nacre_cursor_valid(cursor));
        assert_true(is_value_of(nacre_cursor_value(cursor), n, 1));
        nacre_cursor_next(cursor);
    }
    assert_false(nacre_cursor_valid(cursor));
    assert_code(nacre_cursor_status(cursor), NACRE_CORRUPT);
    assert_int_equal(nacre_cursor_value(cursor).size, 0);
    assert_memory_equal(nacre_cursor_key(cursor).data, key_of(2, key).data, 9);
    nacre_cursor_next(cursor);
    assert_code(nacre_cursor_status(cursor), NACRE_CORRUPT);
    nacre_cursor_seek(cursor, key_of(reverse ? 1 : 3, key));
    assert_true(nacre_cursor_valid(cursor));
    assert_ok(nacre_cursor_status(cursor));
    assert_true(is_value_of(nacre_cursor_value(cursor), reverse ? 1 : 3, 1));
    nacre_cursor_seek(cursor, key_of(2, key));
    assert_false(nacre_cursor_valid(cursor));
    nacre_cursor_close(cursor);
}

static void cursors_of_every_sort_stop_where_a_value_cannot_be_read(void **state)
{
    (void)state;
    struct large l;
    char path[128];
    begin(&l);
    for (unsigned n = 0; n < 5; n++) {
        assert_ok(put_one(&l, 1, n, 1, NULL));
    }
    assert_ok(nacre_flush(l.collections[1]));
    close_store(&l);
    newest_value_file(&l, path);
    char room[VALUE_MOST];
    uint64_t offset = 64; /* of the record of key 2 */
    for (unsigned n = 0; n < 2; n++) {
        offset += (32 + 9 + value_of(n, 1, room).size + 7) & ~(size_t)7;
    }
    assert_int_equal(os_memory_flip(l.os, path, offset + 32 + 9 + 5, 8), NACRE_OK);
    assert_ok(try_open(&l));
    nacre_txn *txn;
    assert_ok(nacre_txn_begin(l.store, NULL, &txn));
    for (int reverse = 0; reverse < 2; reverse++) {
        nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
        nacre_regex_options matches = NACRE_REGEX_OPTIONS_INIT;
        nacre_cursor *cursor;
        o.reverse = matches.reverse = reverse;
        assert_ok(nacre_scan(l.collections[1], &o, &cursor));
        expect_stop_at_key_2(cursor, reverse);
        assert_ok(nacre_txn_scan(txn, l.collections[1], &o, &cursor));
        expect_stop_at_key_2(cursor, reverse);
        assert_ok(nacre_regex_scan(l.collections[1], text("[0-9]$"), &matches, &cursor));
        expect_stop_at_key_2(cursor, reverse);
        matches.keys_only = true;
        assert_ok(nacre_regex_scan(l.collections[1], text("2$"), &matches, &cursor));
        assert_true(nacre_cursor_valid(cursor));
        nacre_cursor_close(cursor);
        o.limit = 2; /* key 2 is behind it */
        assert_ok(nacre_scan(l.collections[1], &o, &cursor));
        nacre_cursor_next(cursor);
        nacre_cursor_next(cursor);
        assert_false(nacre_cursor_valid(cursor));
        assert_ok(nacre_cursor_status(cursor));
        nacre_cursor_close(cursor);
    }
    nacre_txn_abort(txn);
    end(&l);
}

static void batches_are_whole_whatever_their_values_and_expiries(void **state)
{
    (void)state;
    struct large l;
    char room[VALUE_MOST], key[32];
    begin(&l);
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (unsigned n = 0; n < KEYS; n++) {
        assert_ok(nacre_batch_put(batch, l.collections[n % 2], key_of(n, key), value_of(n, 1, room)));
    }
    nacre_write_options o = NACRE_WRITE_OPTIONS_INIT;
    o.ttl_ms = 1000000;
    assert_ok(nacre_write(l.store, batch, &o));
    nacre_batch_free(batch);
    for (int again = 0; again < 3; again++) {
        for (unsigned n = 0; n < KEYS; n++) {
            nacre_value value;
            assert_ok(nacre_get(l.collections[n % 2], key_of(n, key), NULL, &value));
            assert_true(is_value_of(value.slice, n, 1));
            nacre_value_release(&value);
        }
        if (again == 1) {
            flush_all(&l, false);
        }
        reopen(&l);
    }
    end(&l);
}

static void a_damaged_value_fails_alone_and_names_its_file(void **state)
{
    (void)state;
    struct large l;
    char path[128], key[32];
    begin(&l);
    for (unsigned n = 0; n < 5; n++) {
        assert_ok(put_one(&l, 0, n, 1, NULL));
    }
    assert_ok(nacre_flush(l.collections[0]));
    close_store(&l);
    newest_value_file(&l, path);
    assert_int_equal(os_memory_flip(l.os, path, 64 + 32 + 9 + 100, 8), NACRE_OK); /* in the value of key 0 */
    assert_ok(try_open(&l));
    nacre_value value;
    assert_code(nacre_get(l.collections[0], key_of(0, key), NULL, &value), NACRE_CORRUPT);
    assert_non_null(strstr(nacre_last_error(), strrchr(path, '/') + 1));
    assert_non_null(strstr(nacre_last_error(), "offset 105"));
    assert_ok(nacre_get(l.collections[0], key_of(1, key), NULL, &value));
    nacre_value_release(&value);
    nacre_cursor *cursor;
    assert_ok(nacre_scan(l.collections[0], NULL, &cursor));
    assert_false(nacre_cursor_valid(cursor));
    assert_int_equal(nacre_cursor_status(cursor), NACRE_CORRUPT);
    assert_int_equal(nacre_cursor_key(cursor).size, 9); /* of the entry that it cannot give */
    assert_int_equal(nacre_cursor_value(cursor).size, 0);
    nacre_cursor_next(cursor);
    assert_false(nacre_cursor_valid(cursor));
    assert_int_equal(nacre_cursor_status(cursor), NACRE_CORRUPT);
    nacre_cursor_seek(cursor, key_of(1, key));
    assert_true(is_value_of(nacre_cursor_value(cursor), 1, 1));
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_code(nacre_verify(l.store, &report), NACRE_CORRUPT);
    assert_non_null(strstr(report.damage, strrchr(path, '/') + 1));
    nacre_free(report.damage);
    end(&l);
}

/* A killed store: what was synced must be there, and what is not is damage, of which a salvage lets go. */
static void a_durable_write_whose_value_is_gone_is_damage_and_salvage_lets_go_of_it(void **state)
{
    (void)state;
    struct large l;
    char path[128], key[32];
    nacre_write_options disk = NACRE_WRITE_OPTIONS_INIT;
    disk.durability = NACRE_DISK;
    begin(&l);
    for (unsigned n = 0; n < 6; n++) {
        assert_ok(put_one(&l, 0, n, 1, &disk));
    }
    nacre_os *killed = os_memory_create();
    assert_int_equal(os_memory_copy_tree(killed, l.os), NACRE_OK);
    end(&l);
    l.os = killed;
    l.options.os = killed;
    newest_value_file(&l, path);
    largest[0] = 0;
    /* The spare that was made ahead is newer, and empty. */
    struct nacre_file *file;
    uint64_t struck = 64 + 32 + 9 + 50;
    uint8_t byte = 0;
    size_t got;
    assert_int_equal(killed->open(killed->context, path, NACRE_FILE_READ, &file), NACRE_OK);
    assert_int_equal(killed->read(file, struck, &byte, 1, &got), NACRE_OK);
    killed->close(file);
    if (byte == 0) {
        unsigned long long id;
        assert_int_equal(sscanf(strrchr(path, '/') + 1, "%16llx", &id), 1);
        snprintf(path, sizeof path, "/store/values/%016llx.val", id - 1);
    }
    assert_int_equal(os_memory_flip(killed, path, struck, 1), NACRE_OK);
    assert_code(try_open(&l), NACRE_CORRUPT);
    assert_non_null(strstr(nacre_last_error(), strrchr(path, '/') + 1));
    assert_code(try_open(&l), NACRE_CORRUPT);
    for (int salvage = 1; salvage >= 0; salvage--) {
        l.options.salvage = salvage;
        assert_ok(try_open(&l));
        for (unsigned n = 0; n < 6; n++) {
            nacre_value value;
            int status = nacre_get(l.collections[0], key_of(n, key), NULL, &value);
            assert_int_equal(status, n == 0 ? NACRE_NOT_FOUND : NACRE_OK);
            assert_true(n == 0 || is_value_of(value.slice, n, 1));
            nacre_value_release(&value);
        }
        close_store(&l);
    }
    end(&l);
}

static void a_failed_sync_of_values_makes_the_store_read_only_until_resumed(void **state)
{
    (void)state;
    struct large l;
    nacre_write_options disk = NACRE_WRITE_OPTIONS_INIT;
    disk.durability = NACRE_DISK;
    begin(&l);
    assert_ok(put_one(&l, 0, 1, 1, &disk));
    assert_ok(put_one(&l, 0, 2, 1, NULL));
    /* The file that is made in the background meanwhile may be the one whose sync fails: that costs nothing. */
    int status = NACRE_OK;
    for (unsigned tries = 0; tries < 20 && status == NACRE_OK; tries++) {
        os_memory_fail_matching(l.os, "sync", "/values/", OS_FAULT_IO, 1);
        status = put_one(&l, 0, 4, 1, &disk);
    }
    assert_int_equal(status, NACRE_IO);
    assert_code(put_one(&l, 0, 5, 1, &disk), NACRE_READ_ONLY);
    assert_int_equal(nacre_store_state(l.store, NULL, 0), NACRE_STATE_READ_ONLY);
    assert_ok(nacre_resume(l.store));
    assert_int_equal(nacre_store_state(l.store, NULL, 0), NACRE_STATE_OK);
    assert_ok(put_one(&l, 0, 5, 2, &disk));
    close_store(&l);
    os_memory_restart(l.os, 77);
    assert_ok(try_open(&l));
    static const unsigned versions[] = { 0, 1, 1, 0, 0, 2 };
    for (unsigned n = 0; n < 6; n++) {
        char key[32];
        nacre_value value;
        if (versions[n]) {
            assert_ok(nacre_get(l.collections[0], key_of(n, key), NULL, &value));
            assert_true(is_value_of(value.slice, n, versions[n]));
            nacre_value_release(&value);
        }
    }
    end(&l);
}

static void a_value_that_finds_no_room_on_the_disk_fails_alone(void **state)
{
    (void)state;
    struct large l;
    char key[32], room[VALUE_MOST];
    begin(&l);
    assert_ok(put_one(&l, 0, 1, 1, NULL));
    os_memory_set_space(l.os, 0);
    int status = NACRE_OK;
    unsigned n = 2;
    for (; status == NACRE_OK && n < 1000; n++) {
        status = nacre_put(l.collections[0], key_of(n, key), value_of(1, n, room), NULL);
    }
    assert_int_equal(status, NACRE_NO_SPACE);
    assert_ok(nacre_put(l.collections[0], text("small"), text("value"), NULL));
    os_memory_set_space(l.os, UINT64_MAX);
    assert_ok(put_one(&l, 0, 4, 9, NULL));
    nacre_value value;
    assert_ok(nacre_get(l.collections[0], key_of(4, key), NULL, &value));
    assert_true(is_value_of(value.slice, 4, 9));
    nacre_value_release(&value);
    end(&l);
}

static void a_checkpoint_has_the_values_of_its_time(void **state)
{
    (void)state;
    struct large l;
    begin(&l);
    put_all(&l, 1);
    flush_all(&l, false);
    for (unsigned n = 0; n < KEYS; n++) {
        assert_ok(put_one(&l, 0, n, 2, NULL)); /* in the log alone */
    }
    assert_ok(nacre_checkpoint(l.store, "/copy"));
    put_all(&l, 3);
    flush_all(&l, true);
    nacre_store *copy;
    nacre_collection *collection;
    assert_ok(nacre_open("/copy", &l.options, &copy));
    assert_ok(nacre_collection_open(copy, "ordered", &collection));
    for (unsigned n = 0; n < KEYS; n++) {
        char key[32];
        nacre_value value;
        assert_ok(nacre_get(collection, key_of(n, key), NULL, &value));
        assert_true(is_value_of(value.slice, n, 2));
        nacre_value_release(&value);
    }
    nacre_collection_close(collection);
    assert_ok(nacre_close(copy));
    check_all(&l, 3);
    end(&l);
}

static void a_value_that_is_held_outlives_its_overwrite_and_merge(void **state)
{
    (void)state;
    struct large l;
    char key[32];
    nacre_value held;
    begin(&l);
    put_all(&l, 1);
    flush_all(&l, false);
    assert_ok(nacre_get(l.collections[0], key_of(20, key), NULL, &held));
    put_all(&l, 2);
    flush_all(&l, true);
    assert_ok(nacre_reclaim(l.store));
    assert_true(is_value_of(held.slice, 20, 1));
    assert_code(nacre_close(l.store), NACRE_HANDLES_OPEN);
    nacre_value_release(&held);
    end(&l);
}

static void count_line(void *context, const char *json)
{
    unsigned *counts = context;
    counts[0] += strstr(json, "\"key\":\"key 000") != NULL;
    counts[1] += strstr(json, "\"sealed\":true") != NULL;
}

static void a_dump_shows_each_value_of_a_file(void **state)
{
    (void)state;
    struct large l;
    char path[128];
    unsigned counts[2] = { 0, 0 };
    begin(&l);
    for (unsigned n = 0; n < 3; n++) {
        assert_ok(put_one(&l, 0, n, 1, NULL));
    }
    close_store(&l);
    newest_value_file(&l, path);
    assert_ok(nacre_dump("values", path, &l.options, count_line, counts));
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 1);
    end(&l);
}

struct writer {
    pthread_t thread;
    struct large *l;
    unsigned first;
};

static void *write_and_read(void *context)
{
    struct writer *w = context;
    for (unsigned i = 0; i < 300; i++) {
        unsigned n = w->first + i % 10, c = i % 3;
        char key[32];
        nacre_value value;
        nacre_write_options o = NACRE_WRITE_OPTIONS_INIT;
        o.durability = i % 20 ? NACRE_OS : NACRE_DISK;
        assert_ok(put_one(w->l, c, n, i, &o));
        assert_ok(nacre_get(w->l->collections[c], key_of(n, key), NULL, &value));
        assert_true(is_value_of(value.slice, n, i));
        nacre_value_release(&value);
        if (i % 60 == 59) {
            assert_ok(nacre_flush(w->l->collections[c]));
        }
    }
    return NULL;
}

static void threads_write_and_read_large_values_beside_merges(void **state)
{
    (void)state;
    struct large l;
    struct writer writers[4];
    begin(&l);
    assert_ok(nacre_tune(l.store, "level0_runs", "2"));
    for (unsigned i = 0; i < 4; i++) {
        writers[i] = (struct writer){ .l = &l, .first = i * 10 };
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_and_read, &writers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(writers[i].thread, NULL);
    }
    reopen(&l);
    for (unsigned n = 0; n < 40; n++) {
        for (unsigned c = 0; c < KINDS; c++) {
            char key[32];
            nacre_value value;
            assert_int_equal(nacre_get(l.collections[c], key_of(n, key), NULL, &value), NACRE_OK);
            nacre_value_release(&value);
        }
    }
    end(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_values_are_read_in_every_way_from_memtables_segments_and_after_openings),
        cmocka_unit_test(values_are_written_once),
        cmocka_unit_test(scans_read_the_values_that_they_give_and_no_other),
        cmocka_unit_test(cursors_of_every_sort_stop_where_a_value_cannot_be_read),
        cmocka_unit_test(batches_are_whole_whatever_their_values_and_expiries),
        cmocka_unit_test(a_damaged_value_fails_alone_and_names_its_file),
        cmocka_unit_test(a_durable_write_whose_value_is_gone_is_damage_and_salvage_lets_go_of_it),
        cmocka_unit_test(a_failed_sync_of_values_makes_the_store_read_only_until_resumed),
        cmocka_unit_test(a_value_that_finds_no_room_on_the_disk_fails_alone),
        cmocka_unit_test(a_checkpoint_has_the_values_of_its_time),
        cmocka_unit_test(a_value_that_is_held_outlives_its_overwrite_and_merge),
        cmocka_unit_test(a_dump_shows_each_value_of_a_file),
        cmocka_unit_test(threads_write_and_read_large_values_beside_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
