/* The quick look at whole keys (struct automaton, look): whatever it says for certain is what a simulation of the NFA says, at every level of
   the processor, for keys behind which nothing can be read. */
#include "base/cpu.h"
#include "random_regex.h"
#include "regex_engines.h"
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERNS = 1500, KEYS = 60 };

/* Memory whose last byte is the last that can be read. */
struct edge {
    uint8_t *memory, *end;
    size_t page;
};

static void edge_make(struct edge *e)
{
    e->page = (size_t)sysconf(_SC_PAGESIZE);
    e->memory = mmap(NULL, 3 * e->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(e->memory, MAP_FAILED);
    e->end = e->memory + 2 * e->page;
    assert_int_equal(mprotect(e->memory, e->page, PROT_NONE), 0);
    assert_int_equal(mprotect(e->end, e->page, PROT_NONE), 0);
}

static nacre_slice put_at_end(const struct edge *e, const struct buffer *key)
{
    if (key->size)
        memcpy(e->end - key->size, key->data, key->size);
    return (nacre_slice){ e->end - key->size, key->size };
}

static nacre_slice put_at_begin(const struct edge *e, const struct buffer *key)
{
    uint8_t *begin = e->memory + e->page;
    if (key->size)
        memcpy(begin, key->data, key->size);
    return (nacre_slice){ begin, key->size };
}

struct counts {
    size_t certain, all;
};

static void check(struct dfa *d, const struct regex *regex, nacre_slice key, const char *pattern, struct counts *counts)
{
    bool matches, wanted;
    assert_int_equal(regex_matches_slowly(regex, key, &matches), NACRE_OK);
    if (d->automaton.look) {
        enum automaton_answer answer = d->automaton.look(&d->automaton, key);
        counts->certain += answer != ANSWER_UNKNOWN;
        counts->all++;
        if (answer != ANSWER_UNKNOWN && (answer == ANSWER_YES) != matches)
            fail_msg("pattern `%s`, level %d, key `%.*s`: %d", pattern, cpu_level(), (int)key.size,
                     (const char *)key.data, answer);
    }
    assert_int_equal(automaton_wants(&d->automaton, key, &wanted), NACRE_OK);
    assert_int_equal(wanted, matches);
}

/* A random key, often with one of the literals in it, its letters in either case. */
static void make_key(struct random_regex *random, const struct regex_analysis *a, struct buffer *key)
{
    static const unsigned sizes[] = { 0, 1, 3, 8, 20, 40, 62, 66, 90, 130, 200 };
    const struct literal_set *set = a->literals.count ? &a->literals : &a->required;
    unsigned size = sizes[random_regex_below(random, sizeof sizes / sizeof *sizes)];
    buffer_clear(key);
    random_regex_key(random, size, random_regex_below(random, 3) > 0, key);
    if (set->count && random_regex_below(random, 3) > 0) {
        const struct literal *literal = &set->items[random_regex_below(random, set->count)];
        size_t from = key->size;
        assert_int_equal(buffer_append(key, literal->bytes, literal->size), NACRE_OK);
        for (size_t i = from; i < key->size; i++)
            if (key->data[i] >= 'a' && key->data[i] <= 'z' && random_regex_below(random, 3) == 0)
                key->data[i] ^= 0x20;
        if (random_regex_below(random, 4) == 0)
            key->data[from + random_regex_below(random, literal->size)]++;
        random_regex_key(random, random_regex_below(random, 2) * random_regex_below(random, 40), true, key);
    }
}

static void check_pattern(const struct edge *edge, const char *pattern, const struct regex_options *options,
                          struct random_regex *random, struct counts *counts)
{
    struct regex *regex;
    struct buffer key = { 0 };
    if (regex_compile(slice_text(pattern), options, &regex, NULL) != NACRE_OK)
        return;
    for (int level = CPU_PORTABLE; level <= CPU_AVX512; level++) {
        struct dfa *d;
        cpu_limit((enum cpu_level)level);
        if (cpu_level() != (enum cpu_level)level)
            break;
        assert_int_equal(dfa_create(regex, 0, &d), NACRE_OK);
        for (int i = 0; i < 300 && d->automaton.look; i++) /* some of it begins with the keys that were asked */
            (void)d->automaton.look(&d->automaton, slice_text("usr/lib/a"));
        for (int i = 0; i < KEYS; i++) {
            make_key(random, regex_analysis(regex), &key);
            check(d, regex, i % 2 ? put_at_end(edge, &key) : put_at_begin(edge, &key), pattern, counts);
        }
        dfa_free(d);
    }
    cpu_limit(CPU_AVX512);
    buffer_free(&key);
    regex_free(regex);
}

static void what_a_look_says_of_random_patterns_is_true(void **state)
{
    (void)state;
    struct edge edge;
    struct counts counts = { 0, 0 };
    struct buffer pattern = { 0 };
    edge_make(&edge);
    for (uint64_t seed = 1; seed <= PATTERNS; seed++) {
        struct regex_options options = { .ignore_case = seed % 3 == 0, .bytes = seed % 5 == 0 };
        struct random_regex random = { .state = seed, .bytes = options.bytes };
        buffer_clear(&pattern);
        random_regex_pattern(&random, 1 + (unsigned)seed % 6, &pattern);
        assert_int_equal(buffer_append_u8(&pattern, 0), NACRE_OK);
        if (memchr(pattern.data, 0, pattern.size) == pattern.data + pattern.size - 1)
            check_pattern(&edge, (const char *)pattern.data, &options, &random, &counts);
    }
    assert_true(counts.certain > counts.all / 4);
    buffer_free(&pattern);
    munmap(edge.memory, 3 * edge.page);
}

static void what_a_look_says_of_common_patterns_is_true_and_mostly_certain(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "abc",
        "a",
        "(?i)abc",
        "abc$",
        "(?i)a\\.bc?$",
        "ab|ba|cc",
        "[0-9]{3,}",
        "[a-c]{2}[0]",
        "(^|/)ab(c|$)",
        "a.*b",
        "\\bab",
        "[^a]b",
        "é",
        "(?i)é|ab",
        "[A-Z]{3}",
        "a[0-9]b$",
        "(?i)k",
        "x?y?z",
        "[0-9]+[a-f]+$",
        "\x01|\\x00",
        "\\d\\D\\d",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|b{40}",
        "^$|0",
        "(a|b)(a|b)(a|b)(a|b)",
        "\xEF\xBF\xBD",
        "a\xEF\xBF\xBD",
        "[^x]{5}",
        "0(?s:.)0"
    };
    struct edge edge;
    struct counts counts = { 0, 0 };
    edge_make(&edge);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        for (unsigned options = 0; options < 4; options++) {
            struct random_regex random = { .state = 77 + i, .bytes = options & 1 };
            check_pattern(&edge, patterns[i],
                          &(struct regex_options){ .bytes = options & 1, .ignore_case = options & 2 }, &random,
                          &counts);
        }
    }
    assert_true(counts.certain > counts.all / 2);
    munmap(edge.memory, 3 * edge.page);
}

/* The run, or all of it but a byte, at every place of keys of all sizes around those of windows. */
static void a_run_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const patterns[] = { "[0-9]{8,}", "[0-9]{13}", "01234567", "(?i)67A01234$",
                                            "[0-9]+[0-9A-F]{7}" };
    static const char text[] = "01234567a0123456";
    struct edge edge;
    struct counts counts = { 0, 0 };
    edge_make(&edge);
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        for (int level = CPU_PORTABLE; level <= CPU_AVX512; level++) {
            struct regex *regex;
            struct dfa *d;
            uint8_t bytes[200];
            cpu_limit((enum cpu_level)level);
            assert_int_equal(regex_compile(slice_text(patterns[p]), &(struct regex_options){ 0 }, &regex, NULL),
                             NACRE_OK);
            assert_int_equal(dfa_create(regex, 0, &d), NACRE_OK);
            for (size_t size = 14; size < 135; size += size % 64 < 61 ? 5 : 1) {
                for (size_t at = 0; at < 2 * (size - 14); at++) {
                    memset(bytes, '.', size);
                    for (size_t i = 0; i < 14 && p != 1; i++)
                        bytes[at / 2 + i] = (uint8_t)text[i + at % 2];
                    memset(bytes + at / 2, '7', p == 1 ? 12 + at % 2 : 0);
                    struct buffer key = { .data = bytes, .size = size };
                    check(d, regex, put_at_end(&edge, &key), patterns[p], &counts);
                }
            }
            dfa_free(d);
            regex_free(regex);
        }
    }
    cpu_limit(CPU_AVX512);
    assert_true(counts.certain > counts.all / 2);
    munmap(edge.memory, 3 * edge.page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_look_says_of_random_patterns_is_true),
        cmocka_unit_test(a_run_is_found_wherever_it_stands),
        cmocka_unit_test(what_a_look_says_of_common_patterns_is_true_and_mostly_certain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
