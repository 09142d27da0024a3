/* Matching with sets of positions: from a set of places in the key, a node leads to the set of places where its matches end. */
#include "regex_match.h"
#include "base/utf8.h"
#include <stdlib.h>

enum { CHARACTERS_MAX = 62 };

struct text {
    bool bytes;
    uint32_t codes[CHARACTERS_MAX];
    unsigned count;
};
typedef uint64_t places; /* bit i: before character i */

static void must(bool fine)
{
    if (!fine)
        abort();
}

/* The character at the begin of what is left, and its size. */
static uint32_t next_code(nacre_slice left, bool bytes, uint32_t *size)
{
    const uint8_t *s = left.data;
    *size = 1;
    if (bytes || s[0] < 0x80)
        return s[0];
    for (uint32_t n = 2; n <= 4 && n <= left.size; n++)
        if (utf8_valid_size((nacre_slice){ s, n }) == n)
            return utf8_decode(s, size);
    return 0xFFFD;
}

static struct text decode(nacre_slice key, bool bytes)
{
    struct text text = { .bytes = bytes };
    for (size_t at = 0; at < key.size;) {
        uint32_t size;
        must(text.count < CHARACTERS_MAX);
        text.codes[text.count++] =
            next_code((nacre_slice){ (const uint8_t *)key.data + at, key.size - at }, bytes, &size);
        at += size;
    }
    return text;
}

static bool is_word(const struct text *text, unsigned at)
{
    uint32_t code = at < text->count ? text->codes[at] : 0;
    return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z') || code == '_';
}

static bool assertion_holds(const struct text *text, enum syntax_kind kind, unsigned at)
{
    bool boundary = (at > 0 && is_word(text, at - 1)) != is_word(text, at);
    switch (kind) {
    case SYNTAX_BEGIN_TEXT:
        return at == 0;
    case SYNTAX_END_TEXT:
        return at == text->count;
    case SYNTAX_BEGIN_LINE:
        return at == 0 || text->codes[at - 1] == '\n';
    case SYNTAX_END_LINE:
        return at == text->count || text->codes[at] == '\n';
    case SYNTAX_WORD_BOUNDARY:
        return boundary;
    default:
        return !boundary;
    }
}

static bool class_has(const struct syntax_node *node, uint32_t code)
{
    for (uint32_t i = 0; i < node->set.count; i++)
        if (code >= node->set.ranges[i].low && code <= node->set.ranges[i].high)
            return true;
    return false;
}

/* Where the literal ends that begins at `at`; beyond the key when there is none. */
static unsigned literal_end(const struct text *text, const struct syntax_node *node, unsigned at)
{
    for (uint32_t from = 0, size; from < node->literal.size; from += size, at++) {
        uint32_t code =
            next_code((nacre_slice){ node->literal.bytes + from, node->literal.size - from }, text->bytes, &size);
        if (at >= text->count || text->codes[at] != code)
            return CHARACTERS_MAX + 1;
    }
    return at;
}

static places step(const struct text *text, const struct syntax_node *node, places from)
{
    places to = 0;
    for (unsigned at = 0; at <= text->count; at++) {
        if (!(from >> at & 1))
            continue;
        if (node->kind == SYNTAX_CLASS) {
            to |= at < text->count && class_has(node, text->codes[at]) ? (places)2 << at : 0;
        } else if (node->kind == SYNTAX_LITERAL) {
            unsigned end = literal_end(text, node, at);
            to |= end <= text->count ? (places)1 << end : 0;
        } else {
            to |= assertion_holds(text, node->kind, at) ? (places)1 << at : 0;
        }
    }
    return to;
}

static places run(const struct text *text, const struct syntax_node *node, places from)
{
    places to = 0;
    switch (node->kind) {
    case SYNTAX_NOTHING:
        return 0;
    case SYNTAX_EMPTY:
        return from;
    case SYNTAX_CONCAT:
        for (uint32_t i = 0; i < node->list.count; i++)
            from = run(text, node->list.children[i], from);
        return from;
    case SYNTAX_ALTERNATE:
        for (uint32_t i = 0; i < node->list.count; i++)
            to |= run(text, node->list.children[i], from);
        return to;
    case SYNTAX_REPEAT:
        for (uint32_t i = 0; i < node->repeat.least; i++)
            from = run(text, node->repeat.child, from);
        to = from;
        for (uint32_t i = node->repeat.least; i < node->repeat.most && from; i++) {
            from = run(text, node->repeat.child, from) & ~to;
            to |= from;
        }
        return to;
    default:
        return step(text, node, from);
    }
}

bool syntax_matches(const struct syntax_tree *tree, nacre_slice key)
{
    const struct text text = decode(key, tree->bytes);
    return run(&text, tree->root, ((places)2 << text.count) - 1) != 0;
}

/* ---- grams ---- */

/* The key's symbols: edges, folded bytes. */
static size_t symbols_of(nacre_slice key, bool repaired, uint8_t *out)
{
    size_t size = 0;
    out[size++] = GRAM_BEGIN;
    for (size_t at = 0; at < key.size;) {
        const uint8_t *s = (const uint8_t *)key.data + at;
        uint32_t bytes = 1;
        if (repaired && next_code((nacre_slice){ s, key.size - at }, false, &bytes) == 0xFFFD && bytes == 1) {
            memcpy(out + size, "\xEF\xBF\xBD", 3);
            size += 3;
            at++;
            continue;
        }
        for (uint32_t i = 0; i < bytes; i++)
            out[size++] = s[i] >= 'A' && s[i] <= 'Z' ? s[i] | 0x20 : s[i];
        at += bytes;
    }
    out[size++] = GRAM_END;
    return size;
}

static bool has_gram(const uint8_t *symbols, size_t size, gram g)
{
    uint8_t wanted[3] = { (uint8_t)(g >> 16), (uint8_t)(g >> 8), (uint8_t)g };
    return memmem(symbols, size, wanted, g >> 24) != NULL;
}

bool gram_query_holds(const struct gram_query *query, nacre_slice key)
{
    uint8_t symbols[4 * CHARACTERS_MAX * 3 + 2];
    must(key.size <= 4 * CHARACTERS_MAX);
    switch (query->operation) {
    case GRAM_ANY:
        return true;
    case GRAM_NONE:
        return false;
    case GRAM_LEAF:
        return has_gram(symbols, symbols_of(key, false, symbols), query->leaf) ||
               has_gram(symbols, symbols_of(key, true, symbols), query->leaf);
    default:
        must(query->count >= 2);
        for (uint32_t i = 0; i < query->count; i++) {
            enum gram_operation of_child = query->children[i]->operation;
            must(of_child != GRAM_ANY && of_child != GRAM_NONE && of_child != query->operation);
            if (gram_query_holds(query->children[i], key) != (query->operation == GRAM_AND))
                return query->operation == GRAM_OR;
        }
        return query->operation == GRAM_AND;
    }
}
