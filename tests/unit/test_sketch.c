/* Sketches of keys: never a no to what is wanted, and no to most of what is not. */
#include "segment_fixture.h"
#include "base/sketch.h"
#include "regex/regex.h"

static size_t random_text(uint64_t *random, uint8_t *text)
{
    size_t size = below(random, 40);
    for (size_t i = 0; i < size; i++)
        text[i] = (uint8_t) "abcKkSs./\xc3\xa9z"[below(random, 12)];
    return size;
}

static void a_text_has_all_bits_of_what_it_contains(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int n = 0; n < 20000; n++) {
        uint8_t text[40];
        size_t size = random_text(&random, text), from = below(&random, size + 1),
               part = below(&random, size - from + 1);
        uint64_t whole = sketch_of(slice_of(text, size)), some = sketch_of(slice_of(text + from, part));
        assert_true(whole != 0);
        assert_true((whole & some) == some);
        bool other = false;
        for (size_t i = 0; i < size; i++)
            other |= text[i] >= 0x80;
        assert_int_equal((whole & SKETCH_OTHER_BYTES) != 0, other);
    }
}

static void upper_case_is_sketched_as_lower_case(void **state)
{
    (void)state;
    assert_true(sketch_of(slice_text("README")) == sketch_of(slice_text("readme")));
}

static void wanted_keys_pass_and_most_others_do_not(void **state)
{
    static const char *const patterns[] = { "abc", "(?i)ks", "(?i)KSS",   "a.*z",         "ab|bc|zz",
                                            "s$",  "kss$",   "[ab]c",     "(?i)k[.]s.*z", "abc(k|s)*\\.",
                                            "^ab", "é",      "(?i)a\\.z", "a|b|c" };
    uint64_t random = 9, passed = 0, unwanted = 0;
    (void)state;
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        for (int bytes = 0; bytes < 2; bytes++) {
            struct regex_options options = { .bytes = bytes };
            struct regex *regex;
            struct dfa *dfa;
            assert_int_equal(regex_compile(slice_text(patterns[p]), &options, &regex, NULL), NACRE_OK);
            assert_int_equal(dfa_create(regex, 0, &dfa), NACRE_OK);
            for (int n = 0; n < 2000; n++) {
                uint8_t text[40];
                nacre_slice key = slice_of(text, random_text(&random, text));
                bool wanted;
                assert_int_equal(regex_matches_slowly(regex, key, &wanted), NACRE_OK);
                bool passes = automaton_may_want(&dfa->automaton, sketch_of(key));
                assert_true(passes || !wanted);
                passed += passes && !wanted && dfa->automaton.need_count;
                unwanted += !wanted && dfa->automaton.need_count;
            }
            dfa_free(dfa);
            regex_free(regex);
        }
    }
    assert_true(unwanted > 1000 && passed < unwanted / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_all_bits_of_what_it_contains),
        cmocka_unit_test(upper_case_is_sketched_as_lower_case),
        cmocka_unit_test(wanted_keys_pass_and_most_others_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
