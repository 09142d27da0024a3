/* Match cursors over a memtable against a plain sorted array that is filtered by hand: every kind of automaton, both directions,
   bounds, changes of direction, puts that come meanwhile. */
#include "memtable_model.h"
#include "support/mock_automaton.h"
#include <pthread.h>

#define KEY_ROOM 65536

struct fixture {
    struct chunk_pool *pool;
    struct memtable *table;
    struct model all, wanted;
    struct mock_automaton mock;
    struct memtable_search search;
    struct cursor *cursor;
    uint64_t random;
    uint64_t list_after;
};

static void put_random(struct fixture *f, enum key_shape shape, uint8_t *bytes, uint64_t sequences)
{
    struct entry entry = { .key = random_key(&f->random, shape, bytes), .value = { "v", 1 }, .type = ENTRY_PUT };
    entry.sequence = 1 + random_below(&f->random, sequences);
    assert_int_equal(memtable_put(f->table, &entry), NACRE_OK);
    model_put(&f->all, &entry);
}

static void fixture_create(struct fixture *f, enum key_shape shape, size_t puts, uint64_t seed)
{
    uint8_t *bytes = malloc(KEY_ROOM);
    *f = (struct fixture){ .random = seed };
    f->table = table_create(&f->pool);
    for (size_t i = 0; i < puts; i++)
        put_random(f, shape, bytes, puts);
    free(bytes);
}

static void fixture_free(struct fixture *f)
{
    model_free(&f->all);
    table_free(f->table, f->pool);
}

static bool inside(const struct memtable_search *search, nacre_slice key)
{
    return slice_compare(key, search->begin) >= 0 && (search->end.size == 0 || slice_compare(key, search->end) < 0);
}

static void open_cursor(struct fixture *f, enum mock_kind kind, nacre_slice bytes, nacre_slice begin, nacre_slice end)
{
    mock_automaton_init(&f->mock, kind, bytes);
    f->search = (struct memtable_search){
        .automaton = &f->mock.automaton, .begin = begin, .end = end, .list_after = f->list_after
    };
    assert_int_equal(memtable_match_cursor_create(f->table, &f->search, &f->cursor), NACRE_OK);
    for (size_t i = 0; i < f->all.count; i++) {
        if (mock_wants(&f->mock, f->all.entries[i].key) && inside(&f->search, f->all.entries[i].key))
            model_put(&f->wanted, &f->all.entries[i]);
    }
}

static void close_cursor(struct fixture *f)
{
    cursor_close(f->cursor);
    model_free(&f->wanted);
}

/* Bytes that the keys of the shapes have: the letters of the alphabets, and whole beginnings. */
static nacre_slice bytes_for(struct fixture *f, enum mock_kind kind, enum key_shape shape, uint8_t *out)
{
    static const uint8_t letters[] = { 0x00, 0x01, 'a', 'p', 'q' };
    if (kind == MOCK_PREFIX) {
        nacre_slice key = random_key(&f->random, shape, out);
        return (nacre_slice){ out, key.size ? 1 + random_below(&f->random, key.size) : (out[0] = 'a', 1) };
    }
    out[0] = kind == MOCK_ENDS && random_below(&f->random, 4) == 0 ? 0xFF
                                                                   : letters[random_below(&f->random, sizeof letters)];
    return (nacre_slice){ out, 1 };
}

static size_t puts_of(int shape)
{
    return shape == KEYS_HUGE ? 150 : 1500;
}

/* Calls `check` with an open cursor for every shape and automaton, without bounds and with some. */
static void with_every_automaton(void (*check)(struct fixture *, enum key_shape, uint8_t *room))
{
    uint8_t *bytes = malloc(KEY_ROOM), *begin = malloc(KEY_ROOM), *end = malloc(KEY_ROOM), *room = malloc(KEY_ROOM);
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        struct fixture f;
        fixture_create(&f, (enum key_shape)shape, puts_of(shape), 70 + (uint64_t)shape);
        for (int kind = 0; kind < 4 * MOCK_KINDS; kind++) {
            f.list_after = (uint64_t)kind % 3 * 7; /* never, or soon */
            nacre_slice from = { NULL, 0 }, to = { NULL, 0 };
            if (kind >= 2 * MOCK_KINDS) {
                from = random_key(&f.random, (enum key_shape)shape, begin);
                to = random_key(&f.random, (enum key_shape)shape, end);
            }
            enum mock_kind mock = (enum mock_kind)(kind % MOCK_KINDS);
            open_cursor(&f, mock, bytes_for(&f, mock, (enum key_shape)shape, bytes), from, to);
            check(&f, (enum key_shape)shape, room);
            close_cursor(&f);
        }
        fixture_free(&f);
    }
    free(bytes);
    free(begin);
    free(end);
    free(room);
}

static void walk_both_ways(struct fixture *f, enum key_shape shape, uint8_t *room)
{
    (void)shape, (void)room;
    cursor_first(f->cursor);
    for (size_t i = 0; i < f->wanted.count; i++, cursor_next(f->cursor))
        assert_stands_on(f->cursor, &f->wanted, i);
    assert_stands_on(f->cursor, &f->wanted, SIZE_MAX);
    cursor_last(f->cursor);
    for (size_t i = f->wanted.count; i-- > 0; cursor_prev(f->cursor))
        assert_stands_on(f->cursor, &f->wanted, i);
    assert_stands_on(f->cursor, &f->wanted, SIZE_MAX);
}

static void a_match_cursor_meets_all_versions_of_wanted_keys_in_order_both_ways(void **state)
{
    (void)state;
    with_every_automaton(walk_both_ways);
}

static void seek_everywhere(struct fixture *f, enum key_shape shape, uint8_t *room)
{
    for (int i = 0; i < 200; i++) {
        nacre_slice key = random_key(&f->random, i % 5 ? shape : KEYS_TINY, room);
        size_t at = model_lower(&f->wanted, key, SEQUENCE_MAX);
        cursor_seek(f->cursor, key);
        assert_stands_on(f->cursor, &f->wanted, at);
        cursor_seek_before(f->cursor, key);
        assert_stands_on(f->cursor, &f->wanted, at - 1); /* SIZE_MAX before the first */
    }
}

static void seek_and_seek_before_land_on_wanted_keys_next_to_any_key(void **state)
{
    (void)state;
    with_every_automaton(seek_everywhere);
}

static void walk_at_random(struct fixture *f, enum key_shape shape, uint8_t *room)
{
    for (int walk = 0; walk < 30; walk++) {
        nacre_slice key = random_key(&f->random, shape, room);
        size_t at = model_lower(&f->wanted, key, SEQUENCE_MAX);
        cursor_seek(f->cursor, key);
        for (int step = 0; step < 60 && at < f->wanted.count; step++) {
            assert_stands_on(f->cursor, &f->wanted, at);
            bool forward = random_below(&f->random, 4) < (walk % 2 ? 1 : 3);
            if (forward)
                cursor_next(f->cursor);
            else
                cursor_prev(f->cursor);
            at = forward ? at + 1 : at - 1;
        }
        assert_stands_on(f->cursor, &f->wanted, at < f->wanted.count ? at : SIZE_MAX);
    }
}

static void random_walks_with_changes_of_direction_agree(void **state)
{
    (void)state;
    with_every_automaton(walk_at_random);
}

/* Between the steps of a walk new keys come in, which grow, split and replace the nodes the cursor stands in. */
static void walk_while_putting(int shape, bool forward, uint64_t list_after)
{
    uint8_t *bytes = malloc(KEY_ROOM);
    struct fixture f;
    fixture_create(&f, (enum key_shape)shape, puts_of(shape) / 4, 90 + (uint64_t)shape + (forward ? 0 : 10));
    f.list_after = list_after;
    open_cursor(&f, MOCK_CONTAINS, (nacre_slice){ shape == KEYS_BYTES ? "b" : "a", 1 }, (nacre_slice){ NULL, 0 },
                (nacre_slice){ NULL, 0 });
    size_t met = 0;
    struct entry previous = { 0 };
    for (forward ? cursor_first(f.cursor) : cursor_last(f.cursor); f.cursor->valid;
         forward ? cursor_next(f.cursor) : cursor_prev(f.cursor)) {
        struct entry *entry = &f.cursor->entry;
        assert_true(mock_wants(&f.mock, entry->key));
        if (previous.sequence)
            assert_true(forward ? entry_compare(&previous, entry) < 0 : entry_compare(&previous, entry) > 0);
        previous = *entry;
        size_t in_model = model_lower(&f.all, entry->key, entry->sequence);
        assert_true(in_model < f.all.count && entry_compare(&f.all.entries[in_model], entry) == 0);
        size_t next_old = forward ? met : f.wanted.count - 1 - met;
        if (met < f.wanted.count && entry_compare(&f.wanted.entries[next_old], entry) == 0)
            met++;
        for (int i = 0; i < 2; i++)
            put_random(&f, (enum key_shape)shape, bytes, 100000);
        if (f.all.count > puts_of(shape) * 4)
            break; /* the walk may chase what it meets */
    }
    if (!f.cursor->valid)
        assert_int_equal(met, f.wanted.count);
    close_cursor(&f);
    fixture_free(&f);
    free(bytes);
}

static void a_walk_misses_nothing_old_while_nodes_are_replaced_under_it(void **state)
{
    (void)state;
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        for (uint64_t list_after = 0; list_after < 40; list_after += 13) {
            walk_while_putting(shape, true, list_after);
            walk_while_putting(shape, false, list_after);
        }
    }
}

struct putter {
    struct memtable *table;
    uint64_t random;
};

static void *put_many(void *context)
{
    struct putter *p = context;
    for (int i = 0; i < 60000; i++) {
        char key[24];
        snprintf(key, sizeof key, "%llx", (unsigned long long)random_below(&p->random, 1 << 20));
        struct entry entry = { slice_text(key), { NULL, 0 }, 1000 + random_below(&p->random, 1 << 30), 0,
                               ENTRY_PUT,       NULL };
        assert_int_equal(memtable_put(p->table, &entry), NACRE_OK);
    }
    return NULL;
}

static void walk_while_threads_put(uint64_t list_after)
{
    struct fixture f;
    fixture_create(&f, KEYS_TINY, 0, 1);
    for (unsigned i = 0; i < 4096; i += 3) {
        char key[24];
        snprintf(key, sizeof key, "%x", i);
        put_text(f.table, key, "old", 1 + i);
        model_put(&f.all, &(struct entry){ slice_text(key), slice_text("old"), 1 + i, 0, ENTRY_PUT, NULL });
    }
    f.list_after = list_after;
    open_cursor(&f, MOCK_CONTAINS, slice_text("7"), (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
    pthread_t threads[2];
    struct putter putters[2] = { { f.table, 1 }, { f.table, 2 } };
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &putters[i]), 0);
    for (int round = 0; round < 20; round++) {
        size_t met = 0;
        for (cursor_first(f.cursor); f.cursor->valid; cursor_next(f.cursor)) {
            assert_true(mock_wants(&f.mock, f.cursor->entry.key));
            met += f.cursor->entry.sequence <= 4096;
        }
        assert_int_equal(met, f.wanted.count);
        met = 0;
        for (cursor_last(f.cursor); f.cursor->valid; cursor_prev(f.cursor))
            met += f.cursor->entry.sequence <= 4096;
        assert_int_equal(met, f.wanted.count);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    close_cursor(&f);
    fixture_free(&f);
}

static void nothing_old_is_missed_while_threads_put(void **state)
{
    (void)state;
    walk_while_threads_put(0);
    walk_while_threads_put(100);
}

static void fill_paths(struct memtable *table, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char key[64];
        snprintf(key, sizeof key, "/usr/share/%03u/file%u", i % 100, i);
        put_text(table, key, "v", i + 1);
    }
}

static void a_prefix_is_found_without_walking_the_rest(void **state)
{
    (void)state;
    struct fixture f;
    fixture_create(&f, KEYS_TINY, 0, 1);
    fill_paths(f.table, 20000);
    open_cursor(&f, MOCK_PREFIX, slice_text("/usr/share/042/"), (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
    size_t count = 0;
    for (cursor_first(f.cursor); f.cursor->valid; cursor_next(f.cursor))
        count++;
    assert_int_equal(count, 200);
    assert_in_range(f.search.keys_run, 200, 210);
    assert_in_range(f.mock.ran, 1, 400);
    close_cursor(&f);
    fixture_free(&f);
}

static void a_decision_that_fails_is_the_cursors_status_until_the_next_seek(void **state)
{
    (void)state;
    struct fixture f;
    fixture_create(&f, KEYS_TINY, 0, 1);
    fill_paths(f.table, 1000);
    open_cursor(&f, MOCK_UNSURE, slice_text("f"), (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
    f.mock.fail_at = 10;
    size_t count = 0;
    for (cursor_first(f.cursor); f.cursor->valid; cursor_next(f.cursor))
        count++;
    assert_int_equal(count, 9);
    assert_int_equal(f.cursor->status, NACRE_NO_MEMORY);
    cursor_last(f.cursor);
    assert_true(f.cursor->valid);
    assert_int_equal(f.cursor->status, NACRE_OK);
    close_cursor(&f);
    fixture_free(&f);
}

static int stop_at_third(void *context)
{
    return ++*(int *)context == 3 ? NACRE_CANCELLED : NACRE_OK;
}

static void a_walk_that_finds_nothing_asks_whether_to_stop(void **state)
{
    (void)state;
    struct fixture f;
    int asked = 0;
    fixture_create(&f, KEYS_TINY, 0, 1);
    fill_paths(f.table, 5000);
    open_cursor(&f, MOCK_CONTAINS, slice_text("#"), (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
    f.search.stop = stop_at_third;
    f.search.stop_context = &asked;
    cursor_first(f.cursor);
    assert_false(f.cursor->valid);
    assert_int_equal(f.cursor->status, NACRE_CANCELLED);
    assert_in_range(f.search.keys_run, 256, 3 * MEMTABLE_STOP_KEYS);
    cursor_last(f.cursor);
    assert_int_equal(f.cursor->status, NACRE_OK);
    close_cursor(&f);
    fixture_free(&f);
}

static void a_cursor_that_meets_few_wanted_keys_leaves_the_tree(void **state)
{
    (void)state;
    struct fixture f;
    fixture_create(&f, KEYS_TINY, 0, 1);
    fill_paths(f.table, 5000);
    put_text(f.table, "#", "v", 10000);
    put_text(f.table, "/#", "v", 10000);
    f.list_after = 100;
    open_cursor(&f, MOCK_CONTAINS, slice_text("#"), (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
    cursor_first(f.cursor);
    assert_int_equal(f.cursor->entry.key.size, 1);
    cursor_next(f.cursor);
    assert_int_equal(f.cursor->entry.key.size, 2);
    cursor_next(f.cursor);
    assert_false(f.cursor->valid);
    assert_in_range(f.search.keys_run, 5102, 5103); /* the list was gone over once */
    cursor_last(f.cursor);
    assert_int_equal(f.cursor->entry.key.size, 2);
    cursor_next(f.cursor);
    assert_false(f.cursor->valid);
    assert_in_range(f.search.keys_run, 5102, 5103); /* and never again */
    close_cursor(&f);
    fixture_free(&f);
}

static void samples_cut_a_table_in_parts_of_about_the_same_size(void **state)
{
    (void)state;
    static const unsigned entries[] = { 0, 1, 5, 3000, 50000 };
    for (size_t e = 0; e < sizeof entries / sizeof *entries; e++) {
        struct fixture f;
        struct buffer keys = { 0 };
        size_t made, parts = 0, largest = 0;
        fixture_create(&f, KEYS_TINY, 0, 1);
        fill_paths(f.table, entries[e]);
        assert_int_equal(memtable_sample_keys(f.table, 15, &keys, &made), NACRE_OK);
        assert_int_equal(made, entries[e] > 15 ? 15 : 0);
        struct reader in = reader_of(buffer_slice(&keys));
        struct cursor *c;
        assert_int_equal(memtable_cursor_create(f.table, &c), NACRE_OK);
        cursor_first(c);
        for (size_t i = 0; i <= made; i++) {
            nacre_slice to = i < made ? reader_slice(&in) : slice_text("~");
            size_t part = 0;
            for (; c->valid && slice_compare(c->entry.key, to) < 0; cursor_next(c))
                part++;
            parts += part > 0;
            largest = part > largest ? part : largest;
        }
        assert_true(in.ok && in.at == in.end);
        assert_int_equal(parts, entries[e] ? made + 1 : 0);
        assert_true(made == 0 || largest <= entries[e] / 4);
        cursor_close(c);
        buffer_free(&keys);
        fixture_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_cursor_meets_all_versions_of_wanted_keys_in_order_both_ways),
        cmocka_unit_test(seek_and_seek_before_land_on_wanted_keys_next_to_any_key),
        cmocka_unit_test(random_walks_with_changes_of_direction_agree),
        cmocka_unit_test(a_walk_misses_nothing_old_while_nodes_are_replaced_under_it),
        cmocka_unit_test(nothing_old_is_missed_while_threads_put),
        cmocka_unit_test(a_cursor_that_meets_few_wanted_keys_leaves_the_tree),
        cmocka_unit_test(samples_cut_a_table_in_parts_of_about_the_same_size),
        cmocka_unit_test(a_prefix_is_found_without_walking_the_rest),
        cmocka_unit_test(a_decision_that_fails_is_the_cursors_status_until_the_next_seek),
        cmocka_unit_test(a_walk_that_finds_nothing_asks_whether_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
