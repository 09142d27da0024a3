/* From tree to gram query, bottom up, after Cox (see analysis.h). Of each part is known either
     exact    all strings that it matches, or else
     first    the first two symbols of each match, last the last two, and a query that every match satisfies.
   Where two parts meet, the product of exact strings stays exact while it is small; otherwise the border of last and first gives grams that reach
   over it.

   Invariants:
   1. The query of a part holds what `first` and `last` say: at the end nothing is left to be added.
   2. A part that is unknown is true of everything: first and last are unknown, the query is ANY. It may take the place of any part.
   3. Work is bounded: at most STEPS_MAX joins, and parts deeper than DEPTH_MAX are unknown.
   One thread at a time per tree, no locks. */
#include "regex/grams.h"
#include "regex/gram_sets.h"

enum { STEPS_MAX = 2048, DEPTH_MAX = 128, COPIES_MAX = 3, SPLIT_STRINGS_MAX = 16, SPLIT_BYTES_MAX = 64 };

struct part {
    bool is_exact;
    struct gram_strings exact;
    struct gram_edges first, last;  /* where not exact */
    const struct gram_query *query; /* where not exact */
};

struct analyzer {
    const struct syntax_tree *tree;
    struct arena *arena;
    uint32_t steps;
};

static const gram no_symbols[1] = { 0 };

static struct part part_unknown(void)
{
    return (struct part){ .first = { no_symbols, 1 }, .last = { no_symbols, 1 }, .query = &gram_query_any };
}

static struct part part_of_string(const struct gram_string *string)
{
    return (struct part){ .is_exact = true, .exact = { string, 1 } };
}

static const struct gram_string empty_string = { (const uint8_t *)"", 0 };
static const uint8_t edge_symbols[2] = { GRAM_BEGIN, GRAM_END };
static const struct gram_string begin_string = { edge_symbols, 1 }, end_string = { edge_symbols + 1, 1 };

/* Gives up that the strings are known. */
static bool make_inexact(struct analyzer *a, struct part *part)
{
    if (!part->is_exact)
        return true;
    part->is_exact = false;
    part->query = gram_strings_query(a->arena, &part->exact);
    return part->query && gram_strings_edges(a->arena, &part->exact, false, NULL, &part->first) &&
           gram_strings_edges(a->arena, &part->exact, true, NULL, &part->last);
}

/* ---- one part after the other ---- */

/* A concatenation that grows; conditions found on the way are gathered. */
struct chain {
    struct part part; /* its query is not used while it grows */
    const struct gram_query **conditions;
    uint32_t count, capacity;
};

static bool chain_require(struct analyzer *a, struct chain *chain, const struct gram_query *query)
{
    if (!query || query->operation == GRAM_ANY)
        return query != NULL;
    if (chain->count == chain->capacity) {
        uint32_t capacity = chain->capacity ? 2 * chain->capacity : 8;
        const struct gram_query **conditions = arena_take(a->arena, capacity * sizeof *conditions);
        if (!conditions)
            return false;
        if (chain->count > 0)
            memcpy(conditions, chain->conditions, chain->count * sizeof *conditions);
        chain->conditions = conditions;
        chain->capacity = capacity;
    }
    chain->conditions[chain->count++] = query;
    return true;
}

static bool chain_make_inexact(struct analyzer *a, struct chain *chain)
{
    bool was_exact = chain->part.is_exact;
    return make_inexact(a, &chain->part) && (!was_exact || chain_require(a, chain, chain->part.query));
}

static bool is_short(const struct gram_strings *strings)
{
    for (uint32_t i = 0; i < strings->count; i++)
        if (strings->items[i].size > 2)
            return false;
    return true;
}

/* What reaches over the border; says whether there was something to say. */
static bool chain_require_border(struct analyzer *a, struct chain *chain, const struct gram_edges *last,
                                 const struct gram_edges *first, bool *said)
{
    *said = false;
    if (gram_edges_unknown(last) || gram_edges_unknown(first))
        return true;
    const struct gram_query *query = gram_border_query(a->arena, last, first);
    *said = query && query->operation != GRAM_ANY;
    return chain_require(a, chain, query);
}

static bool chain_add_exact(struct analyzer *a, struct chain *chain, const struct part *part)
{
    bool fits = false, said;
    if (chain->part.is_exact) {
        if (!gram_strings_product(a->arena, &chain->part.exact, &part->exact, &chain->part.exact, &fits))
            return false;
        if (fits)
            return true;
    }
    struct gram_edges first, last;
    if (!chain_make_inexact(a, chain) || !gram_strings_edges(a->arena, &part->exact, false, NULL, &first) ||
        !gram_strings_edges(a->arena, &part->exact, true, &chain->part.last, &last) ||
        !chain_require_border(a, chain, &chain->part.last, &first, &said))
        return false;
    chain->part.last = last;
    /* Short strings are in the border whole. */
    return (said && is_short(&part->exact)) || chain_require(a, chain, gram_strings_query(a->arena, &part->exact));
}

static bool chain_add_inexact(struct analyzer *a, struct chain *chain, const struct part *part)
{
    struct gram_edges last;
    bool was_exact = chain->part.is_exact, said;
    struct gram_strings exact = chain->part.exact;
    if (was_exact && exact.count == 1 && exact.items[0].size == 0) { /* nothing before it */
        chain->part = *part;
        return chain_require(a, chain, part->query);
    }
    if (!chain_make_inexact(a, chain))
        return false;
    last = chain->part.last;
    if (was_exact && !gram_strings_edges(a->arena, &exact, false, &part->first, &chain->part.first))
        return false;
    chain->part.last = part->last;
    return chain_require_border(a, chain, &last, &part->first, &said) && chain_require(a, chain, part->query);
}

static bool chain_add(struct analyzer *a, struct chain *chain, const struct part *part)
{
    if (++a->steps > STEPS_MAX) {
        struct part unknown = part_unknown();
        return chain_add_inexact(a, chain, &unknown);
    }
    return part->is_exact ? chain_add_exact(a, chain, part) : chain_add_inexact(a, chain, part);
}

static bool chain_finish(struct analyzer *a, struct chain *chain, struct part *part)
{
    *part = chain->part;
    if (part->is_exact)
        return true;
    part->query = gram_query_and(a->arena, chain->conditions, chain->count);
    return part->query != NULL;
}

/* ---- one part or the other ---- */

static bool join_edges(struct analyzer *a, const struct part *parts, uint32_t count, bool at_end,
                       struct gram_edges *edges)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += at_end ? parts[i].last.count : parts[i].first.count;
    gram *grams = arena_take(a->arena, total * sizeof *grams);
    if (!grams)
        return false;
    uint32_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct gram_edges *from = at_end ? &parts[i].last : &parts[i].first;
        for (uint32_t j = 0; j < from->count; j++)
            grams[length++] = from->items[j];
    }
    return gram_edges_make(a->arena, grams, length, at_end, edges);
}

static bool parts_or(struct analyzer *a, struct part *parts, uint32_t count, struct part *result)
{
    size_t strings = 0, bytes = 0;
    bool exact = true;
    for (uint32_t i = 0; i < count; i++) {
        exact = exact && parts[i].is_exact;
        strings += exact ? parts[i].exact.count : 0;
        for (uint32_t j = 0; exact && j < parts[i].exact.count; j++)
            bytes += parts[i].exact.items[j].size;
    }
    if (exact && strings <= GRAM_SET_MAX && bytes <= GRAM_STRINGS_BYTES_MAX) {
        struct gram_string *items = arena_take(a->arena, strings * sizeof *items);
        if (!items)
            return false;
        uint32_t length = 0;
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t j = 0; j < parts[i].exact.count; j++)
                items[length++] = parts[i].exact.items[j];
        *result = (struct part){ .is_exact = true, .exact = { items, length } };
        return true;
    }
    const struct gram_query **queries = arena_take(a->arena, count * sizeof *queries);
    if (!queries)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!make_inexact(a, &parts[i]))
            return false;
        queries[i] = parts[i].query;
    }
    *result = (struct part){ .query = gram_query_or(a->arena, queries, count) };
    return result->query && join_edges(a, parts, count, false, &result->first) &&
           join_edges(a, parts, count, true, &result->last);
}

/* ---- nodes ---- */

static bool analyze(struct analyzer *, const struct syntax_node *, uint32_t depth, struct part *);

static bool analyze_literal(struct analyzer *a, const struct syntax_node *node, struct part *part)
{
    uint32_t size = node->literal.size;
    uint8_t *bytes = arena_take(a->arena, size);
    struct gram_string *string = arena_take(a->arena, sizeof *string);
    if (!bytes || !string)
        return false;
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = gram_fold(node->literal.bytes[i]);
    *string = (struct gram_string){ bytes, size };
    *part = part_of_string(string);
    return true;
}

static bool analyze_class(struct analyzer *a, const struct syntax_node *node, struct part *part)
{
    *part = (struct part){ 0 };
    if (!gram_class_strings(a->arena, a->tree, node, &part->exact, &part->is_exact))
        return false;
    if (part->is_exact)
        return true;
    if (!gram_class_edges(a->arena, a->tree, node, &part->first, &part->last))
        return false;
    part->query = gram_edges_query(a->arena, &part->first);
    return part->query != NULL;
}

static bool analyze_alternate(struct analyzer *a, const struct syntax_node *node, uint32_t depth, struct part *part)
{
    struct part *parts = arena_take(a->arena, node->list.count * sizeof *parts);
    if (!parts)
        return false;
    for (uint32_t i = 0; i < node->list.count; i++) {
        if (++a->steps > STEPS_MAX) {
            *part = part_unknown();
            return true;
        }
        if (!analyze(a, node->list.children[i], depth, &parts[i]))
            return false;
    }
    return parts_or(a, parts, node->list.count, part);
}

/* `rounds` copies of a part. */
static bool repeat_part(struct analyzer *a, const struct part *once, uint32_t rounds, struct part *result)
{
    struct chain chain = { .part = part_of_string(&empty_string) };
    for (uint32_t i = 0; i < rounds; i++)
        if (!chain_add(a, &chain, once))
            return false;
    return chain_finish(a, &chain, result);
}

/* From the part that is repeated to the repetition. */
static bool repeat(struct analyzer *a, const struct syntax_node *node, const struct part *once, struct part *result)
{
    uint32_t least = node->repeat.least, most = node->repeat.most;
    if (least == 0) {
        struct part parts[2] = { *once, part_of_string(&empty_string) };
        *result = part_unknown();
        return most > 1 || parts_or(a, parts, 2, result);
    }
    uint32_t rounds = least < COPIES_MAX ? least : COPIES_MAX;
    return repeat_part(a, once, rounds, result) && ((least == most && least == rounds) || make_inexact(a, result));
}

static bool analyze_repeat(struct analyzer *a, const struct syntax_node *node, uint32_t depth, struct part *part)
{
    struct part once;
    *part = part_unknown();
    if (node->repeat.least == 0 && node->repeat.most > 1)
        return true;
    return analyze(a, node->repeat.child, depth, &once) && repeat(a, node, &once, part);
}

/* ---- concatenations ---- */

/* Something like [aeiou]+, few strings, one round or more, is worth a split: so that grams reach over it when it is short, one round and several
   are told apart. */
static bool may_be_split(const struct syntax_node *node)
{
    if (node->kind != SYNTAX_REPEAT || node->repeat.least > 1 || node->repeat.most < 2)
        return false;
    enum syntax_kind kind = node->repeat.child->kind;
    return kind == SYNTAX_LITERAL || kind == SYNTAX_CLASS || kind == SYNTAX_ALTERNATE;
}

static bool is_worth_a_split(const struct part *once)
{
    size_t bytes = 0;
    bool worth = once->is_exact && once->exact.count <= SPLIT_STRINGS_MAX;
    for (uint32_t i = 0; worth && i < once->exact.count; i++) {
        bytes += once->exact.items[i].size;
        worth = once->exact.items[i].size > 0 && bytes <= SPLIT_BYTES_MAX;
    }
    return worth;
}

/* The chain, a repetition of `once` and the part behind it: as alternatives of no round (where `least` is 0), one, and more. */
static bool chain_add_split(struct analyzer *a, struct chain *chain, const struct part *once, uint32_t least,
                            const struct part *behind)
{
    struct part cases[3], twice, none = part_of_string(&empty_string);
    if (!repeat_part(a, once, 2, &twice) || !make_inexact(a, &twice))
        return false;
    const struct part *rounds[3] = { once, &twice, &none };
    uint32_t count = least == 0 ? 3 : 2;
    for (uint32_t i = 0; i < count; i++) {
        struct chain branch = { .part = chain->part };
        if (!chain_add(a, &branch, rounds[i]) || (behind && !chain_add(a, &branch, behind)) ||
            !chain_finish(a, &branch, &cases[i]))
            return false;
    }
    if (!parts_or(a, cases, count, &chain->part))
        return false;
    return chain->part.is_exact || chain_require(a, chain, chain->part.query);
}

static bool analyze_concat(struct analyzer *a, const struct syntax_node *node, uint32_t depth, struct part *part)
{
    struct chain chain = { .part = part_of_string(&empty_string) };
    for (uint32_t i = 0; i < node->list.count && a->steps <= STEPS_MAX; i++) {
        const struct syntax_node *child = node->list.children[i];
        struct part once, behind;
        bool split = may_be_split(child), more = i + 1 < node->list.count;
        if (!analyze(a, split ? child->repeat.child : child, depth, &once))
            return false;
        if (split && !is_worth_a_split(&once)) {
            struct part inner = once;
            split = false;
            if (!repeat(a, child, &inner, &once))
                return false;
        }
        if (split && more && !analyze(a, node->list.children[i + 1], depth, &behind))
            return false;
        if (split ? !chain_add_split(a, &chain, &once, child->repeat.least, more ? &behind : NULL)
                  : !chain_add(a, &chain, &once))
            return false;
        i += split && more;
    }
    if (a->steps > STEPS_MAX) { /* what follows is not known */
        struct part unknown = part_unknown();
        if (!chain_add(a, &chain, &unknown))
            return false;
    }
    return chain_finish(a, &chain, part);
}

static bool analyze(struct analyzer *a, const struct syntax_node *node, uint32_t depth, struct part *part)
{
    *part = part_of_string(&empty_string);
    if (depth == DEPTH_MAX &&
        (node->kind == SYNTAX_CONCAT || node->kind == SYNTAX_ALTERNATE || node->kind == SYNTAX_REPEAT)) {
        *part = part_unknown();
        return true;
    }
    switch (node->kind) {
    case SYNTAX_NOTHING:
        part->exact.count = 0;
        return true;
    case SYNTAX_LITERAL:
        return analyze_literal(a, node, part);
    case SYNTAX_CLASS:
        return analyze_class(a, node, part);
    case SYNTAX_BEGIN_TEXT:
        *part = part_of_string(&begin_string);
        return true;
    case SYNTAX_END_TEXT:
        *part = part_of_string(&end_string);
        return true;
    case SYNTAX_CONCAT:
        return analyze_concat(a, node, depth + 1, part);
    case SYNTAX_ALTERNATE:
        return analyze_alternate(a, node, depth + 1, part);
    case SYNTAX_REPEAT:
        return analyze_repeat(a, node, depth + 1, part);
    default:
        return true; /* the other assertions have no width */
    }
}

const struct gram_query *grams_of_tree(struct syntax_tree *tree, struct arena *scratch)
{
    struct analyzer a = { .tree = tree, .arena = scratch };
    struct part part;
    if (!analyze(&a, tree->root, 0, &part) || !make_inexact(&a, &part))
        return NULL;
    return gram_query_copy(tree->arena, part.query);
}
