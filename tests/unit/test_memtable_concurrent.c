/* Writers, readers and cursors on one memtable at once. Each writer says how many of its puts have finished; whoever
   reads that number first must then meet all of them, whatever the writers do meanwhile to the nodes on the way. */
#include "memtable_model.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define WRITERS 3u
#define READERS 2u
#define PUTS    12000u
#define RANGES  400u

struct stage {
    struct memtable *table;
    enum key_shape shape;
    _Atomic size_t finished[WRITERS]; /* release by the writer, acquire by readers */
    _Atomic size_t ranges_finished;
    _Atomic unsigned writers_left;
    const char *_Atomic failure; /* cmocka's asserts are for the main thread */
};

struct worker {
    struct stage *stage;
    unsigned number;
};

static void report(struct stage *stage, const char *failure)
{
    atomic_store_explicit(&stage->failure, failure, memory_order_relaxed);
}

/* Put i of writer w: its sequence tells both, its key is random and shared by many. */
static uint64_t sequence_of(unsigned writer, size_t i)
{
    return i * WRITERS + writer + 1;
}

static nacre_slice key_of(const struct stage *stage, uint64_t sequence, uint8_t *bytes)
{
    uint64_t random = sequence * 77 + stage->shape;
    return random_key(&random, stage->shape, bytes);
}

static void *write_puts(void *argument)
{
    struct worker *worker = argument;
    struct stage *stage = worker->stage;
    uint8_t *bytes = malloc(65536);
    for (size_t i = 0; i < PUTS; i++) {
        uint64_t sequence = sequence_of(worker->number, i);
        struct entry entry = {
            key_of(stage, sequence, bytes), { &sequence, sizeof sequence }, sequence, 0, ENTRY_PUT, NULL
        };
        if (memtable_put(stage->table, &entry) != NACRE_OK) {
            report(stage, "a put failed");
        }
        atomic_store_explicit(&stage->finished[worker->number], i + 1, memory_order_release);
    }
    atomic_fetch_sub_explicit(&stage->writers_left, 1, memory_order_release);
    free(bytes);
    return NULL;
}

static bool is_whole(const struct stage *stage, const struct entry *entry, uint8_t *bytes)
{
    uint64_t sequence = 0;
    if (entry->value.size != sizeof sequence || entry->type != ENTRY_PUT) {
        return false;
    }
    memcpy(&sequence, entry->value.data, sizeof sequence);
    return sequence == entry->sequence && slice_equal(key_of(stage, sequence, bytes), entry->key);
}

/* One walk over everything; false when something finished was missed, or came out of order, or torn. */
static bool walk_meets_all(struct stage *stage, struct cursor *cursor, bool forward, uint8_t *bytes)
{
    size_t finished[WRITERS], met[WRITERS] = { 0 };
    struct entry previous = { 0 };
    for (unsigned w = 0; w < WRITERS; w++) {
        finished[w] = atomic_load_explicit(&stage->finished[w], memory_order_acquire);
    }
    if (forward) {
        cursor_first(cursor);
    } else {
        cursor_last(cursor);
    }
    while (cursor->valid) {
        const struct entry *entry = &cursor->entry;
        int order = previous.sequence ? entry_compare(&previous, entry) : 0;
        if (!is_whole(stage, entry, bytes) || (previous.sequence && (forward ? order >= 0 : order <= 0))) {
            return false;
        }
        previous = *entry;
        unsigned writer = (unsigned)((entry->sequence - 1) % WRITERS);
        met[writer] += (entry->sequence - 1) / WRITERS < finished[writer];
        if (forward) {
            cursor_next(cursor);
        } else {
            cursor_prev(cursor);
        }
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        if (met[w] != finished[w]) {
            return false;
        }
    }
    return cursor->status == NACRE_OK;
}

/* Point reads and seeks of entries that are known to be there. */
static bool finished_are_found(struct stage *stage, struct cursor *cursor, uint64_t *random, uint8_t *bytes,
                               uint8_t *spare)
{
    for (int i = 0; i < 200; i++) {
        unsigned writer = (unsigned)random_below(random, WRITERS);
        size_t finished = atomic_load_explicit(&stage->finished[writer], memory_order_acquire);
        if (finished == 0) {
            continue;
        }
        uint64_t sequence = sequence_of(writer, random_below(random, finished));
        nacre_slice key = key_of(stage, sequence, bytes);
        struct entry found;
        if (!memtable_get(stage->table, key, sequence, &found) || found.sequence != sequence ||
            !is_whole(stage, &found, spare)) {
            return false;
        }
        cursor_seek(cursor, key);
        if (!cursor->valid || !slice_equal(cursor->entry.key, key) || cursor->entry.sequence < sequence) {
            return false;
        }
        cursor_seek_before(cursor, key);
        if (cursor->valid && slice_compare(cursor->entry.key, key) >= 0) {
            return false;
        }
    }
    return true;
}

static void *read_all(void *argument)
{
    struct worker *worker = argument;
    struct stage *stage = worker->stage;
    uint64_t random = worker->number + 1;
    uint8_t *bytes = malloc(65536), *spare = malloc(65536);
    struct cursor *cursor;
    if (memtable_cursor_create(stage->table, &cursor) != NACRE_OK) {
        report(stage, "no cursor");
        return NULL;
    }
    for (bool last = false; !last;) {
        last = atomic_load_explicit(&stage->writers_left, memory_order_acquire) == 0;
        if (!walk_meets_all(stage, cursor, random_below(&random, 2), bytes)) {
            report(stage, "a walk missed a finished put, or met something torn or out of order");
        }
        if (!finished_are_found(stage, cursor, &random, bytes, spare)) {
            report(stage, "a finished put was not found");
        }
    }
    cursor_close(cursor);
    free(spare);
    free(bytes);
    return NULL;
}

static void *delete_ranges(void *argument)
{
    struct stage *stage = ((struct worker *)argument)->stage;
    for (size_t i = 0; i < RANGES; i++) {
        uint8_t begin = (uint8_t)(i % 200), end = (uint8_t)(begin + 50);
        struct range_delete range = { { &begin, 1 }, { &end, 1 }, i + 1 };
        if (memtable_delete_range(stage->table, &range) != NACRE_OK) {
            report(stage, "a range delete failed");
        }
        atomic_store_explicit(&stage->ranges_finished, i + 1, memory_order_release);
    }
    return NULL;
}

static void *read_ranges(void *argument)
{
    struct stage *stage = ((struct worker *)argument)->stage;
    const struct range_set *set;
    for (size_t finished = 0; finished < RANGES;) {
        finished = atomic_load_explicit(&stage->ranges_finished, memory_order_acquire);
        if (finished == 0) {
            continue;
        }
        uint8_t key = (uint8_t)((finished - 1) % 200 + 25);
        if (memtable_covering(stage->table, (nacre_slice){ &key, 1 }, SEQUENCE_MAX) < finished) {
            report(stage, "a finished range delete was not seen");
        }
        if (memtable_covering(stage->table, (nacre_slice){ &key, 1 }, finished) != finished) {
            report(stage, "a range delete was not seen at its own sequence");
        }
        if (finished % 16 == 0 &&
            (memtable_ranges(stage->table, &set) != NACRE_OK || range_set_count(set) < finished)) {
            report(stage, "the set of range deletes is not complete");
        }
    }
    return NULL;
}

static void run_stage(enum key_shape shape)
{
    struct chunk_pool *pool;
    struct stage stage = { .table = table_create(&pool), .shape = shape };
    pthread_t threads[WRITERS + READERS];
    struct worker workers[WRITERS + READERS];
    atomic_init(&stage.writers_left, WRITERS);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        workers[i] = (struct worker){ &stage, i };
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_puts : read_all, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    const char *failure = atomic_load_explicit(&stage.failure, memory_order_relaxed);
    if (failure) {
        fail_msg("%s: %s", key_shape_names[shape], failure);
    }
    assert_int_equal(memtable_entries(stage.table), WRITERS * PUTS);
    assert_int_equal(memtable_newest(stage.table), WRITERS * PUTS);
    assert_int_equal(memtable_oldest(stage.table), 1);
    table_free(stage.table, pool);
}

static void finished_puts_with_many_versions_per_key_are_never_missed(void **state)
{
    (void)state;
    run_stage(KEYS_TINY);
}

static void finished_puts_are_never_missed_while_nodes_grow(void **state)
{
    (void)state;
    run_stage(KEYS_BYTES);
}

static void finished_puts_are_never_missed_while_prefixes_split(void **state)
{
    (void)state;
    run_stage(KEYS_LONG_PREFIX);
}

static void finished_puts_of_keys_that_begin_one_another_are_never_missed(void **state)
{
    (void)state;
    run_stage(KEYS_CHAIN);
}

static void finished_range_deletes_are_never_missed(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct stage stage = { .table = table_create(&pool) };
    struct worker worker = { &stage, 0 };
    pthread_t writer, readers[2];
    assert_int_equal(pthread_create(&readers[0], NULL, read_ranges, &worker), 0);
    assert_int_equal(pthread_create(&readers[1], NULL, read_ranges, &worker), 0);
    assert_int_equal(pthread_create(&writer, NULL, delete_ranges, &worker), 0);
    pthread_join(writer, NULL);
    pthread_join(readers[0], NULL);
    pthread_join(readers[1], NULL);
    const char *failure = atomic_load_explicit(&stage.failure, memory_order_relaxed);
    if (failure) {
        fail_msg("%s", failure);
    }
    table_free(stage.table, pool);
}

/* Two writers put the same keys with the same sequences: one of each pair must be taken, none twice. */
static void the_same_entries_from_two_writers_are_there_once(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct stage stage = { .table = table_create(&pool), .shape = KEYS_TINY };
    struct worker same = { &stage, 0 };
    pthread_t threads[2];
    struct cursor *cursor;
    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_puts, &same), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(memtable_entries(stage.table), PUTS);
    assert_int_equal(memtable_cursor_create(stage.table, &cursor), NACRE_OK);
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
        count++;
    }
    assert_int_equal(count, PUTS);
    cursor_close(cursor);
    table_free(stage.table, pool);
}

#define NODES    1500u
#define CHILDREN 64u

struct side {
    struct memtable *table;
    _Atomic unsigned *arrived; /* release and acquire: a barrier that does not sleep */
    unsigned number;
};

static nacre_slice child_key(unsigned node, unsigned child, uint8_t *bytes)
{
    uint64_t random = node;
    uint64_t place = random_next(&random);
    memcpy(bytes, &place, 6);
    bytes[6] = (uint8_t)(child * 37);
    return (nacre_slice){ bytes, 7 };
}

static void *fill_side(void *argument)
{
    struct side *side = argument;
    for (unsigned node = 0; node < NODES; node++) {
        atomic_fetch_add_explicit(side->arrived, 1, memory_order_release);
        while (atomic_load_explicit(side->arrived, memory_order_acquire) < 2 * (node + 1)) {
            sched_yield();
        }
        for (unsigned child = side->number; child < CHILDREN; child += 2) {
            uint8_t bytes[8];
            struct entry entry = {
                child_key(node, child, bytes), { "v", 1 }, 1 + node * CHILDREN + child, 0, ENTRY_PUT, NULL
            };
            if (memtable_put(side->table, &entry) != NACRE_OK) {
                return side;
            }
        }
    }
    return NULL;
}

static void two_writers_that_fill_the_same_nodes_lose_nothing(void **state)
{
    (void)state;
    struct chunk_pool *pool;
    struct memtable *table = table_create(&pool);
    _Atomic unsigned arrived = 0;
    struct side sides[2] = { { table, &arrived, 0 }, { table, &arrived, 1 } };
    pthread_t threads[2];
    struct cursor *cursor;
    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, fill_side, &sides[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (unsigned node = 0; node < NODES; node++) {
        for (unsigned child = 0; child < CHILDREN; child++) {
            uint8_t bytes[8];
            struct entry found;
            assert_true(memtable_get(table, child_key(node, child, bytes), SEQUENCE_MAX, &found));
            assert_int_equal(found.sequence, 1 + node * CHILDREN + child);
        }
    }
    assert_int_equal(memtable_cursor_create(table, &cursor), NACRE_OK);
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
        count++;
    }
    assert_int_equal(count, NODES * CHILDREN);
    cursor_close(cursor);
    table_free(table, pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finished_puts_with_many_versions_per_key_are_never_missed),
        cmocka_unit_test(finished_puts_are_never_missed_while_nodes_grow),
        cmocka_unit_test(finished_puts_are_never_missed_while_prefixes_split),
        cmocka_unit_test(finished_puts_of_keys_that_begin_one_another_are_never_missed),
        cmocka_unit_test(finished_range_deletes_are_never_missed),
        cmocka_unit_test(two_writers_that_fill_the_same_nodes_lose_nothing),
        cmocka_unit_test(the_same_entries_from_two_writers_are_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
