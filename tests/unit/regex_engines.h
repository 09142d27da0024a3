/* What the tests of automata share: one pattern in every form that can say whether a key matches. */
#ifndef NACRE_TESTS_REGEX_ENGINES_H
#define NACRE_TESTS_REGEX_ENGINES_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "regex/regex.h"
#include "regex/small_dfa.h"

#define TINY_BUDGET \
    1500u /* a few states: most keys end in `unsure`, and are decided in a DFA that is emptied again and again */

struct engines {
    struct regex *regex;
    struct dfa *walker, *tiny, *explored;
    bool complete, small_there;
    uint64_t alphabet[4]; /* of `explored` */
    struct small_dfa *small;
};

static inline void alphabet_add(uint64_t alphabet[4], unsigned low, unsigned high)
{
    for (unsigned byte = low; byte <= high; byte++)
        alphabet[byte / 64] |= 1ull << byte % 64;
}

static inline void engines_free(struct engines *e)
{
    dfa_free(e->walker);
    dfa_free(e->tiny);
    dfa_free(e->explored);
    regex_free(e->regex);
    free(e->small);
    memset(e, 0, sizeof *e);
}

/* False when the pattern does not compile. e->alphabet is set by the caller. */
static inline bool engines_make(struct engines *e, nacre_slice pattern, const struct regex_options *options)
{
    if (regex_compile(pattern, options, &e->regex, NULL) != NACRE_OK)
        return false;
    assert_int_equal(dfa_create(e->regex, 0, &e->walker), NACRE_OK);
    assert_int_equal(dfa_create(e->regex, TINY_BUDGET, &e->tiny), NACRE_OK);
    assert_int_equal(dfa_create(e->regex, 0, &e->explored), NACRE_OK);
    assert_int_equal(dfa_explore(e->explored, e->alphabet, 2000, &e->complete), NACRE_OK);
    e->small = aligned_alloc(64, sizeof *e->small);
    e->small_there = e->complete && small_dfa_make(e->explored, e->small);
    return true;
}

static inline bool in_alphabet(const struct engines *e, nacre_slice key)
{
    for (size_t i = 0; i < key.size; i++) {
        uint8_t byte = ((const uint8_t *)key.data)[i];
        if (!(e->alphabet[byte / 64] >> byte % 64 & 1))
            return false;
    }
    return true;
}

static inline bool finish_of(struct dfa *dfa, nacre_slice key)
{
    bool wanted = false;
    assert_int_equal(automaton_finish(&dfa->automaton, dfa->automaton.start, key, 0, &wanted), NACRE_OK);
    return wanted;
}

/* As a walker that goes over the key in two calls. */
static inline bool finish_in_two(struct dfa *dfa, nacre_slice key)
{
    struct automaton *a = &dfa->automaton;
    automaton_state half = a->run(a, a->start, key.data, key.size / 2);
    bool wanted = false;
    assert_int_equal(automaton_finish(a, half, key, key.size / 2, &wanted), NACRE_OK);
    return wanted;
}

static inline bool decided_by(struct dfa *dfa, nacre_slice key)
{
    bool wanted = false;
    assert_int_equal(dfa->automaton.decide(&dfa->automaton, key, &wanted), NACRE_OK);
    return wanted;
}

/* The name of the first engine whose answer is another one, or NULL. */
static inline const char *engine_that_differs(struct engines *e, nacre_slice key, bool expected)
{
    bool slowly = false;
    if (finish_of(e->walker, key) != expected)
        return "the walker's DFA";
    if (finish_in_two(e->walker, key) != expected)
        return "the walker's DFA in two calls";
    if (decided_by(e->walker, key) != expected)
        return "decide";
    if (finish_of(e->tiny, key) != expected)
        return "the walker's DFA without room";
    if (decided_by(e->tiny, key) != expected)
        return "decide without room";
    assert_int_equal(regex_matches_slowly(e->regex, key, &slowly), NACRE_OK);
    if (slowly != expected)
        return "the simulation";
    if (!e->complete || !in_alphabet(e, key))
        return NULL;
    if (e->explored->automaton.start == e->explored->automaton.unsure)
        return "the explored DFA, which is unsure";
    if (finish_of(e->explored, key) != expected)
        return "the explored DFA";
    if (e->small_there) {
        uint8_t by_run = small_dfa_run(e->small, e->small->start, key.data, key.size), by_step = e->small->start;
        for (size_t i = 0; i < key.size; i++)
            by_step = small_dfa_step(e->small, by_step, ((const uint8_t *)key.data)[i]);
        if (by_run == SMALL_DFA_UNSURE || small_dfa_accepts(e->small, by_run) != expected)
            return "the small DFA";
        if (small_dfa_accepts(e->small, by_step) != expected)
            return "the small DFA step by step";
    }
    return NULL;
}

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return random_next(state) % bound;
}
#endif
