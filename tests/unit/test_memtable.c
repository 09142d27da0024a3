/* One thread against a memtable: puts and gets against a plain model, node growth, versions, counters, range
   deletes. */
#include "memtable_model.h"

#define KEY_ROOM 65536

/* Puts random entries into both; sequences come shuffled when `disorder`. */
static void fill(struct memtable *table, struct model *model, enum key_shape shape, size_t puts, uint64_t *random,
                 bool disorder)
{
    uint8_t *bytes = malloc(KEY_ROOM);
    for (size_t i = 0; i < puts; i++) {
        char value[64];
        struct entry entry = { .key = random_key(random, shape, bytes), .type = ENTRY_PUT };
        entry.sequence = disorder ? 1 + random_below(random, puts * 2) : i + 1;
        if (random_below(random, 4) == 0)
            entry.type = ENTRY_DELETE;
        else {
            int size = snprintf(value, sizeof value, "value of %llu", (unsigned long long)entry.sequence);
            entry.value = (nacre_slice){ value, random_below(random, 9) ? (size_t)size : 0 };
            static const uint8_t types[] = { ENTRY_PUT, ENTRY_PUT, ENTRY_MERGE, ENTRY_POINTER };
            entry.type = types[random_below(random, 4)];
            if (random_below(random, 3) == 0)
                entry.expiry_ms = 1 + random_below(random, 1000000);
        }
        /* The same key and sequence twice: the first wins, in both. */
        assert_int_equal(memtable_put(table, &entry), NACRE_OK);
        model_put(model, &entry);
    }
    free(bytes);
}

static void check_get(struct memtable *table, const struct model *model, nacre_slice key, uint64_t snapshot)
{
    struct entry found;
    size_t at = model_lower(model, key, snapshot);
    bool exists = at < model->count && slice_equal(model->entries[at].key, key);
    assert_int_equal(memtable_get(table, key, snapshot, &found), exists);
    if (exists)
        assert_same_entry(&found, &model->entries[at]);
}

static void gets_agree_with_a_sorted_array_for_every_shape_of_key(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(KEY_ROOM);
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        for (int disorder = 0; disorder < 2; disorder++) {
            uint64_t random = 1000 + (uint64_t)shape * 2 + (uint64_t)disorder;
            struct chunk_pool *pool;
            struct memtable *table = table_create(&pool);
            struct model model = { 0 };
            size_t puts = shape == KEYS_HUGE ? 300 : 4000;
            print_message("%s, seed %llu\n", key_shape_names[shape], (unsigned long long)random);
            fill(table, &model, (enum key_shape)shape, puts, &random, disorder);
            for (size_t i = 0; i < model.count; i++)
                check_get(table, &model, model.entries[i].key, model.entries[i].sequence);
            for (size_t i = 0; i < 4000; i++) {
                nacre_slice key = random_key(&random, (enum key_shape)shape, bytes);
                check_get(table, &model, key, random_below(&random, puts * 2 + 2));
                check_get(table, &model, key, SEQUENCE_MAX);
            }
            uint64_t deletes = 0, newest = 0, oldest = SEQUENCE_MAX;
            for (size_t i = 0; i < model.count; i++) {
                deletes += model.entries[i].type == ENTRY_DELETE;
                if (model.entries[i].sequence > newest)
                    newest = model.entries[i].sequence;
                if (model.entries[i].sequence < oldest)
                    oldest = model.entries[i].sequence;
            }
            assert_int_equal(memtable_entries(table), model.count);
            assert_int_equal(memtable_deletes(table), deletes);
            assert_int_equal(memtable_newest(table), newest);
            assert_int_equal(memtable_oldest(table), oldest);
            model_free(&model);
            table_free(table, pool);
        }
    }
    free(bytes);
}

static void the_empty_key_and_a_key_of_1_mib_are_keys_like_others(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    static uint8_t longest[ENTRY_KEY_MAX + 1];
    memset(longest, 0xFF, sizeof longest);
    struct entry empty = { { NULL, 0 }, { "e", 1 }, 1, 0, ENTRY_PUT, NULL }, found;
    struct entry large = { { longest, ENTRY_KEY_MAX }, { NULL, 0 }, 2, 0, ENTRY_PUT, NULL };
    struct entry too_long = { { longest, ENTRY_KEY_MAX + 1 }, { NULL, 0 }, 3, 0, ENTRY_PUT, NULL };
    assert_false(memtable_get(table, empty.key, SEQUENCE_MAX, &found));
    assert_int_equal(memtable_put(table, &empty), NACRE_OK);
    assert_int_equal(memtable_put(table, &large), NACRE_OK);
    assert_int_equal(memtable_put(table, &too_long), NACRE_LIMIT);
    assert_true(memtable_get(table, empty.key, SEQUENCE_MAX, &found));
    assert_same_entry(&found, &empty);
    assert_true(memtable_get(table, large.key, SEQUENCE_MAX, &found));
    assert_same_entry(&found, &large);
    assert_false(memtable_get(table, (nacre_slice){ longest, ENTRY_KEY_MAX - 1 }, SEQUENCE_MAX, &found));
    table_free(table, pool);
}

/* The sizes around which a leaf keeps its key's size elsewhere, and prefixes of nodes that take more than 16 bits. */
static void long_keys_that_share_all_but_their_ends_are_told_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = { 65533,        65534,  65535,  65536,  65537,  131071,
                                    131072,       131073, 200000, 700000, 999999, ENTRY_KEY_MAX - 1,
                                    ENTRY_KEY_MAX };
    static uint8_t bytes[ENTRY_KEY_MAX];
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    struct cursor *cursor;
    struct entry found;
    uint64_t sequence = 0;
    memset(bytes, 'x', sizeof bytes);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0];
             i++) { /* the same bytes, and the same but for the last one */
            bytes[sizes[i] - 1] = round ? 'y' : 'x';
            assert_int_equal(
                memtable_put(table,
                             &(struct entry){ { bytes, sizes[i] }, { NULL, 0 }, ++sequence, 0, ENTRY_PUT, NULL }),
                NACRE_OK);
            bytes[sizes[i] - 1] = 'x';
        }
    }
    sequence = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            bytes[sizes[i] - 1] = round ? 'y' : 'x';
            assert_true(memtable_get(table, (nacre_slice){ bytes, sizes[i] }, SEQUENCE_MAX, &found));
            assert_int_equal(found.sequence, ++sequence);
            bytes[sizes[i] - 1] = 'x';
        }
    }
    assert_false(memtable_get(table, (nacre_slice){ bytes, 65532 }, SEQUENCE_MAX, &found));
    assert_int_equal(memtable_cursor_create(table, &cursor), NACRE_OK);
    static uint8_t before[ENTRY_KEY_MAX];
    nacre_slice last = { NULL, 0 };
    size_t count = 0;
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor), count++) {
        assert_true(slice_compare(last, cursor->entry.key) < 0);
        memcpy(before, cursor->entry.key.data, cursor->entry.key.size);
        last = (nacre_slice){ before, cursor->entry.key.size };
    }
    assert_int_equal(count, 2 * sizeof sizes / sizeof sizes[0]);
    cursor_close(cursor);
    table_free(table, pool);
}

static void an_empty_value_is_not_a_delete(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    struct entry found;
    put_text(table, "k", "", 5);
    assert_true(memtable_get(table, slice_text("k"), 5, &found));
    assert_int_equal(found.type, ENTRY_PUT);
    assert_int_equal(found.value.size, 0);
    table_free(table, pool);
}

static void a_node_keeps_all_children_while_it_grows_through_all_sizes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        uint8_t order[256];
        for (unsigned i = 0; i < 256; i++)
            order[i] = (uint8_t)i;
        for (unsigned i = 255; i > 0; i--) {
            unsigned other = (unsigned)random_below(&random, i + 1);
            uint8_t swap = order[i];
            order[i] = order[other];
            order[other] = swap;
        }
        struct chunk_pool *pool;
        struct memtable *table = table_create(&pool);
        struct cursor *cursor;
        assert_int_equal(memtable_cursor_create(table, &cursor), NACRE_OK);
        bool there[256] = { false };
        for (unsigned i = 0; i < 256; i++) {
            uint8_t key[3] = { 'x', order[i], 'y' };
            struct entry entry = { { key, 3 }, { "v", 1 }, i + 1, 0, ENTRY_PUT, NULL }, found;
            assert_int_equal(memtable_put(table, &entry), NACRE_OK);
            there[order[i]] = true;
            cursor_first(cursor);
            for (unsigned byte = 0; byte < 256; byte++) {
                key[1] = (uint8_t)byte;
                assert_int_equal(memtable_get(table, (nacre_slice){ key, 3 }, SEQUENCE_MAX, &found), there[byte]);
                if (!there[byte])
                    continue;
                assert_true(cursor->valid);
                assert_memory_equal(cursor->entry.key.data, key, 3);
                cursor_next(cursor);
            }
            assert_false(cursor->valid);
        }
        cursor_close(cursor);
        table_free(table, pool);
    }
}

static void a_long_prefix_can_be_split_at_every_byte(void **state)
{
    (void)state;
    enum { SIZE = 300 };
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    uint8_t key[SIZE];
    struct entry found;
    uint64_t sequence = 0, random = 3;
    bool split[SIZE] = { false };
    memset(key, 'p', SIZE);
    for (unsigned i = 0; i < 60; i++) { /* a large node under the whole prefix */
        key[SIZE - 1] = (uint8_t)i;
        struct entry entry = { { key, SIZE }, { "leaf", 4 }, ++sequence, 0, ENTRY_PUT, NULL };
        assert_int_equal(memtable_put(table, &entry), NACRE_OK);
    }
    for (unsigned n = 0; n < 200; n++) {
        size_t at = (size_t)random_below(&random, SIZE - 1);
        key[at] = 'q';
        struct entry entry = { { key, at + 1 }, { "split", 5 }, ++sequence, 0, ENTRY_PUT, NULL };
        assert_int_equal(memtable_put(table, &entry), NACRE_OK);
        split[at] = true;
        key[at] = 'p';
        for (size_t i = 0; i < SIZE - 1; i++) {
            key[i] = 'q';
            assert_int_equal(memtable_get(table, (nacre_slice){ key, i + 1 }, SEQUENCE_MAX, &found), split[i]);
            key[i] = 'p';
            assert_false(memtable_get(table, (nacre_slice){ key, i }, SEQUENCE_MAX, &found));
        }
        for (unsigned i = 0; i < 60; i++) {
            key[SIZE - 1] = (uint8_t)i;
            assert_true(memtable_get(table, (nacre_slice){ key, SIZE }, SEQUENCE_MAX, &found));
        }
    }
    table_free(table, pool);
}

static void any_version_of_a_key_with_many_is_found(void **state)
{
    (void)state;
    enum { VERSIONS = 20000 };
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    struct entry found;
    for (uint64_t i = 1; i <= VERSIONS; i++) {
        /* Neighbours come in swapped, as from two writers. */
        uint64_t sequence = 2 * (i % 3 == 1 ? i + 1 : i % 3 == 2 ? i - 1 : i);
        put_text(table, "hot", "v", sequence);
    }
    assert_false(memtable_get(table, slice_text("hot"), 1, &found));
    for (uint64_t snapshot = 2; snapshot <= 2 * VERSIONS - 2; snapshot++) {
        assert_true(memtable_get(table, slice_text("hot"), snapshot, &found));
        assert_int_equal(found.sequence, snapshot & ~UINT64_C(1));
    }
    put_text(table, "hot", "again", 2);
    assert_int_equal(memtable_entries(table), VERSIONS);
    table_free(table, pool);
}

static void an_empty_table_takes_less_than_8_KiB(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    assert_int_equal(chunk_pool_create(0, &pool), NACRE_OK);
    for (int searched = 0; searched < 2; searched++) {
        struct memtable *table;
        assert_int_equal(memtable_create(pool, &(struct memtable_options){ .searched = searched }, &table), NACRE_OK);
        assert_int_equal(memtable_bytes(table), 0);
        put_text(table, "k", "v", 1);
        assert_in_range(memtable_bytes(table), 1, searched ? 400 : 200);
        assert_int_equal(chunk_pool_bytes(pool), 0);
        memtable_unref(table);
    }
    chunk_pool_free(pool);
}

static uint64_t brute_covering(const struct range_delete *list, size_t count, nacre_slice key, uint64_t snapshot)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < count; i++) {
        bool inside =
            slice_compare(list[i].begin, key) <= 0 && (!list[i].end.size || slice_compare(key, list[i].end) < 0);
        if (inside && list[i].sequence <= snapshot && list[i].sequence > newest)
            newest = list[i].sequence;
    }
    return newest;
}

static void range_deletes_cover_from_the_first_to_the_thousandth(void **state)
{
    (void)state;
    enum { RANGES = 1000 };
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    static uint8_t bytes[RANGES][16];
    static struct range_delete list[RANGES];
    const struct range_set *set;
    uint64_t random = 11;
    uint8_t key_bytes[8];
    assert_false(memtable_has_ranges(table));
    assert_int_equal(memtable_covering(table, slice_text("k"), SEQUENCE_MAX), 0);
    assert_int_equal(memtable_ranges(table, &set), NACRE_OK);
    assert_null(set);
    for (size_t i = 0; i < RANGES; i++) {
        nacre_slice begin = random_key(&random, KEYS_TINY, bytes[i]),
                    end = random_key(&random, KEYS_TINY, bytes[i] + 8);
        list[i] = (struct range_delete){ begin, end, i * 3 + 1 };
        assert_int_equal(memtable_delete_range(table, &list[i]), NACRE_OK);
        for (int probe = 0; probe < 20; probe++) {
            nacre_slice key = random_key(&random, KEYS_TINY, key_bytes);
            uint64_t snapshot = random_below(&random, i * 3 + 5);
            assert_int_equal(memtable_covering(table, key, snapshot), brute_covering(list, i + 1, key, snapshot));
        }
        if (i % 100 != 50)
            continue;
        assert_int_equal(memtable_ranges(table, &set), NACRE_OK);
        assert_int_equal(range_set_count(set), i + 1);
    }
    assert_true(memtable_has_ranges(table));
    assert_int_equal(memtable_entries(table), RANGES);
    assert_int_equal(memtable_oldest(table), 1);
    assert_int_equal(memtable_newest(table), (RANGES - 1) * 3 + 1);
    table_free(table, pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_agree_with_a_sorted_array_for_every_shape_of_key),
        cmocka_unit_test(the_empty_key_and_a_key_of_1_mib_are_keys_like_others),
        cmocka_unit_test(long_keys_that_share_all_but_their_ends_are_told_apart),
        cmocka_unit_test(an_empty_value_is_not_a_delete),
        cmocka_unit_test(a_node_keeps_all_children_while_it_grows_through_all_sizes),
        cmocka_unit_test(a_long_prefix_can_be_split_at_every_byte),
        cmocka_unit_test(any_version_of_a_key_with_many_is_found),
        cmocka_unit_test(an_empty_table_takes_less_than_8_KiB),
        cmocka_unit_test(range_deletes_cover_from_the_first_to_the_thousandth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
