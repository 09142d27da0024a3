/* Searches while everything goes on: writers, seals, flushes, merges, deletes of ranges, index builds, snapshots.

   What every search must see at every instant: each guest is in one room. A batch moves guests, each by a delete and a put in the same collection, so that the
   number of keys never changes that a pattern matches which does not speak of rooms. Who sees a batch in part, or a key twice or not at all, counts another
   number. At a snapshot each pattern has one answer, whatever way it is asked. */
#define GUESTS  1500
#define ROOMS   40
#define WRITERS 2

#include "house_fixture.h"

/* Some names are not ASCII, so that both automata are at work. */
static nacre_slice guest_key(unsigned guest, unsigned room, char *out, size_t size)
{
    return (nacre_slice){ out,
                          (size_t)snprintf(out, size, "house/room%02u/%s/guest%05u%s", room,
                                           guest % 7 ? "stays" : "caf\xc3\xa9", guest, guest % 3 ? "" : ".third") };
}

static void put_guest(nacre_batch *batch, nacre_collection *guests, unsigned guest, unsigned room)
{
    char key[80];
    assert_ok(nacre_batch_put(batch, guests, guest_key(guest, room, key, sizeof key), text("a guest")));
}

static uint64_t count_matches(struct actor *a, const char *pattern, nacre_snapshot *snapshot)
{
    static const uint32_t threads[] = { 1, 2, 4, 0 };
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    uint64_t count = UINT64_MAX;
    o.snapshot = snapshot;
    o.parallelism = threads[random_below(a, 4)];
    assert_ok(nacre_regex_count(a->house->guests, text(pattern), &o, &count));
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
    assert_ok(nacre_regex_scan(a->house->guests, text(pattern), &o, &cursor));
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
    nacre_batch *batch;
    unsigned rooms[GUESTS];
    note_first_rooms(rooms);
    assert_ok(nacre_batch_create(&batch));
    while (!atomic_load(&a->house->stop)) {
        char pattern[80];
        unsigned last = move_some_guests(a, batch, rooms, 20);
        if (random_below(a, 8) == 0) { /* who wrote finds it at once */
            snprintf(pattern, sizeof pattern, "^house/room%02u/.*guest%05u", rooms[last], last);
            assert_int_equal(count_matches(a, pattern, NULL), 1);
            snprintf(pattern, sizeof pattern, "guest%05u", last);
            assert_int_equal(count_matches(a, pattern, NULL), 1);
        }
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
    nacre_collection *guests = a->house->guests;
    char begin[40], end[40], *json;
    while (!atomic_load(&a->house->stop)) {
        unsigned room = random_below(a, ROOMS - 5), chore = random_below(a, CHORES + 2);
        if (chore < CHORES) {
            do_chore(a, (enum chore)chore);
        } else if (chore == CHORES) {
            snprintf(begin, sizeof begin, "house/room%02u", room);
            snprintf(end, sizeof end, "house/room%02u", room + 5);
            assert_ok(nacre_compact(guests, text(begin), text(end)));
        } else {
            assert_ok(nacre_regex_explain(guests, text("room1.*third"), NULL, &json));
            nacre_free(json);
        }
    }
    return NULL;
}

static void search_or_end(struct actor *a, nacre_cancel *cancel, bool cancelled)
{
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    uint64_t count;
    o.cancel = cancel;
    o.timeout_ms = random_below(a, 2);
    o.parallelism = random_below(a, 4);
    int status = nacre_regex_count(a->house->guests, text("g.*[0-9]"), &o, &count);
    if (status == NACRE_OK) {
        assert_false(cancelled);
        assert_int_equal(count, GUESTS);
    } else {
        assert_true(status == NACRE_CANCELLED ? cancelled : status == NACRE_TIMEOUT && o.timeout_ms);
    }
}

static void *cancel_searches(void *context)
{
    search_beside_cancels(context, search_or_end);
    return NULL;
}

static void searches_see_whole_batches_while_everything_goes_on(void **state)
{
    struct fixture *f = *state;
    struct house house = { .f = f, .guests = f->collection };
    static const role roles[] = { move_guests,    move_guests, count_guests, count_guests,
                                  hold_snapshots, keep_house,  keep_house,   cancel_searches };
    static const char *const tuning[] = { "seal_bytes",  "65536", "segment_bytes",    "32768",
                                          "level0_runs", "2",     "level_base_bytes", "131072" };
    for (size_t i = 0; i < sizeof tuning / sizeof *tuning; i += 2) {
        assert_ok(nacre_tune(f->store, tuning[i], tuning[i + 1]));
    }
    for (unsigned guest = 0; guest < GUESTS; guest++) {
        char key[80];
        assert_ok(nacre_put(f->collection, guest_key(guest, guest % ROOMS, key, sizeof key), text("a guest"), NULL));
    }
    let_them_act(&house, roles, sizeof roles / sizeof *roles);
    struct actor after = { &house, 0, 1 };
    for (int round = 0; round < 2; round++) {
        nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
        for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
            assert_int_equal(count_matches(&after, constants[i].pattern, NULL), constants[i].matches);
        }
        assert_ok(nacre_verify(f->store, &report));
        fixture_reopen(f);
        house.guests = f->collection;
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
