/* The ring of recent changes: what it has, from when on it has everything, and whose bytes are gone. */
#include "store/change_ring.h"
#include "support/store_fixture.h"

static struct change change_of_key(uint32_t collection, const char *key)
{
    return (struct change){ .hash = change_hash(collection, text(key)), .collection = collection, .key = text(key) };
}

static void note(struct change_ring *ring, uint64_t sequence, const char *key, bool keep)
{
    struct change change = change_of_key(1, key);
    change_ring_note(ring, sequence, &change, keep);
}

static void records_are_met_newest_first(void **state)
{
    (void)state;
    struct change_ring ring = { .since = 10 };
    assert_ok(change_ring_create(&ring, 8, 256));
    assert_null(change_ring_at(&ring, 0));
    note(&ring, 11, "a", false);
    note(&ring, 12, "b", false);
    assert_int_equal(change_ring_at(&ring, 0)->sequence, 12);
    assert_int_equal(change_ring_at(&ring, 1)->sequence, 11);
    assert_int_equal(change_ring_at(&ring, 1)->hash, change_hash(1, text("a")));
    assert_null(change_ring_at(&ring, 2));
    assert_int_equal(ring.since, 10);
    change_ring_free(&ring);
}

static void what_is_driven_out_is_no_longer_promised(void **state)
{
    (void)state;
    struct change_ring ring = { .since = 0 };
    assert_ok(change_ring_create(&ring, 8, 256));
    for (uint64_t sequence = 1; sequence <= 8; sequence++) {
        note(&ring, sequence, "k", true);
        assert_int_equal(ring.since, 0);
    }
    for (uint64_t sequence = 9; sequence <= 100; sequence++) {
        note(&ring, sequence, "k", true);
        assert_int_equal(ring.since, sequence - 8);
        assert_int_equal(change_ring_at(&ring, 7)->sequence, sequence - 7);
        assert_null(change_ring_at(&ring, 8));
    }
    change_ring_free(&ring);
}

static void a_change_that_was_not_noted_is_no_longer_promised(void **state)
{
    (void)state;
    struct change_ring ring = { .since = 0 };
    assert_ok(change_ring_create(&ring, 8, 256));
    note(&ring, 1, "k", false);
    change_ring_miss(&ring, 5);
    note(&ring, 6, "k", false);
    assert_int_equal(ring.since, 5);
    change_ring_miss(&ring, 3);
    assert_int_equal(ring.since, 5);
    change_ring_free(&ring);
}

static void without_memory_it_promises_nothing(void **state)
{
    (void)state;
    struct change_ring ring = { .since = 0 };
    note(&ring, 7, "k", true);
    assert_int_equal(ring.since, 7);
    assert_null(change_ring_at(&ring, 0));
}

static void the_same_key_of_another_collection_has_another_hash(void **state)
{
    (void)state;
    assert_true(change_hash(1, text("k")) != change_hash(2, text("k")));
    assert_true(change_hash(1, text("k")) != change_hash(1, text("l")));
}

static void bytes_are_kept_for_ranges_and_for_keys_where_asked(void **state)
{
    (void)state;
    nacre_slice key, end;
    struct change_ring ring = { .since = 0 };
    struct change range = { .collection = 1, .is_range = true, .key = text("from"), .end = text("to") };
    assert_ok(change_ring_create(&ring, 8, 256));
    note(&ring, 1, "without", false);
    note(&ring, 2, "with", true);
    change_ring_note(&ring, 3, &range, false);
    range.key = range.end = text("");
    change_ring_note(&ring, 4, &range, false);
    assert_false(change_ring_bytes(&ring, change_ring_at(&ring, 3), &key, &end));
    assert_true(change_ring_bytes(&ring, change_ring_at(&ring, 2), &key, &end));
    assert_int_equal(key.size, 4);
    assert_memory_equal(key.data, "with", 4);
    assert_true(change_ring_bytes(&ring, change_ring_at(&ring, 1), &key, &end));
    assert_true(change_ring_at(&ring, 1)->is_range);
    assert_int_equal(key.size, 4);
    assert_memory_equal(key.data, "from", 4);
    assert_int_equal(end.size, 2);
    assert_memory_equal(end.data, "to", 2);
    assert_true(change_ring_bytes(&ring, change_ring_at(&ring, 0), &key, &end));
    assert_int_equal(key.size + end.size, 0);
    change_ring_free(&ring);
}

/* Keys of all lengths, so that the bytes come round at every place: whatever is still given is right, and the newest always is. */
static void bytes_that_were_overwritten_are_not_given(void **state)
{
    (void)state;
    char name[80];
    struct change_ring ring = { .since = 0 };
    assert_ok(change_ring_create(&ring, 16, 300));
    unsigned gone = 0;
    for (unsigned n = 1; n < 5000; n++) {
        snprintf(name, sizeof name, "%0*u", (int)(4 + n * 7919 % 60), n);
        note(&ring, n, name, true);
        for (unsigned back = 0; back < 16 && back < n; back++) {
            const struct change_record *record = change_ring_at(&ring, back);
            nacre_slice key, end;
            if (!change_ring_bytes(&ring, record, &key, &end)) {
                assert_true(back > 0);
                gone++;
                continue;
            }
            snprintf(name, sizeof name, "%0*u", (int)(4 + (n - back) * 7919 % 60), n - back);
            assert_int_equal(key.size, strlen(name));
            assert_memory_equal(key.data, name, key.size);
        }
    }
    assert_true(gone > 1000);
    change_ring_free(&ring);
}

static void a_key_too_long_for_the_bytes_is_noted_without_them(void **state)
{
    (void)state;
    static char name[200];
    nacre_slice key, end;
    struct change_ring ring = { .since = 0 };
    assert_ok(change_ring_create(&ring, 8, 256));
    memset(name, 'k', sizeof name - 1);
    note(&ring, 1, name, true);
    assert_false(change_ring_bytes(&ring, change_ring_at(&ring, 0), &key, &end));
    assert_int_equal(change_ring_at(&ring, 0)->hash, change_hash(1, text(name)));
    change_ring_free(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_met_newest_first),
        cmocka_unit_test(what_is_driven_out_is_no_longer_promised),
        cmocka_unit_test(a_change_that_was_not_noted_is_no_longer_promised),
        cmocka_unit_test(without_memory_it_promises_nothing),
        cmocka_unit_test(the_same_key_of_another_collection_has_another_hash),
        cmocka_unit_test(bytes_are_kept_for_ranges_and_for_keys_where_asked),
        cmocka_unit_test(bytes_that_were_overwritten_are_not_given),
        cmocka_unit_test(a_key_too_long_for_the_bytes_is_noted_without_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
