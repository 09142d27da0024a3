/* Keys and patterns of any bytes in collections of strings, and what searches refuse. */
#include "support/searching.h"

#define KEY(literal) \
    (nacre_slice) \
    { \
        literal, sizeof literal - 1 \
    }

static void put_bytes(struct fixture *f, const nacre_slice *keys, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        assert_ok(nacre_put(f->collection, keys[i], text("v"), NULL));
    }
}

static int compare_slices(const void *a, const void *b)
{
    const nacre_slice *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* Which of the keys a pattern finds: bit i for keys[i]. */
static void assert_bits(struct fixture *f, const nacre_slice *keys, size_t count, nacre_slice pattern, bool bytes,
                        uint32_t bits)
{
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    nacre_slice wanted[32];
    size_t found_keys = 0;
    for (size_t i = 0; i < count; i++) {
        if (bits >> i & 1) {
            wanted[found_keys++] = keys[i];
        }
    }
    o.bytes = bytes;
    qsort(wanted, found_keys, sizeof *wanted, compare_slices);
    assert_finds(f, pattern, &o, wanted, found_keys);
}

/* ---- bytes that are awkward ---- */

static const nacre_slice lines[] = {
    { "", 1 },              /* 0: a NUL */
    { "\0\n", 2 },          /* 1 */
    { "\n", 1 },            /* 2 */
    { "a\0b", 3 },          /* 3 */
    { "a\nb", 3 },          /* 4 */
    { "a\nb\n", 4 },        /* 5 */
    { "ab", 2 },            /* 6 */
    { "b\na", 3 },          /* 7 */
    { "b\r\na\tb\x0b", 7 }, /* 8 */
};
#define LINES (sizeof lines / sizeof *lines)

static void check_lines(struct fixture *f)
{
    for (int bytes = 0; bytes < 2; bytes++) {
        assert_bits(f, lines, LINES, KEY(""), bytes, 0x1ff);
        assert_bits(f, lines, LINES, KEY("^.*$"), bytes, 1 << 0 | 1 << 3 | 1 << 6);
        assert_bits(f, lines, LINES, KEY("(?s)^.*$"), bytes, 0x1ff);
        assert_bits(f, lines, LINES, KEY("(?m)^a$"), bytes, 1 << 4 | 1 << 5 | 1 << 7);
        assert_bits(f, lines, LINES, KEY("(?m)^$"), bytes, 1 << 1 | 1 << 2 | 1 << 5);
        assert_bits(f, lines, LINES, KEY("b$"), bytes, 1 << 3 | 1 << 4 | 1 << 6);
        assert_bits(f, lines, LINES, KEY("b\\n$"), bytes, 1 << 5);
        assert_bits(f, lines, LINES, KEY("(?m)b$"), bytes, 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7);
        assert_bits(f, lines, LINES, KEY("a.b"), bytes, 1 << 3 | 1 << 8);
        assert_bits(f, lines, LINES, KEY("(?s)a.b"), bytes, 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8);
        assert_bits(f, lines, LINES, KEY("a\0b"), bytes, 1 << 3);
        assert_bits(f, lines, LINES, KEY("a\\x00b"), bytes, 1 << 3);
        assert_bits(f, lines, LINES, KEY("\0"), bytes, 1 << 0 | 1 << 1 | 1 << 3);
        assert_bits(f, lines, LINES, KEY("^\0$"), bytes, 1 << 0);
        assert_bits(f, lines, LINES, KEY("[\0\n]"), bytes, 0x1ff & ~(1 << 6));
        assert_bits(f, lines, LINES, KEY("^[^\0-\x1f]+$"), bytes, 1 << 6);
        assert_bits(f, lines, LINES, KEY("\n"), bytes, 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8);
        assert_bits(f, lines, LINES, KEY("\\s$"), bytes, 1 << 1 | 1 << 2 | 1 << 5);
        assert_bits(f, lines, LINES, KEY("\\v"), bytes, 1 << 8);
        assert_bits(f, lines, LINES, KEY("^$"), bytes, 0);
    }
}

static void newlines_and_zero_bytes_are_characters_like_others(void **state)
{
    put_bytes(*state, lines, LINES);
    in_every_place(*state, check_lines);
}

static const nacre_slice invalid[] = {
    { "\x80", 1 },              /* 0: a continuation alone */
    { "a\xc3", 2 },             /* 1: cut off */
    { "a\xc3\xa9", 3 },         /* 2: valid */
    { "a\xc3\xa9z", 4 },        /* 3: valid */
    { "a\xc3z", 3 },            /* 4 */
    { "a\xed\xa0\x80", 4 },     /* 5: a surrogate: three bad bytes */
    { "a\xef\xbf\xbd", 4 },     /* 6: U+FFFD itself */
    { "a\xf4\x90\x80\x80", 5 }, /* 7: beyond U+10FFFF: four bad bytes */
    { "a\xff", 2 },             /* 8 */
    { "\xc0\x80", 2 },          /* 9: overlong: two bad bytes */
    { "\xff", 1 },              /* 10 */
    { "\xff\xff", 2 },          /* 11 */
    { "\xff\xff\x01", 3 },      /* 12 */
    { "\xff\xff\xff", 3 },      /* 13 */
};
#define INVALID (sizeof invalid / sizeof *invalid)

static void check_invalid(struct fixture *f)
{
    const uint32_t all = (1 << INVALID) - 1, not_utf8 = all & ~(1 << 2 | 1 << 3 | 1 << 6);
    assert_bits(f, invalid, INVALID, KEY(""), false, all);
    assert_bits(f, invalid, INVALID, KEY("\xef\xbf\xbd"), false, not_utf8 | 1 << 6);
    assert_bits(f, invalid, INVALID, KEY("^.$"), false, 1 << 0 | 1 << 10);
    assert_bits(f, invalid, INVALID, KEY("^..$"), false, 1 << 1 | 1 << 2 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 11);
    assert_bits(f, invalid, INVALID, KEY("^a.$"), false, 1 << 1 | 1 << 2 | 1 << 6 | 1 << 8);
    assert_bits(f, invalid, INVALID, KEY("^a.{3}$"), false, 1 << 5);
    assert_bits(f, invalid, INVALID, KEY("^a.{4}$"), false, 1 << 7);
    assert_bits(f, invalid, INVALID, KEY("a\xc3\xa9"), false, 1 << 2 | 1 << 3);
    assert_bits(f, invalid, INVALID, KEY("(?i)A\xc3\x89"), false, 1 << 2 | 1 << 3);
    assert_bits(f, invalid, INVALID, KEY("a[^\xc3\xa9]"), false, 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8);
    assert_bits(f, invalid, INVALID, KEY("^[^a]"), false, 1 << 0 | 0x1f << 9);
    assert_bits(f, invalid, INVALID, KEY("\xc3\xa9$"), false, 1 << 2);
    assert_bits(f, invalid, INVALID, KEY("z$"), false, 1 << 3 | 1 << 4);
    assert_bits(f, invalid, INVALID, KEY("\\x{ff}"), false, 0);
    assert_bits(f, invalid, INVALID, KEY("^\\x{fffd}+$"), false, 1 << 0 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13);
}

static void check_invalid_as_bytes(struct fixture *f)
{
    const uint32_t all = (1 << INVALID) - 1;
    assert_bits(f, invalid, INVALID, KEY(""), true, all);
    assert_bits(f, invalid, INVALID, KEY("\xff"), true, 1 << 8 | 0xf << 10);
    assert_bits(f, invalid, INVALID, KEY("\\x{ff}"), true, 1 << 8 | 0xf << 10);
    assert_bits(f, invalid, INVALID, KEY("^\xff\xff"), true, 7 << 11);
    assert_bits(f, invalid, INVALID, KEY("^.$"), true, 1 << 0 | 1 << 10);
    assert_bits(f, invalid, INVALID, KEY("^a..$"), true, 1 << 2 | 1 << 4);
    assert_bits(f, invalid, INVALID, KEY("[\x80-\xbf]$"), true, 1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 9);
    assert_bits(f, invalid, INVALID, KEY("a\xc3"), true, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
    assert_bits(f, invalid, INVALID, KEY("^[^\xc0-\xff]+$"), true, 1 << 0);
}

static void bytes_that_are_not_utf8_are_one_bad_character_each(void **state)
{
    put_bytes(*state, invalid, INVALID);
    in_every_place(*state, check_invalid);
}

static void with_the_option_bytes_each_byte_is_a_character(void **state)
{
    put_bytes(*state, invalid, INVALID);
    in_every_place(*state, check_invalid_as_bytes);
}

static void check_high_prefixes(struct fixture *f)
{
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    static const unsigned with_prefix[] = { 0, 4, 3, 1, 0 }; /* of so many bytes */
    for (unsigned size = 1; size <= 4; size++) {
        unsigned keys = 0;
        o.prefix = (nacre_slice){ "\xff\xff\xff\xff", size };
        assert_ok(nacre_scan(f->collection, &o, &cursor));
        for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
            keys++;
        }
        assert_ok(nacre_cursor_status(cursor));
        nacre_cursor_close(cursor);
        assert_int_equal(keys, with_prefix[size]);
    }
    nacre_regex_options r = NACRE_REGEX_OPTIONS_INIT;
    r.begin = KEY("\xff\xff");
    assert_finds(f, KEY("."), &r, invalid + 11, 3);
    r.end = KEY("\xff\xff\xff");
    assert_finds(f, KEY("."), &r, invalid + 11, 2);
    r.begin = KEY("\xff\xff\xff\xff");
    r.end = (nacre_slice){ NULL, 0 };
    assert_finds(f, KEY(""), &r, NULL, 0);
}

static void prefixes_of_0xff_have_no_end(void **state)
{
    put_bytes(*state, invalid, INVALID);
    in_every_place(*state, check_high_prefixes);
    assert_ok(nacre_delete_prefix(((struct fixture *)*state)->collection, KEY("\xff\xff"), NULL));
    assert_bits(*state, invalid, INVALID, KEY("^[^a]"), false, 1 << 0 | 1 << 9 | 1 << 10);
}

/* ---- limits and refusals ---- */

static void keys_beyond_the_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    char *key = calloc(1, NACRE_STRING_KEY_MAX + 1);
    nacre_slice empty = { "", 0 }, longer = { key, NACRE_STRING_KEY_MAX + 1 };
    nacre_value value;
    assert_code(nacre_put(f->collection, empty, text("v"), NULL), NACRE_INVALID);
    assert_code(nacre_delete(f->collection, empty, NULL), NACRE_INVALID);
    assert_code(nacre_get(f->collection, empty, NULL, &value), NACRE_INVALID);
    assert_code(nacre_put(f->collection, longer, text("v"), NULL), NACRE_LIMIT);
    assert_code(nacre_delete(f->collection, longer, NULL), NACRE_LIMIT);
    assert_code(nacre_get(f->collection, longer, NULL, &value), NACRE_LIMIT);
    assert_code(nacre_delete_prefix(f->collection, longer, NULL), NACRE_LIMIT);
    assert_int_equal(found_count(f, "", NULL), 0);
    free(key);
}

/* Refused by every call, with the byte where it goes wrong. */
static void assert_bad_pattern(struct fixture *f, nacre_slice pattern, size_t least, size_t most)
{
    nacre_cursor *cursor;
    uint64_t count;
    char *json;
    size_t position = SIZE_MAX;
    assert_code(nacre_regex_check(pattern, NULL, &position), NACRE_INVALID);
    if (position < least || position > most) {
        print_error("'%.*s': at %zu: %s\n", (int)pattern.size, (const char *)pattern.data, position,
                    nacre_last_error());
    }
    assert_in_range(position, least, most);
    char at[40];
    snprintf(at, sizeof at, "at byte %zu", position);
    assert_non_null(strstr(nacre_last_error(), at));
    assert_code(nacre_regex_scan(f->collection, pattern, NULL, &cursor), NACRE_INVALID);
    assert_null(cursor);
    assert_non_null(strstr(nacre_last_error(), at));
    assert_code(nacre_regex_count(f->collection, pattern, NULL, &count), NACRE_INVALID);
    assert_int_equal(count, 0);
    assert_non_null(strstr(nacre_last_error(), at));
    assert_code(nacre_regex_explain(f->collection, pattern, NULL, &json), NACRE_INVALID);
    assert_null(json);
}

static void bad_patterns_are_refused_with_their_place(void **state)
{
    static const struct {
        nacre_slice pattern;
        size_t least, most;
    } bad[] = {
        { { "a(b", 3 }, 1, 3 },
        { { "a)b", 3 }, 1, 1 },
        { { "*a", 2 }, 0, 0 },
        { { "ab[z-a]", 7 }, 2, 6 },
        { { "ab[", 3 }, 2, 3 },
        { { "a\\", 2 }, 1, 2 },
        { { "a{1001}", 7 }, 1, 7 },
        { { "a{2,1}", 6 }, 1, 6 },
        { { "(a)\\1", 5 }, 3, 5 },
        { { "x(?=y)", 6 }, 1, 6 },
        { { "x(?<!y)", 7 }, 1, 7 },

        { { "a\\p{Klingon}", 12 }, 1, 12 },
        { { "ab\xff"
            "c",
            4 },
          2,
          2 },
        { { "a**", 3 }, 1, 3 },
        { { "\0(\0", 3 }, 1, 3 },
        { { "(?z)a", 5 }, 0, 4 },
        { { "((a{100}){100}){100}", 20 }, 0, 20 },
    };
    put_words(*state, "a b");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_bad_pattern(*state, bad[i].pattern, bad[i].least, bad[i].most);
    }
    char deep[2100];
    memset(deep, '(', 1050);
    memset(deep + 1050, ')', 1050);
    assert_bad_pattern(*state, (nacre_slice){ deep, sizeof deep }, 0, 1050);
    assert_string_equal(found(*state, "a", NULL), "a"); /* nothing of them is left */
}

static void patterns_and_programs_beyond_the_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t count = 7;
    nacre_cursor *cursor;
    char *pattern = malloc(70000);
    memset(pattern, 'a', 70000);
    put_words(f, "aaa b");
    assert_ok(nacre_regex_count(f->collection, (nacre_slice){ pattern, 65536 }, NULL, &count));
    assert_int_equal(count, 0);
    assert_code(nacre_regex_count(f->collection, (nacre_slice){ pattern, 65537 }, NULL, &count), NACRE_LIMIT);
    assert_code(nacre_regex_scan(f->collection, (nacre_slice){ pattern, 65537 }, NULL, &cursor), NACRE_LIMIT);
    assert_code(nacre_regex_check((nacre_slice){ pattern, 65537 }, NULL, NULL), NACRE_LIMIT);
    int status = nacre_regex_count(f->collection, text("\\pL{1000}x\\pL{1000}y\\pL{1000}"), NULL, &count);
    assert_true(status == NACRE_LIMIT || (status == NACRE_OK && count == 0));
    size_t used = 0;
    while (used + 20 < 65536) {
        memcpy(pattern + used, "[a-b]{1000}", 11);
        used += 11;
    }
    assert_code(nacre_regex_count(f->collection, (nacre_slice){ pattern, used }, NULL, &count), NACRE_LIMIT);
    assert_code(nacre_regex_scan(f->collection, (nacre_slice){ pattern, used }, NULL, &cursor), NACRE_LIMIT);
    assert_null(cursor);
    free(pattern);
    assert_string_equal(found(f, "a{3}", NULL), "aaa");
}

/* Patterns of which backtracking never finds an end. */
static void no_pattern_takes_long(void **state)
{
    struct fixture *f = *state;
    char key[2001];
    memset(key, 'a', 2000);
    key[2000] = 0;
    put(f, key, "v");
    put_words(f, "b");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(found_count(f, "(a*)*(a*)*(a*)*b$", NULL), 1);
        assert_int_equal(found_count(f, "^(a|aa)+$", NULL), 1);
        assert_int_equal(found_count(f, "(a?){900}a{900}$", NULL), 1);
        assert_int_equal(found_count(f, "(.*)(.*)(.*)(.*)(.*)[^a]{9}", NULL), 0);
        assert_int_equal(found_count(f, "a.{500}b", NULL), 0);
        assert_int_equal(found_count(f, "[ab]*a[ab]{400}$", NULL), 1);
        assert_ok(nacre_flush(f->collection));
    }
}

static void ordered_collections_are_not_searched(void **state)
{
    struct fixture *f = *state;
    nacre_collection *ordered;
    nacre_cursor *cursor;
    uint64_t count;
    char *json;
    assert_ok(nacre_collection_create(f->store, "ordered", NULL, &ordered));
    assert_code(nacre_regex_scan(ordered, text("a"), NULL, &cursor), NACRE_UNSUPPORTED);
    assert_code(nacre_regex_count(ordered, text("a"), NULL, &count), NACRE_UNSUPPORTED);
    assert_code(nacre_regex_explain(ordered, text("a"), NULL, &json), NACRE_UNSUPPORTED);
    char *key = calloc(1, NACRE_KEY_MAX + 1);
    assert_code(nacre_put(ordered, (nacre_slice){ key, NACRE_KEY_MAX + 1 }, text("v"), NULL), NACRE_LIMIT);
    assert_ok(nacre_put(f->collection, (nacre_slice){ key, NACRE_KEY_MAX + 1 }, text("v"), NULL));
    free(key);
    nacre_collection_close(ordered);
}

static void the_kind_of_a_collection_is_kept(void **state)
{
    struct fixture *f = *state;
    nacre_collection_info *list;
    size_t count;
    put_words(f, "a");
    for (int round = 0; round < 2; round++) {
        assert_ok(nacre_collection_list(f->store, &list, &count));
        assert_int_equal(count, 1);
        assert_int_equal(list[0].kind, NACRE_STRINGS);
        nacre_free(list);
        fixture_reopen(f);
        assert_string_equal(found(f, "a", NULL), "a");
    }
    assert_ok(nacre_collection_clear(f->collection));
    assert_string_equal(found(f, "", NULL), "");
    fixture_reopen(f);
    assert_string_equal(found(f, "", NULL), "");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_strings_in_memory, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(newlines_and_zero_bytes_are_characters_like_others),
        CASE(bytes_that_are_not_utf8_are_one_bad_character_each),
        CASE(with_the_option_bytes_each_byte_is_a_character),
        CASE(prefixes_of_0xff_have_no_end),
        CASE(keys_beyond_the_limits_are_refused),
        CASE(bad_patterns_are_refused_with_their_place),
        CASE(patterns_and_programs_beyond_the_limits_are_refused),
        CASE(no_pattern_takes_long),
        CASE(ordered_collections_are_not_searched),
        CASE(the_kind_of_a_collection_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
