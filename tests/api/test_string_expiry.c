/* Expiry in collections of strings: an expired key is found by no search, uncovers nothing older, and its time survives seals, merges and the log. */
#include "base/clock.h"
#include "support/gate.h"
#include "support/searching.h"

static _Atomic uint64_t clock_now;

static uint64_t test_clock(void)
{
    return clock_now;
}

static int setup(void **state)
{
    clock_now = 1000000;
    clock_set_wall_ms(test_clock);
    return fixture_setup_strings_in_memory(state);
}

static int teardown(void **state)
{
    int status = fixture_teardown(state);
    clock_set_wall_ms(NULL);
    return status;
}

static void put_for(struct fixture *f, const char *key, uint64_t ttl_ms)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.ttl_ms = ttl_ms;
    assert_ok(nacre_put(f->collection, text(key), text("v"), &options));
}

/* What each stage of a key's way does to it. */
enum place { MEMTABLE, REPLAYED, SEALED, FLUSHED, REOPENED, MERGED, PLACES };

static void bring_to(struct fixture *f, enum place place)
{
    switch (place) {
    case MEMTABLE:
        break;
    case REPLAYED:
        fixture_reopen(f);
        break;
    case SEALED:
        gate_close("segments/");
        assert_ok(nacre_seal(f->collection));
        break;
    case FLUSHED:
        assert_ok(nacre_flush(f->collection));
        break;
    case REOPENED:
        assert_ok(nacre_flush(f->collection));
        fixture_reopen(f);
        break;
    default:
        compact_all(f);
        break;
    }
}

static void check_lifetimes(struct fixture *f, enum place before, enum place after)
{
    assert_ok(nacre_collection_clear(f->collection));
    put_for(f, "temp1", 100);
    put_for(f, "temp2", 100);
    put_for(f, "temp3", 5000);
    put_for(f, "permanent", 0);
    bring_to(f, before);
    assert_string_equal(found(f, ".*", NULL), "permanent temp1 temp2 temp3");
    clock_now += 99;
    assert_int_equal(found_count(f, "^temp[12]$", NULL), 2);
    clock_now += 1;
    assert_string_equal(found(f, ".*", NULL), "permanent temp3");
    assert_string_equal(found(f, "^temp1$", NULL), "");
    assert_string_equal(get(f, "temp1"), "<none>");
    gate_open();
    bring_to(f, after);
    gate_open();
    assert_string_equal(found(f, ".*", NULL), "permanent temp3");
    assert_int_equal(found_count(f, "temp", NULL), 1);
    clock_now += 4900;
    assert_string_equal(found(f, ".*", NULL), "permanent");
    assert_int_equal(found_count(f, "temp", NULL), 0);
}

static void keys_expire_wherever_they_lie(void **state)
{
    for (enum place before = MEMTABLE; before < PLACES; before++) {
        for (enum place after = MEMTABLE; after < PLACES; after++) {
            check_lifetimes(*state, before, after);
        }
    }
}

/* An older version without an expiry, under a newer one with one. */
static void check_nothing_uncovered(struct fixture *f, enum place older, enum place newer, enum place after)
{
    assert_ok(nacre_collection_clear(f->collection));
    put_words(f, "k other");
    bring_to(f, older);
    put_for(f, "k", 100);
    gate_open();
    bring_to(f, newer);
    assert_string_equal(found(f, "", NULL), "k other");
    clock_now += 100;
    assert_string_equal(found(f, "", NULL), "other");
    assert_string_equal(found(f, "^k$", NULL), "");
    assert_string_equal(get(f, "k"), "<none>");
    gate_open();
    bring_to(f, after);
    gate_open();
    assert_string_equal(found(f, "", NULL), "other");
    assert_string_equal(found(f, "k", NULL), "");
    put_words(f, "k");
    assert_string_equal(found(f, "", NULL), "k other");
}

static void an_expired_version_uncovers_none_before_it(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "level0_runs", "64"));
    for (enum place older = MEMTABLE; older < PLACES; older++) {
        for (enum place newer = MEMTABLE; newer < PLACES; newer++) {
            for (enum place after = MEMTABLE; after < PLACES; after++) {
                check_nothing_uncovered(f, older, newer, after);
            }
        }
    }
}

static void a_newer_version_without_an_expiry_lives_on(void **state)
{
    struct fixture *f = *state;
    for (enum place older = MEMTABLE; older < PLACES; older++) {
        for (enum place newer = MEMTABLE; newer < PLACES; newer++) {
            put_for(f, "k", 100);
            bring_to(f, older);
            put_for(f, "k", UINT64_MAX);
            gate_open();
            bring_to(f, newer);
            clock_now += 200;
            assert_string_equal(found(f, "", NULL), "k");
            gate_open();
        }
    }
}

static void a_snapshot_does_not_hold_back_expiry(void **state)
{
    struct fixture *f = *state;
    nacre_regex_options then = NACRE_REGEX_OPTIONS_INIT;
    nacre_snapshot *snapshot;
    nacre_cursor *cursor;
    put_for(f, "k1", 100);
    put_for(f, "k2", 300);
    put_for(f, "k3", 0);
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    then.snapshot = snapshot;
    delete_key(f, "k2");
    for (int round = 0; round < 3; round++) {
        assert_string_equal(found(f, "k", NULL), round ? "k3" : "k1 k3");
        assert_string_equal(found(f, "k", &then), round == 0 ? "k1 k2 k3" : round == 1 ? "k2 k3" : "k3");
        if (round == 0) {
            assert_ok(nacre_regex_scan(f->collection, text("k"), &then, &cursor));
            assert_memory_equal(nacre_cursor_key(cursor).data, "k1", 2);
        }
        clock_now += 100 + 100 * (unsigned)round;
        assert_ok(nacre_flush(f->collection));
        compact_all(f);
    }
    nacre_cursor_next(cursor); /* skips what expired under way */
    assert_true(nacre_cursor_valid(cursor));
    assert_memory_equal(nacre_cursor_key(cursor).data, "k3", 2);
    nacre_cursor_close(cursor);
    nacre_snapshot_release(snapshot);
}

static void the_default_of_a_collection_holds_where_a_put_says_nothing(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_STRINGS;
    options.default_ttl_ms = 2000;
    nacre_collection_close(f->collection);
    assert_ok(nacre_collection_create(f->store, "short", &options, &f->collection));
    put_for(f, "key1", 200);
    put_for(f, "key2", 1000);
    put_for(f, "key3", 0);
    put_for(f, "key4", UINT64_MAX);
    assert_string_equal(found(f, "key1", NULL), "key1");
    clock_now += 300;
    assert_string_equal(found(f, "key1", NULL), "");
    assert_string_equal(found(f, "key2", NULL), "key2");
    assert_ok(nacre_flush(f->collection));
    clock_now += 800;
    assert_string_equal(found(f, "key", NULL), "key3 key4");
    clock_now += 900;
    assert_string_equal(found(f, "key", NULL), "key4");
    compact_all(f);
    assert_string_equal(found(f, "key", NULL), "key4");
}

/* Blocks that metadata alone would count. */
static void many_keys_that_expire_one_by_one_are_counted_exactly(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 2000 };
    for (unsigned i = 0; i < KEYS; i++) {
        char key[40];
        snprintf(key, sizeof key, "row/%05u", i * 7919u % KEYS);
        put_for(f, key, i % 2 ? 10 * (i + 1) : 0); /* the odd ones expire, one every 20 ms */
    }
    for (int round = 0; round < 40; round++) {
        unsigned expired = 0;
        if (round == 10) {
            assert_ok(nacre_flush(f->collection));
        } else if (round == 20) {
            compact_all(f);
        } else if (round == 30) {
            fixture_reopen(f);
        }
        for (unsigned i = 1; i < KEYS; i += 2) {
            expired += 10 * (i + 1) <= clock_now - 1000000;
        }
        assert_int_equal(found_count(f, "", NULL), KEYS - expired);
        assert_int_equal(found_count(f, "^row/", NULL), KEYS - expired);
        assert_int_equal(found_count(f, "[0-9]$", NULL), KEYS - expired);
        clock_now += 510;
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keys_expire_wherever_they_lie),
        CASE(an_expired_version_uncovers_none_before_it),
        CASE(a_newer_version_without_an_expiry_lives_on),
        CASE(a_snapshot_does_not_hold_back_expiry),
        CASE(the_default_of_a_collection_holds_where_a_put_says_nothing),
        CASE(many_keys_that_expire_one_by_one_are_counted_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
