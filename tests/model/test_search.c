/* Random histories of writes, seals, flushes, merges, snapshots and passing time over a collection that is searched; after each step what
   counts and cursors find by regular expression is compared with a plain list of keys, each matched by itself. The seed is printed with a
   failure; NACRE_TEST_SEED runs that one alone, NACRE_TEST_SCALE makes more of them. */
#include "base/clock.h"
#include "support/gate.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include "support/toy_kind.h"
#undef fail
#include "store/search_count.h"

#define KEYS      400u
#define SNAPSHOTS 3u
#define STEPS     120u

static const char *const patterns[] = {
    "",
    "a",
    "usr",
    "^/usr",
    "^/usr/share/doc/",
    "\\.h$",
    "\\.(c|h)$",
    "lib.*so",
    "^/usr/lib",
    "^$",
    "xyzzy",
    "(?i)README",
    "[0-9][0-9]",
    "/\xc3\xa9t\xc3\xa9",
    "\xc3\xa9|\\.py$",
    ".",
    "^.{1,12}$",
    "^(/etc|/usr)/[a-m]",
    "(?i)k$",
    "share/(doc|man)/",
    "[^a-z/.]",
    "^a|b$",
};
#define PATTERNS (sizeof patterns / sizeof *patterns)

/* When a key is there: always, until some time, or not at all. */
struct state {
    uint64_t until[KEYS]; /* 0 = not there */
};
struct history {
    nacre_kind code;
    uint64_t first_seed, seed;
    unsigned step;
    nacre_os *os;
    bool gated; /* nothing is flushed: sealed memtables stay */
    nacre_options options;
    nacre_store *store;
    nacre_collection *collection;
    char keys[KEYS][80]; /* ascending */
    size_t sizes[KEYS];
    bool wanted[PATTERNS][KEYS];
    struct state now, kept[SNAPSHOTS];
    nacre_snapshot *snapshots[SNAPSHOTS];
};

static _Atomic uint64_t clock_now = 1000000;
static uint64_t test_clock(void)
{
    return clock_now;
}

static uint64_t random_below(struct history *h, uint64_t bound)
{
    h->seed ^= h->seed << 13;
    h->seed ^= h->seed >> 7;
    h->seed ^= h->seed << 17;
    return (h->seed >> 11) % bound;
}

static void complain(const struct history *h, const char *what)
{
    fprintf(stderr, "seed %llu, kind %u, step %u: %s\n", (unsigned long long)h->first_seed, h->code, h->step, what);
    assert_true(false);
}

static void must(const struct history *h, int status, const char *call)
{
    if (status != NACRE_OK) {
        char words[1200];
        snprintf(words, sizeof words, "%s gave %s: %s", call, nacre_status_name(status), nacre_last_error());
        complain(h, words);
    }
}
#define MUST(call) must(h, (call), #call)

/* ---- keys and patterns ---- */

static nacre_slice key_at(const struct history *h, size_t index)
{
    return (nacre_slice){ h->keys[index], h->sizes[index] };
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void make_key(struct history *h, char *key)
{
    static const char *const parts[] = { "/usr", "/usr/share/doc/", "/etc", "/usr/lib/", "a", "share/man/", "lib" };
    static const char *const middles[] = { "readme", "README", "x", "lib", "\xc3\xa9t\xc3\xa9", "\xff\x80", "42", "b" };
    static const char *const ends[] = { ".h", ".c", ".so", "", ".py", "K", "\xe2\x84\xaa", "\xc3" };
    snprintf(key, 80, "%s%s/%s%u%s", parts[random_below(h, 7)], random_below(h, 2) ? "" : "/sub",
             middles[random_below(h, 8)], (unsigned)random_below(h, 150), ends[random_below(h, 8)]);
}

static void make_keys(struct history *h)
{
    for (size_t i = 0; i < KEYS; i++) {
        make_key(h, h->keys[i]);
    }
    qsort(h->keys, KEYS, sizeof h->keys[0], compare_keys);
    for (size_t i = 0; i < KEYS; i++) { /* keys that came twice are told apart by a last byte */
        h->sizes[i] = strlen(h->keys[i]);
        if (i > 0 && h->sizes[i] == h->sizes[i - 1] && memcmp(h->keys[i], h->keys[i - 1], h->sizes[i]) == 0) {
            make_key(h, h->keys[i]);
            qsort(h->keys, KEYS, sizeof h->keys[0], compare_keys);
            i = (size_t)-1;
        }
    }
    for (size_t p = 0; p < PATTERNS; p++) {
        struct regex *regex;
        struct regex_options options = { false, false };
        MUST(regex_compile(text(patterns[p]), &options, &regex, NULL));
        for (size_t i = 0; i < KEYS; i++) {
            MUST(regex_matches_slowly(regex, key_at(h, i), &h->wanted[p][i]));
        }
        regex_free(regex);
    }
}

/* ---- comparing ---- */

static bool is_there(const struct state *state, size_t key)
{
    return state->until[key] > clock_now;
}

static void compare_scan(struct history *h, const struct state *state, size_t p, nacre_regex_options *options,
                         size_t from, size_t to)
{
    nacre_cursor *cursor;
    uint64_t given = 0;
    MUST(nacre_regex_scan(h->collection, text(patterns[p]), options, &cursor));
    for (size_t n = 0; n < to - from && (options->limit == 0 || given < options->limit); n++) {
        size_t i = options->reverse ? to - 1 - n : from + n;
        if (!is_there(state, i) || !h->wanted[p][i]) {
            continue;
        }
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        if (!nacre_cursor_valid(cursor) || key.size != h->sizes[i] || memcmp(key.data, h->keys[i], key.size) != 0 ||
            value.size != (options->keys_only ? 0 : h->sizes[i])) {
            char words[300];
            snprintf(words, sizeof words, "pattern %s: the cursor stands on '%.*s', not on '%s'", patterns[p],
                     (int)key.size, (const char *)key.data, h->keys[i]);
            complain(h, words);
        }
        given++;
        if (random_below(h, 8) == 0 && given > 1) { /* there and back */
            nacre_cursor_prev(cursor);
            nacre_cursor_next(cursor);
        }
        nacre_cursor_next(cursor);
    }
    if (nacre_cursor_valid(cursor) || nacre_cursor_status(cursor) != NACRE_OK) {
        complain(h, "the cursor does not end where the model does");
    }
    nacre_cursor_close(cursor);
}

static void compare(struct history *h, const struct state *state, nacre_snapshot *snapshot)
{
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    size_t p = random_below(h, PATTERNS), from = 0, to = KEYS;
    options.snapshot = snapshot;
    if (random_below(h, 2)) {
        from = random_below(h, KEYS);
        options.begin = key_at(h, from);
    }
    if (random_below(h, 2)) {
        to = from + random_below(h, KEYS - from);
        options.end = key_at(h, to);
    }
    if (to == from && options.end.size == 0) {
        to = KEYS;
    }
    uint64_t expected = 0, count;
    for (size_t i = from; i < to; i++) {
        expected += is_there(state, i) && h->wanted[p][i];
    }
    options.parallelism = (uint32_t)random_below(h, 5);
    MUST(nacre_regex_count(h->collection, text(patterns[p]), &options, &count));
    if (count != expected) {
        char words[200];
        snprintf(words, sizeof words, "pattern '%s', keys %zu to %zu, %s: counted %llu, the model has %llu",
                 patterns[p], from, to, snapshot ? "snapshot" : "now", (unsigned long long)count,
                 (unsigned long long)expected);
        complain(h, words);
    }
    options.reverse = random_below(h, 2);
    options.keys_only = random_below(h, 2);
    if (random_below(h, 4) == 0) {
        options.limit = 1 + random_below(h, 20);
        MUST(nacre_regex_count(h->collection, text(patterns[p]), &options, &count));
        if (count != (expected < options.limit ? expected : options.limit)) {
            complain(h, "a count with a limit");
        }
    }
    compare_scan(h, state, p, &options, from, to);
}

/* ---- steps ---- */

static void open_store(struct history *h)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = h->code;
    MUST(nacre_open("/store", &h->options, &h->store));
    int status = nacre_collection_open(h->store, "keys", &h->collection);
    must(h, status == NACRE_NOT_FOUND ? nacre_collection_create(h->store, "keys", &options, &h->collection) : status,
         "collection");
    static const char *const tuning[] = { "seal_bytes",  "65536", "segment_bytes", "16384", "level_base_bytes", "65536",
                                          "level0_runs", "3",     "level_ratio",   "2",     "block_bytes",      "512" };
    for (size_t i = 0; i < sizeof tuning / sizeof *tuning; i += 2) {
        MUST(nacre_tune(h->store, tuning[i], tuning[i + 1]));
    }
}

static void release_snapshot(struct history *h, size_t i)
{
    nacre_snapshot_release(h->snapshots[i]);
    h->snapshots[i] = NULL;
}

static void close_store(struct history *h)
{
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        release_snapshot(h, i);
    }
    nacre_collection_close(h->collection);
    MUST(nacre_close(h->store));
}

static void write_some(struct history *h)
{
    size_t most = random_below(h, 4) == 0 ? 150 : 15;
    for (size_t n = random_below(h, most); n > 0; n--) {
        size_t i = random_below(h, KEYS);
        nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
        if (random_below(h, 4) == 0) {
            MUST(nacre_delete(h->collection, key_at(h, i), NULL));
            h->now.until[i] = 0;
            continue;
        }
        options.ttl_ms = random_below(h, 6) == 0 ? 1 + random_below(h, 3000) : 0;
        MUST(nacre_put(h->collection, key_at(h, i), key_at(h, i), &options));
        h->now.until[i] = options.ttl_ms ? clock_now + options.ttl_ms : UINT64_MAX;
    }
}

static void delete_some_range(struct history *h)
{
    size_t from = random_below(h, KEYS), to = from + 1 + random_below(h, random_below(h, 3) ? 12 : KEYS - from);
    bool open = to >= KEYS;
    to = open ? KEYS : to;
    nacre_slice end = open ? (nacre_slice){ NULL, 0 } : key_at(h, to);
    MUST(nacre_delete_range(h->collection, key_at(h, from), end, NULL));
    for (size_t i = from; i < to; i++) {
        h->now.until[i] = 0;
    }
}

static void step(struct history *h)
{
    size_t i = random_below(h, SNAPSHOTS);
    uint64_t what = random_below(h, 13);
    if (h->gated && (what == 2 || what == 3 || what == 8)) {
        gate_open();
        h->gated = false;
    }
    switch (what) {
    case 1:
        if (!h->gated && random_below(h, 2) == 0) {
            gate_close("segments/");
            h->gated = true;
        }
        /* fall through */
    case 0:
        MUST(nacre_seal(h->collection));
        break;
    case 2:
        MUST(nacre_flush(h->collection));
        break;
    case 3: {
        size_t from = random_below(h, KEYS - 1);
        MUST(random_below(h, 3) ? nacre_compact(h->collection, key_at(h, from), key_at(h, KEYS - 1))
                                : nacre_compact(h->collection, text(""), text("")));
        break;
    }
    case 4:
        delete_some_range(h);
        break;
    case 5:
    case 6:
        release_snapshot(h, i);
        MUST(nacre_snapshot_create(h->store, &h->snapshots[i]));
        h->kept[i] = h->now;
        break;
    case 7:
        clock_now += random_below(h, 2000);
        break;
    case 8:
        if (random_below(h, 4) == 0) {
            close_store(h);
            open_store(h);
        } else if (random_below(h, 3) == 0) {
            MUST(random_below(h, 2) ? nacre_pause_compaction(h->store, 1000) : NACRE_OK);
            delete_some_range(h);
            delete_some_range(h);
            MUST(nacre_flush(h->collection));
            nacre_resume_compaction(h->store);
        }
        break;
    default:
        write_some(h);
        break;
    }
}

static void run_history(nacre_kind code, uint64_t seed)
{
    struct history *h = calloc(1, sizeof *h);
    h->code = code;
    h->first_seed = h->seed = seed;
    random_below(h, 2);
    h->os = os_memory_create();
    h->options = (nacre_options)NACRE_OPTIONS_INIT;
    h->options.os = gate_over(h->os);
    h->options.memory_budget = 32 << 20;
    h->options.durability = NACRE_OS;
    make_keys(h);
    open_store(h);
    for (h->step = 0; h->step < STEPS; h->step++) {
        step(h);
        compare(h, &h->now, NULL);
        for (size_t i = 0; i < SNAPSHOTS; i++) {
            if (h->snapshots[i]) {
                compare(h, &h->kept[i], h->snapshots[i]);
            }
        }
    }
    gate_open();
    close_store(h);
    os_memory_free(h->os);
    free(h);
}

static void make_limits(uint64_t seed)
{
    count_limits = (struct count_limits){ .part_entries = 4 + seed % 9,
                                          .table_part_entries = 4 + seed % 7,
                                          .spans = 3 + seed % 5,
                                          .merge_keys = seed % 40,
                                          .seek_steps = 1 + (unsigned)(seed % 4),
                                          .tree_keys = 1 + seed / 2 % 9,
                                          .give_up_ns = seed % 2 ? 0 : 2000000 };
}

static void run_histories(nacre_kind code)
{
    const char *one = getenv("NACRE_TEST_SEED"), *scale = getenv("NACRE_TEST_SCALE");
    unsigned histories = 25 * (scale ? (unsigned)atoi(scale) : 1);
    clock_set_wall_ms(test_clock);
    if (one) {
        make_limits(strtoull(one, NULL, 10));
        run_history(code, strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= histories; seed++) {
        make_limits(seed * 7919);
        run_history(code, seed * 7919);
    }
}

static void searches_of_a_toy_collection_find_what_the_model_has(void **state)
{
    (void)state;
    store_register_kind(&kind_toy);
    run_histories((nacre_kind)TOY_KIND);
}

static void searches_of_a_strings_collection_find_what_the_model_has(void **state)
{
    (void)state;
    if (!store_kind(NACRE_STRINGS)) {
        skip();
    }
    run_histories(NACRE_STRINGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_of_a_strings_collection_find_what_the_model_has),
        cmocka_unit_test(searches_of_a_toy_collection_find_what_the_model_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
