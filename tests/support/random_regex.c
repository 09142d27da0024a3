/* Random patterns by a small grammar. Characters are few, so that keys match often; among them are those whose cases are more than two. */
#include "random_regex.h"
#include <stdlib.h>

/* The last two are in keys only. In patterns RE2 takes [kK] in some places for (?i)k, which is more; over bytes it loses the K of k|(?i:k). */
static const char *const characters[] = { "a",  "b", "c", "k", "s",      "A",      "/", "0", "_",
                                          "\n", "é", "É", "ſ", "\u212A", "\uFFFD", "K", "S" };
static const char *const byte_characters[] = { "a", "b", "c", "/", "0", "\n", "\xE9", "\xC9", "\xFF", "k", "K" };
enum {
    CHARACTERS = sizeof characters / sizeof *characters,
    BYTE_CHARACTERS = sizeof byte_characters / sizeof *byte_characters
};

static void add(struct buffer *out, const char *text)
{
    if (buffer_append(out, text, strlen(text)) != NACRE_OK)
        abort();
}

uint32_t random_regex_below(struct random_regex *r, uint32_t bound)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)((r->state >> 16) % bound);
}

#define ONE_OF(r, list) (list)[random_regex_below(r, sizeof(list) / sizeof *(list))]

static void add_character(struct random_regex *r, bool of_pattern, struct buffer *out)
{
    /* Most are of the first few. */
    uint32_t of = (r->bytes ? BYTE_CHARACTERS : CHARACTERS) - (of_pattern ? 2 : 0);
    uint32_t index = random_regex_below(r, random_regex_below(r, 3) ? 3 : of);
    add(out, r->bytes ? byte_characters[index] : characters[index]);
}

static void add_class(struct random_regex *r, struct buffer *out)
{
    static const char *const parts[] = { "a-c", "a-z", "A-Z",       "0-9",        "\\d",
                                         "\\w", "\\W", "[:alpha:]", "[:^lower:]", "\\s",
                                         "/",   "b-k", "\\pL",      "\\P{Lu}",    "\\x{80}-\\x{ff}",
                                         "k",   "s" };
    enum { PARTS = sizeof parts / sizeof *parts };
    add(out, random_regex_below(r, 4) ? "[" : "[^");
    for (uint32_t i = random_regex_below(r, 3) + 1; i > 0; i--) {
        if (random_regex_below(r, 2))
            add_character(r, true, out);
        else
            add(out, parts[random_regex_below(r, r->bytes ? PARTS - 2 : PARTS)]);
    }
    add(out, "]");
}

static void add_alternatives(struct random_regex *r, unsigned size, struct buffer *out);

static void add_atom(struct random_regex *r, unsigned size, struct buffer *out)
{
    static const char *const assertions[] = { "^", "$", "\\b", "\\B", "\\A", "\\z", "(?m:^)", "(?m:$)" };
    static const char *const groups[] = { "(", "(?:", "(?i:", "(?s:", "(?m:", "(?-i:", "(?P<n>", "(?U:" };
    static const char *const dots[] = { ".", ".", "(?s:.)", "[^/]", "\\w", "\\D", "\\pL" };
    switch (random_regex_below(r, 12)) {
    case 0:
        add_class(r, out);
        break;
    case 1:
        add(out, ONE_OF(r, dots));
        break;
    case 2:
        add(out, ONE_OF(r, assertions));
        break;
    case 3:
    case 4:
    case 5:
        add(out, ONE_OF(r, groups));
        add_alternatives(r, size / 2, out);
        add(out, ")");
        break;
    default:
        add_character(r, true, out);
    }
}

static void add_alternatives(struct random_regex *r, unsigned size, struct buffer *out)
{
    static const char *const begins[] = { "^.*", "(?s:^.*)", "(?m:^.*)", ".+", "(?s:^.{2,})", "(?m:^.+)" };
    static const char *const ends[] = { ".*$", "(?s:.*$)", "(?m:.*$)", ".*", "(?s:.{2,}$)", "(?m:.+$)" };
    static const char *const repeats[] = { "*", "+", "?", "{2}", "{0,2}", "{1,}", "{2,}", "{1,3}", "{0}", "*?", "+?" };
    if (random_regex_below(r, 10) == 0)
        add(out, ONE_OF(r, begins));
    for (uint32_t parts = random_regex_below(r, size + 2); parts > 0; parts--) {
        add_atom(r, size, out);
        if (random_regex_below(r, 3) == 0)
            add(out, ONE_OF(r, repeats));
        if (random_regex_below(r, 8) == 0)
            add(out, "|");
    }
    if (random_regex_below(r, 10) == 0)
        add(out, ONE_OF(r, ends));
}

void random_regex_pattern(struct random_regex *r, unsigned size, struct buffer *pattern)
{
    buffer_clear(pattern);
    add_alternatives(r, size, pattern);
}

void random_regex_key(struct random_regex *r, unsigned count, bool valid, struct buffer *key)
{
    static const char *const broken[] = {
        "\xFF", "\xC3", "\xE2\x84", "\x84", "\xF0\x90\x80", "\xED\xA0\x80", "\xC0\x80"
    };
    buffer_clear(key);
    for (unsigned i = 0; i < count; i++) {
        if (!valid && random_regex_below(r, 3) == 0)
            add(key, ONE_OF(r, broken));
        else
            add_character(r, false, key);
    }
}
