/* Very long keys and large values in collections of strings, and what cursors see of a collection that is emptied or dropped under them. */
#include "support/searching.h"

#define KEY_MIB ((size_t)NACRE_STRING_KEY_MAX)

static char *very_long(char fill, size_t size, const char *ending)
{
    char *key = malloc(size);
    memset(key, fill, size);
    memcpy(key + size - strlen(ending), ending, strlen(ending));
    return key;
}

static void check_around_long_keys(struct fixture *f)
{
    assert_int_equal(found_count(f, "", NULL), 2004);
    assert_int_equal(found_count(f, "^k", NULL), 1000);
    assert_int_equal(found_count(f, "^z", NULL), 1000);
    assert_int_equal(found_count(f, "m{1000}", NULL), 4);
    assert_int_equal(found_count(f, "the end$", NULL), 2);
    assert_int_equal(found_count(f, "^m+$", NULL), 2);
    assert_int_equal(found_count(f, "^m.*the end$", NULL), 2);
    assert_int_equal(found_count(f, "(?i)M THE END", NULL), 0);
    assert_int_equal(found_count(f, "(?i)MTHE END", NULL), 2);
    assert_int_equal(found_count(f, "999$", NULL), 2);
    assert_int_equal(found_count(f, "[^m]m", NULL), 0);
}

static void keys_of_up_to_a_mebibyte_hide_none_behind_them(void **state)
{
    struct fixture *f = *state;
    char *keys[4] = { very_long('m', 300 << 10, "the end"), very_long('m', KEY_MIB, "the end"),
                      very_long('m', KEY_MIB, "m"), very_long('m', KEY_MIB - 1, "m") };
    const size_t sizes[4] = { 300 << 10, KEY_MIB, KEY_MIB, KEY_MIB - 1 };
    for (unsigned i = 0; i < 1000; i++) {
        char key[20];
        snprintf(key, sizeof key, "k%05u", i);
        put(f, key, "v");
        snprintf(key, sizeof key, "z%05u", i);
        put(f, key, "v");
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_ok(nacre_put(f->collection, (nacre_slice){ keys[i], sizes[i] }, text("v"), NULL));
    }
    in_every_place(f, check_around_long_keys);
    for (unsigned i = 0; i < 4; i++) {
        nacre_value value;
        nacre_slice key = { keys[i], sizes[i] };
        assert_ok(nacre_get(f->collection, key, NULL, &value));
        nacre_value_release(&value);
        assert_ok(nacre_delete(f->collection, key, NULL));
        assert_int_equal(count_of(f, "^m"), 3 - i);
        free(keys[i]);
    }
}

/* ---- long keys that share most of what they are ---- */

#define SHARED 200000u
#define TWINS  300u

static nacre_slice twin(char *key, unsigned number)
{
    snprintf(key + SHARED, 8, "/%05u", number);
    return (nacre_slice){ key, SHARED + 6 };
}

static void check_twins(struct fixture *f)
{
    static char key[SHARED + 8], pattern[80];
    memset(key, 't', SHARED);
    for (unsigned i = 0; i < TWINS; i += 37) {
        nacre_value value;
        assert_ok(nacre_get(f->collection, twin(key, i), NULL, &value));
        nacre_value_release(&value);
        snprintf(pattern, sizeof pattern, "^t+/%05u$", i);
        assert_int_equal(count_of(f, pattern), 1);
    }
    assert_int_equal(count_of(f, "^t"), TWINS);
    assert_int_equal(count_of(f, "/000[0-4][0-9]$"), 50);
    assert_int_equal(count_of(f, "[^t/0-9]"), 0);
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    static char end[SHARED + 8];
    memset(end, 't', SHARED);
    o.begin = twin(key, 130);
    o.end = twin(end, 170);
    assert_int_equal(found_count(f, "t/0", &o), 40);
    assert_int_equal(found_count(f, "5$", &o), 4);
}

/* The separators between their blocks are as long as they. */
static void blocks_of_long_keys_are_told_apart_by_their_last_bytes(void **state)
{
    struct fixture *f = *state;
    static char key[SHARED + 8];
    memset(key, 't', SHARED);
    for (unsigned i = 0; i < TWINS; i++) {
        assert_ok(nacre_put(f->collection, twin(key, i * 7 % TWINS), text("v"), NULL));
    }
    in_every_place(f, check_twins);
}

/* ---- long keys that share nothing ---- */

#define STRANGERS 120u
#define STRANGE   150000u

static void make_stranger(char *key, unsigned number)
{
    uint64_t seed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < STRANGE; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        key[i] = "abcdefghijklmnop"[seed >> 60];
    }
    memcpy(key + STRANGE * (uint64_t)number / STRANGERS, "Q", 1); /* one at another place in each */
}

static void check_strangers(struct fixture *f)
{
    assert_int_equal(count_of(f, ""), STRANGERS);
    assert_int_equal(count_of(f, "Q"), STRANGERS);
    assert_int_equal(count_of(f, "^Q"), 1);
    assert_int_equal(count_of(f, "Q$"), 0);
    assert_int_equal(count_of(f, "(?i)q[a-p]{10}"), STRANGERS);
    assert_int_equal(count_of(f, "Q[^Q]*Q"), 0);
    assert_int_equal(count_of(f, "^[a-pQ]+$"), STRANGERS);
}

static void blocks_of_long_keys_of_their_own_are_read_to_their_end(void **state)
{
    struct fixture *f = *state;
    char *key = malloc(STRANGE);
    for (unsigned i = 0; i < STRANGERS; i++) {
        make_stranger(key, i);
        assert_ok(nacre_put(f->collection, (nacre_slice){ key, STRANGE }, text("v"), NULL));
    }
    in_every_place(f, check_strangers);
    free(key);
}

/* ---- large values ---- */

static size_t value_size(unsigned number)
{
    return number % 10 == 0 ? 3 << 20 : number % 3 == 0 ? 70000 : number % 2;
}

static void check_values(struct fixture *f)
{
    nacre_cursor *cursor;
    unsigned number = 0;
    assert_ok(nacre_regex_scan(f->collection, text("^k[0-9]+$"), NULL, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), number++) {
        nacre_slice value = nacre_cursor_value(cursor);
        assert_int_equal(value.size, value_size(number));
        for (size_t i = 0; i < value.size; i += 4097) {
            assert_int_equal(((const uint8_t *)value.data)[i], (uint8_t)(number + i));
        }
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    assert_int_equal(number, 40);
}

static void matches_come_with_their_values_whatever_their_size(void **state)
{
    struct fixture *f = *state;
    uint8_t *value = malloc(3 << 20);
    for (unsigned number = 0; number < 40; number++) {
        char key[20];
        snprintf(key, sizeof key, "k%03u", number);
        for (size_t i = 0; i < value_size(number); i++) {
            value[i] = (uint8_t)(number + i);
        }
        assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ value, value_size(number) }, NULL));
        snprintf(key, sizeof key, "other%03u", number);
        assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ value, value_size(number) }, NULL));
    }
    free(value);
    in_every_place(f, check_values);
}

/* ---- a collection that goes under a cursor ---- */

static void cursors_outlive_what_their_collection_held(void **state)
{
    struct fixture *f = *state;
    nacre_cursor *cursors[3];
    nacre_regex_options then = NACRE_REGEX_OPTIONS_INIT;
    nacre_snapshot *snapshot;
    for (unsigned i = 0; i < 1000; i++) {
        char key[20];
        snprintf(key, sizeof key, "k%04u", i);
        put(f, key, "v");
        if (i == 600) {
            assert_ok(nacre_flush(f->collection));
        }
    }
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    then.snapshot = snapshot;
    assert_ok(nacre_regex_scan(f->collection, text("[02468]$"), NULL, &cursors[0]));
    assert_ok(nacre_collection_clear(f->collection));
    assert_int_equal(found_count(f, "", NULL), 0);
    assert_int_equal(found_count(f, "k", &then), 1000);
    put_words(f, "k0001 k0002");
    compact_all(f);
    assert_int_equal(found_count(f, "", NULL), 2);
    assert_int_equal(found_count(f, "k", &then), 1000);
    assert_ok(nacre_regex_scan(f->collection, text("[02468]$"), &then, &cursors[1]));
    assert_ok(nacre_regex_scan(f->collection, text("[02468]$"), NULL, &cursors[2]));
    assert_ok(nacre_collection_drop(f->store, "test"));
    uint64_t count;
    nacre_cursor *none;
    assert_code(nacre_regex_count(f->collection, text("k"), NULL, &count), NACRE_NOT_FOUND);
    assert_code(nacre_regex_scan(f->collection, text("k"), NULL, &none), NACRE_NOT_FOUND);
    nacre_collection_close(f->collection);
    nacre_snapshot_release(snapshot);
    assert_ok(nacre_reclaim(f->store));
    for (unsigned c = 0; c < 3; c++) {
        for (count = 0; nacre_cursor_valid(cursors[c]); nacre_cursor_next(cursors[c])) {
            count++;
        }
        assert_ok(nacre_cursor_status(cursors[c]));
        assert_int_equal(count, c == 2 ? 1 : 500);
        nacre_cursor_close(cursors[c]);
    }
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_STRINGS;
    assert_ok(nacre_collection_create(f->store, "test", &options, &f->collection));
    assert_int_equal(found_count(f, "", NULL), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_strings_in_memory, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keys_of_up_to_a_mebibyte_hide_none_behind_them),
        CASE(blocks_of_long_keys_are_told_apart_by_their_last_bytes),
        CASE(blocks_of_long_keys_of_their_own_are_read_to_their_end),
        CASE(matches_come_with_their_values_whatever_their_size),
        CASE(cursors_outlive_what_their_collection_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
