/* Regular expressions: what is taken and refused, and the tree that comes out. RE2 says whether it takes and refuses the same. */
#include "base/memory.h"
#include "base/status.h"
#include "re2_oracle.h"
#include "regex/syntax.h"
#include "regex_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct regex_options plain = { false, false }, ignore_case = { true, false }, over_bytes = { false, true };

struct expected_tree {
    const char *pattern, *tree;
};

static void parse_text(const char *pattern, const struct regex_options *options, struct buffer *text)
{
    struct syntax_tree tree;
    if (syntax_parse(slice_text(pattern), options, &tree, NULL) != NACRE_OK)
        fail_msg("`%s` was refused: %s", pattern, fail_detail());
    if (!re2_oracle_accepts(slice_text(pattern), options) && !strstr(pattern, "(?<"))
        fail_msg("RE2 refuses `%s`", pattern);
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

#define DOT "[\\x{0}-\\x{9}\\x{B}-\\x{10FFFF}]"
#define ANY "[\\x{0}-\\x{10FFFF}]"

static void parts_of_the_language_become_nodes(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "", "EMPTY" },
        { "abc", "\"abc\"" },
        { "a.c", "(\"a\" " DOT " \"c\")" },
        { "^a$", "(^ \"a\" $)" },
        { "\\Aa\\z", "(^ \"a\" $)" },
        { "\\ba\\B", "(\\b \"a\" \\B)" },
        { "(a)(?:b)(?P<n>c)(?<m>d)", "\"abcd\"" },
        { "(?P<\u00FCn>a)", "\"a\"" },
        { "ca*b", "(\"c\" \"a\"* \"b\")" },
        { "cab*?d", "(\"ca\" \"b\"* \"d\")" },
        { "ca+b", "(\"c\" \"a\"+ \"b\")" },
        { "ca?b", "(\"c\" \"a\"? \"b\")" },
        { "c(ab){2,3}d", "(\"c\" \"ab\"{2,3} \"d\")" },
        { "c[ab]{2}d", "(\"c\" [ab]{2} \"d\")" },
        { "c(ab){2,}?d", "(\"c\" \"ab\"{2,} \"d\")" },
        { "c\u00E9*b", "(\"c\" \"\\x{E9}\"* \"b\")" },
    };
    EXPECT_TREES(cases, &plain);
}

static void what_looks_like_syntax_and_is_none_stands_for_itself(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "ca{,3}d", "\"ca{,3}d\"" },
        { "ca{2d", "\"ca{2d\"" },
        { "{", "\"{\"" },
        { "a]b}", "\"a]b}\"" },
        { "[]a]", "[\\x{5D}a]" },
        { "[^]a]", "[\\x{0}-\\x{5C}\\x{5E}-`b-\\x{10FFFF}]" },
        { "[a-]", "[\\x{2D}a]" },
        { "[--a]", "[\\x{2D}-a]" },
        { "[a-b-d]", "[\\x{2D}abd]" },
        { "[\\d-z]", "[\\x{2D}0-9z]" },
        { "[[:alpha]", "[:[ahlp]" },
        { "[[.a.]]", "([.[a] \"]\")" },
    };
    EXPECT_TREES(cases, &plain);
}

static void escapes_become_the_characters_that_they_name(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "a\\x41\\x{e9}\\101\\0\\n\\.\\_z", "\"aA\\x{E9}A\\x{0}\\x{A}._z\"" },
        { "\\a\\f\\t\\n\\r\\v", "\"\\x{7}\\x{C}\\x{9}\\x{A}\\x{D}\\x{B}\"" },
        { "\\12\\07\\377", "\"\\x{A}\\x{7}\\x{FF}\"" },
        { "\\x{10FFFF}", "\"\\x{10FFFF}\"" },
        { "\\Qa*b\\Ec*d", "(\"a*b\" \"c\"* \"d\")" },
        { "\\Qa*b", "\"a*b\"" },
        { "\\Qab\\E{2}c", "\"abbc\"" },
        { "[\\x41-\\x{43}\\n]", "[\\x{A}A-C]" },
    };
    EXPECT_TREES(cases, &plain);
}

static void flags_hold_to_the_end_of_their_group(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "a(?s).b", "(\"a\" " ANY " \"b\")" },
        { "a(?s:.).b", "(\"a\" " ANY " " DOT " \"b\")" },
        { "(a(?s).)c.b", "(\"a\" " ANY " \"c\" " DOT " \"b\")" },
        { "(?m)^a$", "(^m \"a\" $m)" },
        { "(?m:^)a$", "(^m \"a\" $)" },
        { "(?ms-i)a(?-m)$", "(\"a\" $)" },
        { "(?i)a(?-i)b", "([Aa] \"b\")" },
        { "c(?U)a*b", "(\"c\" \"a\"* \"b\")" },
        { "a(?)b", "\"ab\"" },
        { "a(?i)*b", "[Bb]" },
    };
    EXPECT_TREES(cases, &plain);
}

static void case_folding_knows_all_cases_of_a_letter(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "k", "[Kk\\x{212A}]" },
        { "\u017F", "[Ss\\x{17F}]" },
        { "\u03C3", "[\\x{3A3}\\x{3C2}\\x{3C3}]" },
        { "1-", "\"1-\"" },
        { "\\Qa", "[Aa]" },
        { "[j-l]", "[J-Lj-l\\x{212A}]" },
        { "[^k]", "[\\x{0}-JL-jl-\\x{2129}\\x{212B}-\\x{10FFFF}]" },
        { "\\W", "[\\x{0}-/:-@[-\\x{5E}`{-\\x{17E}\\x{180}-\\x{2129}\\x{212B}-\\x{10FFFF}]" },
        { "[[:upper:]]", "[A-Za-z\\x{17F}\\x{212A}]" },
        { "(?-i)k", "\"k\"" },
    };
    EXPECT_TREES(cases, &ignore_case);
}

static void named_classes_are_those_of_perl_posix_and_unicode(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "\\d", "[0-9]" },
        { "\\D", "[\\x{0}-/:-\\x{10FFFF}]" },
        { "\\s", "[\\x{9}\\x{A}\\x{C}\\x{D}\\x{20}]" },
        { "\\w", "[0-9A-Z_a-z]" },
        { "[\\s\\d]", "[\\x{9}\\x{A}\\x{C}\\x{D}\\x{20}0-9]" },
        { "[^\\D]", "[0-9]" },
        { "[[:space:]x]", "[\\x{9}-\\x{D}\\x{20}x]" },
        { "[[:^ascii:]]", "[\\x{80}-\\x{10FFFF}]" },
        { "[[:xdigit:]]", "[0-9A-Fa-f]" },
        { "\\pZ", "[\\x{20}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}]" },
        { "\\p{Zs}", "[\\x{20}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{202F}\\x{205F}\\x{3000}]" },
        { "\\p{Zl}", "\"\\x{2028}\"" },
        { "\\p{Ogham}", "[\\x{1680}-\\x{169C}]" },
        { "\\p{^Ogham}", "[\\x{0}-\\x{167F}\\x{169D}-\\x{10FFFF}]" },
        { "\\P{^Ogham}", "[\\x{1680}-\\x{169C}]" },
        { "\\p{Any}", ANY },
        { "\\P{Any}", "NOTHING" },
    };
    EXPECT_TREES(cases, &plain);
}

static void surrogates_are_in_no_key(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "a|\\x{D800}", "\"a\"" },
        { "[\\x{D800}-\\x{DFFF}]", "NOTHING" },
        { "[^\\x{D900}]", ANY },
        { "[\\x{D700}-\\x{D900}\\x{DA00}-\\x{E001}]", "[\\x{D700}-\\x{E001}]" },
        { "[a\\x{D900}-\\x{E000}]", "[a\\x{E000}]" },
    };
    EXPECT_TREES(cases, &plain);
}

static void over_bytes_each_byte_is_a_character(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "\xE9*x", "\"x\"" },
        { "a\xE9*x", "(\"a\" \"\\x{E9}\"* \"x\")" },
        { ".", "[\\x{0}-\\x{9}\\x{B}-\\x{FF}]" },
        { "[^a]", "[\\x{0}-`b-\\x{FF}]" },
        { "\\C", "[\\x{0}-\\x{FF}]" },
        { "(?i)\xE9k", "([\\x{C9}\\x{E9}] [Kk])" },
        { "(?i)\xFF", "\"\\x{FF}\"" },
        { "\\p{Greek}", "NOTHING" },
    };
    EXPECT_TREES(cases, &over_bytes);
}

static void trees_are_simplified(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { "z(a|b|[c-d]|xy)z", "(\"z\" ([a-d]|\"xy\") \"z\")" },
        { "foo|foobar|foz|x", "((\"fo\" ([oz]|\"obar\"))|\"x\")" },
        { "abc|abc", "\"abc\"" },
        { "\u00E9a|\u00E8a", "(\"\\x{E9}a\"|\"\\x{E8}a\")" },
        { "^a|^bc", "(^ (\"a\"|\"bc\"))" },
        { "a$|bc$", "((\"a\"|\"bc\") $)" },
        { "c(|a)b", "(\"c\" \"a\"? \"b\")" },
        { "c(a||b*)d", "(\"c\" (\"a\"|\"b\"*)? \"d\")" },
        { "c(a*)*b", "(\"c\" \"a\"* \"b\")" },
        { "c(a+)?b", "(\"c\" \"a\"* \"b\")" },
        { "c(a?){20}a{20}b", "(\"c\" \"a\"{0,20} \"aaaaaaaaaaaaaaaaaaaab\")" },
        { "c(?:a{2,3})*b", "(\"c\" \"a\"{2,3}* \"b\")" },
        { "c(?:a{1,3}){2,}b", "(\"c\" \"a\"{2,} \"b\")" },
        { "c[ab]*[ab]+d", "(\"c\" [ab]+ \"d\")" },
        { "c(a{0}|^*)b", "\"cb\"" },
        { "^^a$$", "(^ \"a\" $)" },
        { "a[^\\x00-\\x{10ffff}]b", "NOTHING" },
        { "a|[^\\x00-\\x{10ffff}]b", "\"a\"" },
    };
    EXPECT_TREES(cases, &plain);
}

static void what_the_search_does_not_need_is_dropped_at_the_edges(void **state)
{
    (void)state;
    static const struct expected_tree cases[] = {
        { ".*foo.*", "\"foo\"" },
        { "(a|a)*b", "\"b\"" },
        { "(x+x+)+y", "\"xxy\"" },
        { "(ab){2,3}", "\"abab\"" },
        { "[ab]{2,}", "[ab]{2}" },
        { "(a?){20}a{20}", "\"aaaaaaaaaaaaaaaaaaaa\"" },
        { "(a*b|c)d", "([bc] \"d\")" },
        { "(a*|b)d", "\"d\"" },
        { "(?s)^.*foo", "\"foo\"" },
        { "(?s)^.{2,}foo", "(" ANY "{2} \"foo\")" },
        { "(?s)foo.*$", "\"foo\"" },
        { "^.*foo", "(^ " DOT "* \"foo\")" },
        { "(?m)^.*foo.*$", "\"foo\"" },
        { "(?m)^.+foo", "(" DOT " \"foo\")" },
        { "\\b.*foo", "(\\b " DOT "* \"foo\")" },
        { ".*\\bfoo", "(\\b \"foo\")" },
        { "^a*", "EMPTY" },
        { "a*$", "EMPTY" },
        { "^a*$", "(^ \"a\"* $)" },
        { "(?m)^|a", "EMPTY" },
        { "^*", "EMPTY" },
        { "(|a)", "EMPTY" },
        { "\\b|a*", "EMPTY" },
    };
    EXPECT_TREES(cases, &plain);
}

/* ---- refused ---- */

struct expected_error {
    const char *pattern;
    size_t at;
    const char *reason;
};

static void expect_refusals(const struct expected_error *cases, size_t count, const struct regex_options *options)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct syntax_tree tree;
        size_t at = 12345;
        int status = syntax_parse(slice_text(cases[i].pattern), options, &tree, &at);
        if (status != NACRE_INVALID || at != cases[i].at || !strstr(fail_detail(), cases[i].reason)) {
            print_error("`%s`: %d at %zu, expected at %zu, %s: %s\n", cases[i].pattern, status, at, cases[i].at,
                        cases[i].reason, fail_detail());
            wrong++;
        }
        if (re2_oracle_accepts(slice_text(cases[i].pattern), options) && !strstr(cases[i].pattern, "\\C"))
            fail_msg("RE2 takes `%s`", cases[i].pattern);
        syntax_free(&tree);
    }
    assert_int_equal(wrong, 0);
}
#define EXPECT_REFUSALS(cases, options) expect_refusals(cases, sizeof(cases) / sizeof *(cases), options)

static void what_is_wrong_is_refused_where_it_stands(void **state)
{
    (void)state;
    static const struct expected_error cases[] = {
        { "*", 0, "nothing to repeat" },
        { "a|*", 2, "nothing to repeat" },
        { "(*)", 1, "nothing to repeat" },
        { "(?i)*", 4, "nothing to repeat" },
        { "a**", 1, "a repetition of a repetition" },
        { "a{2}{3}", 1, "a repetition of a repetition" },
        { "a*??", 1, "a repetition of a repetition" },
        { "xa{1001}", 2, "over 1000" },
        { "a{1,1001}", 1, "over 1000" },
        { "a{99999999}", 1, "over 1000" },
        { "a{2,1}", 1, "least" },
        { "(?:(?:a{100}){10}){2}", 18, "1000 together" },
        { "(?:a{0,2}){1000}", 10, "1000 together" },
        { "((a", 1, "a ) is missing" },
        { "a)", 1, "no (" },
        { "x[a", 1, "a ] is missing" },
        { "[]", 0, "a ] is missing" },
        { "[^]", 0, "a ] is missing" },
        { "[z-a]", 1, "range" },
        { "[a-\\d]", 3, "no escape" },
        { "[[:foo:]]", 1, "no such class" },
        { "a\\", 1, "backslash" },
        { "\\x", 0, "hexadecimal" },
        { "\\xa", 0, "hexadecimal" },
        { "\\x{}", 0, "hexadecimal" },
        { "\\x{41", 0, "hexadecimal" },
        { "\\x{110000}", 0, "no such character" },
        { "\\e", 0, "no escape" },
        { "\\\u00E9", 0, "no escape" },
        { "[\\b]", 1, "no escape" },
        { "\\p{Foo}", 0, "category or script" },
        { "\\p{greek}", 0, "category or script" },
        { "\\p", 0, "category or script" },
        { "\\p{Lu", 0, "a } is missing" },
        { "a(?P<n", 1, "name" },
        { "(?P<>a)", 0, "name" },
        { "(?P<n m>a)", 5, "name" },
        { "(?", 0, "kind of group" },
        { "(?i", 0, "kind of group" },
        { "(?i-)", 0, "kind of group" },
        { "(?--i)", 0, "kind of group" },
        { "(?x)", 0, "kind of group" },
        { "a\xFF", 1, "not UTF-8" },
        { "[\xC3]", 1, "not UTF-8" },
        { "(?P<\xED\xA0\x80>a)", 4, "not UTF-8" },
    };
    EXPECT_REFUSALS(cases, &plain);
}

static void what_other_engines_know_is_refused_by_name(void **state)
{
    (void)state;
    static const struct expected_error cases[] = {
        { "a(?=b)", 1, "look-ahead is not supported" },
        { "a(?!b)", 1, "look-ahead is not supported" },
        { "(?<=a)b", 0, "look-behind is not supported" },
        { "(?<!a)b", 0, "look-behind is not supported" },
        { "(?>a)", 0, "atomic groups are not supported" },
        { "(?#a)", 0, "comments are not supported" },
        { "(a)\\1", 3, "back-references are not supported" },
        { "(?P<n>a)(?P=n)", 8, "back-references are not supported" },
        { "(a)\\k<n>", 3, "back-references are not supported" },
        { "a++", 1, "possessive" },
        { "a?+", 1, "possessive" },
        { "a\\Z", 1, "\\z" },
        { "(?R)", 0, "recursion is not supported" },
        { "\\C", 0, "\\C" },
    };
    EXPECT_REFUSALS(cases, &plain);
}

static void over_bytes_there_are_256_characters(void **state)
{
    (void)state;
    static const struct expected_error cases[] = {
        { "\\x{100}", 0, "no such character" },
        { "\\777", 0, "no such character" },
    };
    EXPECT_REFUSALS(cases, &over_bytes);
}

static void the_detail_shows_reason_place_and_part(void **state)
{
    (void)state;
    struct syntax_tree tree;
    assert_int_equal(syntax_parse(slice_text("x\u00E9(?=\n"), &plain, &tree, NULL), NACRE_INVALID);
    assert_string_equal(fail_detail(), "regular expression: look-ahead is not supported at byte 3: `(?=\\x0A`");
    assert_int_equal(syntax_parse(slice_text("\xFF"), &plain, &tree, NULL), NACRE_INVALID);
    assert_string_equal(fail_detail(), "regular expression: this is not UTF-8 at byte 0: `\\xFF`");
    assert_int_equal(syntax_parse(slice_text("((((((((((((((((((((((((((((((((((((((((((\u00E9"), &plain, &tree, NULL),
                     NACRE_INVALID);
}

/* ---- limits ---- */

static int parse_repeated(const char *part, size_t times, const char *end, const char *part_behind)
{
    struct buffer pattern = { 0 };
    for (size_t i = 0; i < times; i++)
        assert_int_equal(buffer_append(&pattern, part, strlen(part)), NACRE_OK);
    assert_int_equal(buffer_append(&pattern, end, strlen(end)), NACRE_OK);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(buffer_append(&pattern, part_behind, strlen(part_behind)), NACRE_OK);
    struct syntax_tree tree;
    int status = syntax_parse(buffer_slice(&pattern), &plain, &tree, NULL);
    syntax_free(&tree);
    buffer_free(&pattern);
    return status;
}

static void groups_nest_up_to_1000(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("(", 1000, "a", ")"), NACRE_OK);
    assert_int_equal(parse_repeated("(a(?:b|", 1000, "a", ")*c)"), NACRE_INVALID);
    assert_int_equal(parse_repeated("(a|b+", 1000, "a", "*c)"), NACRE_OK);
    assert_int_equal(parse_repeated("(", 1001, "a", ")"), NACRE_INVALID);
    assert_int_equal(parse_repeated("(", 30000, "a", ")"), NACRE_INVALID);
}

static void patterns_over_64_kib_and_too_many_ranges_are_over_the_limit(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("a", REGEX_PATTERN_MAX, "", ""), NACRE_OK);
    assert_int_equal(parse_repeated("a", REGEX_PATTERN_MAX, "a", ""), NACRE_LIMIT);
    assert_int_equal(parse_repeated("\\pL", 20000, "a", ""), NACRE_LIMIT);
    assert_int_equal(parse_repeated("[^a]", 16000, "a", ""), NACRE_OK);
}

static bool refuse_after(void *context, size_t bytes)
{
    (void)bytes;
    int *left = context;
    return (*left)-- == 0;
}

static void a_failed_allocation_is_no_memory(void **state)
{
    (void)state;
    nacre_slice pattern =
        slice_text("((((((((((a|b))))))))))|[^\\pL\\d]{2,3}x|yab|yac|\\p{Greek}|(?i)a|b|c|d|e|f|g|h|i|j|k|l|m|"
                   "aa|ba|ca|da|ea|fa|ga|ha|ia|ja|ka|la|ma|na|oa|pa|qa|ra|sa|ta|ua|va|wa|xa|ya|za|ab|bb");
    int status = NACRE_NO_MEMORY, nth = 0;
    for (; status == NACRE_NO_MEMORY; nth++) {
        struct syntax_tree tree;
        int left = nth;
        memory_set_fault(refuse_after, &left);
        status = syntax_parse(pattern, &plain, &tree, NULL);
        memory_set_fault(NULL, NULL);
        syntax_free(&tree);
    }
    assert_int_equal(status, NACRE_OK);
    assert_true(nth > 4);
}

static void a_tree_says_whether_bad_bytes_may_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool may;
    } cases[] = { { "abc", false }, { "a.c", true },    { "[^a]", true },
                  { "\\w", false }, { "\uFFFD", true }, { ".*a.*", false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct syntax_tree tree;
        assert_int_equal(syntax_parse(slice_text(cases[i].pattern), &plain, &tree, NULL), NACRE_OK);
        assert_int_equal(tree.may_match_invalid, cases[i].may);
        syntax_free(&tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_the_language_become_nodes),
        cmocka_unit_test(what_looks_like_syntax_and_is_none_stands_for_itself),
        cmocka_unit_test(escapes_become_the_characters_that_they_name),
        cmocka_unit_test(flags_hold_to_the_end_of_their_group),
        cmocka_unit_test(case_folding_knows_all_cases_of_a_letter),
        cmocka_unit_test(named_classes_are_those_of_perl_posix_and_unicode),
        cmocka_unit_test(surrogates_are_in_no_key),
        cmocka_unit_test(over_bytes_each_byte_is_a_character),
        cmocka_unit_test(trees_are_simplified),
        cmocka_unit_test(what_the_search_does_not_need_is_dropped_at_the_edges),
        cmocka_unit_test(what_is_wrong_is_refused_where_it_stands),
        cmocka_unit_test(what_other_engines_know_is_refused_by_name),
        cmocka_unit_test(over_bytes_there_are_256_characters),
        cmocka_unit_test(the_detail_shows_reason_place_and_part),
        cmocka_unit_test(groups_nest_up_to_1000),
        cmocka_unit_test(patterns_over_64_kib_and_too_many_ranges_are_over_the_limit),
        cmocka_unit_test(a_failed_allocation_is_no_memory),
        cmocka_unit_test(a_tree_says_whether_bad_bytes_may_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
