/* Regular expressions: what is known of a pattern before any key is read. */
#include "base/memory.h"
#include "base/status.h"
#include "regex/analysis.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct regex_options plain = { false, false }, over_bytes = { false, true };

struct known {
    struct syntax_tree tree;
    struct regex_analysis analysis;
    struct buffer text;
};

static void know(struct known *k, const char *pattern, const struct regex_options *options)
{
    *k = (struct known){ 0 };
    if (syntax_parse(slice_text(pattern), options, &k->tree, NULL) != NACRE_OK ||
        analysis_make(&k->tree, &k->analysis) != NACRE_OK)
        fail_msg("`%s`: %s", pattern, fail_detail());
}

static void forget(struct known *k)
{
    syntax_free(&k->tree);
    buffer_free(&k->text);
}

static void add_text(struct known *k, const char *text)
{
    assert_int_equal(buffer_append(&k->text, text, strlen(text)), NACRE_OK);
}

static void add_literals(struct known *k, const struct literal_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        add_text(k, i > 0 ? " " : "");
        assert_int_equal(buffer_append(&k->text, set->items[i].bytes, set->items[i].size), NACRE_OK);
    }
    add_text(k, set->folded ? ", folded" : "");
}

static void expect_text(struct known *k, const char *pattern, const char *expected)
{
    assert_int_equal(buffer_append_u8(&k->text, 0), NACRE_OK);
    if (strcmp((const char *)k->text.data, expected) != 0)
        fail_msg("`%s`: expected %s, got %s", pattern, expected, (const char *)k->text.data);
}

struct expected_text {
    const char *pattern, *text;
};

/* ---- shapes ---- */

static void add_shape(struct known *k)
{
    static const char *const names[] = { "general", "nothing", "everything", "" };
    const struct regex_analysis *a = &k->analysis;
    add_text(k, names[a->shape]);
    add_text(k, a->at_begin ? "^" : "");
    add_literals(k, &a->literals);
    add_text(k, a->at_end ? "$" : "");
}

static void expressions_that_need_no_automaton_are_seen(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "", "everything" },
        { "a*", "everything" },
        { ".*", "everything" },
        { "^|a", "everything" },
        { "$", "everything" },
        { "^.*$", "general" },
        { "^$", "general" },
        { "\\b", "general" },
        { "[^\\x00-\\x{10FFFF}]", "nothing" },
        { "abc", "abc" },
        { ".*abc", "abc" },
        { "^abc", "^abc" },
        { "abc$", "abc$" },
        { "^abc$", "^abc$" },
        { "^(?:abc|x)$", "^abc x$" },
        { "^a|^b", "^a b" },
        { "a$|^b", "general" },
        { "[ab]c", "ac bc" },
        { "[a-h][a-h]",
          "aa ab ac ad ae af ag ah ba bb bc bd be bf bg bh ca cb cc cd ce cf cg ch da db dc dd de df dg dh "
          "ea eb ec ed ee ef eg eh fa fb fc fd fe ff fg fh ga gb gc gd ge gf gg gh ha hb hc hd he hf hg hh" },
        { "[a-i][a-h]", "general" },
        { "xab{1,2}y", "xaby xabby" },
        { "xa+y", "general" },
        { "^(|a)$", "general" },
        { "(?i)readme", "readme, folded" },
        { "^(?i)a1[b-d]$", "^a1b a1c a1d, folded$" },
        { "(?i)ks", "ks, folded" },
        { "[Rr]eadme", "Readme readme" },
        { "(?i)\u00E9", "\u00C9 \u00E9" },
        { "\u00E9", "\u00E9" },
        { "\uFFFD", "general" },
        { "[a\uFFFD]", "general" },
        { "a\\bb", "general" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct known k;
        know(&k, cases[i].pattern, &plain);
        add_shape(&k);
        expect_text(&k, cases[i].pattern, cases[i].text);
        forget(&k);
    }
}

/* ---- literals ---- */

static void add_required(struct known *k)
{
    const struct regex_analysis *a = &k->analysis;
    add_literals(k, &a->required);
    add_text(k, a->required_at_end ? "$" : "");
    add_text(k, a->required_is_enough ? ", enough" : "");
}

static void the_most_telling_literals_are_required(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "abc", "abc, enough" },
        { "^abc", "abc" },
        { "abc$", "abc$" },
        { "linux.*netfilter", "netfilter" },
        { "(numpy|scipy|pandas)/.*\\.py$", "numpy/ scipy/ pandas/" },
        { "x.*_test\\.go$", "_test.go$" },
        { "(foo.*|bar[0-9]+)x", "foo bar" },
        { "a.*(?:b|)", "a, enough" },
        { "ab+c.d", "bc" },
        { "lib[a-z]{2,5}\\.so\\.[0-9]{1,2}$", ".so." },
        { "[ab][cd]linux", "aclinux adlinux bclinux bdlinux, enough" },
        { "[ab][cd]linux.x", "linux" },
        { "(?i)license.*\\.txt$", "license, folded" },
        { "(?:abc.x){2}", "abc" },
        { "\\w+", "" },
        { "(?:abc)?.x|yy.", "x yy" },
        { "\uFFFD.*abc.", "abc" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct known k;
        know(&k, cases[i].pattern, &plain);
        add_required(&k);
        expect_text(&k, cases[i].pattern, cases[i].text);
        forget(&k);
    }
}

static void anchors_begins_and_least_sizes_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool anchored;
        const char *begin;
        uint64_t least;
    } cases[] = {
        { "^usr/bin/[^/]*$", true, "usr/bin/", 8 },
        { "^(usr/bin|usr/lib)/x", true, "usr/", 9 },
        { "^(?:ab)+c", true, "ab", 3 },
        { "\\b^a", true, "", 1 },
        { "^a|^b.", true, "", 1 },
        { "^a|b", false, "", 1 },
        { "(?m)^a", false, "", 1 },
        { "^a\uFFFDb", true, "a", 3 },
        { "\u00E9.[\u00E9-\u00EA]", false, "", 5 },
        { "(?:ab{2,5}){3}", false, "", 9 },
        { "abc|d{2}", false, "", 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct known k;
        know(&k, cases[i].pattern, &plain);
        assert_int_equal(k.analysis.anchored, cases[i].anchored);
        assert_int_equal(k.analysis.least_bytes, cases[i].least);
        assert_true(
            slice_equal((nacre_slice){ k.analysis.begin.bytes, k.analysis.begin.size }, slice_text(cases[i].begin)));
        forget(&k);
    }
}

/* ---- grams ---- */

static void expect_grams(const struct expected_text *cases, size_t count, const struct regex_options *options)
{
    for (size_t i = 0; i < count; i++) {
        struct known k;
        know(&k, cases[i].pattern, options);
        assert_int_equal(gram_query_text(k.analysis.grams, &k.text), NACRE_OK);
        expect_text(&k, cases[i].pattern, cases[i].text);
        forget(&k);
    }
}
#define EXPECT_GRAMS(cases, options) expect_grams(cases, sizeof(cases) / sizeof *(cases), options)

static void grams_of_literals_are_all_there(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "", "any" },
        { "[^\\x00-\\x{10FFFF}]", "none" },
        { "e", "\"e\"" },
        { "ss", "\"ss\"" },
        { "README", "(\"adm\" & \"dme\" & \"ead\" & \"rea\")" },
        { "^etc/", "(\"^et\" & \"etc\" & \"tc/\")" },
        { "\\.png$", "(\".pn\" & \"ng$\" & \"png\")" },
        { "^a$", "\"^a$\"" },
        { "\u00E9", "\"\\xC3\\xA9\"" },
        { "\\^\\$", "\"\\x5E\\x24\"" },
        { "abc.*xyz", "(\"abc\" & \"xyz\")" },
        { ".*.*.*=.*zz", "(\"=\" & \"zz\")" },
        { "abc.*bc", "\"abc\"" },
        { "\\bgcc\\b", "\"gcc\"" },
        { "a^b", "none" },
        { "(a|^)^b", "\"^b\"" },
    };
    EXPECT_GRAMS(cases, &plain);
}

static void grams_of_alternatives_are_alternatives(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "abc|xyz", "(\"abc\" | \"xyz\")" },
        { "abc.*(?:de|f)", "(\"abc\" & (\"f\" | \"de\"))" },
        { "a[bc]d", "(\"abd\" | \"acd\")" },
        { "a[BC]d", "(\"abd\" | \"acd\")" },
        { "abc|a.*b", "(\"a\" & \"b\")" },
        { "[ab]c.*x|y.z", "((\"x\" & (\"ac\" | \"bc\")) | (\"y\" & \"z\"))" },
        { "abcd|abce", "(\"abc\" & (\"bcd\" | \"bce\"))" },
        { "/tests?/x", "(\"/te\" & \"est\" & \"tes\" & ((\"st/\" & \"t/x\") | (\"s/x\" & \"sts\" & \"ts/\")))" },
        { "abc.*|x*", "any" },
    };
    EXPECT_GRAMS(cases, &plain);
}

static void grams_reach_over_repetitions(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "(x+x+)+y", "\"xxy\"" },
        { "/[ab]+/",
          "(\"/a/\" | \"/b/\" | ((\"/aa\" | \"/ab\" | \"/ba\" | \"/bb\") & (\"aa/\" | \"ab/\" | \"ba/\" | \"bb/\")))" },
        { "/a*/", "(\"//\" | \"/a/\" | (\"/aa\" & \"aa/\"))" },
        { "/a{2,}/", "(\"/aa\" & \"aa/\")" },
        { "/a{9}/", "(\"/aa\" & \"aa/\" & \"aaa\")" },
        { "xa{0,1}y", "(\"xy\" | \"xay\")" },
    };
    EXPECT_GRAMS(cases, &plain);
}

static void all_cases_of_letters_are_in_the_grams(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "(?i)k", "(\"k\" | \"\\xE2\\x84\\xAA\")" },
        { "(?i)license.*\\.txt$",
          "(\".tx\" & \"cen\" & \"ice\" & \"lic\" & \"txt\" & \"xt$\" & ((\"ens\" & \"nse\") | (\"en\\xC5\" & "
          "\"n\\xC5\\xBF\" & \"\\xC5\\xBFe\")))" },
        { "(?i)\u00C9", "(\"\\xC3\\x89\" | \"\\xC3\\xA9\")" },
    };
    EXPECT_GRAMS(cases, &plain);
}

static void classes_beyond_ascii_are_known_by_their_first_bytes(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "\\p{Han}", "(\"\\xE2\" | \"\\xE3\" | \"\\xE4\" | \"\\xE5\" | \"\\xE6\" | \"\\xE7\" | \"\\xE8\" | \"\\xE9\" "
                      "| \"\\xEF\" | "
                      "\"\\xF0\")" },
        { "[\u03B1-\u03B3]", "(\"\\xCE\\xB1\" | \"\\xCE\\xB2\" | \"\\xCE\\xB3\")" },
        { "[\\x{4E00}-\\x{4FFF}]",
          "(\"\\xE4\\xB8\" | \"\\xE4\\xB9\" | \"\\xE4\\xBA\" | \"\\xE4\\xBB\" | \"\\xE4\\xBC\" | \"\\xE4\\xBD\" | "
          "\"\\xE4\\xBE\" | \"\\xE4\\xBF\")" },
        { "[^/]", "any" },
        { "x.y", "(\"x\" & \"y\")" },
    };
    EXPECT_GRAMS(cases, &plain);
}

static void over_bytes_grams_are_of_bytes(void **state)
{
    (void)state;
    static const struct expected_text cases[] = {
        { "\xE9z", "\"\\xE9z\"" },
        { "[\xFE\xFF]", "(\"\\xFE\" | \"\\xFF\")" },
        { "(?i)k", "\"k\"" },
    };
    EXPECT_GRAMS(cases, &over_bytes);
}

static uint32_t count_leaves(const struct gram_query *query)
{
    uint32_t leaves = query->operation == GRAM_LEAF;
    for (uint32_t i = 0; i < query->count; i++)
        leaves += count_leaves(query->children[i]);
    return leaves;
}

static void classes_in_a_row_give_lists_of_trigrams(void **state)
{
    (void)state;
    struct known k;
    know(&k, "[0-9]{4}-[0-9]{2}-[0-9]{2}", &plain);
    assert_int_equal(k.analysis.grams->operation, GRAM_AND);
    assert_int_equal(k.analysis.grams->count, 3);
    assert_int_equal(count_leaves(k.analysis.grams), 300); /* 00- and on, 0-0 and on, -00 and on */
    forget(&k);
}

/* ---- limits ---- */

static void know_repeated(struct known *k, const char *part, unsigned times, const char *end, const char *part_behind)
{
    struct buffer pattern = { 0 };
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(buffer_append(&pattern, part, strlen(part)), NACRE_OK);
    assert_int_equal(buffer_append(&pattern, end, strlen(end)), NACRE_OK);
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(buffer_append(&pattern, part_behind, strlen(part_behind)), NACRE_OK);
    assert_int_equal(buffer_append_u8(&pattern, 0), NACRE_OK);
    know(k, (const char *)pattern.data, &plain);
    buffer_free(&pattern);
}

static void queries_stay_small_whatever_the_pattern(void **state)
{
    (void)state;
    static const struct {
        const char *part, *end, *behind;
        unsigned times;
    } cases[] = {
        { "[a-z0-9]x", "", "", 3000 },           { "[a-z]+[0-9]*", "", "", 3000 }, { "(?:[a-f][a-f]|", "z", ")", 900 },
        { "(a(?:b|c[def]", "z", ")+x)?y", 450 }, { "abcdefgh.", "", "", 7000 },    { "[a-z]{3}|x", "y", "", 6000 },
        { "(?:ab|cd)(?:ef|gh).", "", "", 3000 }, { "(a.*b|", "c", ")*d", 900 },    { "[ab]", "", "", 16000 },
        { "a{255}[bc]", "", "", 6000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct known k;
        know_repeated(&k, cases[i].part, cases[i].times, cases[i].end, cases[i].behind);
        assert_true(count_leaves(k.analysis.grams) <= 4096);
        assert_true(k.analysis.required.count <= 16 && k.analysis.literals.count <= 64);
        forget(&k);
    }
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
    struct syntax_tree tree;
    assert_int_equal(
        syntax_parse(slice_text("[0-9a-f]{32}-(?i)abc[def].*[0-9]{4}-[0-9]{2}-[0-9]{2}|x+y+z+"), &plain, &tree, NULL),
        NACRE_OK);
    int status = NACRE_NO_MEMORY, nth = 0;
    for (; status == NACRE_NO_MEMORY; nth++) {
        struct regex_analysis analysis;
        int left = nth;
        memory_set_fault(refuse_after, &left);
        status = analysis_make(&tree, &analysis);
        memory_set_fault(NULL, NULL);
    }
    assert_int_equal(status, NACRE_OK);
    assert_true(nth > 3);
    syntax_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_that_need_no_automaton_are_seen),
        cmocka_unit_test(the_most_telling_literals_are_required),
        cmocka_unit_test(anchors_begins_and_least_sizes_are_known),
        cmocka_unit_test(grams_of_literals_are_all_there),
        cmocka_unit_test(grams_of_alternatives_are_alternatives),
        cmocka_unit_test(grams_reach_over_repetitions),
        cmocka_unit_test(all_cases_of_letters_are_in_the_grams),
        cmocka_unit_test(classes_beyond_ascii_are_known_by_their_first_bytes),
        cmocka_unit_test(over_bytes_grams_are_of_bytes),
        cmocka_unit_test(classes_in_a_row_give_lists_of_trigrams),
        cmocka_unit_test(queries_stay_small_whatever_the_pattern),
        cmocka_unit_test(a_failed_allocation_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
