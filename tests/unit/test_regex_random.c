/* Random regular expressions against RE2: the simplified tree matches the same keys, and what the analysis says is true of them. */
#include "base/status.h"
#include "random_regex.h"
#include "re2_oracle.h"
#include "regex/analysis.h"
#include "regex_match.h"
#include "regex_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { PATTERNS = 4000, KEYS = 24 };

struct trial {
    struct random_regex random;
    struct regex_options options;
    struct buffer pattern, anchored_pattern, key, text;
    struct syntax_tree tree;
    struct regex_analysis analysis;
};

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text ? (unsigned)strtoul(text, NULL, 10) : 1;
}

static void wrong(struct trial *t, const char *what)
{
    buffer_clear(&t->text);
    syntax_text(&t->tree, &t->text);
    print_error("pattern `%.*s`%s%s, tree %s\n", (int)t->pattern.size, (const char *)t->pattern.data,
                t->options.ignore_case ? ", case ignored" : "", t->options.bytes ? ", bytes" : "",
                (const char *)t->text.data);
    buffer_clear(&t->text);
    (void)gram_query_text(t->analysis.grams, &t->text);
    print_error("grams %.*s\n", (int)t->text.size, (const char *)t->text.data);
    fail_msg("%s; key `%.*s`", what, (int)t->key.size, (const char *)t->key.data);
}

static bool is_ascii(nacre_slice key)
{
    for (size_t i = 0; i < key.size; i++)
        if (((const uint8_t *)key.data)[i] >= 0x80)
            return false;
    return true;
}

static bool literal_is_at(const struct literal *literal, bool folded, const uint8_t *at)
{
    for (uint32_t i = 0; i < literal->size; i++) {
        uint8_t byte = folded && at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i];
        if (byte != literal->bytes[i])
            return false;
    }
    return true;
}

static bool has_literal(const struct literal_set *set, bool at_begin, bool at_end, nacre_slice key)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct literal *literal = &set->items[i];
        for (size_t at = 0; at + literal->size <= key.size; at++)
            if ((!at_begin || at == 0) && (!at_end || at + literal->size == key.size) &&
                literal_is_at(literal, set->folded, (const uint8_t *)key.data + at))
                return true;
    }
    return false;
}

/* Statements that are equivalences. */
static void check_shape(struct trial *t, nacre_slice key, bool matches)
{
    const struct regex_analysis *a = &t->analysis;
    if (a->shape == SHAPE_EVERYTHING && !matches)
        wrong(t, "not everything matches");
    if (a->shape == SHAPE_NOTHING && matches)
        wrong(t, "something matches");
    if (a->shape == SHAPE_LITERALS && (!a->literals.folded || is_ascii(key)) &&
        has_literal(&a->literals, a->at_begin, a->at_end, key) != matches)
        wrong(t, "the literals are not the expression");
    if (a->required_is_enough && has_literal(&a->required, false, false, key) && !matches)
        wrong(t, "the required literals are not enough");
}

/* Statements about keys that match. */
static void check_conditions(struct trial *t, nacre_slice key)
{
    const struct regex_analysis *a = &t->analysis;
    if (!gram_query_holds(a->grams, key))
        wrong(t, "it matches without the grams");
    if (key.size < a->least_bytes)
        wrong(t, "it matches though it is too short");
    if (!slice_has_prefix(key, (nacre_slice){ a->begin.bytes, a->begin.size }))
        wrong(t, "it matches without the begin");
    if (a->required.count > 0 && (!a->required.folded || is_ascii(key)) &&
        !has_literal(&a->required, false, a->required_at_end, key))
        wrong(t, "it matches without a required literal");
    if (!t->options.bytes && !t->tree.may_match_invalid && a->shape == SHAPE_GENERAL && a->literals.count > 0)
        wrong(t, "literals without their shape");
}

static void check_anchored(struct trial *t, nacre_slice key, bool matches)
{
    buffer_clear(&t->anchored_pattern);
    assert_int_equal(buffer_append(&t->anchored_pattern, "\\A(?:", 5), NACRE_OK);
    assert_int_equal(buffer_append(&t->anchored_pattern, t->pattern.data, t->pattern.size), NACRE_OK);
    assert_int_equal(buffer_append(&t->anchored_pattern, ")", 1), NACRE_OK);
    if (re2_oracle_matches(buffer_slice(&t->anchored_pattern), &t->options, key) != matches)
        wrong(t, "it is not anchored");
}

/* See re2_oracle.h. */
static bool re2_knows(const struct trial *t, nacre_slice key)
{
    return t->options.bytes || is_ascii(key) || !memmem(t->pattern.data, t->pattern.size, "\\B", 2);
}

static void begin_trial(struct trial *t, uint64_t seed, bool bytes)
{
    t->random = (struct random_regex){ .state = seed * UINT64_C(0x9E3779B97F4A7C15) | 1, .bytes = bytes };
    for (int i = 0; i < 8; i++)
        (void)random_regex_below(&t->random, 2);
    t->options = (struct regex_options){ .ignore_case = random_regex_below(&t->random, 4) == 0, .bytes = bytes };
    random_regex_pattern(&t->random, 1 + random_regex_below(&t->random, 6), &t->pattern);
    nacre_slice pattern = buffer_slice(&t->pattern);
    if (syntax_parse(pattern, &t->options, &t->tree, NULL) != NACRE_OK)
        fail_msg("`%.*s` is refused: %s", (int)pattern.size, (const char *)pattern.data, fail_detail());
    assert_int_equal(analysis_make(&t->tree, &t->analysis), NACRE_OK);
    assert_true(re2_oracle_accepts(pattern, &t->options));
}

static void end_trial(struct trial *t)
{
    syntax_free(&t->tree);
}

static void try_patterns(bool bytes)
{
    struct trial t = { .options = { false, false } };
    uint64_t matching = 0;
    for (uint64_t seed = 1; seed <= PATTERNS * (uint64_t)scale(); seed++) {
        begin_trial(&t, seed, bytes);
        for (unsigned i = 0; i < KEYS; i++) {
            random_regex_key(&t.random, i == 0 ? 0 : random_regex_below(&t.random, 12), true, &t.key);
            nacre_slice key = buffer_slice(&t.key);
            if (!re2_knows(&t, key))
                continue;
            bool matches = re2_oracle_matches(buffer_slice(&t.pattern), &t.options, key);
            matching += matches;
            if (syntax_matches(&t.tree, key) != matches)
                wrong(&t, "RE2 thinks otherwise");
            check_shape(&t, key, matches);
            if (matches)
                check_conditions(&t, key);
            if (t.analysis.anchored && i < 4)
                check_anchored(&t, key, matches);
        }
        end_trial(&t);
    }
    assert_true(matching > PATTERNS * KEYS / 20);
    buffer_free(&t.pattern);
    buffer_free(&t.anchored_pattern);
    buffer_free(&t.key);
    buffer_free(&t.text);
}

static void trees_and_their_analysis_agree_with_re2(void **state)
{
    (void)state;
    try_patterns(false);
}

static void trees_over_bytes_and_their_analysis_agree_with_re2(void **state)
{
    (void)state;
    try_patterns(true);
}

/* RE2 thinks in its own way of keys that are not UTF-8, so that here the tree says what matches. */
static void the_analysis_holds_for_keys_that_are_not_utf8(void **state)
{
    (void)state;
    struct trial t = { .options = { false, false } };
    uint64_t matching = 0;
    for (uint64_t seed = 1; seed <= PATTERNS * (uint64_t)scale(); seed++) {
        begin_trial(&t, seed + 1000000, false);
        for (unsigned i = 0; i < KEYS; i++) {
            random_regex_key(&t.random, random_regex_below(&t.random, 12), false, &t.key);
            nacre_slice key = buffer_slice(&t.key);
            bool matches = syntax_matches(&t.tree, key);
            matching += matches;
            check_shape(&t, key, matches);
            if (matches)
                check_conditions(&t, key);
        }
        end_trial(&t);
    }
    assert_true(matching > PATTERNS * KEYS / 20);
    buffer_free(&t.pattern);
    buffer_free(&t.key);
    buffer_free(&t.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_and_their_analysis_agree_with_re2),
        cmocka_unit_test(trees_over_bytes_and_their_analysis_agree_with_re2),
        cmocka_unit_test(the_analysis_holds_for_keys_that_are_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
