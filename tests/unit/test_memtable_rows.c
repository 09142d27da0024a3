/* Rows of a memtable that holds vectors: against a plain model, beside writers, and where no memory is left. */
#include "base/memory.h"
#include "base/status.h"
#include "memtable_model.h"
#include <pthread.h>
#include <stdatomic.h>

static struct memtable *vectors_create(uint32_t vector_bytes, struct chunk_pool **pool)
{
    struct memtable *table = NULL;
    assert_int_equal(chunk_pool_create(0, pool), NACRE_OK);
    assert_int_equal(memtable_create(*pool, &(struct memtable_options){ .vector_bytes = vector_bytes }, &table),
                     NACRE_OK);
    return table;
}

static float element_of(uint64_t sequence, size_t i)
{
    return (float)(sequence * 7 + i % 1021);
}

static void fill_vector(float *vector, size_t dimension, uint64_t sequence)
{
    for (size_t i = 0; i < dimension; i++)
        vector[i] = element_of(sequence, i);
}

static bool has_vector_of(const void *vector, size_t dimension, uint64_t sequence)
{
    const float *floats = vector;
    for (size_t i = 0; i < dimension; i++) {
        if (floats[i] != element_of(sequence, i))
            return false;
    }
    return true;
}

static int put_vector(struct memtable *table, nacre_slice key, uint64_t sequence, const float *vector,
                      uint64_t expiry_ms)
{
    struct entry entry = { key, { "value", 5 }, sequence, expiry_ms, ENTRY_PUT, vector };
    return memtable_put(table, &entry);
}

static const float *row_of(const struct memtable_row_block *block, size_t i)
{
    return (const float *)(const void *)((const uint8_t *)block->vectors + i * block->stride);
}

/* The sequence that a row's floats were made of. */
static uint64_t sequence_of_row(const struct memtable_row_block *block, size_t i)
{
    return (uint64_t)row_of(block, i)[0] / 7;
}

#define MODEL_KEYS 500u

/* What a table with vectors was given, by one thread. */
struct history {
    struct memtable *table;
    size_t dimension;
    uint64_t rows;               /* puts */
    uint64_t newest[MODEL_KEYS]; /* sequence of each key's newest version; 0 = none */
    bool deleted[MODEL_KEYS];
};

static nacre_slice model_key(size_t number, char out[16])
{
    return (nacre_slice){ out, (size_t)snprintf(out, 16, "key %zu", number) };
}

static void make_history(struct history *h, uint64_t puts, uint64_t *random)
{
    float *vector = malloc(h->dimension * sizeof *vector);
    char bytes[16];
    for (uint64_t sequence = 1; sequence <= puts; sequence++) {
        size_t number = random_below(random, MODEL_KEYS);
        nacre_slice key = model_key(number, bytes);
        h->newest[number] = sequence;
        h->deleted[number] = random_below(random, 5) == 0;
        fill_vector(vector, h->dimension, sequence);
        if (h->deleted[number]) {
            struct entry entry = { key, { NULL, 0 }, sequence, 0, ENTRY_DELETE, NULL };
            assert_int_equal(memtable_put(h->table, &entry), NACRE_OK);
        } else {
            uint64_t expiry_ms = random_below(random, 2) * sequence;
            assert_int_equal(put_vector(h->table, key, sequence, vector, expiry_ms), NACRE_OK);
            h->rows++;
        }
    }
    free(vector);
}

/* How many keys' newest version is a put. */
static uint64_t check_gets(const struct history *h)
{
    uint64_t live = 0;
    char bytes[16];
    for (size_t number = 0; number < MODEL_KEYS; number++) {
        struct entry found;
        bool there = memtable_get(h->table, model_key(number, bytes), SEQUENCE_MAX, &found);
        assert_int_equal(there, h->newest[number] != 0);
        if (there && !h->deleted[number]) {
            assert_true(has_vector_of(found.vector, h->dimension, h->newest[number]));
            assert_int_equal((uintptr_t)found.vector % 64, 0);
            assert_int_equal(found.value.size, 5);
            assert_memory_equal(found.value.data, "value", 5);
            assert_true(found.expiry_ms == 0 || found.expiry_ms == h->newest[number]);
            live++;
        } else if (there) {
            assert_null(found.vector);
        }
    }
    return live;
}

static void check_row(const struct history *h, const struct memtable_row_block *block, size_t i)
{
    const float *row = row_of(block, i);
    uint64_t sequence = sequence_of_row(block, i);
    struct entry entry;
    assert_true(has_vector_of(row, h->dimension, sequence));
    for (size_t j = h->dimension; j < block->stride / sizeof(float); j++)
        assert_true(row[j] == 0);
    /* As its own put saw it, it was the newest. */
    assert_true(memtable_row_entry(block, i, sequence, &entry));
    assert_int_equal(entry.sequence, sequence);
    assert_ptr_equal(entry.vector, row);
    assert_false(memtable_row_entry(block, i, sequence - 1, &entry));
}

static void check_rows(const struct history *h, uint64_t live)
{
    struct memtable_rows walk = { .table = h->table };
    struct memtable_row_block block;
    struct entry entry;
    uint64_t last = 0, met = 0, current = 0;
    while (memtable_rows_next(&walk, &block)) {
        assert_in_range(block.count, 1, MEMTABLE_BLOCK_ROWS);
        assert_int_equal((uintptr_t)block.vectors % 64, 0);
        assert_int_equal(block.stride, (h->dimension * 4 + 63) / 64 * 64);
        for (size_t i = 0; i < block.count; i++, met++) {
            check_row(h, &block, i);
            assert_true(sequence_of_row(&block, i) > last); /* one thread: in the order they came */
            last = sequence_of_row(&block, i);
            current += memtable_row_entry(&block, i, SEQUENCE_MAX, &entry);
        }
    }
    assert_int_equal(met, h->rows);
    assert_int_equal(current, live);
}

static void check_cursor(const struct history *h)
{
    struct cursor *cursor;
    uint64_t seen = 0;
    assert_int_equal(memtable_cursor_create(h->table, &cursor), NACRE_OK);
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
        bool put = cursor->entry.type == ENTRY_PUT;
        assert_int_equal(cursor->entry.vector != NULL, put);
        assert_true(!put || has_vector_of(cursor->entry.vector, h->dimension, cursor->entry.sequence));
        seen += put;
    }
    assert_int_equal(seen, h->rows);
    cursor_close(cursor);
}

static void rows_gets_and_cursors_agree_with_a_plain_model(void **state)
{
    (void)state;
    static const size_t dimensions[] = { 1, 15, 16, 17, 100, 768, 4099 };
    for (size_t d = 0; d < sizeof dimensions / sizeof dimensions[0]; d++) {
        struct chunk_pool *pool;
        uint64_t random = d + 1;
        struct history h = { .dimension = dimensions[d],
                             .table = vectors_create((uint32_t)(dimensions[d] * sizeof(float)), &pool) };
        make_history(&h, 3000, &random);
        assert_int_equal(memtable_row_count(h.table), h.rows);
        check_rows(&h, check_gets(&h));
        check_cursor(&h);
        assert_true(memtable_bytes(h.table) >= h.rows * h.dimension * sizeof(float));
        memtable_unref(h.table);
        chunk_pool_free(pool);
    }
}

static void a_sequence_that_is_there_already_adds_no_row_that_a_walk_meets(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = vectors_create(8, &pool);
    nacre_slice key = { "key", 3 };
    for (uint64_t round = 0; round < 3; round++) { /* as a log that is replayed twice over */
        for (uint64_t sequence = 1; sequence <= 200; sequence++) {
            float vector[2] = { element_of(sequence, 0), (float)round };
            assert_int_equal(put_vector(table, key, sequence, vector, 0), NACRE_OK);
        }
    }
    struct memtable_rows walk = { .table = table };
    struct memtable_row_block block;
    uint64_t met = 0;
    struct entry entry;
    while (memtable_rows_next(&walk, &block)) {
        for (size_t i = 0; i < block.count; i++) {
            assert_int_equal(sequence_of_row(&block, i), ++met);
            assert_true(memtable_row_entry(&block, i, met, &entry));
            assert_true(((const float *)entry.vector)[1] == 0); /* the first one wins */
        }
    }
    assert_int_equal(met, 200);
    assert_int_equal(memtable_entries(table), 200);
    memtable_unref(table);
    chunk_pool_free(pool);
}

static void tables_without_vectors_have_no_rows(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = vectors_create(0, &pool);
    struct entry entry = { { "k", 1 }, { "v", 1 }, 1, 0, ENTRY_PUT, NULL };
    struct memtable_rows walk = { .table = table };
    struct memtable_row_block block;
    assert_int_equal(memtable_put(table, &entry), NACRE_OK);
    assert_int_equal(memtable_row_count(table), 0);
    assert_false(memtable_rows_next(&walk, &block));
    memtable_unref(table);
    chunk_pool_free(pool);
}

/* ---- memory ---- */

static bool fail_always(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return true;
}

static void puts_that_were_reserved_find_rows_when_no_allocation_succeeds(void **state)
{
    (void)state;
    static const size_t dimensions[] = { 3, 768, 65535 };
    for (size_t d = 0; d < sizeof dimensions / sizeof dimensions[0]; d++) {
        size_t dimension = dimensions[d];
        struct chunk_pool *pool;
        struct memtable *table = vectors_create((uint32_t)(dimension * sizeof(float)), &pool);
        float *vector = calloc(dimension, sizeof *vector);
        uint64_t random = d, sequence = 0;
        for (int group = 0; group < 40; group++) {
            size_t puts = 1 + random_below(&random, group % 10 == 9 ? 4000000 / (dimension * 4) + 1 : 9);
            assert_int_equal(memtable_reserve(table, puts, puts * 13), NACRE_OK);
            assert_int_equal(memtable_reserve_vectors(table, puts), NACRE_OK);
            assert_int_equal(memtable_reserve_vectors(table, 5), NACRE_OK); /* that never come */
            memtable_unreserve_vectors(table, 5);
            memory_set_fault(fail_always, NULL);
            for (size_t i = 0; i < puts; i++) {
                uint64_t key = ++sequence;
                vector[0] = element_of(sequence, 0);
                assert_int_equal(put_vector(table, (nacre_slice){ &key, sizeof key }, sequence, vector, 0), NACRE_OK);
            }
            memory_set_fault(NULL, NULL);
        }
        assert_int_equal(memtable_row_count(table), sequence);
        free(vector);
        memtable_unref(table);
        assert_int_equal(chunk_pool_bytes(pool), 0);
        chunk_pool_free(pool);
    }
}

static void a_put_that_finds_no_memory_for_its_row_changes_nothing(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = vectors_create(4000, &pool);
    float vector[1000] = { 0 };
    uint64_t sequence = 0;
    struct entry found;
    memory_set_fault(fail_always, NULL);
    assert_int_equal(put_vector(table, (nacre_slice){ "a", 1 }, ++sequence, vector, 0), NACRE_NO_MEMORY);
    assert_int_equal(memtable_reserve_vectors(table, 1), NACRE_NO_MEMORY);
    assert_int_equal(memtable_reserve_vectors(table, SIZE_MAX / 100), NACRE_NO_MEMORY);
    memory_set_fault(NULL, NULL);
    assert_int_equal(memtable_reserve_vectors(table, SIZE_MAX / 100), NACRE_NO_MEMORY);
    assert_false(memtable_get(table, (nacre_slice){ "a", 1 }, SEQUENCE_MAX, &found));
    assert_int_equal(memtable_entries(table), 0);
    assert_int_equal(put_vector(table, (nacre_slice){ "a", 1 }, ++sequence, vector, 0), NACRE_OK);
    assert_true(memtable_get(table, (nacre_slice){ "a", 1 }, SEQUENCE_MAX, &found));
    memtable_unref(table);
    chunk_pool_free(pool);
}

/* ---- threads ---- */

#define WRITERS   4u
#define READERS   2u
#define DIMENSION 33u
#define PUTS      6000u
#define KEYS      700u

struct stage {
    struct memtable *table;
    _Atomic uint64_t finished[WRITERS];
    atomic_uint writing;
    atomic_bool wrong;
};
struct actor {
    struct stage *stage;
    unsigned number;
};

static uint64_t stage_sequence(unsigned writer, uint64_t i)
{
    return i * WRITERS + writer + 1;
}

static void *write_share(void *argument)
{
    const struct actor *actor = argument;
    struct stage *stage = actor->stage;
    float vector[DIMENSION];
    for (uint64_t i = 0; i < PUTS; i++) {
        uint64_t sequence = stage_sequence(actor->number, i), key = sequence % KEYS;
        fill_vector(vector, DIMENSION, sequence);
        if (put_vector(stage->table, (nacre_slice){ &key, sizeof key }, sequence, vector, 0) != NACRE_OK)
            atomic_store(&stage->wrong, true);
        atomic_store_explicit(&stage->finished[actor->number], i + 1, memory_order_release);
    }
    atomic_fetch_sub(&stage->writing, 1);
    return NULL;
}

/* One walk: each row whole, each that had been put before it begins met once. */
static bool walk_is_right(struct stage *stage, uint8_t *met)
{
    uint64_t finished[WRITERS];
    struct memtable_rows walk = { .table = stage->table };
    struct memtable_row_block block;
    struct entry entry;
    memset(met, 0, (size_t)WRITERS * PUTS + 1);
    for (unsigned w = 0; w < WRITERS; w++)
        finished[w] = atomic_load_explicit(&stage->finished[w], memory_order_acquire);
    while (memtable_rows_next(&walk, &block)) {
        for (size_t i = 0; i < block.count; i++) {
            const float *row = row_of(&block, i);
            uint64_t sequence = sequence_of_row(&block, i), key = sequence % KEYS;
            if (sequence == 0 || sequence > WRITERS * PUTS || met[sequence]++ ||
                !has_vector_of(row, DIMENSION, sequence) || !memtable_row_entry(&block, i, sequence, &entry) ||
                entry.vector != row || !slice_equal(entry.key, (nacre_slice){ &key, sizeof key }))
                return false;
        }
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        for (uint64_t i = 0; i < finished[w]; i++) {
            if (!met[stage_sequence(w, i)])
                return false;
        }
    }
    return true;
}

static void *walk_again_and_again(void *argument)
{
    const struct actor *actor = argument;
    struct stage *stage = actor->stage;
    uint8_t *met = malloc((size_t)WRITERS * PUTS + 1);
    bool last = false;
    while (!last) {
        last = atomic_load(&stage->writing) == 0;
        if (!walk_is_right(stage, met)) {
            atomic_store(&stage->wrong, true);
            break;
        }
    }
    free(met);
    return NULL;
}

static void walks_beside_writers_meet_each_finished_row_once_and_whole(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct stage stage = { .table = vectors_create(DIMENSION * sizeof(float), &pool), .writing = WRITERS };
    struct actor actors[WRITERS + READERS];
    pthread_t threads[WRITERS + READERS];
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        actors[i] = (struct actor){ &stage, i };
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_share : walk_again_and_again, &actors[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
    assert_false(atomic_load(&stage.wrong));
    assert_int_equal(memtable_row_count(stage.table), WRITERS * PUTS);
    memtable_unref(stage.table);
    chunk_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_gets_and_cursors_agree_with_a_plain_model),
        cmocka_unit_test(a_sequence_that_is_there_already_adds_no_row_that_a_walk_meets),
        cmocka_unit_test(tables_without_vectors_have_no_rows),
        cmocka_unit_test(puts_that_were_reserved_find_rows_when_no_allocation_succeeds),
        cmocka_unit_test(a_put_that_finds_no_memory_for_its_row_changes_nothing),
        cmocka_unit_test(walks_beside_writers_meet_each_finished_row_once_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
