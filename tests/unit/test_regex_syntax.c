/* Regular expressions: what is taken and refused, and the tree that comes out. */
#include "base/status.h"
#include "regex/syntax.h"
#include "regex_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct regex_options plain = { false, false };

struct expected_tree {
    const char *pattern, *tree;
};

static void parse_text(const char *pattern, const struct regex_options *options, struct buffer *text)
{
    struct syntax_tree tree;
    if (syntax_parse(slice_text(pattern), options, &tree, NULL) != NACRE_OK)
        fail_msg("`%s` was refused: %s", pattern, fail_detail());
    buffer_clear(text);
    syntax_text(&tree, text);
    syntax_free(&tree);
}

static void expect_trees(const struct expected_tree *cases, size_t count, const struct regex_options *options)
{
    struct buffer text = { 0 };
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        parse_text(cases[i].pattern, options, &text);
        if (strcmp((const char *)text.data, cases[i].tree) != 0) {
            print_error("`%s`: expected %s, got %s\n", cases[i].pattern, cases[i].tree, (const char *)text.data);
            wrong++;
        }
    }
    buffer_free(&text);
    assert_int_equal(wrong, 0);
}
#define EXPECT_TREES(cases, options) expect_trees(cases, sizeof(cases) / sizeof *(cases), options)

static void parts_of_the_language_become_nodes(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "", "EMPTY" },
        { "abc", "\"abc\"" },
        { "a.c", "(\"a\" [\\x{0}-\\x{9}\\x{B}-\\x{10FFFF}] \"c\")" },
        { "(?s)a.c", "(\"a\" [\\x{0}-\\x{10FFFF}] \"c\")" },
        { "[a-cx]", "[a-cx]" },
        { "[^a-c]", "[\\x{0}-`d-\\x{10FFFF}]" },
        { "[]a]", "[\\x{5D}a]" },
        { "[a-]", "[\\x{2D}a]" },
        { "[--a]", "[\\x{2D}-a]" },
        { "^a$", "(^ \"a\" $)" },
        { "\\Aa\\z", "(^ \"a\" $)" },
        { "(?m)^a$", "(^m \"a\" $m)" },
        { "(?m:^)a$", "(^m \"a\" $)" },
        { "\\ba\\B", "(\\b \"a\" \\B)" },
        { "(a)(?:b)(?P<n>c)(?<m>d)", "\"abcd\"" },
        { "ca*b", "(\"c\" \"a\"* \"b\")" },
        { "cab*?d", "(\"ca\" \"b\"* \"d\")" },
        { "ca+b", "(\"c\" \"a\"+ \"b\")" },
        { "ca?b", "(\"c\" \"a\"? \"b\")" },
        { "c(ab){2,3}d", "(\"c\" \"ab\"{2,3} \"d\")" },
        { "c[ab]{2}d", "(\"c\" [ab]{2} \"d\")" },
        { "c(ab){2,}d", "(\"c\" \"ab\"{2,} \"d\")" },
        { "ca{,3}d", "\"ca{,3}d\"" },
        { "ca{2d", "\"ca{2d\"" },
        { "{", "\"{\"" },
        { "a\\x41\\x{e9}\\101\\0\\n\\.z", "\"aA\\x{E9}A\\x{0}\\x{A}.z\"" },
        { "\\Qa*b\\Ec*d", "(\"a*b\" \"c\"* \"d\")" },
        { "\\Qa*b", "\"a*b\"" },
        { "\\Qab\\E{2}c", "\"abbc\"" },
        { "caé*b", "(\"ca\" \"\\x{E9}\"* \"b\")" },
    };
    EXPECT_TREES(cases, &plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_the_language_become_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
