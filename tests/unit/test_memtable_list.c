/* Searches over the list of a memtable's keys: each key once, newest visible version, in parts, while threads put. */
#include "memtable/leaf_list.h"
#include "memtable_model.h"
#include "support/mock_automaton.h"
#include <pthread.h>
#include <stdatomic.h>

#define KEY_ROOM 65536

static int compare_texts(const void *a, const void *b)
{
    return slice_compare(*(const nacre_slice *)a, *(const nacre_slice *)b);
}

/* The newest version <= snapshot of each wanted key inside the bounds. */
static void filter(const struct model *all, const struct mock_automaton *mock, const struct memtable_search *search,
                   uint64_t snapshot, struct model *wanted)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct entry *e = &all->entries[i];
        bool is_newest = e->sequence <= snapshot && (i == 0 || !slice_equal(all->entries[i - 1].key, e->key) ||
                                                     all->entries[i - 1].sequence > snapshot);
        bool inside = slice_compare(e->key, search->begin) >= 0 &&
                      (search->end.size == 0 || slice_compare(e->key, search->end) < 0);
        if (is_newest && inside && mock_wants(mock, e->key))
            model_put(wanted, e);
    }
}

static void check_scan(struct memtable *table, struct memtable_search *search, const struct model *wanted,
                       uint64_t snapshot, size_t parts)
{
    bool *met = calloc(wanted->count + 1, 1);
    size_t count = 0;
    for (size_t part = 0; part < parts; part++) {
        struct memtable_scan scan = { .table = table, .search = search, .part = part, .parts = parts };
        struct entry entry;
        for (; memtable_scan_next(&scan, snapshot, &entry); count++) {
            size_t at = model_lower(wanted, entry.key, SEQUENCE_MAX);
            assert_true(at < wanted->count);
            assert_same_entry(&entry, &wanted->entries[at]);
            assert_false(met[at]);
            met[at] = true;
        }
        assert_int_equal(scan.status, NACRE_OK);
        assert_false(memtable_scan_next(&scan, snapshot, &entry));
    }
    assert_int_equal(count, wanted->count);
    free(met);
}

static void a_scan_gives_each_wanted_key_once_with_its_newest_visible_version(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(KEY_ROOM), *begin = malloc(KEY_ROOM), *end = malloc(KEY_ROOM);
    uint64_t random = 5;
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        struct chunk_pool *pool;
        struct memtable *table = table_create(&pool);
        struct model all = { 0 };
        for (uint64_t i = 0, puts = shape == KEYS_HUGE ? 150 : 3000; i < puts; i++) {
            struct entry entry = { random_key(&random, (enum key_shape)shape, bytes),
                                   { "v", 1 },
                                   1 + random_below(&random, puts),
                                   random_below(&random, 3),
                                   random_below(&random, 5) ? ENTRY_PUT : ENTRY_DELETE,
                                   NULL };
            entry.value.size = entry.type == ENTRY_PUT;
            assert_int_equal(memtable_put(table, &entry), NACRE_OK);
            model_put(&all, &entry);
        }
        for (unsigned kind = 0; kind < 6 * MOCK_KINDS; kind++) {
            struct mock_automaton mock;
            struct memtable_search search = { .automaton = &mock.automaton };
            struct model wanted = { 0 };
            uint64_t snapshot = kind % 2 ? SEQUENCE_MAX : random_below(&random, all.count + 1);
            mock_automaton_init(&mock, (enum mock_kind)(kind % MOCK_KINDS),
                                slice_text(shape == KEYS_BYTES ? "b"
                                           : kind % 4          ? "a"
                                                               : "p"));
            if (kind >= 3 * MOCK_KINDS) {
                search.begin = random_key(&random, (enum key_shape)shape, begin);
                search.end = random_key(&random, (enum key_shape)shape, end);
            }
            filter(&all, &mock, &search, snapshot, &wanted);
            check_scan(table, &search, &wanted, snapshot, 1 + kind % 5);
            model_free(&wanted);
        }
        model_free(&all);
        table_free(table, pool);
    }
    free(bytes);
    free(begin);
    free(end);
}

static void a_table_that_is_not_searched_lists_nothing(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *tables[2];
    uint64_t bytes[2];
    assert_int_equal(chunk_pool_create(0, &pool), NACRE_OK);
    for (int searched = 0; searched < 2; searched++) {
        assert_int_equal(memtable_create(pool, &(struct memtable_options){ .searched = searched }, &tables[searched]),
                         NACRE_OK);
        for (unsigned i = 0; i < 1000; i++) {
            char key[16];
            snprintf(key, sizeof key, "%u", i);
            put_text(tables[searched], key, "v", i + 1);
        }
        bytes[searched] = memtable_bytes(tables[searched]);
    }
    assert_in_range(bytes[1] - bytes[0], 8 * 1000, 12 * 1000 + 4096 * 2);
    memtable_unref(tables[0]);
    memtable_unref(tables[1]);
    chunk_pool_free(pool);
}

static int stop_at_third(void *context)
{
    return ++*(int *)context == 3 ? NACRE_CANCELLED : NACRE_OK;
}

static void a_scan_ends_in_what_stop_or_a_failed_decision_says(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    struct mock_automaton mock;
    struct entry entry;
    int asked = 0;
    for (unsigned i = 0; i < 5000; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%u", i);
        put_text(table, key, "v", i + 1);
    }
    struct memtable_search search = { .automaton = &mock.automaton, .stop = stop_at_third, .stop_context = &asked };
    struct memtable_scan scan = { .table = table, .search = &search, .parts = 1 };
    mock_automaton_init(&mock, MOCK_CONTAINS, slice_text("#"));
    assert_false(memtable_scan_next(&scan, SEQUENCE_MAX, &entry));
    assert_int_equal(scan.status, NACRE_CANCELLED);
    assert_in_range(search.keys_run, MEMTABLE_STOP_KEYS, 3 * MEMTABLE_STOP_KEYS);

    search = (struct memtable_search){ .automaton = &mock.automaton };
    scan = (struct memtable_scan){ .table = table, .search = &search, .parts = 1 };
    mock_automaton_init(&mock, MOCK_UNSURE, slice_text("k"));
    mock.fail_at = 10;
    for (int i = 0; i < 9; i++)
        assert_true(memtable_scan_next(&scan, SEQUENCE_MAX, &entry));
    assert_false(memtable_scan_next(&scan, SEQUENCE_MAX, &entry));
    assert_int_equal(scan.status, NACRE_NO_MEMORY);
    table_free(table, pool);
}

static uint64_t bytes_of_takes(struct arena *arena, leaf_list *lists, size_t count, size_t takes)
{
    arena_lane lane = 0;
    pthread_mutex_t growing = PTHREAD_MUTEX_INITIALIZER;
    uint64_t before = arena_bytes(arena);
    for (size_t i = 0; i < takes; i++)
        assert_non_null(leaf_list_take(&lists[i % count], arena, &lane, &growing));
    return arena_bytes(arena) - before;
}

static void places_take_no_more_memory_than_is_reserved_for_them(void **state)
{
    (void)state;
    uint64_t random = 3, most = 0;
    for (int round = 0; round < 400; round++) {
        struct chunk_pool *pool;
        struct arena arena;
        leaf_list lists[4] = { NULL };
        size_t count = 1 + random_below(&random, 4), bytes, next = 0;
        assert_int_equal(chunk_pool_create(0, &pool), NACRE_OK);
        assert_int_equal(arena_init(&arena, pool), NACRE_OK);
        bytes_of_takes(&arena, lists, count, random_below(&random, 2) * random_below(&random, 9000));
        for (size_t i = 0; i < count; i++)
            next += leaf_list_next_bytes(&lists[i]);
        size_t takes = 1 + random_below(&random, round % 2 ? 60 : 20000);
        assert_true(leaf_list_bytes(takes, next, count, &bytes));
        uint64_t taken = bytes_of_takes(&arena, lists, count, takes);
        assert_in_range(taken, 0, bytes);
        most = taken * 100 / bytes > most ? taken * 100 / bytes : most;
        arena_destroy(&arena);
        chunk_pool_free(pool);
    }
    assert_in_range(most, 60, 100); /* nor is far more reserved */
    assert_false(leaf_list_bytes(SIZE_MAX / 2, 256, 1, &(size_t){ 0 }));
}

/* ---- while threads put ---- */

#define WRITERS 3u
#define PUTS    20000u
#define KEYS    9000u /* all writers put the same ones, in the same order: they race for each */

struct stage {
    struct memtable *table;
    _Atomic size_t finished[WRITERS]; /* release by the writer, acquire by the reader */
};
struct writer {
    struct stage *stage;
    unsigned number;
};

static size_t write_key(size_t i, char *key)
{
    return (size_t)snprintf(key, 32, "key%zu", i % KEYS * 7919 % KEYS);
}

static void *write_puts(void *context)
{
    struct writer *w = context;
    for (size_t i = 0; i < PUTS; i++) {
        char key[32];
        size_t size = write_key(i, key);
        struct entry entry = { { key, size }, { "v", 1 }, i * WRITERS + w->number + 1, 0, ENTRY_PUT, NULL };
        if (memtable_put(w->stage->table, &entry) != NACRE_OK)
            abort();
        atomic_store_explicit(&w->stage->finished[w->number], i + 1, memory_order_release);
    }
    return NULL;
}

/* Reads how many puts of each writer have finished, and then must meet the keys of all of them: each once. */
static void scan_while_writing(struct stage *stage, nacre_slice *met, size_t parts)
{
    size_t finished = 0, count = 0;
    for (unsigned w = 0; w < WRITERS; w++) {
        size_t puts = atomic_load_explicit(&stage->finished[w], memory_order_acquire);
        finished = puts > finished ? puts : finished;
    }
    struct mock_automaton mock;
    struct memtable_search search = { .automaton = &mock.automaton };
    mock_automaton_init(&mock, MOCK_EVERYTHING, slice_text(""));
    for (size_t part = 0; part < parts; part++) {
        struct memtable_scan scan = { .table = stage->table, .search = &search, .part = part, .parts = parts };
        struct entry entry;
        while (memtable_scan_next(&scan, SEQUENCE_MAX, &entry)) {
            assert_true(count < KEYS);
            met[count++] = entry.key;
        }
        assert_int_equal(scan.status, NACRE_OK);
    }
    qsort(met, count, sizeof *met, compare_texts);
    for (size_t i = 1; i < count; i++)
        assert_true(slice_compare(met[i - 1], met[i]) < 0);
    for (size_t i = 0; i < finished && i < KEYS; i++) {
        char key[32];
        nacre_slice text = { key, write_key(i, key) };
        assert_non_null(bsearch(&text, met, count, sizeof *met, compare_texts));
    }
}

static void a_scan_meets_each_finished_key_once_while_threads_race_for_them(void **state)
{
    (void)state;
    nacre_slice *met = malloc(KEYS * sizeof *met);
    for (int round = 0; round < 3; round++) {
        struct chunk_pool *pool;
        struct stage stage = { .table = table_create(&pool) };
        struct writer writers[WRITERS];
        pthread_t threads[WRITERS];
        for (unsigned w = 0; w < WRITERS; w++) {
            writers[w] = (struct writer){ &stage, w };
            assert_int_equal(pthread_create(&threads[w], NULL, write_puts, &writers[w]), 0);
        }
        for (size_t scan = 0; scan < 30; scan++)
            scan_while_writing(&stage, met, 1 + scan % 3);
        for (unsigned w = 0; w < WRITERS; w++)
            pthread_join(threads[w], NULL);
        scan_while_writing(&stage, met, 2);
        table_free(stage.table, pool);
    }
    free(met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_gives_each_wanted_key_once_with_its_newest_visible_version),
        cmocka_unit_test(a_table_that_is_not_searched_lists_nothing),
        cmocka_unit_test(places_take_no_more_memory_than_is_reserved_for_them),
        cmocka_unit_test(a_scan_ends_in_what_stop_or_a_failed_decision_says),
        cmocka_unit_test(a_scan_meets_each_finished_key_once_while_threads_race_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
