/* Classes of characters as strings of symbols: UTF-8 with A-Z folded, or bytes.
   One thread at a time per arena, no locks. */
#include "regex/gram_sets.h"
#include "regex/unicode.h"
#include "base/utf8.h"

enum { CLASS_STRINGS_MAX = 128, LETTERS_OF_A_USEFUL_CLASS = 20, BYTES_OF_A_USEFUL_CLASS = 40 };

struct class_bytes {
    uint8_t bytes[256]; /* characters of one byte: ASCII, or all of them over bytes; folded, in order */
    uint32_t count;
    bool says_nothing; /* nearly every character is in it */
};

static void collect_bytes(const struct syntax_tree *tree, const struct syntax_node *node, struct class_bytes *out)
{
    bool has[256] = { false };
    uint32_t most = tree->bytes ? 0xFF : 0x7F, letters = 0;
    for (uint32_t i = 0; i < node->set.count && node->set.ranges[i].low <= most; i++)
        for (uint32_t code = node->set.ranges[i].low; code <= node->set.ranges[i].high && code <= most; code++)
            has[gram_fold((uint8_t)code)] = true;
    out->count = 0;
    for (uint32_t byte = 0; byte <= most; byte++) {
        letters += has[byte] && byte >= 'a' && byte <= 'z';
        if (has[byte])
            out->bytes[out->count++] = (uint8_t)byte;
    }
    out->says_nothing = letters > LETTERS_OF_A_USEFUL_CLASS && out->count > BYTES_OF_A_USEFUL_CLASS;
}

/* The part of a range whose characters have `size` bytes in UTF-8. */
static bool part_of_size(struct code_range range, uint32_t size, struct code_range *part)
{
    static const struct code_range bounds[] = { { 0x80, 0x7FF }, { 0x800, 0xFFFF }, { 0x10000, UNICODE_MAX } };
    const struct code_range *bound = &bounds[size - 2];
    part->low = range.low > bound->low ? range.low : bound->low;
    part->high = range.high < bound->high ? range.high : bound->high;
    return part->low <= part->high;
}

static uint64_t count_beyond_ascii(const struct syntax_node *node)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < node->set.count; i++) {
        struct code_range range = node->set.ranges[i];
        if (range.high >= 0x80)
            count += range.high - (range.low < 0x80 ? 0x80 : range.low) + 1;
    }
    return count;
}

bool gram_class_strings(struct arena *arena, const struct syntax_tree *tree, const struct syntax_node *node,
                        struct gram_strings *strings, bool *fits)
{
    struct class_bytes single;
    collect_bytes(tree, node, &single);
    uint64_t beyond = tree->bytes ? 0 : count_beyond_ascii(node);
    *fits = !single.says_nothing && single.count + beyond <= CLASS_STRINGS_MAX;
    if (!*fits)
        return true;
    struct gram_string *items = arena_take(arena, (single.count + beyond) * sizeof *items);
    uint8_t *at = arena_take(arena, single.count + beyond * UTF8_BYTES_MAX);
    if (!items || !at)
        return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < single.count; i++, at++) {
        *at = single.bytes[i];
        items[count++] = (struct gram_string){ at, 1 };
    }
    for (uint32_t i = 0; i < node->set.count && beyond > 0; i++) {
        struct code_range range = node->set.ranges[i];
        for (uint32_t code = range.low < 0x80 ? 0x80 : range.low; code <= range.high; code++) {
            uint32_t size = utf8_encode(code, at);
            items[count++] = (struct gram_string){ at, size };
            at += size;
        }
    }
    *strings = (struct gram_strings){ items, count };
    return true;
}

/* The first `n` bytes (1 or 2) that the range's characters of `size` bytes begin with, each once; they come in ascending order, so that only the
   last one can come again. False: more than there is room for. */
static bool add_leads(struct code_range range, uint32_t size, uint32_t n, gram *grams, uint32_t *count, uint32_t room)
{
    uint32_t shift = 6 * (size - n);
    for (uint32_t lead = range.low >> shift; lead <= range.high >> shift; lead++) {
        uint8_t bytes[UTF8_BYTES_MAX];
        uint32_t code = lead << shift;
        utf8_encode(code > range.low ? code : range.low, bytes);
        gram g = gram_of(bytes, n);
        if (*count > 0 && grams[*count - 1] == g)
            continue;
        if (*count == room)
            return false;
        grams[(*count)++] = g;
    }
    return true;
}

static bool add_all_leads(const struct syntax_node *node, uint32_t n, gram *grams, uint32_t *count, uint32_t room)
{
    for (uint32_t i = 0; i < node->set.count; i++)
        for (uint32_t size = 2; size <= UTF8_BYTES_MAX; size++) {
            struct code_range part;
            if (part_of_size(node->set.ranges[i], size, &part) && !add_leads(part, size, n, grams, count, room))
                return false;
        }
    return true;
}

bool gram_class_edges(struct arena *arena, const struct syntax_tree *tree, const struct syntax_node *node,
                      struct gram_edges *first, struct gram_edges *last)
{
    struct class_bytes single;
    collect_bytes(tree, node, &single);
    gram grams[2 * GRAM_SET_MAX] = { 0 };
    if (single.says_nothing)
        return gram_edges_make(arena, grams, 1, false, first) && gram_edges_make(arena, grams, 1, true, last);
    for (uint32_t i = 0; i < single.count; i++)
        grams[i] = gram_of(&single.bytes[i], 1);
    uint32_t count = single.count;
    if (!tree->bytes && !add_all_leads(node, 2, grams, &count, GRAM_SET_MAX)) {
        count = single.count; /* in front still, as shorter grams are less */
        add_all_leads(node, 1, grams, &count, GRAM_SET_MAX);
    }
    if (!gram_edges_make(arena, grams, count, false, first))
        return false;
    count = single.count;
    for (uint32_t i = 0; i < count; i++)
        grams[i] = gram_of(&single.bytes[i], 1);
    for (uint32_t byte = 0x80; !tree->bytes && byte < 0xC0; byte++) {
        uint8_t continuation = (uint8_t)byte;
        grams[count++] = gram_of(&continuation, 1);
    }
    return gram_edges_make(arena, grams, count, true, last);
}
