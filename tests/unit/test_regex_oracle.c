/* All automata against RE2: all small patterns over all short keys, and random patterns over random keys, of UTF-8 and of bytes. A difference
   is made smaller before it is told. NACRE_TEST_SCALE makes patterns larger and more. */
#include "regex_engines.h"
#include "base/buffer.h"
#include "re2_oracle.h"

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text ? (unsigned)strtoul(text, NULL, 10) : 1;
}

/* ---- what RE2 says ---- */

static size_t character_size(const uint8_t *at, size_t left)
{
    static const struct {
        uint8_t low, high, second_low, second_high, size;
    } forms[] = {
        { 0x00, 0x7F, 0, 0, 1 },       { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (at[0] < forms[i].low || at[0] > forms[i].high)
            continue;
        if (left < forms[i].size ||
            (forms[i].size > 1 && (at[1] < forms[i].second_low || at[1] > forms[i].second_high)))
            return 0;
        for (size_t j = 2; j < forms[i].size; j++) {
            if (at[j] < 0x80 || at[j] > 0xBF)
                return 0;
        }
        return forms[i].size;
    }
    return 0;
}

/* The key with U+FFFD for each byte that is not UTF-8. */
static nacre_slice repaired(nacre_slice key, uint8_t *out)
{
    const uint8_t *bytes = key.data;
    size_t size = 0;
    for (size_t i = 0; i < key.size;) {
        size_t character = character_size(bytes + i, key.size - i);
        memcpy(out + size, character ? bytes + i : (const uint8_t *)"\xEF\xBF\xBD", character ? character : 3);
        size += character ? character : 3;
        i += character ? character : 1;
    }
    return slice_of(out, size);
}

/* RE2 looks for matches at every byte, so that for it \B also holds within a character. Here a match begins between characters. */
static bool expected_of(nacre_slice pattern, const struct regex_options *options, nacre_slice key)
{
    static uint8_t valid[4096];
    static char wrapped[4096];
    if (options->bytes)
        return re2_oracle_matches(pattern, options, key);
    if (memmem(pattern.data, pattern.size, "\\B", 2)) {
        int size =
            snprintf(wrapped, sizeof wrapped, "\\A(?s:.)*(?:%.*s)", (int)pattern.size, (const char *)pattern.data);
        pattern = slice_of(wrapped, (size_t)size);
    }
    return re2_oracle_matches(pattern, options, repaired(key, valid));
}

/* ---- differences ---- */

static void whole_alphabet(uint64_t alphabet[4], bool bytes)
{
    memset(alphabet, 0, 4 * sizeof *alphabet);
    alphabet_add(alphabet, 0, bytes ? 255 : 127);
}

static const char *difference(nacre_slice pattern, const struct regex_options *options, nacre_slice key)
{
    struct engines e = { 0 };
    whole_alphabet(e.alphabet, options->bytes);
    if (!re2_oracle_accepts(pattern, options) || !engines_make(&e, pattern, options))
        return NULL;
    const char *who = engine_that_differs(&e, key, expected_of(pattern, options, key));
    engines_free(&e);
    return who;
}

/* Takes parts out of one of the two as long as the difference stays. */
static bool shorten(char *text, size_t *size, char *pattern, size_t *pattern_size, char *key, size_t *key_size,
                    const struct regex_options *options)
{
    for (size_t length = *size; length > 0; length--) {
        for (size_t at = 0; at + length <= *size; at++) {
            char before[4096];
            size_t size_before = *size;
            memcpy(before, text, size_before);
            memmove(text + at, text + at + length, size_before - at - length);
            *size -= length;
            if (difference(slice_of(pattern, *pattern_size), options, slice_of(key, *key_size)))
                return true;
            *size = size_before;
            memcpy(text, before, size_before);
        }
    }
    return false;
}

static void print_bytes(const char *what, const char *bytes, size_t size)
{
    print_error("%s: \"", what);
    for (size_t i = 0; i < size; i++)
        print_error(bytes[i] >= ' ' && bytes[i] <= '~' ? "%c" : "\\x%02x", (uint8_t)bytes[i]);
    print_error("\"\n");
}

static void tell(nacre_slice pattern, const struct regex_options *options, nacre_slice key, const char *first)
{
    static char p[4096], k[4096];
    size_t p_size = pattern.size, k_size = key.size;
    memcpy(p, pattern.data, p_size);
    memcpy(k, key.data, k_size);
    if (difference(pattern, options, key)) {
        while (shorten(p, &p_size, p, &p_size, k, &k_size, options) ||
               shorten(k, &k_size, p, &p_size, k, &k_size, options))
            ;
    }
    const char *who = difference(slice_of(p, p_size), options, slice_of(k, k_size));
    print_bytes("pattern", p, p_size);
    print_bytes("key", k, k_size);
    print_error("%s%sdiffers: %s; first met, after other keys, in %s, as\n", options->bytes ? "bytes; " : "",
                options->ignore_case ? "ignoring case; " : "", who ? who : "nothing", first);
    print_bytes("pattern", pattern.data, pattern.size);
    print_bytes("key", key.data, key.size);
    fail_msg("an automaton and RE2 differ");
}

static void compare(struct engines *e, nacre_slice pattern, const struct regex_options *options, nacre_slice key)
{
    const char *who = engine_that_differs(e, key, expected_of(pattern, options, key));
    if (who)
        tell(pattern, options, key, who);
}

/* ---- all small patterns ---- */

static const char *const atoms[] = {
    "a", "b", ".", "^", "$", "\\b", "\\B", "(?:)", "[ab]", "(?m:^)", "(?m:$)", "[^a]"
};
static const char *const repeats[] = { "*", "+", "?", "{2}", "{1,2}" };
#define ATOMS   (sizeof atoms / sizeof *atoms)
#define REPEATS (sizeof repeats / sizeof *repeats)
#define SIZES   5u

struct patterns {
    char (*texts)[96];
    size_t count;
};

struct keys {
    char bytes[400][6];
    size_t sizes[400], count;
};

static void add_pattern(struct patterns *patterns, const char *format, const char *first, const char *second)
{
    if (patterns->count % 1024 == 0)
        patterns->texts = realloc(patterns->texts, (patterns->count + 1024) * sizeof *patterns->texts);
    snprintf(patterns->texts[patterns->count++], sizeof *patterns->texts, format, first, second);
}

/* All patterns of `size` atoms and operators, from those that are smaller. */
static void make_patterns(struct patterns by_size[SIZES + 1], size_t size)
{
    struct patterns *made = &by_size[size];
    for (size_t i = 0; size == 1 && i < ATOMS; i++)
        add_pattern(made, "%s%s", atoms[i], "");
    for (size_t i = 0; i < by_size[size - 1].count; i++) {
        for (size_t r = 0; r < REPEATS; r++)
            add_pattern(made, "(?:%s)%s", by_size[size - 1].texts[i], repeats[r]);
    }
    for (size_t left = 1; left + 1 < size; left++) {
        const struct patterns *a = &by_size[left], *b = &by_size[size - 1 - left];
        for (size_t i = 0; i < a->count * b->count; i++) {
            add_pattern(made, "(?:%s)(?:%s)", a->texts[i / b->count], b->texts[i % b->count]);
            add_pattern(made, "%s|%s", a->texts[i / b->count], b->texts[i % b->count]);
        }
    }
}

/* All strings over a, b, newline. */
static void make_keys(struct keys *keys, size_t longest)
{
    keys->count = 1;
    keys->sizes[0] = 0;
    for (size_t i = 0; i < keys->count; i++) {
        for (size_t c = 0; keys->sizes[i] < longest && c < 3; c++) {
            memcpy(keys->bytes[keys->count], keys->bytes[i], keys->sizes[i]);
            keys->bytes[keys->count][keys->sizes[i]] = "ab\n"[c];
            keys->sizes[keys->count++] = keys->sizes[i] + 1;
        }
    }
}

static void compare_over_keys(const char *text, const struct keys *keys)
{
    struct engines e = { 0 };
    struct regex_options options = { 0 };
    nacre_slice pattern = slice_text(text);
    alphabet_add(e.alphabet, 'a', 'b');
    alphabet_add(e.alphabet, '\n', '\n');
    assert_true(re2_oracle_accepts(pattern, &options));
    assert_true(engines_make(&e, pattern, &options));
    for (size_t i = 0; i < keys->count; i++)
        compare(&e, pattern, &options, slice_of(keys->bytes[i], keys->sizes[i]));
    engines_free(&e);
}

static void small_patterns_agree_with_re2_over_all_short_keys(void **state)
{
    (void)state;
    static struct patterns by_size[SIZES + 1];
    static struct keys keys, short_keys;
    uint64_t random = 1;
    make_keys(&keys, 5);
    make_keys(&short_keys, 4);
    for (size_t size = 1; size <= SIZES; size++)
        make_patterns(by_size, size);
    for (size_t size = 1; size <= SIZES; size++) {
        /* All of the first sizes, some of those that are too many. */
        uint64_t wanted = 5000 * (uint64_t)scale();
        for (size_t i = 0; i < by_size[size].count; i++) {
            if (by_size[size].count <= wanted || random_below(&random, by_size[size].count) < wanted)
                compare_over_keys(by_size[size].texts[i], size < 4 ? &keys : &short_keys);
        }
    }
    for (size_t size = 1; size <= SIZES; size++)
        free(by_size[size].texts);
}

/* ---- random patterns ---- */

static const char *const unicode_atoms[] = {
    "a",
    "b",
    "é",
    "日",
    "K",
    "k",
    "s",
    "ſ",
    "\\p{Greek}",
    "\\p{Han}",
    ".",
    "[^a]",
    "[^é]",
    "[a-é]",
    "\\w",
    "\\W",
    "\\d",
    "\\s",
    "[Kſß]",
    "\\x{FFFD}",
    "^",
    "$",
    "\\b",
    "\\B",
    "(?m:^)",
    "(?m:$)",
    "(?s:.)",
    "(?i:k)",
    "(?i:é)",
    "(?i:s)",
    "\\pL",
    "\\PN",
    "[\\x{80}-\\x{7FF}]",
    "[\\x{800}-\\x{FFFF}]",
    "[\\x{10000}-\\x{10FFFF}]",
    "[\\x{D000}-\\x{E100}]",
    "(?i:σ)",
    "[^\\n]",
    "[^\\x00-\\x7F]",
    "(?i:[j-l])",
    "日本",
    "kk",
    "\\A",
    "\\z",
    "\\x{10FFFF}",
    "[^日-本]",
};
/* RE2 loses Latin-1 where it takes a common literal out of alternatives, so literals above ASCII are kept away from `|`. */
static const char *const byte_atoms[] = {
    "a",
    "b",
    "[\\xE8\\xE9]",
    "[\\xFE\\xFF]",
    ".",
    "[^a]",
    "[\\x80-\\xFF]",
    "[\\x7F-\\x81]",
    "\\w",
    "\\W",
    "^",
    "$",
    "\\b",
    "\\B",
    "(?s:.)",
    "(?i:k)",
    "\\d",
    "(?m:$)",
    "[^\\xE9]",
    "\\x00",
    "(?i:[\\xE0-\\xE9])",
};
static const char *const literal_byte_atoms[] = {
    "a", "\xE9", "\\xE9", "\\xFF", "[^a]", "\\W", "^", "$", "\\b", "\\B", "(?i:\\xE9)", "\\x80", "[\\xE9]", "b\\xE9",
};
static const char *const pieces[] = {
    "a",
    "b",
    "k",
    "K",
    "s",
    "S",
    "ab",
    "\n",
    " ",
    "1",
    "_",
    "é",
    "É",
    "日",
    "本",
    "\xE2\x84\xAA" /* Kelvin */,
    "ſ",
    "ß",
    "σ",
    "ς",
    "Σ",
    "α",
    "\xF0\x9F\x98\x80",
    "\xEF\xBF\xBD",
    "\xF4\x8F\xBF\xBF",
    "\xED\x9F\xBF",
    "\xEE\x80\x80",
};
static const char *const bad_pieces[] = {
    "\x80",
    "\xBF",
    "\xC0\x80",
    "\xC3",
    "\xE9",
    "\xE2\x84",
    "\xED\xA0\x80",
    "\xF0\x9F\x98",
    "\xF5\x80\x80\x80",
    "\xF4\x90\x80\x80",
    "\xFF",
    "\xE0\x80\x80",
};
#define COUNT(array) (sizeof array / sizeof *array)

struct grammar {
    const char *const *atoms;
    size_t count;
    bool no_alternatives;
};

static void random_pattern(uint64_t *random, const struct grammar *grammar, unsigned depth, struct buffer *out)
{
    unsigned choice = (unsigned)random_below(random, depth == 0 ? 1 : 8);
    switch (choice) {
    case 0:
    case 1:
        buffer_append_format(out, "%s", grammar->atoms[random_below(random, grammar->count)]);
        break;
    case 2:
    case 3:
    case 4:
        for (unsigned i = 0; i < 2 + random_below(random, 2); i++)
            random_pattern(random, grammar, depth - 1, out);
        break;
    case 5:
        buffer_append_format(out, "(?:");
        random_pattern(random, grammar, depth - 1, out);
        buffer_append_format(out, "%s", grammar->no_alternatives ? "" : "|");
        random_pattern(random, grammar, depth - 1, out);
        buffer_append_format(out, ")");
        break;
    default:
        buffer_append_format(out, "(?:");
        random_pattern(random, grammar, depth - 1, out);
        buffer_append_format(out, ")");
        if (random_below(random, 4))
            buffer_append_format(out, "%s", repeats[random_below(random, REPEATS)]);
        else
            buffer_append_format(out, "{%u,%u}", (unsigned)random_below(random, 3),
                                 3 + (unsigned)random_below(random, 3));
    }
}

static size_t random_key(uint64_t *random, bool bad, char *out)
{
    size_t size = 0;
    for (uint64_t i = random_below(random, 12); i > 0; i--) {
        const char *piece = bad && random_below(random, 4) == 0 ? bad_pieces[random_below(random, COUNT(bad_pieces))]
                                                                : pieces[random_below(random, COUNT(pieces))];
        memcpy(out + size, piece, strlen(piece));
        size += strlen(piece);
    }
    return size;
}

static void compare_random_patterns(const struct grammar *grammar, bool bytes, bool bad, unsigned count)
{
    uint64_t random = 7 + bytes + 2 * bad;
    struct buffer pattern = { 0 };
    unsigned tried = 0;
    for (unsigned i = 0; i < count * scale(); i++) {
        struct regex_options options = { .ignore_case = random_below(&random, 4) == 0, .bytes = bytes };
        struct engines e = { 0 };
        char key[256];
        buffer_clear(&pattern);
        random_pattern(&random, grammar, 1 + (unsigned)random_below(&random, 4), &pattern);
        if (!re2_oracle_accepts(buffer_slice(&pattern), &options))
            continue; /* too many repeats in one another */
        whole_alphabet(e.alphabet, bytes);
        if (!engines_make(&e, buffer_slice(&pattern), &options))
            tell(buffer_slice(&pattern), &options, slice_of("", 0), "the compiler");
        for (unsigned k = 0; k < 60; k++)
            compare(&e, buffer_slice(&pattern), &options, slice_of(key, random_key(&random, bad, key)));
        engines_free(&e);
        tried++;
    }
    buffer_free(&pattern);
    assert_true(tried > count / 2);
}

static void patterns_of_unicode_agree_with_re2(void **state)
{
    (void)state;
    compare_random_patterns(&(struct grammar){ unicode_atoms, COUNT(unicode_atoms), false }, false, false, 3000);
}

static void a_byte_that_is_not_utf8_reads_as_u_fffd(void **state)
{
    (void)state;
    compare_random_patterns(&(struct grammar){ unicode_atoms, COUNT(unicode_atoms), false }, false, true, 3000);
}

static void patterns_of_bytes_agree_with_re2_in_latin1(void **state)
{
    (void)state;
    compare_random_patterns(&(struct grammar){ byte_atoms, COUNT(byte_atoms), false }, true, true, 3000);
    compare_random_patterns(&(struct grammar){ literal_byte_atoms, COUNT(literal_byte_atoms), true }, true, true, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_patterns_agree_with_re2_over_all_short_keys),
        cmocka_unit_test(patterns_of_unicode_agree_with_re2),
        cmocka_unit_test(a_byte_that_is_not_utf8_reads_as_u_fffd),
        cmocka_unit_test(patterns_of_bytes_agree_with_re2_in_latin1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
