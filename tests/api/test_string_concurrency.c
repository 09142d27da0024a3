/* Searches while everything goes on: writers, seals, flushes, merges, deletes of ranges, index builds, snapshots.

   What every search must see at every instant: each guest is in one room. A batch moves guests, each by a delete and a put in the same collection, so that the
   number of keys never changes that a pattern matches which does not speak of rooms. Who sees a batch in part, or a key twice or not at all, counts another
   number. At a snapshot each pattern has one answer, whatever way it is asked. */
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define GUESTS  1500
#define ROOMS   40
#define WRITERS 2

struct house {
    struct fixture *f;
    atomic_bool stop;
    atomic_uint moves, searches, snapshots;
};

struct actor {
    struct house *house;
    unsigned number;
    uint64_t seed;
};

static unsigned random_below(struct actor *a, unsigned bound)
{
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return (unsigned)((a->seed >> 11) % bound);
}

/* Some names are not ASCII, so that both automata are at work. */
static nacre_slice guest_key(unsigned guest, unsigned room, char *out, size_t size)
{
    return (nacre_slice){ out,
                          (size_t)snprintf(out, size, "house/room%02u/%s/guest%05u%s", room,
                                           guest % 7 ? "stays" : "caf\xc3\xa9", guest, guest % 3 ? "" : ".third") };
}

static uint64_t count_matches(struct actor *a, const char *pattern, nacre_snapshot *snapshot)
{
    static const uint32_t threads[] = { 1, 2, 4, 0 };
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    uint64_t count = UINT64_MAX;
    o.snapshot = snapshot;
    o.parallelism = threads[random_below(a, 4)];
    assert_ok(nacre_regex_count(a->house->f->collection, text(pattern), &o, &count));
    atomic_fetch_add(&a->house->searches, 1);
    return count;
}

static uint64_t scan_matches(struct actor *a, const char *pattern, nacre_snapshot *snapshot)
{
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    nacre_cursor *cursor;
    uint64_t count = 0;
    char last[80];
    size_t last_size = 0;
    o.snapshot = snapshot;
    o.reverse = random_below(a, 2);
    o.keys_only = random_below(a, 2);
    assert_ok(nacre_regex_scan(a->house->f->collection, text(pattern), &o, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), count++) {
        nacre_slice key = nacre_cursor_key(cursor);
        assert_true(key.size < sizeof last);
        if (last_size) { /* strictly in order: nothing twice */
            size_t shorter = key.size < last_size ? key.size : last_size;
            int order = memcmp(last, key.data, shorter);
            order = order ? order : (last_size > key.size) - (last_size < key.size);
            assert_true(o.reverse ? order > 0 : order < 0);
        }
        memcpy(last, key.data, key.size);
        last_size = key.size;
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    atomic_fetch_add(&a->house->searches, 1);
    return count;
}

/* ---- actors ---- */

/* Moves guests that are this writer's alone. Where they are it finds by a search of its own. */
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
        char key[80], pattern[80];
        unsigned last = 0;
        nacre_batch_clear(batch);
        for (unsigned n = 1 + random_below(a, 20); n > 0; n--) {
            unsigned guest = random_below(a, GUESTS / WRITERS) * WRITERS + a->number;
            assert_ok(nacre_batch_delete(batch, house->f->collection, guest_key(guest, rooms[guest], key, sizeof key)));
            rooms[guest] = random_below(a, ROOMS);
            assert_ok(nacre_batch_put(batch, house->f->collection, guest_key(guest, rooms[guest], key, sizeof key),
                                      text("a guest")));
            last = guest;
        }
        assert_ok(nacre_write(house->f->store, batch, NULL));
        if (random_below(a, 8) == 0) { /* who wrote finds it at once */
            snprintf(pattern, sizeof pattern, "^house/room%02u/.*guest%05u", rooms[last], last);
            assert_int_equal(count_matches(a, pattern, NULL), 1);
            snprintf(pattern, sizeof pattern, "guest%05u", last);
            assert_int_equal(count_matches(a, pattern, NULL), 1);
        }
        atomic_fetch_add(&house->moves, 1);
    }
    nacre_batch_free(batch);
    return NULL;
}

/* Patterns whose number never changes. */
static const struct {
    const char *pattern;
    uint64_t matches;
} constants[] = {
    { "guest", GUESTS },
    { "", GUESTS },
    { "^house/room[0-9]+/", GUESTS },
    { "third$", GUESTS / 3 },
    { "(?i)CAF\xc3\x89", (GUESTS + 6) / 7 },
    { "guest00[0-4][0-9]{2}", 500 },
    { "/guest0100[0-9](\\.third)?$", 10 },
    { "no such guest", 0 },
};

static void *count_guests(void *context)
{
    struct actor *a = context;
    while (!atomic_load(&a->house->stop)) {
        unsigned i = random_below(a, sizeof constants / sizeof *constants);
        uint64_t got = random_below(a, 3) ? count_matches(a, constants[i].pattern, NULL)
                                          : scan_matches(a, constants[i].pattern, NULL);
        if (got != constants[i].matches) {
            print_error("'%s' matches %llu keys\n", constants[i].pattern, (unsigned long long)got);
        }
        assert_int_equal(got, constants[i].matches);
    }
    return NULL;
}

/* Patterns whose number does change, at a snapshot that does not. */
static void *hold_snapshots(void *context)
{
    struct actor *a = context;
    static const char *const patterns[] = {
        "room0[0-9]/",  "^house/room1", "room(2|3)[05]/.*third$", "room3.*caf\xc3\xa9", "^house/room07/stays/guest0",
        "[13579]/stays"
    };
    enum { PATTERNS = sizeof patterns / sizeof *patterns };
    while (!atomic_load(&a->house->stop)) {
        uint64_t counts[PATTERNS];
        nacre_snapshot *snapshot;
        assert_ok(nacre_snapshot_create(a->house->f->store, &snapshot));
        for (unsigned i = 0; i < PATTERNS; i++) {
            counts[i] = count_matches(a, patterns[i], snapshot);
        }
        for (unsigned n = 0; n < 8; n++) {
            unsigned i = random_below(a, PATTERNS);
            assert_int_equal(count_matches(a, patterns[i], snapshot), counts[i]);
            assert_int_equal(scan_matches(a, patterns[i], snapshot), counts[i]);
            usleep(3000);
        }
        uint64_t sum = 0;
        for (unsigned room = 0; room < ROOMS; room++) {
            char pattern[40];
            snprintf(pattern, sizeof pattern, "^house/room%02u/", room);
            sum += count_matches(a, pattern, snapshot);
        }
        assert_int_equal(sum, GUESTS);
        nacre_snapshot_release(snapshot);
        atomic_fetch_add(&a->house->snapshots, 1);
    }
    return NULL;
}

static void *keep_house(void *context)
{
    struct actor *a = context;
    struct fixture *f = a->house->f;
    const nacre_slice none = { NULL, 0 };
    char begin[40], end[40], *json;
    while (!atomic_load(&a->house->stop)) {
        unsigned room = random_below(a, ROOMS - 5);
        switch (random_below(a, 9)) {
        case 0:
        case 1:
            assert_ok(nacre_seal(f->collection));
            break;
        case 2:
            assert_ok(nacre_flush(f->collection));
            break;
        case 3:
            assert_ok(nacre_compact(f->collection, none, none));
            break;
        case 4:
            snprintf(begin, sizeof begin, "house/room%02u", room);
            snprintf(end, sizeof end, "house/room%02u", room + 5);
            assert_ok(nacre_compact(f->collection, text(begin), text(end)));
            break;
        case 5:
            assert_ok(nacre_build_indexes(f->collection));
            assert_ok(nacre_set_async_index_build(f->store, random_below(a, 2)));
            break;
        case 6: /* no guest is there */
            assert_ok(nacre_delete_prefix(f->collection, text(random_below(a, 2) ? "house/zoom" : "garden"), NULL));
            break;
        case 7:
            assert_ok(nacre_regex_explain(f->collection, text("room1.*third"), NULL, &json));
            nacre_free(json);
            break;
        default:
            assert_ok(nacre_reclaim(f->store));
            assert_ok(nacre_prune_log(f->store));
            break;
        }
    }
    return NULL;
}

/* Searches that end at once, or at some time: cancelled from another thread, or over their time. */
static void *cancel_searches(void *context)
{
    struct actor *a = context;
    nacre_cancel *cancel;
    assert_ok(nacre_cancel_create(&cancel));
    while (!atomic_load(&a->house->stop)) {
        nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
        uint64_t count;
        bool cancelled = random_below(a, 2);
        o.cancel = cancel;
        o.timeout_ms = random_below(a, 2);
        o.parallelism = random_below(a, 4);
        cancelled ? nacre_cancel_request(cancel) : nacre_cancel_reset(cancel);
        int status = nacre_regex_count(a->house->f->collection, text("g.*[0-9]"), &o, &count);
        if (status == NACRE_OK) {
            assert_false(cancelled);
            assert_int_equal(count, GUESTS);
        } else {
            assert_true(status == NACRE_CANCELLED ? cancelled : status == NACRE_TIMEOUT && o.timeout_ms);
        }
        usleep(2000);
    }
    nacre_cancel_free(cancel);
    return NULL;
}

static void searches_see_whole_batches_while_everything_goes_on(void **state)
{
    struct fixture *f = *state;
    struct house house = { .f = f };
    static void *(*const roles[])(void *) = { move_guests,    move_guests, count_guests, count_guests,
                                              hold_snapshots, keep_house,  keep_house,   cancel_searches };
    enum { ACTORS = sizeof roles / sizeof *roles };
    static const char *const tuning[] = { "seal_bytes",  "65536", "segment_bytes",    "32768",
                                          "level0_runs", "2",     "level_base_bytes", "131072" };
    struct actor actors[ACTORS];
    pthread_t threads[ACTORS];
    const char *scale = getenv("NACRE_TEST_SCALE");
    for (size_t i = 0; i < sizeof tuning / sizeof *tuning; i += 2) {
        assert_ok(nacre_tune(f->store, tuning[i], tuning[i + 1]));
    }
    for (unsigned guest = 0; guest < GUESTS; guest++) {
        char key[80];
        assert_ok(nacre_put(f->collection, guest_key(guest, guest % ROOMS, key, sizeof key), text("a guest"), NULL));
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
    struct actor after = { &house, 0, 1 };
    for (int round = 0; round < 2; round++) {
        nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
        for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
            assert_int_equal(count_matches(&after, constants[i].pattern, NULL), constants[i].matches);
        }
        assert_ok(nacre_verify(f->store, &report));
        fixture_reopen(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(searches_see_whole_batches_while_everything_goes_on, fixture_setup_strings,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
