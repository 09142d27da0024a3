/* Memory of memtables: what was reserved is found although every allocation fails afterwards; failures leave the table
   whole; chunks are kept and counted. */
#include "base/memory.h"
#include "memtable/arena.h"
#include "memtable_model.h"
#include <pthread.h>
#include <stdatomic.h>

#define GROUP_MAX 64u

/* Allocations fail on threads that do not say otherwise. */
static _Thread_local bool may_allocate;
static bool fail_unless_allowed(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return !may_allocate;
}

static void reserve(struct memtable *table, size_t entries, size_t bytes)
{
    may_allocate = true;
    assert_int_equal(memtable_reserve(table, entries, bytes), NACRE_OK);
    may_allocate = false;
}

/* Entries that were reserved for and wait for their put. */
struct pending {
    struct entry *entries;
    size_t count, capacity;
};

static void *put_share(void *argument)
{
    struct pending *share = ((void **)argument)[0];
    struct memtable *table = ((void **)argument)[1];
    for (size_t i = 0; i < share->count; i++) {
        if (memtable_put(table, &share->entries[i]) != NACRE_OK) {
            return share;
        }
    }
    return NULL;
}

/* Puts all that is pending from two threads, in random order. */
static void put_pending(struct memtable *table, struct pending *pending, uint64_t *random)
{
    for (size_t i = pending->count; i > 1; i--) {
        size_t other = random_below(random, i);
        struct entry swap = pending->entries[i - 1];
        pending->entries[i - 1] = pending->entries[other];
        pending->entries[other] = swap;
    }
    size_t half = pending->count / 2;
    struct pending shares[2] = { { pending->entries, half, 0 }, { pending->entries + half, pending->count - half, 0 } };
    void *arguments[2][2] = { { &shares[0], table }, { &shares[1], table } };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, put_share, arguments[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (size_t i = 0; i < pending->count; i++) {
        free((void *)pending->entries[i].key.data);
    }
    pending->count = 0;
}

static uint8_t big_value[3 << 20];

static size_t random_value_size(uint64_t *random)
{
    switch (random_below(random, 40)) {
    case 0:
        return random_below(random, sizeof big_value);
    case 1:
    case 2:
        return random_below(random, 100000);
    case 3:
    case 4:
    case 5:
        return random_below(random, 6000);
    default:
        return random_below(random, 200);
    }
}

static void pending_add(struct pending *pending, const struct entry *entry)
{
    if (pending->count == pending->capacity) {
        pending->capacity = pending->capacity ? pending->capacity * 2 : 256;
        pending->entries = realloc(pending->entries, pending->capacity * sizeof *pending->entries);
        assert_non_null(pending->entries);
    }
    pending->entries[pending->count] = *entry;
    pending->entries[pending->count++].key = model_copy(entry->key);
}

static void puts_that_were_reserved_find_memory_when_no_allocation_succeeds(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(65536);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        uint64_t random = seed, sequence = 0;
        struct chunk_pool *pool;
        struct memtable *table = table_create(&pool);
        struct pending pending = { 0 };
        print_message("seed %llu\n", (unsigned long long)seed);
        memory_set_fault(fail_unless_allowed, NULL);
        for (int group = 0; group < 150; group++) {
            size_t entries = 1 + random_below(&random, group % 10 == 9 ? 3000 : GROUP_MAX), total = 0,
                   first = pending.count;
            bool large = entries <= GROUP_MAX;
            for (size_t i = 0; i < entries; i++) {
                enum key_shape shape = seed % 2 ? KEYS_BYTES : (enum key_shape)random_below(&random, KEYS_HUGE);
                struct entry entry = { .key = random_key(&random, shape, bytes),
                                       .type = ENTRY_PUT,
                                       .sequence = ++sequence };
                entry.value = (nacre_slice){ big_value, large ? random_value_size(&random) : 20 };
                entry.expiry_ms = random_below(&random, 2);
                total += entry.key.size + entry.value.size;
                pending_add(&pending, &entry);
            }
            reserve(table, pending.count - first, total);
            if (random_below(&random, 3) == 0) { /* else more groups are outstanding */
                put_pending(table, &pending, &random);
            }
        }
        put_pending(table, &pending, &random);
        memory_set_fault(NULL, NULL);
        assert_int_equal(memtable_entries(table), sequence);
        free(pending.entries);
        table_free(table, pool);
    }
    free(bytes);
}

/* A large node deep under a long prefix: each put splits the prefix once more and copies the node. */
static void reserved_puts_find_memory_for_the_dearest_changes_of_the_tree(void **state)
{
    (void)state;
    enum { DEPTH = 400, GROUP = 128 };
    static uint8_t key[DEPTH];
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    uint64_t sequence = 0;
    memset(key, 'p', sizeof key);
    for (unsigned i = 0; i < 256; i++) {
        key[DEPTH - 1] = (uint8_t)i;
        struct entry entry = { { key, DEPTH }, { "", 0 }, ++sequence, 0, ENTRY_PUT, NULL };
        assert_int_equal(memtable_put(table, &entry), NACRE_OK);
    }
    memory_set_fault(fail_unless_allowed, NULL);
    for (size_t at = 0; at + GROUP < DEPTH; at += GROUP) {
        size_t total = 0;
        for (size_t i = 0; i < GROUP; i++) {
            total += at + i + 1;
        }
        reserve(table, GROUP, total);
        for (size_t i = 0; i < GROUP; i++) {
            key[at + i] = 'q';
            struct entry entry = { { key, at + i + 1 }, { "", 0 }, ++sequence, 0, ENTRY_PUT, NULL };
            assert_int_equal(memtable_put(table, &entry), NACRE_OK);
            key[at + i] = 'p';
        }
    }
    memory_set_fault(NULL, NULL);
    table_free(table, pool);
}

static void reserved_range_deletes_find_memory(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    memory_set_fault(fail_unless_allowed, NULL);
    for (uint64_t i = 1; i <= 500; i++) {
        struct range_delete range = { slice_text("begin"), slice_text("end"), i };
        reserve(table, 1, 8);
        assert_int_equal(memtable_delete_range(table, &range), NACRE_OK);
        assert_int_equal(memtable_covering(table, slice_text("c"), SEQUENCE_MAX), i);
    }
    memory_set_fault(NULL, NULL);
    table_free(table, pool);
}

/* What arena_ensure promised is there for pieces of any size through any lane, the worst for lanes among them. */
static void what_was_ensured_is_found_through_all_lanes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t random = seed;
        struct chunk_pool *pool;
        struct arena arena;
        arena_lane lanes[ARENA_SLOTS] = { 0 };
        assert_int_equal(chunk_pool_create(0, &pool), NACRE_OK);
        assert_int_equal(arena_init(&arena, pool), NACRE_OK);
        memory_set_fault(fail_unless_allowed, NULL);
        for (int round = 0; round < 60; round++) {
            size_t bytes = 8 + random_below(&random, 2000000) / 8 * 8;
            may_allocate = true;
            assert_int_equal(arena_ensure(&arena, bytes, false), NACRE_OK);
            may_allocate = false;
            while (bytes >= 8) {
                size_t limit = random_below(&random, 20) ? LANE_ALLOCATION_MAX : bytes;
                size_t size = random_below(&random, 3) ? LANE_ALLOCATION_MAX : 8 + random_below(&random, limit) / 8 * 8;
                size_t slot = (size_t)random_below(&random, ARENA_SLOTS);
                if (size > bytes) {
                    size = bytes;
                }
                uint8_t *memory = arena_alloc(&arena, &lanes[slot], size, 8);
                assert_non_null(memory);
                memory[0] = memory[size - 1] = 1;
                bytes -= size;
            }
        }
        memory_set_fault(NULL, NULL);
        arena_destroy(&arena);
        chunk_pool_free(pool);
    }
}

static size_t allocations_left;
static bool fail_after_some(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return allocations_left == 0 || allocations_left-- == 0;
}

static void a_put_without_memory_says_so_and_changes_nothing(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(65536);
    for (size_t allowed = 0; allowed < 9; allowed++) {
        struct chunk_pool *pool;
        struct memtable *table = table_create(&pool);
        uint64_t random = allowed, put = 0, refused = 0;
        struct entry found;
        allocations_left = allowed;
        memory_set_fault(fail_after_some, NULL);
        for (uint64_t sequence = 1; sequence <= 30000 && refused < 20; sequence++) {
            struct entry entry = {
                random_key(&random, KEYS_TINY, bytes), { big_value, 100 }, sequence, 0, ENTRY_PUT, NULL
            };
            int status = memtable_put(table, &entry);
            bool there = memtable_get(table, entry.key, sequence, &found) && found.sequence == sequence;
            assert_true(status == NACRE_OK || status == NACRE_NO_MEMORY);
            assert_int_equal(there, status == NACRE_OK);
            put += status == NACRE_OK;
            refused += status != NACRE_OK;
        }
        assert_int_equal(refused, 20);
        assert_int_equal(memtable_entries(table), put);
        assert_int_equal(memtable_reserve(table, 100000, 10000000), NACRE_NO_MEMORY);
        memory_set_fault(NULL, NULL);
        put_text(table, "afterwards", "v", 100000);
        assert_true(memtable_get(table, slice_text("afterwards"), SEQUENCE_MAX, &found));
        table_free(table, pool);
    }
    free(bytes);
}

static void creation_without_memory_says_so(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table;
    struct cursor *cursor;
    memory_set_fault(fail_unless_allowed, NULL);
    assert_int_equal(chunk_pool_create(0, &pool), NACRE_NO_MEMORY);
    memory_set_fault(NULL, NULL);
    assert_int_equal(chunk_pool_create(0, &pool), NACRE_OK);
    memory_set_fault(fail_unless_allowed, NULL);
    assert_int_equal(memtable_create(pool, &(struct memtable_options){ .searched = false }, &table), NACRE_NO_MEMORY);
    assert_null(chunk_pool_take(pool));
    memory_set_fault(NULL, NULL);
    assert_int_equal(memtable_create(pool, &(struct memtable_options){ .searched = false }, &table), NACRE_OK);
    memory_set_fault(fail_unless_allowed, NULL);
    assert_int_equal(memtable_cursor_create(table, &cursor), NACRE_NO_MEMORY);
    memory_set_fault(NULL, NULL);
    table_free(table, pool);
}

static void a_deep_walk_without_memory_ends_with_the_status_and_works_later(void **state)
{
    (void)state;
    enum { DEPTH = 200 };
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    struct cursor *cursor;
    char key[DEPTH];
    memset(key, 'k', sizeof key);
    for (size_t size = 1; size <= DEPTH; size++) {
        struct entry entry = { { key, size }, { "", 0 }, size, 0, ENTRY_PUT, NULL };
        assert_int_equal(memtable_put(table, &entry), NACRE_OK);
    }
    assert_int_equal(memtable_cursor_create(table, &cursor), NACRE_OK);
    memory_set_fault(fail_unless_allowed, NULL);
    cursor_seek(cursor, (nacre_slice){ key, DEPTH });
    assert_false(cursor->valid);
    assert_int_equal(cursor->status, NACRE_NO_MEMORY);
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
        assert_true(cursor->entry.key.size < DEPTH);
    }
    assert_int_equal(cursor->status, NACRE_NO_MEMORY);
    memory_set_fault(NULL, NULL);
    cursor_seek(cursor, (nacre_slice){ key, DEPTH });
    assert_true(cursor->valid);
    assert_int_equal(cursor->entry.sequence, DEPTH);
    cursor_close(cursor);
    table_free(table, pool);
}

static void reservations_that_are_taken_back_do_not_pile_up(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    put_text(table, "k", "v", 1);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(memtable_reserve(table, 10, 1000), NACRE_OK);
        memtable_unreserve(table, 10, 1000);
    }
    assert_int_equal(chunk_pool_bytes(pool), 0);
    table_free(table, pool);
}

static void puts_without_reservation_do_not_use_up_a_later_one(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    char key[16];
    uint64_t sequence = 0;
    while (sequence < 5000) {
        snprintf(key, sizeof key, "%llu", (unsigned long long)++sequence);
        put_text(table, key, "value", sequence);
    }
    memory_set_fault(fail_unless_allowed, NULL);
    reserve(table, 40000, 40000 * 20);
    for (int i = 0; i < 40000; i++) {
        snprintf(key, sizeof key, "%llu", (unsigned long long)++sequence * 7919);
        put_text(table, key, "value", sequence);
    }
    memory_set_fault(NULL, NULL);
    table_free(table, pool);
}

static void a_huge_reservation_is_refused_and_not_miscounted(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    assert_int_equal(memtable_reserve(table, SIZE_MAX / 2, 1), NACRE_NO_MEMORY);
    assert_int_equal(memtable_reserve(table, 1, SIZE_MAX - 5000), NACRE_NO_MEMORY);
    assert_int_equal(memtable_reserve(table, SIZE_MAX / 1000, SIZE_MAX / 2), NACRE_NO_MEMORY);
    assert_int_equal(memtable_reserve(table, 1, 10), NACRE_OK);
    assert_int_equal(chunk_pool_bytes(pool), 0);
    table_free(table, pool);
}

static bool within(void *context, uint64_t bytes)
{
    uint64_t *room = context;
    if (bytes > *room) {
        return false;
    }
    *room -= bytes;
    return true;
}

static void the_guard_is_asked_before_a_table_grows_and_only_then(void **state)
{
    (void)state;
    uint64_t room = 0;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    chunk_pool_guard(pool, within, &room);
    assert_int_equal(memtable_reserve(table, 1, 10), NACRE_BUSY);
    assert_int_equal(chunk_pool_all_bytes(pool), 0);
    room = 64 << 10;
    assert_int_equal(memtable_reserve(table, 1, 10), NACRE_OK);
    uint64_t held = chunk_pool_all_bytes(pool);
    assert_int_equal(held + room, 64 << 10); /* what was allowed is what was taken */
    room = 0;
    put_text(table, "k", "v", 1);
    assert_int_equal(memtable_reserve(table, 1, 10), NACRE_OK); /* there is room in the region */
    assert_int_equal(memtable_reserve(table, 1, 1 << 20), NACRE_BUSY);
    chunk_pool_excuse(pool, true);
    assert_int_equal(memtable_reserve(table, 1, 1 << 20), NACRE_OK);
    chunk_pool_excuse(pool, false);
    assert_true(chunk_pool_all_bytes(pool) > 1 << 20);
    chunk_pool_warm(pool, 3);
    assert_int_equal(chunk_pool_kept_bytes(pool), 0); /* it asks, too */
    table_free(table, pool);
}

static void a_chunk_that_is_kept_is_taken_without_asking(void **state)
{
    (void)state;
    uint64_t room = CHUNK_BYTES;
    struct chunk_pool *pool;
    assert_int_equal(chunk_pool_create(4 * CHUNK_BYTES, &pool), NACRE_OK);
    chunk_pool_guard(pool, within, &room);
    chunk_pool_warm(pool, 2);
    assert_int_equal(chunk_pool_all_bytes(pool), CHUNK_BYTES);
    assert_int_equal(chunk_pool_ask(pool, CHUNK_BYTES, true), NACRE_OK);
    assert_int_equal(chunk_pool_ask(pool, CHUNK_BYTES, false), NACRE_BUSY);
    chunk_pool_trim(pool);
    assert_int_equal(chunk_pool_all_bytes(pool), 0);
    assert_int_equal(chunk_pool_ask(pool, CHUNK_BYTES, true), NACRE_BUSY);
    chunk_pool_free(pool);
}

static void chunks_are_kept_for_the_next_table_up_to_the_limit(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    void *chunks[4];
    assert_int_equal(chunk_pool_create(2 * CHUNK_BYTES, &pool), NACRE_OK);
    chunk_pool_warm(pool, 5);
    assert_int_equal(chunk_pool_bytes(pool), 2 * CHUNK_BYTES);
    memory_set_fault(fail_unless_allowed, NULL);
    chunks[0] = chunk_pool_take(pool);
    chunks[1] = chunk_pool_take(pool);
    assert_non_null(chunks[0]);
    assert_non_null(chunks[1]);
    assert_null(chunk_pool_take(pool));
    memory_set_fault(NULL, NULL);
    chunks[2] = chunk_pool_take(pool);
    assert_non_null(chunks[2]);
    assert_int_equal(chunk_pool_bytes(pool), 3 * CHUNK_BYTES);
    for (int i = 0; i < 3; i++) {
        memset(chunks[i], i, CHUNK_BYTES);
        chunk_pool_give(pool, chunks[i]);
    }
    assert_int_equal(chunk_pool_bytes(pool), 2 * CHUNK_BYTES);
    chunk_pool_free(pool);
}

static void a_thousand_small_tables_take_little_memory(void **state)
{
    (void)state;
    enum { TABLES = 1000 };
    static struct memtable *tables[TABLES];
    struct chunk_pool *pool;
    uint64_t bytes = 0;
    assert_int_equal(chunk_pool_create(0, &pool), NACRE_OK);
    for (int i = 0; i < TABLES; i++) {
        assert_int_equal(memtable_create(pool, &(struct memtable_options){ .searched = false }, &tables[i]), NACRE_OK);
        for (uint64_t sequence = 1; sequence <= 10; sequence++) {
            char key[8];
            snprintf(key, sizeof key, "%llu", (unsigned long long)sequence);
            assert_int_equal(memtable_reserve(tables[i], 1, 20), NACRE_OK);
            put_text(tables[i], key, "value", sequence);
        }
        bytes += memtable_bytes(tables[i]);
    }
    assert_in_range(bytes, TABLES * 300, TABLES * 2000);
    assert_int_equal(chunk_pool_bytes(pool), 0);
    for (int i = 0; i < TABLES; i++) {
        memtable_ref(tables[i]);
        memtable_unref(tables[i]);
        memtable_unref(tables[i]);
    }
    chunk_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_that_were_reserved_find_memory_when_no_allocation_succeeds),
        cmocka_unit_test(reserved_puts_find_memory_for_the_dearest_changes_of_the_tree),
        cmocka_unit_test(reserved_range_deletes_find_memory),
        cmocka_unit_test(what_was_ensured_is_found_through_all_lanes),
        cmocka_unit_test(a_put_without_memory_says_so_and_changes_nothing),
        cmocka_unit_test(creation_without_memory_says_so),
        cmocka_unit_test(a_deep_walk_without_memory_ends_with_the_status_and_works_later),
        cmocka_unit_test(reservations_that_are_taken_back_do_not_pile_up),
        cmocka_unit_test(puts_without_reservation_do_not_use_up_a_later_one),
        cmocka_unit_test(a_huge_reservation_is_refused_and_not_miscounted),
        cmocka_unit_test(the_guard_is_asked_before_a_table_grows_and_only_then),
        cmocka_unit_test(a_chunk_that_is_kept_is_taken_without_asking),
        cmocka_unit_test(chunks_are_kept_for_the_next_table_up_to_the_limit),
        cmocka_unit_test(a_thousand_small_tables_take_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
