/* See searching.h. */
#include "searching.h"
#include "gate.h"

static const uint32_t thread_counts[] = { 1, 2, 4 };

static nacre_regex_options options_or_default(const nacre_regex_options *options)
{
    return options ? *options : (nacre_regex_options)NACRE_REGEX_OPTIONS_INIT;
}

static void assert_counts(struct fixture *f, nacre_slice pattern, const nacre_regex_options *options, uint64_t expected)
{
    nacre_regex_options o = options_or_default(options);
    for (size_t i = 0; i < sizeof thread_counts / sizeof *thread_counts; i++) {
        uint64_t counted = UINT64_MAX;
        o.parallelism = thread_counts[i];
        assert_ok(nacre_regex_count(f->collection, pattern, &o, &counted));
        if (counted != expected) {
            print_error("'%.*s' on %u threads counts %llu, not %llu\n", (int)pattern.size, (const char *)pattern.data,
                        o.parallelism, (unsigned long long)counted, (unsigned long long)expected);
        }
        assert_int_equal(counted, expected);
    }
}

/* Keys, copied. */
struct key_array {
    nacre_slice *keys;
    size_t count, capacity;
};

static void gather(struct fixture *f, nacre_slice pattern, const nacre_regex_options *options, struct key_array *array)
{
    nacre_cursor *cursor;
    memset(array, 0, sizeof *array);
    assert_ok(nacre_regex_scan(f->collection, pattern, options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor);
        if (array->count == array->capacity) {
            array->capacity = array->capacity ? 2 * array->capacity : 64;
            array->keys = realloc(array->keys, array->capacity * sizeof *array->keys);
        }
        array->keys[array->count++] = (nacre_slice){ memcpy(malloc(key.size), key.data, key.size), key.size };
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
}

static void let_go(struct key_array *array)
{
    for (size_t i = 0; i < array->count; i++) {
        free((void *)(uintptr_t)array->keys[i].data);
    }
    free(array->keys);
}

static void assert_same(nacre_slice pattern, const struct key_array *got, const nacre_slice *keys, size_t count,
                        bool reverse)
{
    for (size_t i = 0; i < got->count && i < count; i++) {
        nacre_slice want = keys[reverse ? count - 1 - i : i], key = got->keys[i];
        if (key.size != want.size || memcmp(key.data, want.data, key.size) != 0) {
            print_error("'%.*s'%s: match %zu is '%.*s', not '%.*s'\n", (int)pattern.size, (const char *)pattern.data,
                        reverse ? " backwards" : "", i, (int)(key.size < 200 ? key.size : 200), (const char *)key.data,
                        (int)(want.size < 200 ? want.size : 200), (const char *)want.data);
            assert_true(false);
        }
    }
    if (got->count != count) {
        print_error("'%.*s'%s finds %zu keys, not %zu\n", (int)pattern.size, (const char *)pattern.data,
                    reverse ? " backwards" : "", got->count, count);
    }
    assert_int_equal(got->count, count);
}

/* Backwards and by counts; a limit takes other keys from the back, so that is left out then. */
static void assert_agreement(struct fixture *f, nacre_slice pattern, const nacre_regex_options *options,
                             const nacre_slice *keys, size_t count)
{
    nacre_regex_options o = options_or_default(options);
    struct key_array back;
    assert_counts(f, pattern, options, count);
    o.reverse = true;
    if (o.limit == 0) {
        gather(f, pattern, &o, &back);
        assert_same(pattern, &back, keys, count, true);
        let_go(&back);
    }
}

void assert_finds(struct fixture *f, nacre_slice pattern, const nacre_regex_options *options, const nacre_slice *keys,
                  size_t count)
{
    struct key_array array;
    gather(f, pattern, options, &array);
    assert_same(pattern, &array, keys, count, false);
    let_go(&array);
    assert_agreement(f, pattern, options, keys, count);
}

const char *found(struct fixture *f, const char *pattern, const nacre_regex_options *options)
{
    static char out[65536];
    struct key_array array;
    size_t used = 0;
    out[0] = 0;
    gather(f, text(pattern), options, &array);
    for (size_t i = 0; i < array.count; i++) {
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s", used ? " " : "", (int)array.keys[i].size,
                                 (const char *)array.keys[i].data);
        assert_true(used < sizeof out);
    }
    assert_agreement(f, text(pattern), options, array.keys, array.count);
    let_go(&array);
    return out;
}

uint64_t found_count(struct fixture *f, const char *pattern, const nacre_regex_options *options)
{
    struct key_array array;
    gather(f, text(pattern), options, &array);
    size_t count = array.count;
    assert_agreement(f, text(pattern), options, array.keys, count);
    let_go(&array);
    return count;
}

uint64_t count_of(struct fixture *f, const char *pattern)
{
    uint64_t counted = UINT64_MAX;
    assert_ok(nacre_regex_count(f->collection, text(pattern), NULL, &counted));
    return counted;
}

void put_words(struct fixture *f, const char *words)
{
    while (*words) {
        size_t size = strcspn(words, " ");
        assert_ok(nacre_put(f->collection, (nacre_slice){ words, size }, text("v"), NULL));
        words += size + (words[size] == ' ');
    }
}

void compact_all(struct fixture *f)
{
    assert_ok(nacre_compact(f->collection, text(""), text("")));
}

void in_every_place(struct fixture *f, void (*check)(struct fixture *))
{
    assert_non_null(f->memory);
    check(f);
    fixture_reopen(f);
    check(f);
    gate_close("segments/");
    assert_ok(nacre_seal(f->collection));
    check(f);
    gate_open();
    assert_ok(nacre_flush(f->collection));
    check(f);
    fixture_reopen(f);
    check(f);
    compact_all(f);
    check(f);
    fixture_reopen(f);
    check(f);
}
