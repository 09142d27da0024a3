/* Threads run small random transactions over few keys, while memtables are sealed, flushed and merged beside them and other writers drive the ring of
   recent changes over; what they read and wrote is held against the isolation level (txn_history.h). The seed is printed with a failure; NACRE_TEST_SEED
   runs that one alone, NACRE_TEST_SCALE makes more of them. */
#include "support/store_fixture.h"
#include "support/txn_history.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS    4u
#define TXNS       300u /* of each thread */
#define KEYS       7u
#define LIST_MOST  800u /* elements */
#define STORE_MOST (THREADS * TXNS + 1)

struct history_run {
    struct fixture *f;
    nacre_isolation isolation;
    nacre_collection *collections[2]; /* keys of odd numbers lie in the second */
    struct history_txn txns[STORE_MOST];
    _Atomic size_t count;
    _Atomic uint64_t clock;
    _Atomic uint32_t next_element;
    _Atomic bool stop;
    _Atomic unsigned conflicts;
};
struct actor {
    struct history_run *run;
    uint64_t seed;
    nacre_txn *txn;
    struct history_txn *record;
};

static unsigned random_below(struct actor *a, unsigned bound)
{
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return (unsigned)(a->seed % bound);
}

static nacre_collection *collection_of(const struct actor *a, unsigned key)
{
    return a->run->collections[key % 2];
}

static nacre_slice name_of(unsigned key, char out[4])
{
    out[0] = 'k';
    out[1] = (char)('0' + key);
    return (nacre_slice){ out, 2 };
}

static struct history_op *record_read(struct actor *a, unsigned key, nacre_slice value)
{
    struct history_op *op = &a->record->ops[a->record->op_count++];
    uint32_t *list = value.size ? malloc(value.size) : NULL;
    if (value.size) {
        memcpy(list, value.data, value.size);
    }
    *op = (struct history_op){ .key = key, .list = list, .size = value.size / sizeof *list };
    return op;
}

static const struct history_op *read_key(struct actor *a, unsigned key)
{
    char name[4];
    nacre_value value;
    int status = nacre_txn_get(a->txn, collection_of(a, key), name_of(key, name), &value);
    assert_true(status == NACRE_OK || status == NACRE_NOT_FOUND);
    const struct history_op *op = record_read(a, key, value.slice);
    nacre_value_release(&value);
    return op;
}

static void append(struct actor *a, unsigned key)
{
    char name[4];
    uint32_t list[LIST_MOST];
    const struct history_op *seen = read_key(a, key);
    assert_true(seen->size < LIST_MOST);
    if (seen->size) {
        memcpy(list, seen->list, seen->size * sizeof *list);
    }
    uint32_t element = atomic_fetch_add(&a->run->next_element, 1);
    list[seen->size] = element;
    assert_ok(nacre_txn_put(a->txn, collection_of(a, key), name_of(key, name),
                            (nacre_slice){ list, (seen->size + 1) * sizeof *list }));
    a->record->ops[a->record->op_count++] = (struct history_op){ .append = true, .key = key, .element = element };
}

/* Keys of one collection between two, either way; those that are not there have the empty list. */
static void scan_keys(struct actor *a)
{
    unsigned first = random_below(a, KEYS), end = first + 1 + random_below(a, KEYS - first);
    char begin_name[4], end_name[4];
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.begin = name_of(first, begin_name);
    options.end = name_of(end, end_name);
    options.reverse = random_below(a, 2);
    assert_ok(nacre_txn_scan(a->txn, collection_of(a, first), &options, &cursor));
    for (unsigned n = first; n < end; n++) {
        unsigned key = options.reverse ? first + end - 1 - n : n;
        if (key % 2 != first % 2) {
            continue;
        }
        bool there =
            nacre_cursor_valid(cursor) && ((const char *)nacre_cursor_key(cursor).data)[1] == (char)('0' + key);
        record_read(a, key, there ? nacre_cursor_value(cursor) : (nacre_slice){ NULL, 0 });
        if (there) {
            nacre_cursor_next(cursor);
        }
    }
    assert_false(nacre_cursor_valid(cursor));
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
}

static void end_transaction(struct actor *a)
{
    if (random_below(a, 12) == 0) {
        nacre_txn_abort(a->txn);
        a->record->outcome = HISTORY_ABORTED;
        return;
    }
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    int status;
    /* Some wait for the disk: until then others meet changes that nobody sees yet. */
    options.durability = random_below(a, 8) ? NACRE_OS : NACRE_DISK;
    do {
        status = nacre_txn_commit(a->txn, &options);
    } while (status == NACRE_BUSY);
    a->record->outcome = status == NACRE_OK ? HISTORY_COMMITTED : HISTORY_ABORTED;
    if (status != NACRE_OK) {
        assert_code(status, NACRE_CONFLICT);
        nacre_txn_abort(a->txn);
        atomic_fetch_add(&a->run->conflicts, 1);
    }
}

static void run_transaction(struct actor *a)
{
    nacre_txn_options options = NACRE_TXN_OPTIONS_INIT;
    uint64_t savepoint = 0;
    options.isolation = a->run->isolation;
    a->record = &a->run->txns[atomic_fetch_add(&a->run->count, 1)];
    a->record->began = atomic_fetch_add(&a->run->clock, 1);
    assert_ok(nacre_txn_begin(a->run->f->store, &options, &a->txn));
    for (unsigned n = 2 + random_below(a, 3); n > 0; n--) {
        unsigned what = random_below(a, 10);
        if (what < 5) {
            append(a, random_below(a, KEYS));
        } else if (what < 8) {
            read_key(a, random_below(a, KEYS));
        } else {
            scan_keys(a);
        }
        if (random_below(a, 16) == 0) { /* what is taken back never was */
            char name[4];
            assert_ok(nacre_txn_savepoint(a->txn, &savepoint));
            assert_ok(nacre_txn_delete(a->txn, collection_of(a, n % KEYS), name_of(n % KEYS, name)));
            assert_ok(nacre_txn_rollback_to(a->txn, savepoint));
        }
        if (random_below(a, 3) == 0) {
            sched_yield();
        }
    }
    end_transaction(a);
    a->record->ended = atomic_fetch_add(&a->run->clock, 1);
}

static void *run_transactions(void *context)
{
    struct actor *a = context;
    for (unsigned i = 0; i < TXNS; i++) {
        run_transaction(a);
    }
    return NULL;
}

/* Seals, flushes, merges; and batches of other keys that drive the ring over. */
static void *disturb(void *context)
{
    struct actor *a = context;
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    while (!atomic_load(&a->run->stop)) {
        nacre_collection *collection = a->run->collections[random_below(a, 2)];
        unsigned what = random_below(a, 12);
        if (what < 2) {
            assert_ok(nacre_seal(collection));
        } else if (what == 2) {
            assert_ok(nacre_flush(collection));
        } else if (what == 3) {
            assert_ok(nacre_compact(collection, text(""), text("")));
        } else if (what < 8) {
            char key[20];
            nacre_batch_clear(batch);
            for (unsigned i = random_below(a, 300); i > 0; i--) {
                snprintf(key, sizeof key, "other%u", random_below(a, 1000));
                assert_ok(nacre_batch_put(batch, collection, text(key), text("")));
            }
            assert_ok(nacre_write(a->run->f->store, batch, NULL));
        } else {
            sched_yield();
        }
    }
    nacre_batch_free(batch);
    return NULL;
}

static void read_everything(struct history_run *run)
{
    struct actor last = { .run = run, .seed = 1 };
    nacre_txn_options options = NACRE_TXN_OPTIONS_INIT;
    last.record = &run->txns[atomic_fetch_add(&run->count, 1)];
    last.record->began = atomic_fetch_add(&run->clock, 1);
    last.record->outcome = HISTORY_COMMITTED;
    assert_ok(nacre_txn_begin(run->f->store, &options, &last.txn));
    for (unsigned key = 0; key < KEYS; key++) {
        read_key(&last, key);
    }
    assert_ok(nacre_txn_commit(last.txn, NULL));
    last.record->ended = atomic_fetch_add(&run->clock, 1);
}

static void free_lists(struct history_run *run)
{
    for (size_t t = 0; t < run->count; t++) {
        for (size_t i = 0; i < run->txns[t].op_count; i++) {
            free((void *)run->txns[t].ops[i].list);
        }
    }
}

static void one_history(struct fixture *f, uint64_t seed, nacre_isolation isolation)
{
    struct history_run *run = calloc(1, sizeof *run);
    struct actor actors[THREADS + 1];
    pthread_t ids[THREADS + 1];
    run->f = f;
    run->isolation = isolation;
    run->clock = 1;
    run->next_element = 1;
    run->collections[0] = f->collection;
    assert_ok(nacre_collection_create(f->store, "odd", NULL, &run->collections[1]));
    for (unsigned i = 0; i <= THREADS; i++) {
        actors[i] = (struct actor){ .run = run, .seed = seed * 7919 + i * 104729 + 1 };
        assert_int_equal(pthread_create(&ids[i], NULL, i < THREADS ? run_transactions : disturb, &actors[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
    }
    atomic_store(&run->stop, true);
    pthread_join(ids[THREADS], NULL);
    read_everything(run);
    const char *wrong = history_check(run->txns, run->count, isolation == NACRE_SERIALIZABLE);
    if (wrong) {
        print_error("seed %llu: %s\n", (unsigned long long)seed, wrong);
    }
    assert_null(wrong);
    assert_true(run->conflicts > 0 && run->conflicts < THREADS * TXNS); /* they did meet */
    free_lists(run);
    nacre_collection_close(run->collections[1]);
    assert_ok(nacre_collection_drop(f->store, "odd"));
    assert_ok(nacre_collection_clear(f->collection));
    free(run);
}

static void histories(struct fixture *f, nacre_isolation isolation)
{
    const char *seed = getenv("NACRE_TEST_SEED"), *scale = getenv("NACRE_TEST_SCALE");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1,
             count = seed ? 1 : 8 * (scale ? strtoull(scale, NULL, 10) : 1);
    fixture_close(f);
    f->options.memory_budget = 16 << 20; /* a small ring */
    fixture_open(f);
    for (uint64_t s = first; s < first + count; s++) {
        one_history(f, s, isolation);
    }
}

static void serializable_histories_have_no_cycle_in_real_time(void **state)
{
    histories(*state, NACRE_SERIALIZABLE);
}

static void histories_at_snapshot_isolation_have_only_cycles_with_two_rw_in_a_row(void **state)
{
    histories(*state, NACRE_SNAPSHOT_ISOLATION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(serializable_histories_have_no_cycle_in_real_time, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(histories_at_snapshot_isolation_have_only_cycles_with_two_rw_in_a_row,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
