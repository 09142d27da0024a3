/* Products and edges of sets of strings, and what they ask of a key. Classes are in gram_class.c.

   Invariants:
   1. GRAM_BEGIN is only the first symbol of a string, GRAM_END only the last. Joins keep it.
   2. A set without strings is that of an expression that cannot match; queries of it are NONE.
   One thread at a time per arena, no locks. */
#include "regex/gram_sets.h"
#include <stdlib.h>

enum { WINDOWS_PER_QUERY_MAX = 2048, UNIGRAM_LETTERS_MAX = 12, PAIRS_MAX = 8 };

/* ---- joining two strings at an edge of the key ---- */

static bool is_only_edges(const uint8_t *s, uint32_t size, uint8_t edge)
{
    return (size == 1 && s[0] == edge) || (size == 2 && s[0] == GRAM_BEGIN && s[1] == GRAM_END);
}

/* Writes a then b to `out`, which has room for both, and gives the size; *possible is false when no key has them so. */
static uint32_t join(const uint8_t *a, uint32_t size_a, const uint8_t *b, uint32_t size_b, uint8_t *out, bool *possible)
{
    uint8_t last = size_a > 0 ? a[size_a - 1] : 0, first = size_b > 0 ? b[0] : 0;
    *possible = true;
    if (size_a > 0 && size_b > 0) {
        if (last == GRAM_END && first == GRAM_BEGIN) { /* of the empty key */
            *possible = is_only_edges(a, size_a, GRAM_END) && is_only_edges(b, size_b, GRAM_BEGIN);
            out[0] = GRAM_BEGIN;
            out[1] = GRAM_END;
            return 2;
        }
        if (last == GRAM_END && first == GRAM_END)
            size_b = 0;
        else if (last == GRAM_BEGIN && first == GRAM_BEGIN)
            size_a = 0;
        else
            *possible = last != GRAM_END && first != GRAM_BEGIN;
    }
    if (size_a > 0)
        memcpy(out, a, size_a);
    if (size_b > 0)
        memcpy(out + size_a, b, size_b);
    return size_a + size_b;
}

static gram edge_of(const uint8_t *bytes, uint32_t size, bool at_end)
{
    if (size == 0)
        return 0;
    uint32_t n = size < 2 ? 1 : 2;
    return gram_of(at_end ? bytes + size - n : bytes, n);
}

static gram shorter_edge(gram g, bool at_end)
{
    uint8_t byte = at_end ? gram_byte(g, gram_size(g) - 1) : gram_byte(g, 0);
    return gram_size(g) < 2 ? g : gram_of(&byte, 1);
}

/* ---- edges ---- */

bool gram_edges_unknown(const struct gram_edges *edges)
{
    return edges->count > 0 && gram_size(edges->items[0]) == 0;
}

bool gram_edges_make(struct arena *arena, gram *grams, uint32_t count, bool at_end, struct gram_edges *edges)
{
    count = grams_order(grams, count);
    if (count > GRAM_SET_MAX) {
        for (uint32_t i = 0; i < count; i++)
            grams[i] = shorter_edge(grams[i], at_end);
        count = grams_order(grams, count);
    }
    if (count > 0 && gram_size(grams[0]) == 0)
        count = 1; /* any */
    gram *items = arena_take(arena, count * sizeof *items);
    if (!items)
        return false;
    if (count > 0)
        memcpy(items, grams, count * sizeof *items);
    *edges = (struct gram_edges){ items, count };
    return true;
}

/* The edges of a list without those of size 2. */
static uint32_t shorten(const struct gram_edges *edges, bool at_end, gram out[GRAM_SET_MAX])
{
    for (uint32_t i = 0; i < edges->count; i++)
        out[i] = shorter_edge(edges->items[i], at_end);
    return grams_order(out, edges->count);
}

/* ---- strings ---- */

static int compare_strings(const void *a, const void *b)
{
    const struct gram_string *x = a, *y = b;
    return slice_compare((nacre_slice){ x->bytes, x->size }, (nacre_slice){ y->bytes, y->size });
}

static uint32_t order_strings(struct gram_string *items, uint32_t count)
{
    bool ordered = true;
    for (uint32_t i = 1; i < count && ordered; i++)
        ordered = compare_strings(&items[i - 1], &items[i]) <= 0;
    if (!ordered)
        qsort(items, count, sizeof *items, compare_strings);
    uint32_t kept = count > 0;
    for (uint32_t i = 1; i < count; i++)
        if (compare_strings(&items[i], &items[kept - 1]) != 0)
            items[kept++] = items[i];
    return kept;
}

static size_t bytes_of(const struct gram_strings *strings)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < strings->count; i++)
        bytes += strings->items[i].size;
    return bytes;
}

bool gram_strings_product(struct arena *arena, const struct gram_strings *a, const struct gram_strings *b,
                          struct gram_strings *product, bool *fits)
{
    size_t count = (size_t)a->count * b->count;
    size_t bytes = bytes_of(a) * b->count + bytes_of(b) * a->count;
    *fits = count <= GRAM_SET_MAX && bytes <= GRAM_STRINGS_BYTES_MAX;
    if (!*fits)
        return true;
    struct gram_string *items = arena_take(arena, count * sizeof *items);
    uint8_t *at = arena_take(arena, bytes + 2 * count);
    if (!items || !at)
        return false;
    uint32_t length = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t j = 0; j < b->count; j++) {
            bool possible;
            uint32_t size =
                join(a->items[i].bytes, a->items[i].size, b->items[j].bytes, b->items[j].size, at, &possible);
            if (possible)
                items[length++] = (struct gram_string){ at, size };
            at += possible ? size : 0;
        }
    }
    *product = (struct gram_strings){ items, order_strings(items, length) };
    return true;
}

bool gram_strings_edges(struct arena *arena, const struct gram_strings *strings, bool at_end,
                        const struct gram_edges *beside, struct gram_edges *edges)
{
    size_t most = (size_t)strings->count * (beside && beside->count > 1 ? beside->count : 1);
    gram *grams = arena_take(arena, most * sizeof *grams);
    if (!grams)
        return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < strings->count; i++) {
        const struct gram_string *s = &strings->items[i];
        if (s->size >= 2 || !beside) {
            grams[count++] = edge_of(s->bytes, s->size, at_end);
            continue;
        }
        for (uint32_t j = 0; j < beside->count; j++) {
            gram g = beside->items[j];
            uint8_t other[2] = { gram_byte(g, 0), gram_byte(g, 1) }, joined[4];
            bool possible;
            uint32_t size = at_end ? join(other, gram_size(g), s->bytes, s->size, joined, &possible)
                                   : join(s->bytes, s->size, other, gram_size(g), joined, &possible);
            if (possible)
                grams[count++] = edge_of(joined, size, at_end);
        }
    }
    return gram_edges_make(arena, grams, count, at_end, edges);
}

/* ---- queries ---- */

/* The edge of a key alone says nothing, as every key has both. */
static gram telling(gram g)
{
    bool edge = gram_size(g) == 1 && (gram_byte(g, 0) == GRAM_BEGIN || gram_byte(g, 0) == GRAM_END);
    return edge ? 0 : g;
}

/* One of some single bytes, most letters among them: every key has one, so that it is not worth asking. */
static bool is_telling(const gram *grams, uint32_t count)
{
    uint32_t letters = 0;
    for (uint32_t i = 0; i < count; i++)
        letters += gram_size(grams[i]) == 1 && gram_byte(grams[i], 0) >= 'a' && gram_byte(grams[i], 0) <= 'z';
    return letters <= UNIGRAM_LETTERS_MAX;
}

static const struct gram_query *one_of(struct arena *arena, gram *grams, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        grams[i] = telling(grams[i]);
    count = grams_order(grams, count);
    if (!is_telling(grams, count) || (count > 0 && grams[0] == 0))
        return &gram_query_any;
    return gram_query_one_of(arena, grams, count);
}

static const struct gram_query *string_query(struct arena *arena, const struct gram_string *s, uint32_t windows_max)
{
    uint32_t count = s->size < 3 ? 1 : s->size - 2;
    if (count > windows_max)
        count = windows_max;
    gram *grams = arena_take(arena, count * sizeof *grams);
    if (!grams)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        grams[i] = s->size < 3 ? telling(edge_of(s->bytes, s->size, false)) : gram_of(s->bytes + i, 3);
    return gram_query_all_of(arena, grams, count);
}

/* Of many strings of up to four symbols: one of their first three, and one of their last three. */
static const struct gram_query *short_strings_query(struct arena *arena, const struct gram_strings *strings)
{
    gram first[GRAM_SET_MAX], last[GRAM_SET_MAX];
    for (uint32_t i = 0; i < strings->count; i++) {
        const struct gram_string *s = &strings->items[i];
        uint32_t n = s->size < 3 ? s->size : 3;
        first[i] = n ? gram_of(s->bytes, n) : 0;
        last[i] = n ? gram_of(s->bytes + s->size - n, n) : 0;
    }
    const struct gram_query *parts[2] = { one_of(arena, first, strings->count), one_of(arena, last, strings->count) };
    return parts[0] && parts[1] ? gram_query_and(arena, parts, 2) : NULL;
}

const struct gram_query *gram_strings_query(struct arena *arena, const struct gram_strings *strings)
{
    if (strings->count == 1)
        return string_query(arena, strings->items, WINDOWS_PER_QUERY_MAX);
    uint32_t longest = 0;
    for (uint32_t i = 0; i < strings->count; i++)
        longest = strings->items[i].size > longest ? strings->items[i].size : longest;
    if (longest <= 3 || (longest == 4 && strings->count > PAIRS_MAX))
        return short_strings_query(arena, strings);
    const struct gram_query **parts = arena_take(arena, (strings->count + 1) * sizeof *parts);
    for (uint32_t i = 0; parts && i < strings->count; i++)
        if (!(parts[i] = string_query(arena, &strings->items[i], WINDOWS_PER_QUERY_MAX / strings->count)))
            return NULL;
    return parts ? gram_query_or(arena, parts, strings->count) : NULL;
}

const struct gram_query *gram_edges_query(struct arena *arena, const struct gram_edges *edges)
{
    gram grams[GRAM_SET_MAX];
    if (edges->count > 0)
        memcpy(grams, edges->items, edges->count * sizeof *grams);
    return one_of(arena, grams, edges->count);
}

/* Of each a then b, of up to four symbols, the first three and the last three: one of the first ones, and one of the last ones. */
static const struct gram_query *border_query(struct arena *arena, const gram *a, uint32_t count_a, const gram *b,
                                             uint32_t count_b)
{
    gram first[GRAM_SET_MAX], last[GRAM_SET_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < count_a; i++) {
        for (uint32_t j = 0; j < count_b; j++) {
            uint8_t x[2] = { gram_byte(a[i], 0), gram_byte(a[i], 1) },
                    y[2] = { gram_byte(b[j], 0), gram_byte(b[j], 1) };
            uint8_t joined[4];
            bool possible;
            uint32_t size = join(x, gram_size(a[i]), y, gram_size(b[j]), joined, &possible);
            if (!possible)
                continue;
            uint32_t n = size < 3 ? size : 3;
            first[count] = n ? gram_of(joined, n) : 0;
            last[count++] = n ? gram_of(joined + size - n, n) : 0;
        }
    }
    const struct gram_query *parts[2] = { one_of(arena, first, count), one_of(arena, last, count) };
    return parts[0] && parts[1] ? gram_query_and(arena, parts, 2) : NULL;
}

const struct gram_query *gram_border_query(struct arena *arena, const struct gram_edges *a, const struct gram_edges *b)
{
    if ((size_t)a->count * b->count <= GRAM_SET_MAX)
        return border_query(arena, a->items, a->count, b->items, b->count);
    gram short_a[GRAM_SET_MAX], short_b[GRAM_SET_MAX];
    uint32_t count_a = shorten(a, true, short_a), count_b = shorten(b, false, short_b);
    const struct gram_query *parts[2] = { &gram_query_any, &gram_query_any };
    if ((size_t)count_a * b->count <= GRAM_SET_MAX)
        parts[0] = border_query(arena, short_a, count_a, b->items, b->count);
    if ((size_t)a->count * count_b <= GRAM_SET_MAX)
        parts[1] = border_query(arena, a->items, a->count, short_b, count_b);
    if (parts[0] == &gram_query_any && parts[1] == &gram_query_any && (size_t)count_a * count_b <= GRAM_SET_MAX)
        return border_query(arena, short_a, count_a, short_b, count_b);
    return parts[0] && parts[1] ? gram_query_and(arena, parts, 2) : NULL;
}
