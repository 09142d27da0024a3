/* Cursors over a memtable against a plain sorted array: both directions, every kind of positioning, changes of
   direction. */
#include "memtable_model.h"

#define KEY_ROOM 65536

struct fixture {
    struct chunk_pool *pool;
    struct memtable *table;
    struct cursor *cursor;
    struct model model;
    uint64_t random;
};

static void put_random(struct fixture *f, enum key_shape shape, uint8_t *bytes, uint64_t sequences)
{
    struct entry entry = { .key = random_key(&f->random, shape, bytes), .value = { "v", 1 }, .type = ENTRY_PUT };
    entry.sequence = 1 + random_below(&f->random, sequences);
    assert_int_equal(memtable_put(f->table, &entry), NACRE_OK);
    model_put(&f->model, &entry);
}

static void fixture_create(struct fixture *f, enum key_shape shape, size_t puts, uint64_t seed)
{
    uint8_t *bytes = malloc(KEY_ROOM);
    *f = (struct fixture){ .random = seed };
    f->table = table_create(&f->pool);
    assert_int_equal(memtable_cursor_create(f->table, &f->cursor), NACRE_OK);
    for (size_t i = 0; i < puts; i++)
        put_random(f, shape, bytes, puts);
    free(bytes);
}

static void fixture_free(struct fixture *f)
{
    cursor_close(f->cursor);
    model_free(&f->model);
    table_free(f->table, f->pool);
}

static size_t puts_of(int shape)
{
    return shape == KEYS_HUGE ? 200 : 2000;
}

static void a_cursor_meets_all_versions_in_order_both_ways(void **state)
{
    (void)state;
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        struct fixture f;
        fixture_create(&f, (enum key_shape)shape, puts_of(shape), 7 + (uint64_t)shape);
        cursor_first(f.cursor);
        for (size_t i = 0; i < f.model.count; i++, cursor_next(f.cursor))
            assert_stands_on(f.cursor, &f.model, i);
        assert_stands_on(f.cursor, &f.model, SIZE_MAX);
        cursor_last(f.cursor);
        for (size_t i = f.model.count; i-- > 0; cursor_prev(f.cursor))
            assert_stands_on(f.cursor, &f.model, i);
        assert_stands_on(f.cursor, &f.model, SIZE_MAX);
        fixture_free(&f);
    }
}

static void seek_and_seek_before_land_next_to_any_key(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(KEY_ROOM);
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        struct fixture f;
        fixture_create(&f, (enum key_shape)shape, puts_of(shape), 70 + (uint64_t)shape);
        for (int i = 0; i < 4000; i++) {
            nacre_slice key = random_key(&f.random, (enum key_shape)(i % 5 ? shape : KEYS_TINY), bytes);
            size_t at = model_lower(&f.model, key, SEQUENCE_MAX);
            cursor_seek(f.cursor, key);
            assert_stands_on(f.cursor, &f.model, at);
            cursor_seek_before(f.cursor, key);
            assert_stands_on(f.cursor, &f.model, at - 1); /* SIZE_MAX before the first */
        }
        fixture_free(&f);
    }
    free(bytes);
}

static void random_walks_with_changes_of_direction_agree(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(KEY_ROOM);
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        struct fixture f;
        fixture_create(&f, (enum key_shape)shape, puts_of(shape) / 2, 700 + (uint64_t)shape);
        for (int walk = 0; walk < 300; walk++) {
            nacre_slice key = random_key(&f.random, (enum key_shape)shape, bytes);
            size_t at = model_lower(&f.model, key, SEQUENCE_MAX);
            cursor_seek(f.cursor, key);
            for (int step = 0; step < 40 && at < f.model.count; step++) {
                assert_stands_on(f.cursor, &f.model, at);
                bool forward = random_below(&f.random, 2);
                if (forward)
                    cursor_next(f.cursor);
                else
                    cursor_prev(f.cursor);
                at = forward ? at + 1 : at - 1;
            }
            assert_stands_on(f.cursor, &f.model, at < f.model.count ? at : SIZE_MAX);
        }
        fixture_free(&f);
    }
    free(bytes);
}

/* Between the steps of a walk new keys come in, which grow, split and replace the nodes the cursor stands in. */
static void walk_while_putting(int shape, bool forward)
{
    uint8_t *bytes = malloc(KEY_ROOM);
    struct fixture f;
    fixture_create(&f, (enum key_shape)shape, puts_of(shape) / 4, 90 + (uint64_t)shape + (forward ? 0 : 10));
    struct model before = { 0 };
    for (size_t i = 0; i < f.model.count; i++)
        model_put(&before, &f.model.entries[i]);
    if (forward)
        cursor_first(f.cursor);
    else
        cursor_last(f.cursor);
    size_t met = 0;
    struct entry previous = { 0 };
    while (f.cursor->valid) {
        struct entry *entry = &f.cursor->entry;
        if (previous.sequence)
            assert_true(forward ? entry_compare(&previous, entry) < 0 : entry_compare(&previous, entry) > 0);
        previous = *entry;
        size_t in_model = model_lower(&f.model, entry->key, entry->sequence);
        assert_true(in_model < f.model.count && entry_compare(&f.model.entries[in_model], entry) == 0);
        size_t next_old = forward ? met : before.count - 1 - met;
        if (met < before.count && entry_compare(&before.entries[next_old], entry) == 0)
            met++;
        for (int i = 0; i < 3; i++)
            put_random(&f, (enum key_shape)shape, bytes, 100000);
        if (forward)
            cursor_next(f.cursor);
        else
            cursor_prev(f.cursor);
        if (f.model.count > puts_of(shape) * 4)
            break; /* the walk may chase what it meets */
    }
    if (!f.cursor->valid)
        assert_int_equal(met, before.count);
    assert_true(met > before.count / 4);
    model_free(&before);
    fixture_free(&f);
    free(bytes);
}

static void a_walk_misses_nothing_old_while_nodes_are_replaced_under_it(void **state)
{
    (void)state;
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        walk_while_putting(shape, true);
        walk_while_putting(shape, false);
    }
}

static void a_cursor_over_nothing_is_not_valid(void **state)
{
    (void)state;
    struct fixture f;
    fixture_create(&f, KEYS_TINY, 0, 1);
    cursor_first(f.cursor);
    assert_stands_on(f.cursor, &f.model, 0);
    cursor_last(f.cursor);
    assert_stands_on(f.cursor, &f.model, 0);
    cursor_seek(f.cursor, (nacre_slice){ NULL, 0 });
    assert_stands_on(f.cursor, &f.model, 0);
    cursor_seek(f.cursor, slice_text("a"));
    assert_stands_on(f.cursor, &f.model, 0);
    cursor_seek_before(f.cursor, slice_text("a"));
    assert_stands_on(f.cursor, &f.model, 0);
    cursor_seek_before(f.cursor, (nacre_slice){ NULL, 0 });
    assert_stands_on(f.cursor, &f.model, 0);
    fixture_free(&f);
}

static void walking_back_over_a_hundred_thousand_versions_is_quick(void **state)
{
    (void)state;
    enum { VERSIONS = 100000 };
    struct fixture f;
    fixture_create(&f, KEYS_TINY, 0, 1);
    for (uint64_t sequence = 1; sequence <= VERSIONS; sequence++)
        put_text(f.table, "hot", "v", sequence);
    uint64_t expected = 1;
    for (cursor_last(f.cursor); f.cursor->valid; cursor_prev(f.cursor))
        assert_int_equal(f.cursor->entry.sequence, expected++);
    assert_int_equal(expected, VERSIONS + 1);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_meets_all_versions_in_order_both_ways),
        cmocka_unit_test(seek_and_seek_before_land_next_to_any_key),
        cmocka_unit_test(random_walks_with_changes_of_direction_agree),
        cmocka_unit_test(a_walk_misses_nothing_old_while_nodes_are_replaced_under_it),
        cmocka_unit_test(a_cursor_over_nothing_is_not_valid),
        cmocka_unit_test(walking_back_over_a_hundred_thousand_versions_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
