/* What the tests of searches while everything goes on share: a house in whose rooms guests are, and actors, each in a thread of its own, that move them,
   look for them and keep house until the time is over. NACRE_TEST_SCALE gives them more time. Who includes it says how many GUESTS, ROOMS and WRITERS
   there are, what a guest's key is, and how he is put. */
#ifndef NACRE_TESTS_HOUSE_FIXTURE_H
#define NACRE_TESTS_HOUSE_FIXTURE_H
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct house {
    struct fixture *f;
    nacre_collection *guests;
    atomic_bool stop;
    atomic_uint moves, searches, snapshots;
};

struct actor {
    struct house *house;
    unsigned number;
    uint64_t seed;
};

typedef void *(*role)(void *actor);

static nacre_slice guest_key(unsigned guest, unsigned room, char *out, size_t size);
static void put_guest(nacre_batch *, nacre_collection *, unsigned guest, unsigned room);

static inline unsigned random_of(uint64_t *seed, unsigned bound)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)((*seed >> 11) % bound);
}

static inline unsigned random_below(struct actor *a, unsigned bound)
{
    return random_of(&a->seed, bound);
}

static inline void note_first_rooms(unsigned rooms[GUESTS])
{
    for (unsigned guest = 0; guest < GUESTS; guest++) {
        rooms[guest] = guest % ROOMS;
    }
}

/* In one batch, guests that are this writer's alone, `most` of them at most; gives the last. */
static inline unsigned move_some_guests(struct actor *a, nacre_batch *batch, unsigned rooms[GUESTS], unsigned most)
{
    nacre_collection *guests = a->house->guests;
    unsigned guest = 0;
    char key[80];
    nacre_batch_clear(batch);
    for (unsigned n = 1 + random_below(a, most); n > 0; n--) {
        guest = random_below(a, GUESTS / WRITERS) * WRITERS + a->number;
        assert_ok(nacre_batch_delete(batch, guests, guest_key(guest, rooms[guest], key, sizeof key)));
        rooms[guest] = random_below(a, ROOMS);
        put_guest(batch, guests, guest, rooms[guest]);
    }
    assert_ok(nacre_write(a->house->f->store, batch, NULL));
    atomic_fetch_add(&a->house->moves, 1);
    return guest;
}

enum chore { SEAL, SEAL_AGAIN, FLUSH, COMPACT, BUILD_INDEXES, DELETE_NOBODY, TIDY_UP, CHORES };

static inline void do_chore(struct actor *a, enum chore chore)
{
    nacre_store *store = a->house->f->store;
    nacre_collection *guests = a->house->guests;
    const nacre_slice none = { NULL, 0 };
    switch (chore) {
    case SEAL:
    case SEAL_AGAIN:
        assert_ok(nacre_seal(guests));
        break;
    case FLUSH:
        assert_ok(nacre_flush(guests));
        break;
    case COMPACT:
        assert_ok(nacre_compact(guests, none, none));
        break;
    case BUILD_INDEXES:
        assert_ok(nacre_build_indexes(guests));
        assert_ok(nacre_set_async_index_build(store, random_below(a, 2)));
        break;
    case DELETE_NOBODY: /* no guest is there */
        assert_ok(nacre_delete_prefix(guests, text(random_below(a, 2) ? "house/zoom" : "garden"), NULL));
        break;
    default:
        assert_ok(nacre_reclaim(store));
        assert_ok(nacre_prune_log(store));
        break;
    }
}

/* One after the other, each cancelled before it begins or not at all. */
static inline void search_beside_cancels(struct actor *a,
                                         void (*search)(struct actor *, nacre_cancel *, bool cancelled))
{
    nacre_cancel *cancel;
    assert_ok(nacre_cancel_create(&cancel));
    while (!atomic_load(&a->house->stop)) {
        bool cancelled = random_below(a, 2);
        cancelled ? nacre_cancel_request(cancel) : nacre_cancel_reset(cancel);
        search(a, cancel, cancelled);
        usleep(2000);
    }
    nacre_cancel_free(cancel);
}

#define ACTORS_MAX 8

/* For some seconds, in which all of them must get somewhere. */
static inline void let_them_act(struct house *house, const role *roles, unsigned count)
{
    struct actor actors[ACTORS_MAX];
    pthread_t threads[ACTORS_MAX];
    const char *scale = getenv("NACRE_TEST_SCALE");
    assert_true(count <= ACTORS_MAX);
    for (unsigned i = 0; i < count; i++) {
        actors[i] = (struct actor){ house, i, 4711 + i * 977 };
        assert_int_equal(pthread_create(&threads[i], NULL, roles[i], &actors[i]), 0);
    }
    sleep(2 * (scale && atoi(scale) > 0 ? (unsigned)atoi(scale) : 1));
    atomic_store(&house->stop, true);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(atomic_load(&house->moves) > 20);
    assert_true(atomic_load(&house->searches) > 20);
    assert_true(atomic_load(&house->snapshots) > 0);
}
#endif
