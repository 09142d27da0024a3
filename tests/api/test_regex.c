/* Searching by regular expression through the public calls: the same answers wherever the keys lie, and what calls refuse. Each test
   runs over the toy kind, which asks an automaton for each key, and over strings. */
#include "base/clock.h"
#include "support/store_fixture.h"
#include "support/toy_kind.h"
#include <jansson.h>
#include <pthread.h>
#undef fail
#include "base/memory.h"
#include "store/search_count.h"

static nacre_kind kind_of_run;

static int setup_kind(void **state, nacre_kind kind)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    store_register_kind(&kind_toy);
    kind_of_run = kind;
    if (fixture_setup(state) != 0) {
        return -1;
    }
    if (store_kind(kind)) {
        struct fixture *f = *state;
        options.kind = kind;
        nacre_collection_close(f->collection);
        assert_ok(nacre_collection_create(f->store, "keys", &options, &f->collection));
    }
    return 0;
}

static int setup_toy(void **state)
{
    return setup_kind(state, (nacre_kind)TOY_KIND);
}

static int setup_strings(void **state)
{
    return setup_kind(state, NACRE_STRINGS);
}

#define NEEDS_KIND() \
    if (!store_kind(kind_of_run)) { \
        skip(); \
    }

/* "k1=v1 k2=v2" of what a pattern finds; a static buffer. */
static const char *find(struct fixture *f, const char *pattern, const nacre_regex_options *options)
{
    static char out[65536];
    size_t used = 0;
    nacre_cursor *cursor;
    out[0] = 0;
    assert_ok(nacre_regex_scan(f->collection, text(pattern), options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%.*s", used ? " " : "", (int)key.size,
                                 (const char *)key.data, (int)value.size, (const char *)value.data);
        assert_true(used < sizeof out);
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    return out;
}

static uint64_t count(struct fixture *f, const char *pattern, const nacre_regex_options *options)
{
    uint64_t found = UINT64_MAX;
    assert_ok(nacre_regex_count(f->collection, text(pattern), options, &found));
    return found;
}

static void matches_are_found_in_memory_in_segments_and_in_both(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    put(f, "/etc/hosts", "1");
    put(f, "/usr/bin/cc", "2");
    put(f, "/usr/lib/libc.so", "3");
    for (int round = 0; round < 4; round++) {
        assert_string_equal(find(f, "^/usr", NULL), "/usr/bin/cc=2 /usr/lib/libc.so=3");
        assert_string_equal(find(f, "s$", NULL), "/etc/hosts=1");
        assert_string_equal(find(f, "(?i)LIB.*\\.SO$", NULL), "/usr/lib/libc.so=3");
        assert_string_equal(find(f, "nothing", NULL), "");
        assert_int_equal(count(f, "", NULL), 3);
        assert_int_equal(count(f, "c", NULL), 3);
        assert_int_equal(count(f, "^/usr/(bin|lib)/", NULL), 2);
        switch (round) {
        case 0:
            assert_ok(nacre_seal(f->collection));
            break;
        case 1:
            assert_ok(nacre_flush(f->collection));
            break;
        default:
            assert_ok(nacre_compact(f->collection, text(""), text("")));
            break;
        }
    }
    put(f, "/usr/bin/c++", "4");
    put(f, "/usr/bin/cc", "5");
    assert_string_equal(find(f, "bin", NULL), "/usr/bin/c++=4 /usr/bin/cc=5");
    assert_int_equal(count(f, "bin", NULL), 2);
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(find(f, "bin", NULL), "/usr/bin/c++=4 /usr/bin/cc=5");
    assert_int_equal(count(f, "bin", NULL), 2);
}

static void what_was_deleted_above_is_not_found_below(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    put(f, "a1", "1");
    put(f, "a2", "2");
    put(f, "a3", "3");
    put(f, "b1", "4");
    assert_ok(nacre_flush(f->collection));
    nacre_snapshot *snapshot;
    nacre_regex_options then = NACRE_REGEX_OPTIONS_INIT;
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    then.snapshot = snapshot;
    delete_key(f, "a1");
    delete_key(f, "a9");
    put(f, "a4", "5");
    for (int round = 0; round < 3; round++) {
        assert_string_equal(find(f, "^a", NULL), "a2=2 a3=3 a4=5");
        assert_int_equal(count(f, "^a", NULL), 3);
        assert_int_equal(count(f, "1", NULL), 1);
        assert_string_equal(find(f, "^a", &then), "a1=1 a2=2 a3=3");
        assert_int_equal(count(f, "^a", &then), 3);
        assert_ok(round ? nacre_compact(f->collection, text(""), text("")) : nacre_flush(f->collection));
    }
    assert_ok(nacre_delete_range(f->collection, text("a2"), text("a4"), NULL));
    for (int round = 0; round < 3; round++) {
        assert_string_equal(find(f, ".", NULL), "a4=5 b1=4");
        assert_int_equal(count(f, ".", NULL), 2);
        assert_int_equal(count(f, "^a", &then), 3);
        assert_ok(round ? nacre_compact(f->collection, text(""), text("")) : nacre_flush(f->collection));
    }
    put(f, "a2", "6");
    assert_string_equal(find(f, "2", NULL), "a2=6");
    assert_int_equal(count(f, "2", NULL), 1);
    nacre_snapshot_release(snapshot);
}

static _Atomic uint64_t clock_now = 1000;
static uint64_t test_clock(void)
{
    return clock_now;
}

static void expired_keys_are_not_found(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.ttl_ms = 100;
    clock_set_wall_ms(test_clock);
    assert_ok(nacre_put(f->collection, text("short"), text("1"), &options));
    put(f, "shown", "2");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(count(f, "^sho", NULL), 2);
        assert_ok(nacre_flush(f->collection));
    }
    put(f, "short", "3");
    assert_ok(nacre_put(f->collection, text("shown"), text("4"), &options));
    clock_now += 100;
    for (int round = 0; round < 2; round++) {
        assert_string_equal(find(f, "^sho", NULL), "short=3");
        assert_int_equal(count(f, "^sho", NULL), 1);
        assert_ok(nacre_flush(f->collection));
    }
    clock_set_wall_ms(NULL);
}

static void cursors_keep_to_bounds_limit_and_direction(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    nacre_cursor *c;
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%02d%c", i, i % 2 ? 'x' : 'y');
        put(f, key, "v");
        if (i == 9) {
            assert_ok(nacre_flush(f->collection));
        }
    }
    o.begin = text("k05");
    o.end = text("k13");
    o.keys_only = true;
    assert_string_equal(find(f, "x$", &o), "k05x= k07x= k09x= k11x=");
    assert_int_equal(count(f, "x$", &o), 4);
    o.limit = 3;
    assert_string_equal(find(f, "x$", &o), "k05x= k07x= k09x=");
    assert_int_equal(count(f, "x$", &o), 3);
    o.reverse = true;
    assert_string_equal(find(f, "x$", &o), "k11x= k09x= k07x=");
    o.limit = 0;
    o.keys_only = false;
    assert_ok(nacre_regex_scan(f->collection, text("x$"), &o, &c));
    nacre_cursor_seek(c, text("k08"));
    assert_memory_equal(nacre_cursor_key(c).data, "k07x", 4);
    nacre_cursor_prev(c);
    assert_memory_equal(nacre_cursor_key(c).data, "k09x", 4);
    assert_memory_equal(nacre_cursor_value(c).data, "v", 1);
    nacre_cursor_last(c);
    assert_memory_equal(nacre_cursor_key(c).data, "k05x", 4);
    nacre_cursor_next(c);
    assert_false(nacre_cursor_valid(c));
    nacre_cursor_seek(c, text("k01"));
    assert_false(nacre_cursor_valid(c));
    nacre_cursor_seek(c, text("k99"));
    assert_memory_equal(nacre_cursor_key(c).data, "k11x", 4);
    nacre_cursor_close(c);
    o.begin = text("k13");
    o.end = text("k05");
    assert_string_equal(find(f, "x$", &o), "");
    assert_int_equal(count(f, "x$", &o), 0);
}

/* A row of dead matches between live keys that do not match must not be taken for a range without live keys. */
static void a_cursor_over_matches_learns_no_dead_ranges(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    char key[16];
    for (int i = 0; i < 600; i++) {
        snprintf(key, sizeof key, "k%03d%s", i, i % 2 ? "dead" : "live");
        put(f, key, "v");
    }
    for (int i = 1; i < 600; i += 2) {
        snprintf(key, sizeof key, "k%03ddead", i);
        delete_key(f, key);
    }
    put(f, "a, not dead", "v"); /* the ends of the row */
    put(f, "z, not dead", "v");
    for (int round = 0; round < 3; round++) {
        nacre_scan_options all = NACRE_SCAN_OPTIONS_INIT;
        nacre_cursor *c;
        nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
        o.reverse = round == 1;
        assert_string_equal(find(f, "dead", &o),
                            o.reverse ? "z, not dead=v a, not dead=v" : "a, not dead=v z, not dead=v");
        uint64_t live = 0;
        assert_ok(nacre_scan(f->collection, &all, &c));
        for (; nacre_cursor_valid(c); nacre_cursor_next(c)) {
            live++;
        }
        nacre_cursor_close(c);
        assert_int_equal(live, 302);
        assert_int_equal(count(f, "live", NULL), 300);
    }
}

static void put_many(struct fixture *f, unsigned from, unsigned to)
{
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = from; i < to; i++) {
        char key[48];
        int size = snprintf(key, sizeof key, "/usr/share/%02x/file%u", i * 2654435761u >> 24, i);
        assert_ok(nacre_batch_put(batch, f->collection, (nacre_slice){ key, (size_t)size }, text("v")));
        if (i % 1000 == 999 || i + 1 == to) {
            assert_ok(nacre_write(f->store, batch, NULL));
            nacre_batch_clear(batch);
        }
    }
    nacre_batch_free(batch);
}

static uint64_t with_seven(unsigned to)
{
    uint64_t found = 0;
    for (unsigned i = 0; i < to; i++) {
        char number[16];
        snprintf(number, sizeof number, "file%u", i);
        found += strchr(number, '7') != NULL;
    }
    return found;
}

static void any_number_of_threads_counts_the_same(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    static const uint32_t threads[] = { 0, 1, 2, 4, 100, 0 };
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    put_many(f, 0, 100000);
    assert_ok(nacre_flush(f->collection));
    put_many(f, 80000, 160000);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            o.parallelism = threads[i];
            assert_int_equal(count(f, "file[0-689]*7", &o), with_seven(160000));
            assert_int_equal(count(f, "file", &o), 160000);
            assert_int_equal(count(f, "#", &o), 0);
        }
        assert_ok(nacre_flush(f->collection));
    }
}

static void a_cancelled_search_ends_until_the_flag_is_reset(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    nacre_cancel *cancel;
    nacre_cursor *c;
    uint64_t found;
    char *json;
    for (int i = 0; i < 9; i++) {
        put(f, (char[]){ 'k', (char)('0' + i), 0 }, "v");
    }
    assert_ok(nacre_cancel_create(&cancel));
    o.cancel = cancel;
    assert_ok(nacre_regex_scan(f->collection, text("k"), &o, &c));
    nacre_cursor_next(c);
    assert_true(nacre_cursor_valid(c));
    nacre_cancel_request(cancel);
    nacre_cursor_next(c);
    assert_false(nacre_cursor_valid(c));
    assert_code(nacre_cursor_status(c), NACRE_CANCELLED);
    nacre_cursor_first(c);
    assert_code(nacre_cursor_status(c), NACRE_CANCELLED);
    assert_code(nacre_regex_count(f->collection, text("k"), &o, &found), NACRE_CANCELLED);
    assert_code(nacre_regex_explain(f->collection, text("k"), &o, &json), NACRE_CANCELLED);
    o.limit = 2;
    assert_code(nacre_regex_count(f->collection, text("k"), &o, &found), NACRE_CANCELLED);
    nacre_cursor *none = c;
    assert_code(nacre_regex_scan(f->collection, text("k"), &o, &none), NACRE_CANCELLED);
    assert_null(none);
    nacre_cancel_reset(cancel);
    assert_int_equal(count(f, "k", &o), 2);
    nacre_cursor_first(c);
    assert_ok(nacre_cursor_status(c));
    assert_memory_equal(nacre_cursor_key(c).data, "k0", 2);
    nacre_cursor_close(c);
    nacre_cancel_free(cancel);
    nacre_cancel_free(NULL);
    nacre_cancel_request(NULL);
    nacre_cancel_reset(NULL);
}

static void *cancel_soon(void *cancel)
{
    clock_sleep_ns(2000000);
    nacre_cancel_request(cancel);
    return NULL;
}

static void a_count_on_many_threads_is_cancelled_from_another(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    nacre_cancel *cancel;
    put_many(f, 0, 50000);
    assert_ok(nacre_flush(f->collection));
    put_many(f, 40000, 90000);
    assert_ok(nacre_cancel_create(&cancel));
    o.cancel = cancel;
    for (o.parallelism = 0; o.parallelism <= 3; o.parallelism++) {
        pthread_t thread;
        uint64_t found;
        int status = NACRE_OK;
        nacre_cancel_reset(cancel);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, cancel), 0);
        while (status == NACRE_OK) {
            status = nacre_regex_count(f->collection, text("file[0-689]*7"), &o, &found);
        }
        pthread_join(thread, NULL);
        assert_code(status, NACRE_CANCELLED);
        assert_non_null(strstr(nacre_last_error(), "cancelled"));
    }
    nacre_cancel_free(cancel);
}

static void a_search_that_takes_too_long_times_out(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    nacre_cursor *c;
    uint64_t found;
    put_many(f, 0, 200000); /* in memory: walked one by one, which takes some ms */
    o.timeout_ms = 1;
    o.parallelism = 1;
    assert_code(nacre_regex_count(f->collection, text("file[0-689]*#"), &o, &found), NACRE_TIMEOUT);
    assert_non_null(strstr(nacre_last_error(), "1 ms"));
    assert_code(nacre_regex_scan(f->collection, text("file[0-689]*#"), &o, &c), NACRE_TIMEOUT);
    /* All moves together count: each one by itself is quick. */
    o.keys_only = true;
    assert_ok(nacre_regex_scan(f->collection, text("file"), &o, &c));
    while (nacre_cursor_valid(c)) {
        nacre_cursor_next(c);
    }
    assert_code(nacre_cursor_status(c), NACRE_TIMEOUT);
    nacre_cursor_first(c);
    assert_code(nacre_cursor_status(c), NACRE_TIMEOUT);
    nacre_cursor_close(c);
    o.timeout_ms = 60000;
    assert_int_equal(count(f, "file", &o), 200000);
}

static void assert_refused(int status, int code, const char *words)
{
    assert_code(status, code);
    if (!strstr(nacre_last_error(), words)) {
        fprintf(stderr, "'%s' is not in: %s\n", words, nacre_last_error());
        assert_true(false);
    }
}

static void what_is_wrong_is_refused_and_said(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    nacre_collection *ordered;
    nacre_cursor *c;
    uint64_t found = 5;
    size_t at = 7;
    char *json;
    assert_ok(nacre_collection_open(f->store, "test", &ordered));
    assert_refused(nacre_regex_scan(ordered, text("a"), NULL, &c), NACRE_UNSUPPORTED, "'test' is of kind ordered");
    assert_refused(nacre_regex_count(ordered, text("a"), NULL, &found), NACRE_UNSUPPORTED, "only strings");
    assert_refused(nacre_regex_explain(ordered, text("a"), NULL, &json), NACRE_UNSUPPORTED, "only strings");
    nacre_collection_close(ordered);
    assert_refused(nacre_regex_count(f->collection, text("a(b"), NULL, &found), NACRE_INVALID, "regular expression");
    assert_int_equal(found, 0);
    assert_refused(nacre_regex_scan(f->collection, text("*"), NULL, &c), NACRE_INVALID, "at byte 0");
    assert_null(c);
    assert_refused(nacre_regex_check(text("ab[z-a]"), NULL, &at), NACRE_INVALID, "at byte");
    assert_in_range(at, 2, 6);
    assert_ok(nacre_regex_check(text("ab[a-z]"), NULL, &at));
    assert_int_equal(at, 0);
    assert_ok(nacre_regex_check((nacre_slice){ NULL, 0 }, NULL, NULL));
    assert_refused(nacre_regex_check((nacre_slice){ NULL, 3 }, NULL, NULL), NACRE_INVALID, "NULL");
    assert_refused(nacre_regex_count(f->collection, text("a"), NULL, NULL), NACRE_INVALID, "NULL");
    assert_refused(nacre_regex_scan(f->collection, text("a"), NULL, NULL), NACRE_INVALID, "NULL");
    assert_refused(nacre_regex_explain(f->collection, text("a"), NULL, NULL), NACRE_INVALID, "NULL");
    assert_refused(nacre_regex_count(NULL, text("a"), NULL, &found), NACRE_INVALID, "NULL");
    assert_refused(nacre_cancel_create(NULL), NACRE_INVALID, "NULL");
    char *large = calloc(1, NACRE_STRING_KEY_MAX + 1);
    o.end = (nacre_slice){ large, NACRE_STRING_KEY_MAX + 1 };
    assert_refused(nacre_regex_count(f->collection, text("a"), &o, &found), NACRE_LIMIT, "end has 1048577 bytes");
    memset(large, 'a', NACRE_STRING_KEY_MAX);
    assert_code(nacre_regex_check((nacre_slice){ large, 70000 }, NULL, NULL), NACRE_LIMIT);
    free(large);
    nacre_collection *again = f->collection;
    assert_ok(nacre_collection_drop(f->store, "keys"));
    assert_refused(nacre_regex_count(again, text("a"), NULL, &found), NACRE_NOT_FOUND, "dropped");
}

static void keys_of_1_mib_are_kept_and_found(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    char *key = malloc(NACRE_STRING_KEY_MAX + 1);
    memset(key, 'x', NACRE_STRING_KEY_MAX + 1);
    nacre_slice longest = { key, NACRE_STRING_KEY_MAX }, shorter = { key, NACRE_STRING_KEY_MAX - 1 };
    assert_refused(nacre_put(f->collection, (nacre_slice){ key, NACRE_STRING_KEY_MAX + 1 }, text("v"), NULL),
                   NACRE_LIMIT, "the limit of the kind");
    assert_ok(nacre_put(f->collection, longest, text("1"), NULL));
    assert_ok(nacre_put(f->collection, shorter, text("2"), NULL));
    put(f, "x", "3");
    for (int round = 0; round < 4; round++) {
        nacre_value value;
        assert_int_equal(count(f, "xxxx$", NULL), 2);
        assert_int_equal(count(f, "^x$", NULL), 1);
        assert_ok(nacre_get(f->collection, longest, NULL, &value));
        assert_memory_equal(value.slice.data, "1", 1);
        nacre_value_release(&value);
        if (round == 0) { /* from the log again */
            nacre_collection_close(f->collection);
            assert_ok(nacre_close(f->store));
            assert_ok(nacre_open(f->path, &f->options, &f->store));
            assert_ok(nacre_collection_open(f->store, "keys", &f->collection));
        } else {
            assert_ok(round == 1 ? nacre_flush(f->collection) : nacre_compact(f->collection, text(""), text("")));
        }
    }
    assert_ok(nacre_delete_range(f->collection, shorter, (nacre_slice){ NULL, 0 }, NULL));
    assert_int_equal(count(f, "x", NULL), 1);
    free(key);
}

static void an_explanation_is_json_and_tells_the_count(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    put(f, "/usr/bin/cc", "1");
    put(f, "/usr/bin/c\xff", "2");
    assert_ok(nacre_flush(f->collection));
    put(f, "/usr/bin/cc", "3");
    put(f, "/etc", "3");
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    char *text_of;
    json_error_t error;
    o.bytes = true;
    assert_ok(nacre_regex_explain(f->collection, text("^/usr\\\"?.*\xff|\"cc\"|c"), &o, &text_of));
    json_t *json = json_loads(text_of, 0, &error);
    if (!json) {
        fprintf(stderr, "%s: %s\n", text_of, error.text);
    }
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "matches")), 3);
    assert_string_equal(json_string_value(json_object_get(json, "pattern")), "^/usr\\\"?.*\\xff|\"cc\"|c");
    static const char *const names[] = { "time_us",     "threads",  "shape",  "anchored", "at_begin", "at_end",
                                         "least_bytes", "literals", "folded", "begin",    "required", "grams" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_non_null(json_object_get(json, names[i]));
    }
    const json_t *tables = json_object_get(json, "memtables"), *segments = json_object_get(json, "segments");
    assert_int_equal(json_array_size(tables), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(tables, 0), "keys")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(tables, 0), "matches")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(tables, 0), "strategy")), "walk");
    assert_int_equal(json_array_size(segments), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(segments, 0), "matches")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(segments, 0), "below")), "nothing");
    json_decref(json);
    nacre_free(text_of);
}

static _Thread_local bool counts_allocations;
static int64_t allocations_left;
static bool fail_one(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return counts_allocations && --allocations_left == 0;
}

static void every_allocation_may_fail(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    put_many(f, 0, 300);
    assert_ok(nacre_flush(f->collection));
    put_many(f, 200, 400);
    assert_ok(nacre_delete_range(f->collection, text("/usr/share/a"), text("/usr/share/b"), NULL));
    uint64_t expected = count(f, "[^a]le.*7", NULL), found;
    count_limits.merge_keys = 10;
    memory_set_fault(fail_one, NULL);
    counts_allocations = true;
    for (int kind = 0; kind < 3; kind++) {
        bool all = false;
        for (int64_t nth = 1; !all; nth++) {
            nacre_cursor *c;
            char *json = NULL;
            found = 0;
            allocations_left = nth;
            int status = kind == 0   ? nacre_regex_count(f->collection, text("[^a]le.*7"), NULL, &found)
                         : kind == 1 ? nacre_regex_explain(f->collection, text("[^a]le.*7"), NULL, &json)
                                     : nacre_regex_scan(f->collection, text("[^a]le.*7"), NULL, &c);
            if (kind == 2 && status == NACRE_OK) {
                for (; nacre_cursor_valid(c); nacre_cursor_next(c)) {
                    found++;
                }
                status = nacre_cursor_status(c);
                nacre_cursor_close(c);
            }
            all = allocations_left > 0;
            nacre_free(json);
            if (status != NACRE_OK) {
                assert_code(status, NACRE_NO_MEMORY);
            } else if (kind != 1) {
                assert_int_equal(found, expected);
            }
        }
    }
    counts_allocations = false;
    memory_set_fault(NULL, NULL);
    count_limits.merge_keys = 128;
}

static void searches_and_matches_are_counted(void **state)
{
    NEEDS_KIND();
    struct fixture *f = *state;
    put(f, "a", "1");
    put(f, "b", "2");
    count(f, ".", NULL);
    find(f, "a", NULL);
    assert_int_equal(stat_of(f->store, "searches"), 2);
    assert_int_equal(stat_of(f->store, "search_matches"), 3);
    assert_int_equal(stat_of(f->store, "cursors"), 0);
}

#define BOTH(test) \
    { #test " (toy)", test, setup_toy, fixture_teardown, NULL }, \
    { \
#test " (strings)", test, setup_strings, fixture_teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(matches_are_found_in_memory_in_segments_and_in_both),
        BOTH(what_was_deleted_above_is_not_found_below),
        BOTH(expired_keys_are_not_found),
        BOTH(cursors_keep_to_bounds_limit_and_direction),
        BOTH(a_cursor_over_matches_learns_no_dead_ranges),
        BOTH(any_number_of_threads_counts_the_same),
        BOTH(a_cancelled_search_ends_until_the_flag_is_reset),
        BOTH(a_count_on_many_threads_is_cancelled_from_another),
        BOTH(a_search_that_takes_too_long_times_out),
        BOTH(what_is_wrong_is_refused_and_said),
        BOTH(keys_of_1_mib_are_kept_and_found),
        BOTH(an_explanation_is_json_and_tells_the_count),
        BOTH(every_allocation_may_fail),
        BOTH(searches_and_matches_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
