/* Vectors are put, overwritten and deleted while others search, and while memtables are sealed, flushed and merged.

   What a search must show at every instant: a vector whose put has returned is found, unless its key was written again meanwhile; one that was
   overwritten or deleted before the search began never is. All vectors differ, so at distance 0 there is one or none. */
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define WRITERS   2u
#define SEARCHERS 2u
#define KEYS      200u /* per writer */
#define WRITES    20000u
#define DIMENSION FIXTURE_DIMENSION

/* Writes of one key are numbered; the number is odd where the write is a put, even where it is a delete or there was none. */
struct key_state {
    _Atomic uint32_t begun, done; /* the last write that has begun, and that has returned */
    _Atomic uint32_t gone;        /* a put that a later write, which has returned, took away */
};

struct stage {
    struct fixture *f;
    struct key_state keys[WRITERS * KEYS];
    atomic_uint writing;
    atomic_uint found, missed; /* searches that proved something */
};
struct actor {
    struct stage *stage;
    unsigned number;
    uint64_t seed;
};

static uint32_t random_below(struct actor *a, uint32_t bound)
{
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return (uint32_t)(a->seed % bound);
}

static void vector_of(uint32_t key, uint32_t number, float vector[DIMENSION])
{
    vector[0] = (float)key;
    vector[1] = (float)number;
    for (unsigned i = 2; i < DIMENSION; i++) {
        vector[i] = (float)((key * 31 + number * 7) % 97);
    }
}

static void write_one(struct actor *a, uint32_t key)
{
    struct key_state *state = &a->stage->keys[key];
    nacre_collection *collection = a->stage->f->collection;
    nacre_slice name = { &key, sizeof key };
    float vector[DIMENSION];
    uint32_t before = atomic_load(&state->done);
    bool is_put = random_below(a, 6) != 0;
    uint32_t number = (before / 2 + 1) * 2 + is_put;
    atomic_store(&state->begun, number);
    vector_of(key, number, vector);
    assert_ok(is_put ? nacre_put_vector(collection, name, vector, name, NULL) : nacre_delete(collection, name, NULL));
    if (before % 2 == 1) {
        atomic_store(&state->gone, before);
    }
    atomic_store(&state->done, number);
}

static void *write_all(void *argument)
{
    struct actor *a = argument;
    for (unsigned i = 0; i < WRITES; i++) {
        write_one(a, a->number * KEYS + random_below(a, KEYS));
    }
    atomic_fetch_sub(&a->stage->writing, 1);
    return NULL;
}

/* Is this very vector found, as the nearest one to itself? */
static bool is_found(struct actor *a, uint32_t key, uint32_t number)
{
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    nacre_neighbors neighbors;
    float vector[DIMENSION];
    options.exact = true;
    vector_of(key, number, vector);
    assert_ok(nacre_nearest(a->stage->f->collection, vector, 1 + random_below(a, 5), &options, &neighbors));
    bool found = neighbors.count > 0 && neighbors.items[0].distance == 0;
    if (found) {
        assert_memory_equal(neighbors.items[0].key.data, &key, sizeof key);
        assert_memory_equal(neighbors.items[0].value.data, &key, sizeof key);
    }
    nacre_neighbors_release(&neighbors);
    return found;
}

/* The vector of the key's last write is what nacre_get_vector gives. */
static void check_get(struct actor *a, uint32_t key, uint32_t done)
{
    struct key_state *state = &a->stage->keys[key];
    float vector[DIMENSION], want[DIMENSION];
    int status = nacre_get_vector(a->stage->f->collection, (nacre_slice){ &key, sizeof key }, NULL, vector, NULL);
    if (atomic_load(&state->begun) != done) {
        return;
    }
    vector_of(key, done, want);
    assert_code(status, done % 2 ? NACRE_OK : NACRE_NOT_FOUND);
    assert_true(status == NACRE_NOT_FOUND || memcmp(vector, want, sizeof want) == 0);
}

static void *search_all(void *argument)
{
    struct actor *a = argument;
    struct stage *stage = a->stage;
    while (atomic_load(&stage->writing) > 0) {
        uint32_t key = random_below(a, WRITERS * KEYS);
        struct key_state *state = &stage->keys[key];
        uint32_t done = atomic_load(&state->done), gone = atomic_load(&state->gone);
        if (done % 2 == 1) {
            bool found = is_found(a, key, done);
            bool settled = atomic_load(&state->begun) == done;
            assert_true(found || !settled);
            atomic_fetch_add(&stage->found, settled);
        }
        if (gone != 0) {
            assert_false(is_found(a, key, gone));
            atomic_fetch_add(&stage->missed, 1);
        }
        check_get(a, key, done);
    }
    return NULL;
}

static void *keep_house(void *argument)
{
    struct actor *a = argument;
    nacre_collection *collection = a->stage->f->collection;
    while (atomic_load(&a->stage->writing) > 0) {
        switch (random_below(a, 4)) {
        case 0:
            assert_ok(nacre_seal(collection));
            break;
        case 1:
            assert_ok(nacre_compact(collection, text(""), text("")));
            break;
        default:
            assert_ok(nacre_flush(collection));
            break;
        }
        (void)nanosleep(&(struct timespec){ 0, (long)random_below(a, 30) * 1000000 }, NULL);
    }
    return NULL;
}

static void searches_see_each_vector_from_its_put_to_its_end(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    struct actor actors[WRITERS + SEARCHERS + 1];
    pthread_t threads[WRITERS + SEARCHERS + 1];
    stage->f = *state;
    atomic_store(&stage->writing, WRITERS);
    assert_ok(nacre_tune(stage->f->store, "vector_scan_us", "10"));
    assert_ok(nacre_tune(stage->f->store, "level0_runs", "2"));
    for (unsigned i = 0; i < WRITERS + SEARCHERS + 1; i++) {
        actors[i] = (struct actor){ stage, i, 4711 + i };
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < WRITERS               ? write_all
                                        : i < WRITERS + SEARCHERS ? search_all
                                                                  : keep_house,
                                        &actors[i]),
                         0);
    }
    for (unsigned i = 0; i < WRITERS + SEARCHERS + 1; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(atomic_load(&stage->found) > 0 && atomic_load(&stage->missed) > 0);
    for (int round = 0; round < 2; round++) { /* and at rest, and after a reopening */
        for (uint32_t key = 0; key < WRITERS * KEYS; key++) {
            uint32_t done = atomic_load(&stage->keys[key].done);
            assert_int_equal(is_found(&actors[0], key, done | 1), done % 2);
            check_get(&actors[0], key, done);
        }
        fixture_reopen(stage->f);
    }
    free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(searches_see_each_vector_from_its_put_to_its_end, fixture_setup_vectors,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
