/* Threads that add to a few keys at once: no operand is lost or counted twice, whatever is sealed, flushed, merged, snapshotted or reopened meanwhile; and
   who reads twice never sees a sum fall. */
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define KEYS    5
#define WRITERS 4
#define ROUNDS  3
#define ADDS    6000 /* of a writer in a round */

struct shared {
    nacre_store *store;
    nacre_collection *sums;
    atomic_bool stop;
    atomic_uint wrong;
};
struct actor {
    struct shared *shared;
    uint64_t seed;
    int64_t added[KEYS];
};

static unsigned random_below(struct actor *a, unsigned bound)
{
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return (unsigned)(a->seed % bound);
}

static nacre_slice key_of(unsigned number, char *out)
{
    return (nacre_slice){ out, (size_t)snprintf(out, 16, "sum/%u", number) };
}

static void complain(struct shared *s)
{
    atomic_fetch_add(&s->wrong, 1);
}

static void *add(void *context)
{
    struct actor *a = context;
    struct shared *s = a->shared;
    nacre_batch *batch;
    char key[16];
    if (nacre_batch_create(&batch) != NACRE_OK) {
        complain(s);
        return NULL;
    }
    for (unsigned i = 0; i < ADDS; i++) {
        unsigned number = random_below(a, KEYS);
        int64_t amount = 1 + random_below(a, 9);
        nacre_slice operand = { &amount, sizeof amount };
        int status;
        if (i % 10) {
            status = nacre_merge(s->sums, key_of(number, key), operand, NULL);
        } else { /* twice in one batch */
            nacre_batch_clear(batch);
            (void)nacre_batch_merge(batch, s->sums, key_of(number, key), operand);
            (void)nacre_batch_merge(batch, s->sums, key_of(number, key), operand);
            status = nacre_write(s->store, batch, NULL);
            amount *= 2;
        }
        a->added[number] += amount;
        if (status != NACRE_OK) {
            complain(s);
        }
    }
    nacre_batch_free(batch);
    return NULL;
}

static int64_t sum_of(nacre_slice value)
{
    int64_t sum = -1;
    if (value.size == sizeof sum) {
        memcpy(&sum, value.data, sizeof sum);
    }
    return sum;
}

/* Sums only grow; a scan and a get at one snapshot agree. */
static void *watch(void *context)
{
    struct actor *a = context;
    struct shared *s = a->shared;
    int64_t seen[KEYS] = { 0 };
    char key[16];
    while (!atomic_load(&s->stop)) {
        nacre_snapshot *snapshot;
        nacre_read_options at = NACRE_READ_OPTIONS_INIT;
        nacre_scan_options over = NACRE_SCAN_OPTIONS_INIT;
        nacre_cursor *cursor;
        if (nacre_snapshot_create(s->store, &snapshot) != NACRE_OK) {
            complain(s);
            break;
        }
        at.snapshot = over.snapshot = snapshot;
        over.reverse = random_below(a, 2);
        if (nacre_scan(s->sums, &over, &cursor) == NACRE_OK) {
            for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
                nacre_value value;
                unsigned number = (unsigned)(((const char *)nacre_cursor_key(cursor).data)[4] - '0');
                int64_t scanned = sum_of(nacre_cursor_value(cursor));
                int status = nacre_get(s->sums, key_of(number, key), &at, &value);
                if (status != NACRE_OK || sum_of(value.slice) != scanned || scanned < seen[number]) {
                    complain(s);
                }
                seen[number] = scanned;
                nacre_value_release(&value);
            }
            if (nacre_cursor_status(cursor) != NACRE_OK) {
                complain(s);
            }
            nacre_cursor_close(cursor);
        }
        nacre_snapshot_release(snapshot);
    }
    return NULL;
}

static void *keep_house(void *context)
{
    struct actor *a = context;
    struct shared *s = a->shared;
    const nacre_slice none = { NULL, 0 };
    while (!atomic_load(&s->stop)) {
        unsigned what = random_below(a, 3);
        int status = what == 0   ? nacre_seal(s->sums)
                     : what == 1 ? nacre_flush(s->sums)
                                 : nacre_compact(s->sums, none, none);
        if (status != NACRE_OK) {
            complain(s);
        }
        usleep(2000);
    }
    return NULL;
}

static nacre_collection *open_sums(nacre_store *store)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *sums;
    options.merge_operator = "add64";
    int status = nacre_collection_open(store, "sums", &sums);
    if (status == NACRE_NOT_FOUND) {
        status = nacre_collection_create(store, "sums", &options, &sums);
    }
    assert_ok(status);
    return sums;
}

static void check_sums(nacre_collection *sums, const int64_t *want)
{
    char key[16];
    for (unsigned k = 0; k < KEYS; k++) {
        nacre_value value;
        assert_ok(nacre_get(sums, key_of(k, key), NULL, &value));
        assert_true(sum_of(value.slice) == want[k]);
        nacre_value_release(&value);
    }
}

static void sums_are_exact_whatever_goes_on(void **state)
{
    struct fixture *f = *state;
    int64_t want[KEYS] = { 0 };
    assert_ok(nacre_tune(f->store, "seal_bytes", "65536"));
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct shared shared = { .store = f->store, .sums = open_sums(f->store) };
        struct actor actors[WRITERS + 3] = { { 0 } };
        pthread_t threads[WRITERS + 3];
        for (unsigned i = 0; i < WRITERS + 3; i++) {
            actors[i].shared = &shared;
            actors[i].seed = 77 + 13 * i + round;
            assert_int_equal(pthread_create(&threads[i], NULL,
                                            i < WRITERS       ? add
                                            : i < WRITERS + 2 ? watch
                                                              : keep_house,
                                            &actors[i]),
                             0);
        }
        for (unsigned i = 0; i < WRITERS + 3; i++) {
            if (i == WRITERS) {
                atomic_store(&shared.stop, true);
            }
            pthread_join(threads[i], NULL);
            for (unsigned k = 0; k < KEYS; k++) {
                want[k] += actors[i].added[k];
            }
        }
        assert_int_equal(atomic_load(&shared.wrong), 0);
        check_sums(shared.sums, want);
        nacre_collection_close(shared.sums);
        fixture_reopen(f);
        shared.sums = open_sums(f->store);
        check_sums(shared.sums, want);
        assert_ok(nacre_flush(shared.sums));
        check_sums(shared.sums, want);
        nacre_collection_close(shared.sums);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_are_exact_whatever_goes_on, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
