/* Searches for nearest neighbours while everything goes on: writers, seals, flushes, merges, index builds, deletes of ranges, snapshots.

   What every search must see at every instant: each guest is in one room. A batch moves guests, each by a delete and a put under another key with a vector
   that is a little off the last one and far from those of all other guests. Who sees a batch in part, an older version, or a key twice or not at
   all, finds a guest twice or not where he is. At a snapshot each search has one answer. */
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define GUESTS    600
#define ROOMS     40
#define WRITERS   2
#define DIMENSION 12

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

static unsigned random_of(uint64_t *seed, unsigned bound)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)((*seed >> 11) % bound);
}

static unsigned random_below(struct actor *a, unsigned bound)
{
    return random_of(&a->seed, bound);
}

static nacre_slice guest_key(unsigned guest, unsigned room, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "house/room%02u/guest%05u", room, guest) };
}

static unsigned guest_of(nacre_slice key)
{
    char digits[6] = "";
    assert_int_equal(key.size, 23);
    memcpy(digits, (const char *)key.data + 18, 5);
    return (unsigned)strtoul(digits, NULL, 10);
}

/* Guests are some units apart, rooms of one guest less than a hundredth. */
static void place(unsigned guest, unsigned room, float *vector)
{
    uint64_t seed = (guest + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned i = 0; i < DIMENSION; i++) {
        vector[i] = (float)random_of(&seed, 2001) / 100 - 10;
    }
    vector[room % DIMENSION] += (float)(room + 1) / 10000;
}

static void find(struct actor *a, unsigned guest, size_t k, const nacre_nearest_options *options,
                 nacre_neighbors *found)
{
    float query[DIMENSION];
    place(guest, 0, query);
    assert_ok(nacre_nearest(a->house->guests, query, k, options, found));
    atomic_fetch_add(&a->house->searches, 1);
}

static void assert_no_guest_twice(const nacre_neighbors *found)
{
    bool seen[GUESTS] = { false };
    for (size_t i = 0; i < found->count; i++) {
        unsigned guest = guest_of(found->items[i].key);
        assert_true(guest < GUESTS && !seen[guest]);
        seen[guest] = true;
        assert_true(i == 0 || found->items[i - 1].distance <= found->items[i].distance);
        assert_int_equal(found->items[i].value.size, 7);
    }
}

/* ---- actors ---- */

static void *move_guests(void *context)
{
    struct actor *a = context;
    struct house *house = a->house;
    nacre_batch *batch;
    unsigned rooms[GUESTS];
    for (unsigned guest = 0; guest < GUESTS; guest++) {
        rooms[guest] = guest % ROOMS;
    }
    assert_ok(nacre_batch_create(&batch));
    while (!atomic_load(&house->stop)) {
        char key[80];
        nacre_batch_clear(batch);
        for (unsigned n = 1 + random_below(a, 12); n > 0; n--) {
            unsigned guest = random_below(a, GUESTS / WRITERS) * WRITERS + a->number;
            float vector[DIMENSION];
            assert_ok(nacre_batch_delete(batch, house->guests, guest_key(guest, rooms[guest], key, sizeof key)));
            rooms[guest] = random_below(a, ROOMS);
            place(guest, rooms[guest], vector);
            assert_ok(nacre_batch_put_vector(batch, house->guests, guest_key(guest, rooms[guest], key, sizeof key),
                                             vector, text("a guest")));
        }
        assert_ok(nacre_write(house->f->store, batch, NULL));
        atomic_fetch_add(&house->moves, 1);
    }
    nacre_batch_free(batch);
    return NULL;
}

static bool is_in_an_even_room(void *context, nacre_slice key, nacre_slice value)
{
    (void)context, (void)value;
    return ((const char *)key.data)[11] % 2 == 0;
}

static void *find_guests(void *context)
{
    struct actor *a = context;
    while (!atomic_load(&a->house->stop)) {
        nacre_nearest_options o = NACRE_NEAREST_OPTIONS_INIT;
        nacre_neighbors found;
        unsigned guest = random_below(a, GUESTS);
        o.exact = true;
        find(a, guest, 2, &o, &found);
        assert_int_equal(found.count, 2);
        assert_int_equal(guest_of(found.items[0].key), guest);
        assert_true(found.items[0].distance < 0.0001f && found.items[1].distance > 1);
        nacre_neighbors_release(&found);
        if (random_below(a, 4) == 0) {
            find(a, guest, 2 * GUESTS, &o, &found);
            assert_int_equal(found.count, GUESTS);
            assert_no_guest_twice(&found);
            nacre_neighbors_release(&found);
        }
        o.exact = false;
        o.filter = random_below(a, 2) ? is_in_an_even_room : NULL;
        o.key_regex = text(random_below(a, 2) ? "room[0-3][02468]/guest" : "");
        find(a, guest, 10, &o, &found);
        assert_int_equal(found.count, 10);
        assert_no_guest_twice(&found);
        nacre_neighbors_release(&found);
    }
    return NULL;
}

#define ASKED 6
static void ask(struct actor *a, unsigned i, nacre_snapshot *snapshot, nacre_neighbors *found)
{
    nacre_nearest_options o = NACRE_NEAREST_OPTIONS_INIT;
    o.snapshot = snapshot;
    o.exact = true;
    o.key_prefix = text(i == 1 ? "house/room1" : "");
    o.key_regex = text(i == 2 ? "room[0-9]3/" : i == 3 ? "^house/room0.*7$" : "");
    o.begin = text(i == 4 ? "house/room05" : "");
    o.end = text(i == 4 ? "house/room11" : "");
    o.filter = i == 5 ? is_in_an_even_room : NULL;
    find(a, 17 + i, 40, &o, found);
}

static void *hold_snapshots(void *context)
{
    struct actor *a = context;
    while (!atomic_load(&a->house->stop)) {
        nacre_neighbors first[ASKED], again;
        nacre_snapshot *snapshot;
        assert_ok(nacre_snapshot_create(a->house->f->store, &snapshot));
        for (unsigned i = 0; i < ASKED; i++) {
            ask(a, i, snapshot, &first[i]);
        }
        for (unsigned n = 0; n < 10; n++) {
            unsigned i = random_below(a, ASKED);
            ask(a, i, snapshot, &again);
            assert_int_equal(again.count, first[i].count);
            for (size_t j = 0; j < again.count; j++) {
                assert_true(again.items[j].distance == first[i].items[j].distance);
                assert_int_equal(again.items[j].key.size, first[i].items[j].key.size);
                assert_memory_equal(again.items[j].key.data, first[i].items[j].key.data, again.items[j].key.size);
            }
            nacre_neighbors_release(&again);
            usleep(3000);
        }
        for (unsigned i = 0; i < ASKED; i++) {
            nacre_neighbors_release(&first[i]);
        }
        nacre_snapshot_release(snapshot);
        atomic_fetch_add(&a->house->snapshots, 1);
    }
    return NULL;
}

static void *keep_house(void *context)
{
    struct actor *a = context;
    struct house *house = a->house;
    const nacre_slice none = { NULL, 0 };
    float query[DIMENSION] = { 0 };
    char *json;
    while (!atomic_load(&house->stop)) {
        switch (random_below(a, 8)) {
        case 0:
        case 1:
            assert_ok(nacre_seal(house->guests));
            break;
        case 2:
            assert_ok(nacre_flush(house->guests));
            break;
        case 3:
            assert_ok(nacre_compact(house->guests, none, none));
            break;
        case 4:
            assert_ok(nacre_build_indexes(house->guests));
            assert_ok(nacre_set_async_index_build(house->f->store, random_below(a, 2)));
            break;
        case 5: /* no guest is there */
            assert_ok(nacre_delete_prefix(house->guests, text(random_below(a, 2) ? "house/zoom" : "garden"), NULL));
            break;
        case 6:
            assert_ok(nacre_nearest_explain(house->guests, query, 10, NULL, &json));
            nacre_free(json);
            break;
        default:
            assert_ok(nacre_reclaim(house->f->store));
            assert_ok(nacre_prune_log(house->f->store));
            break;
        }
        usleep(1000);
    }
    return NULL;
}

static void *cancel_searches(void *context)
{
    struct actor *a = context;
    nacre_cancel *cancel;
    assert_ok(nacre_cancel_create(&cancel));
    while (!atomic_load(&a->house->stop)) {
        nacre_nearest_options o = NACRE_NEAREST_OPTIONS_INIT;
        nacre_neighbors found;
        float query[DIMENSION] = { 0 };
        bool cancelled = random_below(a, 2);
        o.cancel = cancel;
        o.timeout_ms = random_below(a, 2);
        cancelled ? nacre_cancel_request(cancel) : nacre_cancel_reset(cancel);
        int status = nacre_nearest(a->house->guests, query, 5, &o, &found);
        assert_true(status == NACRE_OK ? !cancelled && found.count == 5
                                       : status == (cancelled ? NACRE_CANCELLED : NACRE_TIMEOUT));
        nacre_neighbors_release(&found);
        usleep(2000);
    }
    nacre_cancel_free(cancel);
    return NULL;
}

static void open_guests(struct house *house)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_VECTORS;
    options.dimension = DIMENSION;
    options.metric = NACRE_L2;
    int status = nacre_collection_open(house->f->store, "guests", &house->guests);
    if (status == NACRE_NOT_FOUND) {
        status = nacre_collection_create(house->f->store, "guests", &options, &house->guests);
    }
    assert_ok(status);
}

static void check_after(struct house *house)
{
    struct actor after = { house, 0, 1 };
    for (unsigned guest = 0; guest < GUESTS; guest++) {
        nacre_nearest_options o = NACRE_NEAREST_OPTIONS_INIT;
        nacre_neighbors found;
        o.exact = true;
        find(&after, guest, 1, &o, &found);
        assert_int_equal(guest_of(found.items[0].key), guest);
        nacre_neighbors_release(&found);
    }
}

static void searches_find_each_guest_once_while_everything_goes_on(void **state)
{
    struct fixture *f = *state;
    struct house house = { .f = f };
    static void *(*const roles[])(void *) = { move_guests,    move_guests, find_guests, find_guests,
                                              hold_snapshots, keep_house,  keep_house,  cancel_searches };
    enum { ACTORS = sizeof roles / sizeof *roles };
    struct actor actors[ACTORS];
    pthread_t threads[ACTORS];
    const char *scale = getenv("NACRE_TEST_SCALE");
    open_guests(&house);
    assert_ok(nacre_tune(f->store, "seal_bytes", "65536"));
    for (unsigned guest = 0; guest < GUESTS; guest++) {
        char key[80];
        float vector[DIMENSION];
        place(guest, guest % ROOMS, vector);
        assert_ok(nacre_put_vector(house.guests, guest_key(guest, guest % ROOMS, key, sizeof key), vector,
                                   text("a guest"), NULL));
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){ &house, i, 4711 + i * 977 };
        assert_int_equal(pthread_create(&threads[i], NULL, roles[i], &actors[i]), 0);
    }
    sleep(2 * (scale && atoi(scale) > 0 ? (unsigned)atoi(scale) : 1));
    atomic_store(&house.stop, true);
    for (unsigned i = 0; i < ACTORS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(atomic_load(&house.moves) > 20);
    assert_true(atomic_load(&house.searches) > 20);
    assert_true(atomic_load(&house.snapshots) > 0);
    for (int round = 0; round < 2; round++) {
        nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
        check_after(&house);
        assert_ok(nacre_verify(f->store, &report));
        nacre_collection_close(house.guests);
        fixture_reopen(f);
        open_guests(&house);
    }
    nacre_collection_close(house.guests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(searches_find_each_guest_once_while_everything_goes_on, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
