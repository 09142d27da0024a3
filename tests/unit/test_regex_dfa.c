/* The automata of regular expressions by themselves: what states say, what is dead and what is sure, limits of size, time and memory,
   allocations that fail. That they match what they should is held against RE2 in test_regex_oracle.c. */
#include "regex_engines.h"
#include "base/memory.h"
#include <pthread.h>
#include "regex/program.h"
#include "base/utf8.h"
#include "regex/utf8_class.h"
#include <time.h>

static struct regex *compiled(const char *pattern, bool bytes)
{
    struct regex *regex = NULL;
    struct regex_options options = { .bytes = bytes };
    int status = regex_compile(slice_text(pattern), &options, &regex, NULL);
    if (status != NACRE_OK)
        fail_msg("%s: status %d", pattern, status);
    return regex;
}

static struct dfa *dfa_of(const char *pattern, struct regex **regex)
{
    struct dfa *dfa = NULL;
    *regex = compiled(pattern, false);
    assert_int_equal(dfa_create(*regex, 0, &dfa), NACRE_OK);
    return dfa;
}

static automaton_state walked(struct dfa *dfa, const char *key)
{
    return dfa->automaton.run(&dfa->automaton, dfa->automaton.start, (const uint8_t *)key, strlen(key));
}

enum verdict { DEAD, ALL, UNSURE, OPEN };
static enum verdict verdict_of(struct dfa *dfa, automaton_state state)
{
    const struct automaton *a = &dfa->automaton;
    return state == AUTOMATON_DEAD ? DEAD : state == a->all ? ALL : state == a->unsure ? UNSURE : OPEN;
}

struct walk {
    const char *pattern, *key;
    enum verdict verdict;
};

static void expect_verdicts(const struct walk *walks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct regex *regex;
        struct dfa *dfa = dfa_of(walks[i].pattern, &regex);
        enum verdict verdict = verdict_of(dfa, walked(dfa, walks[i].key));
        if (verdict != walks[i].verdict)
            fail_msg("%s over %s: %d instead of %d", walks[i].pattern, walks[i].key, verdict, walks[i].verdict);
        dfa_free(dfa);
        regex_free(regex);
    }
}
#define EXPECT(...) \
    expect_verdicts((const struct walk[]){ __VA_ARGS__ }, \
                    sizeof((const struct walk[]){ __VA_ARGS__ }) / sizeof(struct walk))

/* ---- states ---- */

static void a_match_is_certain_at_its_last_byte(void **state)
{
    (void)state;
    EXPECT({ "abc", "xxab", OPEN }, { "abc", "xxabc", ALL }, { "abc", "xxabcx", ALL }, { "a*", "", ALL },
           { "^a+", "a", ALL }, { "x|^", "", ALL }, { "(?m)^b", "a\nb", ALL });
    /* Known with the byte behind only. */
    EXPECT({ "a$", "a", OPEN }, { "a\\b", "a", OPEN }, { "a\\b", "a ", ALL }, { "a\\b", "ab", OPEN });
}

static void a_key_that_cannot_match_any_more_is_dead_at_once(void **state)
{
    (void)state;
    EXPECT({ "^abc", "abd", DEAD }, { "^abc", "ab", OPEN }, { "^[^/]*$", "a/", DEAD }, { "^a{3}$", "aaaa", DEAD },
           { "[^\\x00-\\x{10FFFF}]", "", DEAD }, { "abc", "zzz", OPEN }, { "(?m)^a$", "b", OPEN },
           { "^a\\b", "ab", DEAD }, { "$a", "", OPEN }, { "$a", "b", OPEN });
}

static void only_bytes_that_could_matter_make_a_walker_unsure(void **state)
{
    (void)state;
    EXPECT({ "a", "\xC3", UNSURE }, { "a", "a\xC3", ALL }, { "^a", "b\xC3", DEAD }, { "^a", "\xC3", DEAD },
           { "^usr/[a-z]*$", "usr/a\xC3", DEAD }, { "^usr/[^/]*$", "usr/a\xC3", UNSURE }, { "^é", "", OPEN },
           { "^é", "\xC3", UNSURE }, { "^é", "e", DEAD }, { "^a\\b", "a\xC3", ALL }, { "^a\\Bé", "a\xC3", DEAD },
           { "^a\\b.", "a\xC3", UNSURE }, { "^ \\B", " \xC3", ALL }, { "^\\b", "\xC3", DEAD },
           { "b$", "b\xC3", UNSURE }, { "^[é-ü]", "a", DEAD }, { "^xé?y", "x\xC3", UNSURE },
           { "(?i)^k", "\xE2", UNSURE });
}

static void a_dfa_over_bytes_is_never_unsure(void **state)
{
    (void)state;
    struct regex *regex = compiled("^[\\x80-\\xFF]+a", true);
    struct dfa *dfa;
    assert_int_equal(dfa_create(regex, 0, &dfa), NACRE_OK);
    assert_int_equal(verdict_of(dfa, walked(dfa, "\xC3\x80")), OPEN);
    assert_int_equal(verdict_of(dfa, walked(dfa, "\xC3\x80"
                                                 "a")),
                     ALL);
    assert_int_equal(verdict_of(dfa, walked(dfa, "\xC3"
                                                 "b")),
                     DEAD);
    dfa_free(dfa);
    regex_free(regex);
}

static void absorbing_rows_lead_to_themselves(void **state)
{
    (void)state;
    struct regex *regex;
    struct dfa *dfa = dfa_of("a[bc]d$", &regex);
    for (uint32_t row = 0; row < 3; row++) {
        for (uint32_t class = 0; class <= dfa->end_class; class ++)
            assert_int_equal(dfa->table[row * dfa->stride + class], row * dfa->stride);
    }
    assert_int_equal(dfa->automaton.all, dfa->stride);
    assert_int_equal(dfa->automaton.unsure, 2 * dfa->stride);
    assert_int_equal(dfa->automaton.start, 3 * dfa->stride);
    dfa_free(dfa);
    regex_free(regex);
}

static void states_stay_good_while_the_table_grows(void **state)
{
    (void)state;
    struct regex *regex;
    struct dfa *dfa = dfa_of("[ae].{12}[xz]$", &regex);
    const char *key = "the name of a rose is a";
    automaton_state depths[24];
    depths[0] = dfa->automaton.start;
    for (size_t i = 0; i < 23; i++)
        depths[i + 1] = dfa_step(dfa, depths[i], (uint8_t)key[i]);
    uint64_t random = 3;
    uint32_t rows = dfa->rows;
    for (int i = 0; i < 20000; i++) {
        uint8_t byte = "aexz."[random_below(&random, 5)];
        depths[0] = dfa_step(dfa, i % 100 ? depths[0] : dfa->automaton.start, byte);
    }
    assert_true(dfa->rows > 10 * rows);
    depths[0] = dfa->automaton.start;
    for (size_t i = 0; i < 23; i++)
        assert_int_equal(dfa_step(dfa, depths[i], (uint8_t)key[i]), depths[i + 1]);
    dfa_free(dfa);
    regex_free(regex);
}

/* ---- exploring ---- */

struct exploring {
    const char *pattern, *alphabet;
    enum verdict start;
};

static void exploring_finds_what_holds_for_the_alphabet(void **state)
{
    (void)state;
    static const struct exploring cases[] = {
        { "^.*$", "abc/", ALL },  { "^.*$", "ab\n", OPEN },      { "a*", "a", ALL },
        { "^a.*b", "a", DEAD },   { "\\bgcc\\b", "gc", OPEN },   { "[^ab]", "ab", DEAD },
        { "^[ab]*$", "ab", ALL }, { "^[ab]*$", "abc", OPEN },    { "$", "a", ALL },
        { "x\\b", "a", DEAD },    { "(?s)^.{0,9}$", "a", OPEN }, { "a|$", "ab", ALL },
        { "\\B|\\b", "a ", ALL }, { "(?m)^a*$", "a\n", ALL },    { "(?m)^a+$", "a\n", OPEN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct regex *regex;
        struct dfa *dfa = dfa_of(cases[i].pattern, &regex);
        uint64_t alphabet[4] = { 0 };
        bool complete = false;
        for (const char *c = cases[i].alphabet; *c; c++)
            alphabet_add(alphabet, (uint8_t)*c, (uint8_t)*c);
        assert_int_equal(dfa_explore(dfa, alphabet, 100, &complete), NACRE_OK);
        assert_true(complete);
        if (verdict_of(dfa, dfa->automaton.start) != cases[i].start)
            fail_msg("%s: %d", cases[i].pattern, verdict_of(dfa, dfa->automaton.start));
        dfa_free(dfa);
        regex_free(regex);
    }
}

static void an_explored_state_that_must_match_is_all(void **state)
{
    (void)state;
    struct regex *regex;
    struct dfa *dfa = dfa_of("^lib/[^ ]*$", &regex);
    uint64_t alphabet[4] = { 0 };
    bool complete = false;
    alphabet_add(alphabet, '/', '9');
    alphabet_add(alphabet, 'a', 'z');
    assert_int_equal(dfa_explore(dfa, alphabet, 100, &complete), NACRE_OK);
    assert_true(complete);
    assert_int_equal(verdict_of(dfa, walked(dfa, "lib")), OPEN);
    assert_int_equal(verdict_of(dfa, walked(dfa, "lib/")), ALL);
    dfa_free(dfa);
    regex_free(regex);
}

static void exploring_stops_at_its_limit_and_changes_nothing(void **state)
{
    (void)state;
    struct regex *regex;
    struct dfa *dfa = dfa_of("[ae].{9}x", &regex);
    uint64_t alphabet[4] = { 0 };
    bool complete = true;
    alphabet_add(alphabet, 0, 127);
    automaton_state start = dfa->automaton.start;
    assert_int_equal(dfa_explore(dfa, alphabet, 50, &complete), NACRE_OK);
    assert_false(complete);
    assert_int_equal(dfa->automaton.start, start);
    assert_true(dfa->rows < 200);
    dfa_free(dfa);
    regex_free(regex);
}

static void equal_states_are_merged_where_that_makes_a_dfa_small(void **state)
{
    (void)state;
    /* Nine bits of memory while it is read, of which the end asks for nothing but the length. */
    struct regex *regex;
    struct dfa *dfa = dfa_of("^(?:[ab]{7}|a.{6}|.a.{5}|..a.{4}|.{3}a.{3}|.{4}a.{2})$", &regex);
    static struct small_dfa small;
    uint64_t alphabet[4] = { 0 };
    bool complete = false;
    alphabet_add(alphabet, 'a', 'c');
    assert_int_equal(dfa_explore(dfa, alphabet, 250, &complete), NACRE_OK);
    assert_true(complete);
    assert_true(small_dfa_make(dfa, &small));
    assert_true(small_dfa_accepts(&small, small_dfa_run(&small, small.start, (const uint8_t *)"ccccacc", 7)));
    assert_false(small_dfa_accepts(&small, small_dfa_run(&small, small.start, (const uint8_t *)"ccccccc", 7)));
    assert_int_equal(small_dfa_step(&small, small.start, '\n'), SMALL_DFA_UNSURE);
    dfa_free(dfa);
    regex_free(regex);
}

static void a_dfa_of_many_states_is_not_small(void **state)
{
    (void)state;
    struct regex *regex;
    struct dfa *dfa = dfa_of("^a{100}$", &regex);
    static struct small_dfa small;
    uint64_t alphabet[4] = { 0 };
    bool complete = false;
    alphabet_add(alphabet, 'a', 'b');
    assert_int_equal(dfa_explore(dfa, alphabet, 250, &complete), NACRE_OK);
    assert_true(complete);
    assert_false(small_dfa_make(dfa, &small));
    dfa_free(dfa);
    regex_free(regex);
}

/* ---- programs ---- */

/* Is the character in the language of the automaton? */
static bool class_takes(const struct utf8_class *class, uint32_t code)
{
    uint8_t bytes[UTF8_BYTES_MAX];
    uint32_t size = utf8_encode(code, bytes), at = class->entry;
    for (uint32_t i = 0; i < size; i++) {
        if (at == UTF8_CLASS_ACCEPT)
            return false;
        while (bytes[i] < class->steps[at].low || bytes[i] > class->steps[at].high) {
            if (!class->steps[at++].more)
                return false;
        }
        at = class->steps[at].target;
    }
    return at == UTF8_CLASS_ACCEPT;
}

static void a_class_takes_its_characters_and_no_others(void **state)
{
    (void)state;
    static const uint32_t borders[] = {
        0,      0x2F,   0x7F,   0x80,    0x7FF,   0x800,   0xFFF,   0x1000,   0xD7FF,
        0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF
    };
    struct utf8_class class = { 0 };
    uint64_t random = 5;
    for (int round = 0; round < 60; round++) {
        struct code_range ranges[8];
        uint32_t count = 0, at = 0;
        while (count < 1 + (uint32_t)round % 8 && at < 0x10FFFF) {
            uint32_t border = borders[random_below(&random, sizeof borders / sizeof *borders)];
            uint32_t low =
                border >= at && random_below(&random, 2) ? border : at + (uint32_t)random_below(&random, 0x3000);
            uint32_t high = low + (uint32_t)(random_below(&random, 3) ? random_below(&random, 0x9000) : 0);
            ranges[count++] = (struct code_range){ low < 0x10FFFF ? low : 0x10FFFF, high < 0x10FFFF ? high : 0x10FFFF };
            at = high + 2;
        }
        assert_int_equal(utf8_class_make(&class, ranges, count), NACRE_OK);
        for (uint32_t code = 0, i = 0; code <= 0x10FFFF; code += code < 0xFFFF ? 1 : 13) {
            while (i + 1 < count && ranges[i].high < code)
                i++;
            bool expected = ranges[i].low <= code && code <= ranges[i].high;
            if ((code < 0xD800 || code > 0xDFFF) && class_takes(&class, code) != expected)
                fail_msg("round %d: U+%04X", round, code);
        }
    }
    utf8_class_free(&class);
}

static void surrogates_join_only_what_lies_at_both_of_their_borders(void **state)
{
    (void)state;
    struct utf8_class class = { 0 };
    struct code_range apart[] = { { 0xD000, 0xD7FF }, { 0xE001, 0xE100 } },
                      before[] = { { 0xD000, 0xD7FE }, { 0xE000, 0xE100 } };
    assert_int_equal(utf8_class_make(&class, apart, 2), NACRE_OK);
    assert_true(class_takes(&class, 0xD7FF) && !class_takes(&class, 0xE000) && class_takes(&class, 0xE001));
    assert_int_equal(utf8_class_make(&class, before, 2), NACRE_OK);
    assert_true(class_takes(&class, 0xD7FE) && !class_takes(&class, 0xD7FF) && class_takes(&class, 0xE000));
    utf8_class_free(&class);
}

static void usual_classes_have_few_steps(void **state)
{
    (void)state;
    struct utf8_class class = { 0 };
    struct code_range any = { 0, 0x10FFFF }, not_slash[] = { { 0, '/' - 1 }, { '/' + 1, 0x10FFFF } };
    assert_int_equal(utf8_class_make(&class, &any, 1), NACRE_OK);
    assert_int_equal(class.count, 7);
    assert_int_equal(utf8_class_make(&class, not_slash, 2), NACRE_OK);
    assert_int_equal(class.count, 8);
    utf8_class_free(&class);
}

static void the_size_of_a_program_is_known_before_it_is_made(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "",
        "abc",
        "a|b|cd",
        "a*",
        "a+?",
        "a{3,7}",
        "(ab|c){2,}",
        "[^/]*x",
        "\\pL+\\p{Han}{2}",
        "é|日本",
        "(?i)straße",
        "^(a|b$)\\b\\B",
        "[^\\x00-\\x{10FFFF}]",
        "((a{0,2}b){3}){4}",
        "(?:é|a){0,5}",
        ".{0,1000}x",
        "((a*)*)*b",
    };
    for (size_t i = 0; i < 2 * sizeof patterns / sizeof *patterns; i++) {
        struct syntax_tree tree = { 0 };
        struct regex_options options = { .bytes = i % 2 };
        if (i % 2 && (strstr(patterns[i / 2], "\\p") || strstr(patterns[i / 2], "\\x{")))
            continue; /* not for bytes */
        assert_int_equal(syntax_parse(slice_text(patterns[i / 2]), &options, &tree, NULL), NACRE_OK);
        for (int flavour = PROGRAM_ASCII; flavour <= PROGRAM_WHOLE; flavour++) {
            struct program *program;
            uint32_t size;
            assert_int_equal(program_size(&tree, (enum program_flavour)flavour, 1 << 20, &size), NACRE_OK);
            assert_int_equal(program_make(&tree, (enum program_flavour)flavour, &program), NACRE_OK);
            assert_int_equal(program->count, size);
            assert_true(program_size(&tree, (enum program_flavour)flavour, size - 1, &size) == NACRE_OK &&
                        size == program->count);
            program_free(program);
        }
        syntax_free(&tree);
    }
}

static void a_program_that_is_too_large_is_refused(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(\\pL\\pN){900}", "(?:abcdefghijklmnopqrstuvwxyz){1000}(?:[a-z][A-Z]|..){1000}(?:\\pL\\PN){100}",
        "((\\pL{10}){10}){10}"
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct regex *regex = NULL;
        struct regex_options options = { 0 };
        assert_int_equal(regex_compile(slice_text(patterns[i]), &options, &regex, NULL), NACRE_LIMIT);
        assert_null(regex);
    }
}

/* ---- time and memory ---- */

struct hostile {
    const char *pattern, *part; /* the key repeats the part */
    bool matches;
};
static const struct hostile hostile[] = {
    { "(x+x+)+y", "x", false },           { "(a?){20}a{20}", "b", false },
    { "(a?){20}a{20}$", "ab", false },    { "[ae].{15}[xz]$", "aexzqeax", false },
    { "((a*)*)*b", "a", false },          { "^(a|aa)+$", "aaaaaaa", true },
    { ".{0,1000}x", "a", false },         { "(.*)(.*)(.*)(.*)[^x]$", "x", false },
    { "((a{10}){10}){10}b", "a", false }, { "(\\pL{1,20}é){5}$", "aé日", false },
    { "é.{20}y", "é日x\xFF", false },     { "([ab]*a[ab]{12}c)+", "abbab", false },
};
#define HOSTILE (sizeof hostile / sizeof *hostile)

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static nacre_slice key_of(const char *part, size_t size)
{
    char *key = malloc(size);
    size_t length = strlen(part);
    for (size_t i = 0; i < size; i++)
        key[i] = part[i % length];
    key[size - 1] = part[0] < 0 ? 'x' : part[0]; /* no key ends within a character */
    return slice_of(key, size);
}

enum how { BY_WALKER, BY_DECIDE, BY_TINY, BY_SIMULATION };

static double seconds_for(const struct hostile *h, enum how how, size_t size)
{
    struct regex *regex = compiled(h->pattern, false);
    struct dfa *dfa;
    bool matches = false;
    nacre_slice key = key_of(h->part, size);
    assert_int_equal(dfa_create(regex, how == BY_TINY ? TINY_BUDGET : 0, &dfa), NACRE_OK);
    double begin = thread_seconds();
    if (how == BY_WALKER)
        matches = finish_of(dfa, key);
    else if (how == BY_SIMULATION)
        assert_int_equal(regex_matches_slowly(regex, key, &matches), NACRE_OK);
    else
        matches = decided_by(dfa, key);
    double seconds = thread_seconds() - begin;
    if (h->matches != matches)
        fail_msg("%s: %d", h->pattern, matches);
    free((void *)key.data);
    dfa_free(dfa);
    regex_free(regex);
    return seconds;
}

/* n times the key must not take 4 n times as long; by squares it would be n times n. The smaller key is longer than what any program counts. */
static void expect_linear(enum how how, size_t small, size_t large)
{
    for (size_t i = 0; i < HOSTILE; i++) {
        double one = 1e9, all = seconds_for(&hostile[i], how, large);
        for (int round = 0; round < 3; round++) {
            double seconds = seconds_for(&hostile[i], how, small);
            one = seconds < one ? seconds : one;
        }
        if (all > 0.02 && all > one * 4 * (double)(large / small))
            fail_msg("%s: %g s for %zu bytes, %g s for %zu", hostile[i].pattern, one, small, all, large);
    }
}

static void time_is_in_proportion_to_the_key(void **state)
{
    (void)state;
    expect_linear(BY_WALKER, 64 << 10, 1 << 20);
    expect_linear(BY_DECIDE, 64 << 10, 1 << 20);
}

static void time_is_in_proportion_to_the_key_also_without_room(void **state)
{
    (void)state;
    expect_linear(BY_TINY, 2 << 10, 16 << 10);
    expect_linear(BY_SIMULATION, 2 << 10, 16 << 10);
}

static size_t bytes_asked;
static bool count_bytes(void *context, size_t bytes)
{
    (void)context;
    bytes_asked += bytes;
    return false;
}

/* Twice the budget of 8 MiB, and of 4 MiB for whole keys, as arrays grow by doubling; programs are small. */
static void memory_is_bounded_whatever_the_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < HOSTILE; i++) {
        struct regex *regex = compiled(hostile[i].pattern, false);
        nacre_slice key = key_of(hostile[i].part, 1 << 20);
        struct dfa *dfa;
        bytes_asked = 0;
        memory_set_fault(count_bytes, NULL);
        assert_int_equal(dfa_create(regex, 0, &dfa), NACRE_OK);
        (void)finish_of(dfa, key);
        (void)decided_by(dfa, key);
        memory_set_fault(NULL, NULL);
        assert_true(bytes_asked < (26u << 20));
        dfa_free(dfa);
        regex_free(regex);
        free((void *)key.data);
    }
}

static void a_walker_stays_within_its_budget(void **state)
{
    (void)state;
    struct regex *regex = compiled("[ae].{18}[xz]$", false);
    struct dfa *dfa;
    uint64_t random = 9;
    bytes_asked = 0;
    memory_set_fault(count_bytes, NULL);
    assert_int_equal(dfa_create(regex, 256 << 10, &dfa), NACRE_OK);
    automaton_state at = dfa->automaton.start;
    for (int i = 0; i < 1 << 20 && at != dfa->automaton.unsure; i++)
        at = dfa_step(dfa, at, (uint8_t) "aexz."[random_below(&random, 5)]);
    memory_set_fault(NULL, NULL);
    assert_int_equal(at, dfa->automaton.unsure);
    assert_true(bytes_asked < (600u << 10));
    assert_true(dfa->rows > 1000);
    dfa_free(dfa);
    regex_free(regex);
}

/* ---- failures ---- */

struct countdown {
    size_t left;
    bool failed;
};
static bool fail_one(void *context, size_t bytes)
{
    (void)bytes;
    struct countdown *c = context;
    bool now = c->left-- == 0;
    c->failed |= now;
    return now;
}

/* Everything that can be asked of an expression; whether no allocation failed. */
static bool use_with_failure(const char *pattern, size_t at)
{
    struct countdown countdown = { at, false };
    struct regex_options options = { 0 };
    struct regex *regex = NULL;
    struct dfa *dfa = NULL;
    nacre_slice keys[] = { slice_text("a name of xéx"), slice_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                           slice_text("") };
    memory_set_fault(fail_one, &countdown);
    int status = regex_compile(slice_text(pattern), &options, &regex, NULL);
    if (status == NACRE_OK)
        status = dfa_create(regex, 0, &dfa);
    for (size_t i = 0; status == NACRE_OK && i < 3; i++) {
        bool by_walker = false, by_decide = false, slowly = false;
        uint64_t alphabet[4] = { ~0ull, ~0ull, 0, 0 };
        bool complete;
        status = automaton_finish(&dfa->automaton, dfa->automaton.start, keys[i], 0, &by_walker);
        if (status == NACRE_OK)
            status = dfa->automaton.decide(&dfa->automaton, keys[i], &by_decide);
        if (status == NACRE_OK)
            status = regex_matches_slowly(regex, keys[i], &slowly);
        if (status == NACRE_OK) {
            assert_int_equal(by_walker, slowly);
            assert_int_equal(by_decide, slowly);
            status = dfa_explore(dfa, alphabet, 1000, &complete);
        }
    }
    memory_set_fault(NULL, NULL);
    assert_true(status == NACRE_OK || status == NACRE_NO_MEMORY);
    assert_true(status == NACRE_OK || countdown.failed);
    dfa_free(dfa);
    regex_free(regex);
    return !countdown.failed;
}

static void a_failed_allocation_is_told_or_makes_no_difference(void **state)
{
    (void)state;
    static const char *const patterns[] = { "^usr/[^/]*$", "[ae].{9}[xz]|\\pL+é$", "(?i)straße\\b|a{30}" };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t at = 0;
        while (!use_with_failure(patterns[i], at))
            at++;
        assert_true(at > 10);
    }
}

/* ---- threads ---- */

struct shared {
    const struct regex *regex;
    bool right;
};
static void *use_shared(void *context)
{
    struct shared *shared = context;
    struct dfa *dfa;
    bool wanted = false, slowly = false;
    shared->right = dfa_create(shared->regex, 0, &dfa) == NACRE_OK;
    if (!shared->right)
        return NULL;
    nacre_slice key = slice_text("some/où");
    shared->right = automaton_finish(&dfa->automaton, dfa->automaton.start, key, 0, &wanted) == NACRE_OK && wanted &&
                    regex_matches_slowly(shared->regex, key, &slowly) == NACRE_OK && slowly;
    dfa_free(dfa);
    return NULL;
}

static void threads_may_share_a_regex_from_its_first_use_on(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct regex *regex = compiled("/\\pL+$", false);
        struct shared shared[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            shared[i] = (struct shared){ regex, false };
            assert_int_equal(pthread_create(&threads[i], NULL, use_shared, &shared[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_true(shared[i].right);
        }
        regex_free(regex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_is_certain_at_its_last_byte),
        cmocka_unit_test(a_key_that_cannot_match_any_more_is_dead_at_once),
        cmocka_unit_test(only_bytes_that_could_matter_make_a_walker_unsure),
        cmocka_unit_test(a_dfa_over_bytes_is_never_unsure),
        cmocka_unit_test(absorbing_rows_lead_to_themselves),
        cmocka_unit_test(states_stay_good_while_the_table_grows),
        cmocka_unit_test(exploring_finds_what_holds_for_the_alphabet),
        cmocka_unit_test(an_explored_state_that_must_match_is_all),
        cmocka_unit_test(exploring_stops_at_its_limit_and_changes_nothing),
        cmocka_unit_test(equal_states_are_merged_where_that_makes_a_dfa_small),
        cmocka_unit_test(a_dfa_of_many_states_is_not_small),
        cmocka_unit_test(a_class_takes_its_characters_and_no_others),
        cmocka_unit_test(surrogates_join_only_what_lies_at_both_of_their_borders),
        cmocka_unit_test(usual_classes_have_few_steps),
        cmocka_unit_test(the_size_of_a_program_is_known_before_it_is_made),
        cmocka_unit_test(a_program_that_is_too_large_is_refused),
        cmocka_unit_test(time_is_in_proportion_to_the_key),
        cmocka_unit_test(time_is_in_proportion_to_the_key_also_without_room),
        cmocka_unit_test(memory_is_bounded_whatever_the_key),
        cmocka_unit_test(a_walker_stays_within_its_budget),
        cmocka_unit_test(a_failed_allocation_is_told_or_makes_no_difference),
        cmocka_unit_test(threads_may_share_a_regex_from_its_first_use_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
