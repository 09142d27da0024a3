/* Searches for nearest neighbours while everything goes on: writers, seals, flushes, merges, index builds, deletes of ranges, snapshots.

   What every search must see at every instant: each guest is in one room. A batch moves guests, each by a delete and a put under another key with a vector
   that is a little off the last one and far from those of all other guests. Who sees a batch in part, an older version, or a key twice or not at
   all, finds a guest twice or not where he is. At a snapshot each search has one answer. */
#define GUESTS    600
#define ROOMS     40
#define WRITERS   2
#define DIMENSION 12

#include "house_fixture.h"

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

static void put_guest(nacre_batch *batch, nacre_collection *guests, unsigned guest, unsigned room)
{
    char key[80];
    float vector[DIMENSION];
    place(guest, room, vector);
    assert_ok(nacre_batch_put_vector(batch, guests, guest_key(guest, room, key, sizeof key), vector, text("a guest")));
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
    nacre_batch *batch;
    unsigned rooms[GUESTS];
    note_first_rooms(rooms);
    assert_ok(nacre_batch_create(&batch));
    while (!atomic_load(&a->house->stop)) {
        move_some_guests(a, batch, rooms, 12);
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
    float query[DIMENSION] = { 0 };
    char *json;
    while (!atomic_load(&house->stop)) {
        unsigned chore = random_below(a, CHORES + 1);
        if (chore < CHORES) {
            do_chore(a, (enum chore)chore);
        } else {
            assert_ok(nacre_nearest_explain(house->guests, query, 10, NULL, &json));
            nacre_free(json);
        }
        usleep(1000);
    }
    return NULL;
}

static void search_or_end(struct actor *a, nacre_cancel *cancel, bool cancelled)
{
    nacre_nearest_options o = NACRE_NEAREST_OPTIONS_INIT;
    nacre_neighbors found;
    float query[DIMENSION] = { 0 };
    o.cancel = cancel;
    o.timeout_ms = random_below(a, 2);
    int status = nacre_nearest(a->house->guests, query, 5, &o, &found);
    assert_true(status == NACRE_OK ? !cancelled && found.count == 5
                                   : status == (cancelled ? NACRE_CANCELLED : NACRE_TIMEOUT));
    nacre_neighbors_release(&found);
}

static void *cancel_searches(void *context)
{
    search_beside_cancels(context, search_or_end);
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
    static const role roles[] = { move_guests,    move_guests, find_guests, find_guests,
                                  hold_snapshots, keep_house,  keep_house,  cancel_searches };
    open_guests(&house);
    assert_ok(nacre_tune(f->store, "seal_bytes", "65536"));
    for (unsigned guest = 0; guest < GUESTS; guest++) {
        char key[80];
        float vector[DIMENSION];
        place(guest, guest % ROOMS, vector);
        assert_ok(nacre_put_vector(house.guests, guest_key(guest, guest % ROOMS, key, sizeof key), vector,
                                   text("a guest"), NULL));
    }
    let_them_act(&house, roles, sizeof roles / sizeof *roles);
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
