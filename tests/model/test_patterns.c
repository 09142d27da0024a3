/* Random patterns over collections of many kinds of keys, spread at random over runs and a memtable, with deletes above them: each count and cursor is held
   against every key matched by itself. The seed is printed with a failure; NACRE_TEST_SEED runs that one alone, NACRE_TEST_SCALE makes more. */
#include "support/random_regex.h"
#include "support/searching.h"
#include "support/string_keys.h"
#undef fail
#include "base/memory.h"
#include "regex/regex.h"

#define KEYS_WANTED 700
#define PATTERNS    30

struct trial {
    struct fixture *f;
    uint64_t seed, random;
    struct string_keys all;
    bool *there;
    nacre_slice *wanted; /* room for all keys */
    struct random_regex regexes;
    struct buffer pattern;
};

static uint64_t below(struct trial *t, uint64_t bound)
{
    return string_keys_random(&t->random, bound);
}

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const nacre_slice *)a, *(const nacre_slice *)b);
}

/* ---- keys ---- */

/* Of the characters that random patterns speak of; the last shape. */
static void make_pattern_keys(struct trial *t)
{
    struct buffer key = { 0 };
    struct string_keys *keys = &t->all;
    size_t count = 0;
    keys->keys = calloc(KEYS_WANTED, sizeof *keys->keys);
    for (size_t i = 0; i < KEYS_WANTED; i++) {
        key.size = 0;
        random_regex_key(&t->regexes, 1 + (unsigned)below(t, 20), below(t, 4) > 0, &key);
        keys->keys[i] = (nacre_slice){ memcpy(malloc(key.size + 1), key.data, key.size), key.size };
    }
    qsort(keys->keys, KEYS_WANTED, sizeof *keys->keys, compare_slices);
    for (size_t i = 0; i < KEYS_WANTED; i++) {
        if (count > 0 && slice_compare(keys->keys[i], keys->keys[count - 1]) == 0) {
            free((void *)(uintptr_t)keys->keys[i].data);
        } else {
            keys->keys[count++] = keys->keys[i];
        }
    }
    keys->count = count;
    buffer_free(&key);
}

static void write_keys(struct trial *t)
{
    struct fixture *f = t->f;
    assert_ok(nacre_tune(f->store, "level0_runs", "64"));
    if (t->seed % 3 == 0) {
        assert_ok(nacre_tune(f->store, "segment_bytes", "16384"));
    }
    for (size_t n = 0; n < 2 * t->all.count; n++) {
        size_t i = below(t, t->all.count);
        if (t->all.keys[i].size == 0) {
            continue;
        }
        t->there[i] = below(t, 5) > 0;
        assert_ok(t->there[i] ? nacre_put(f->collection, t->all.keys[i], text("v"), NULL)
                              : nacre_delete(f->collection, t->all.keys[i], NULL));
        if (below(t, t->all.count) < 3) {
            assert_ok(nacre_flush(f->collection));
        } else if (below(t, t->all.count) < 1) {
            compact_all(f);
        }
    }
    switch (t->seed % 4) {
    case 0:
        compact_all(f);
        break;
    case 1:
        assert_ok(nacre_flush(f->collection));
        break;
    default:
        break;
    }
}

/* ---- patterns ---- */

static void add(struct trial *t, const void *bytes, size_t size)
{
    assert_ok(buffer_append(&t->pattern, bytes, size));
}

/* A piece of a key, quoted, perhaps with something loose in it. */
static void add_piece(struct trial *t, nacre_slice key, size_t from, size_t to)
{
    static const char *const loose[] = { ".", ".*", "[a-z]", "(.|x)", "[^/]*", "\\w+", "(ab|c)?", "\\x{fffd}" };
    for (size_t i = from; i < to; i++) {
        char escaped[8];
        uint8_t byte = ((const uint8_t *)key.data)[i];
        if (below(t, 12) == 0) {
            const char *part = loose[below(t, 8)];
            add(t, part, strlen(part));
        } else if (byte < 0x80) {
            snprintf(escaped, sizeof escaped, "\\x%02x", byte);
            add(t, escaped, 4);
        } else {
            add(t, &byte, 1);
        }
    }
}

static void make_key_pattern(struct trial *t)
{
    t->pattern.size = 0;
    add(t, "(?i)", below(t, 4) ? 0 : 4);
    for (uint64_t alternatives = 1 + below(t, 4) / 3; alternatives > 0; alternatives--) {
        nacre_slice key = t->all.keys[below(t, t->all.count)];
        size_t size = key.size < 200 ? key.size : 200, from = below(t, size + 1),
               to = from + below(t, (size - from < 12 ? size - from : 12) + 1);
        if (below(t, 3) == 0) {
            from = 0;
            add(t, "^", 1);
        }
        add_piece(t, key, from, to);
        if (below(t, 4) == 0) {
            add(t, ".*", 2);
            add_piece(t, key, to, size < to + 5 ? size : to + 5);
        }
        add(t, "$", below(t, 4) ? 0 : 1);
        add(t, "|", alternatives > 1);
    }
}

static void make_pattern(struct trial *t)
{
    if (below(t, 2)) {
        t->pattern.size = 0;
        random_regex_pattern(&t->regexes, 1 + (unsigned)below(t, 6), &t->pattern);
    } else {
        make_key_pattern(t);
    }
}

/* ---- one search ---- */

static size_t choose_wanted(struct trial *t, struct regex *regex, const nacre_regex_options *o)
{
    size_t count = 0;
    for (size_t i = 0; i < t->all.count; i++) {
        bool matches = false;
        if (!t->there[i] || (o->begin.size && slice_compare(t->all.keys[i], o->begin) < 0) ||
            (o->end.size && slice_compare(t->all.keys[i], o->end) >= 0)) {
            continue;
        }
        assert_ok(regex_matches_slowly(regex, t->all.keys[i], &matches));
        if (matches) {
            t->wanted[count++] = t->all.keys[i];
        }
    }
    return count;
}

static void search_once(struct trial *t)
{
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    struct regex_options options = { below(t, 5) == 0, t->regexes.bytes };
    struct regex *regex;
    make_pattern(t);
    nacre_slice pattern = { t->pattern.data, t->pattern.size };
    o.ignore_case = options.ignore_case;
    o.bytes = options.bytes;
    if (below(t, 3) == 0) {
        o.begin = t->all.keys[below(t, t->all.count)];
    }
    if (below(t, 3) == 0) {
        o.end = t->all.keys[below(t, t->all.count)];
    }
    if (nacre_regex_check(pattern, &o, NULL) != NACRE_OK) { /* a piece that is not UTF-8 */
        return;
    }
    assert_ok(regex_compile(pattern, &options, &regex, NULL));
    size_t count = choose_wanted(t, regex, &o);
    regex_free(regex);
    assert_finds(t->f, pattern, &o, t->wanted, count);
    o.limit = 1 + below(t, 9);
    count = count < o.limit ? count : o.limit;
    assert_finds(t->f, pattern, &o, t->wanted, count);
}

static void run_trial(struct trial *t)
{
    unsigned shape = (unsigned)(t->seed % (KEY_SHAPES + 1));
    void *state;
    t->random = t->seed * UINT64_C(0x9e3779b97f4a7c15);
    t->regexes = (struct random_regex){ t->random ^ 4711, t->seed / (KEY_SHAPES + 1) % 3 == 2 };
    assert_int_equal(fixture_setup_strings_in_memory(&state), 0);
    t->f = state;
    if (shape == KEY_SHAPES) {
        make_pattern_keys(t);
    } else {
        string_keys_make(&t->all, (enum key_shape)shape, KEYS_WANTED, &t->random);
    }
    t->there = calloc(t->all.count + 1, sizeof *t->there);
    t->wanted = calloc(t->all.count + 1, sizeof *t->wanted);
    write_keys(t);
    for (unsigned n = 0; n < PATTERNS; n++) {
        search_once(t);
    }
    free(t->there);
    free(t->wanted);
    if (shape == KEY_SHAPES) {
        for (size_t i = 0; i < t->all.count; i++) {
            free((void *)(uintptr_t)t->all.keys[i].data);
        }
        free(t->all.keys);
    } else {
        string_keys_free(&t->all);
    }
    buffer_free(&t->pattern);
    fixture_teardown(&state);
}

static uint64_t running_seed;

static int say_seed(void **state)
{
    (void)state;
    if (running_seed) {
        print_error("NACRE_TEST_SEED=%llu\n", (unsigned long long)running_seed);
    }
    return 0;
}

static void random_patterns_find_what_each_key_by_itself_says(void **state)
{
    (void)state;
    const char *one = getenv("NACRE_TEST_SEED"), *scale = getenv("NACRE_TEST_SCALE");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1,
             count = one ? 1 : 2 * (KEY_SHAPES + 1) * (scale ? strtoull(scale, NULL, 10) : 1);
    for (running_seed = first; running_seed < first + count; running_seed++) {
        struct trial t = { .seed = running_seed };
        run_trial(&t);
    }
    running_seed = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_patterns_find_what_each_key_by_itself_says, say_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
