/* Where a regular expression matches: by hand, and against RE2 on random patterns and texts. */
#include "model.h"
#include "re2_oracle.h"
#include "regex/find.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct regex_options plain;

static void expect_match(const char *pattern, const struct regex_options *options, nacre_slice text, size_t from,
                         size_t begin, size_t size)
{
    size_t found_begin = 77, found_size = 77;
    int status = regex_find(slice_text(pattern), options, text, from, &found_begin, &found_size);
    if (status != NACRE_OK || found_begin != begin || found_size != size)
        fail_msg("`%s`: expected %zu+%zu, got %zu+%zu (%d)", pattern, begin, size, found_begin, found_size, status);
}

static void expect_none(const char *pattern, const char *text, size_t from)
{
    size_t begin = 77, size = 77;
    assert_int_equal(regex_find(slice_text(pattern), &plain, slice_text(text), from, &begin, &size), NACRE_NOT_FOUND);
    assert_int_equal(begin + size, 0);
}

static void the_match_that_begins_first_is_found_as_long_as_it_gets(void **state)
{
    (void)state;
    expect_match("abcd|b", &plain, slice_text("xabcd"), 0, 1, 4);
    expect_match("abce|b", &plain, slice_text("xabcd"), 0, 2, 1);
    expect_match("a|ab|abc", &plain, slice_text("abcd"), 0, 0, 3);
    expect_match("b*?", &plain, slice_text("bbb"), 0, 0, 3);
    expect_match("b*", &plain, slice_text("abbb"), 0, 0, 0);
    expect_match("b+", &plain, slice_text("abbbabb"), 0, 1, 3);
    expect_match("", &plain, slice_text("abc"), 2, 2, 0);
    expect_match("$", &plain, slice_text("abc"), 0, 3, 0);
}

static void what_could_be_dropped_at_the_edges_belongs_to_the_match(void **state)
{
    (void)state;
    expect_match("x*ab*", &plain, slice_text("yxxabb"), 0, 1, 5);
    expect_match(".*b.*", &plain, slice_text("abc"), 0, 0, 3);
    expect_match("[0-9]{2,}", &plain, slice_text("a12345"), 0, 1, 5);
    expect_match("(ab)?c?", &plain, slice_text("abc"), 0, 0, 3);
}

static void a_search_goes_on_behind_a_match_and_sees_what_is_before_it(void **state)
{
    (void)state;
    expect_match("a", &plain, slice_text("aba"), 1, 2, 1);
    expect_none("^a", "aa", 1);
    expect_none("\\ba", "aa", 1);
    expect_match("\\Ba", &plain, slice_text("aa"), 1, 1, 1);
    expect_match("(?m)^a", &plain, slice_text("a\na"), 1, 2, 1);
    expect_none("a", "aaa", 3);
    expect_match("a*", &plain, slice_text("aaa"), 3, 3, 0);
}

static void a_byte_that_is_no_utf8_is_one_character(void **state)
{
    const struct regex_options bytes = { .bytes = true };
    (void)state;
    expect_match("b.d", &plain,
                 slice_text("ab\xff"
                            "d"),
                 0, 1, 3);
    expect_match("\\x{FFFD}+", &plain, slice_text("a\xff\xe2\x82z"), 0, 1, 3);
    expect_match(".", &plain, slice_text("\xc3\xa9"), 0, 0, 2);
    expect_match(".", &bytes, slice_text("\xc3\xa9"), 0, 0, 1);
    expect_match("\\B", &plain, slice_text("\xc3\xa9"), 0, 0, 0);
    expect_match("\\B", &plain, slice_text("\xc3\xa9"), 2, 2, 0);
}

static void what_does_not_parse_is_refused(void **state)
{
    size_t begin, size;
    (void)state;
    assert_int_equal(regex_find(slice_text("a("), &plain, slice_text("a"), 0, &begin, &size), NACRE_INVALID);
    assert_int_equal(regex_find(slice_text("((\\pL{30}){30}"), &plain, slice_text("a"), 0, &begin, &size),
                     NACRE_INVALID);
    assert_int_equal(regex_find(slice_text("[^a]{1000}\\pL{1000}"), &plain, slice_text("a"), 0, &begin, &size),
                     NACRE_LIMIT);
}

/* ---- against RE2 ---- */

static size_t pick(uint64_t *seed, char *out, size_t size, const char *const *parts, size_t count, size_t least)
{
    size_t used = 0, rounds = least + model_random(seed) % 8;
    out[0] = 0;
    for (size_t i = 0; i < rounds; i++)
        used += (size_t)snprintf(out + used, size - used, "%s", parts[model_random(seed) % count]);
    return used;
}

static void random_patterns_match_where_re2_says(void **state)
{
    static const char *const pattern_parts[] = { "a",  "b",    "\xc3\xa9", ".",   "|",   "(",    ")",   "*",     "+",
                                                 "?",  "^",    "$",        "\\b", "\\B", "[ab]", "{2}", "{1,3}", "_",
                                                 "*?", "(?m)", "(?i)",     "\n",  "(?:", "[^a]", "\\w", "A" };
    static const char *const text_parts[] = { "a", "b", "\xc3\xa9", "_", "\n", "A", " ", "ab" };
    uint64_t seed = 20261126;
    char pattern[256], text[256];
    size_t tried = 0;
    (void)state;
    for (size_t i = 0; i < 60000; i++) {
        struct regex_options options = { .bytes = model_random(&seed) % 4 == 0 };
        nacre_slice p = { pattern, pick(&seed, pattern, sizeof pattern, pattern_parts,
                                        sizeof pattern_parts / sizeof *pattern_parts, 1) };
        nacre_slice t = { text, pick(&seed, text, sizeof text, text_parts, sizeof text_parts / sizeof *text_parts, 0) };
        if (!options.bytes && strstr(pattern, "\\B") && strstr(text, "\xc3"))
            continue; /* RE2 finds these within a character */
        if (options.bytes && strchr(pattern, '|') && strstr(pattern, "\xc3"))
            continue; /* RE2 finds nothing where alternatives in Latin-1 have a beginning in common that is not ASCII */
        struct syntax_tree tree;
        if (!re2_oracle_accepts(p, &options) || syntax_parse(p, &options, &tree, NULL) != NACRE_OK)
            continue;
        syntax_free(&tree);
        tried++;
        size_t begin = 0, size = 0, expected_begin = 0, expected_size = 0;
        bool expected = re2_oracle_finds(p, &options, t, 0, &expected_begin, &expected_size);
        int status = regex_find(p, &options, t, 0, &begin, &size);
        if (status != (expected ? NACRE_OK : NACRE_NOT_FOUND) || begin != expected_begin || size != expected_size)
            fail_msg("`%s` in `%s`: RE2 %d %zu+%zu, here %d %zu+%zu", pattern, text, expected, expected_begin,
                     expected_size, status, begin, size);
    }
    assert_true(tried > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_match_that_begins_first_is_found_as_long_as_it_gets),
        cmocka_unit_test(what_could_be_dropped_at_the_edges_belongs_to_the_match),
        cmocka_unit_test(a_search_goes_on_behind_a_match_and_sees_what_is_before_it),
        cmocka_unit_test(a_byte_that_is_no_utf8_is_one_character),
        cmocka_unit_test(what_does_not_parse_is_refused),
        cmocka_unit_test(random_patterns_match_where_re2_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
