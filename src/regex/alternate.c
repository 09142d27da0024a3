/* Alternations, made smaller: alternatives of one character become one class, common beginnings of neighbours and assertions that all share are
   taken out, an empty alternative becomes a `?`. As only whether a key matches is asked, the order of alternatives is free.

   Invariant: 1. each round of factoring takes at least one character off each alternative that it goes on with, so rounds end, and nest no
   deeper than the longest alternative has characters.
   One thread at a time per tree, no locks. */
#include "regex/nodes.h"
#include "regex/analysis.h"
#include "base/utf8.h"

struct alternatives {
    struct syntax_node **items;
    uint32_t count;
    bool empty_too;
};

/* Those of nested alternations are taken for its own; NOTHING goes, EMPTY is remembered. */
static bool flatten(struct syntax_tree *tree, struct syntax_node *const *parts, uint32_t count,
                    struct alternatives *out)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!parts[i])
            return false;
        total += parts[i]->kind == SYNTAX_ALTERNATE ? parts[i]->list.count : 1;
    }
    *out = (struct alternatives){ .items = syntax_alloc(tree, total * sizeof(struct syntax_node *)) };
    if (!out->items)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct syntax_node *part = parts[i];
        if (part->kind == SYNTAX_ALTERNATE) {
            memcpy(out->items + out->count, part->list.children, part->list.count * sizeof *out->items);
            out->count += part->list.count;
        } else if (part->kind == SYNTAX_EMPTY) {
            out->empty_too = true;
        } else if (part->kind != SYNTAX_NOTHING) {
            out->items[out->count++] = part;
        }
    }
    return true;
}

/* All alternatives of one character become one class, in the place of the first. */
static bool merge_characters(struct syntax_tree *tree, struct alternatives *alternatives)
{
    struct code_range single;
    uint32_t characters = 0, range_count;
    for (uint32_t i = 0; i < alternatives->count; i++)
        characters += node_ranges(tree, alternatives->items[i], &single, &range_count) != NULL;
    if (characters < 2)
        return true;
    struct char_set set = { 0 };
    struct syntax_node **place = NULL;
    uint32_t kept = 0;
    bool fine = true;
    for (uint32_t i = 0; i < alternatives->count && fine; i++) {
        const struct code_range *ranges = node_ranges(tree, alternatives->items[i], &single, &range_count);
        if (ranges)
            fine = char_set_add_all(&set, ranges, range_count, false) == NACRE_OK;
        if (ranges && !place)
            place = &alternatives->items[kept++];
        else if (!ranges)
            alternatives->items[kept++] = alternatives->items[i];
    }
    if (fine)
        *place = node_class(tree, &set);
    fine = fine && *place;
    alternatives->count = kept;
    char_set_free(&set);
    return fine;
}

/* ---- common beginnings ---- */

static const struct syntax_node *leading_literal(const struct syntax_node *node)
{
    if (node->kind == SYNTAX_CONCAT)
        node = node->list.children[0];
    return node->kind == SYNTAX_LITERAL ? node : NULL;
}

static uint32_t shared_characters(const struct syntax_tree *tree, const struct syntax_node *a,
                                  const struct syntax_node *b, uint32_t most)
{
    uint32_t shared = 0;
    if (most > b->literal.size)
        most = b->literal.size;
    while (shared < most && a->literal.bytes[shared] == b->literal.bytes[shared])
        shared++;
    while (!tree->bytes && shared > 0 && /* back to the begin of a character */
           ((shared < a->literal.size && (a->literal.bytes[shared] & 0xC0) == 0x80) ||
            (shared < b->literal.size && (b->literal.bytes[shared] & 0xC0) == 0x80)))
        shared--;
    return shared;
}

/* What is left of an alternative without the first `size` bytes of its literal. */
static struct syntax_node *without_beginning(struct syntax_tree *tree, struct syntax_node *node, uint32_t size)
{
    const struct syntax_node *literal = leading_literal(node);
    struct syntax_node *rest = literal->literal.size == size
                                   ? node_simple(tree, SYNTAX_EMPTY)
                                   : node_literal(tree, literal->literal.bytes + size, literal->literal.size - size);
    if (node->kind == SYNTAX_LITERAL || !rest)
        return rest;
    struct syntax_node **parts = syntax_alloc(tree, node->list.count * sizeof(struct syntax_node *));
    if (!parts)
        return NULL;
    memcpy(parts, node->list.children, node->list.count * sizeof(struct syntax_node *));
    parts[0] = rest;
    return node_concat(tree, parts, node->list.count);
}

/* items[0..count) all begin with the first `size` bytes of the first one's literal. */
static struct syntax_node *factor_run(struct syntax_tree *tree, struct syntax_node **items, uint32_t count,
                                      uint32_t size)
{
    const uint8_t *bytes = leading_literal(items[0])->literal.bytes;
    for (uint32_t i = 0; i < count; i++)
        if (!(items[i] = without_beginning(tree, items[i], size)))
            return NULL;
    struct syntax_node *parts[2] = { node_literal(tree, bytes, size), node_alternate(tree, items, count) };
    return node_concat(tree, parts, 2);
}

static bool factor_beginnings(struct syntax_tree *tree, struct alternatives *alternatives)
{
    struct syntax_node **items = alternatives->items;
    uint32_t kept = 0;
    for (uint32_t from = 0, to; from < alternatives->count; from = to) {
        const struct syntax_node *literal = leading_literal(items[from]);
        uint32_t size = literal ? literal->literal.size : 0;
        for (to = from + 1; size > 0 && to < alternatives->count; to++) {
            const struct syntax_node *other = leading_literal(items[to]);
            uint32_t shared = other ? shared_characters(tree, literal, other, size) : 0;
            if (shared == 0)
                break;
            size = shared;
        }
        items[kept] = to - from == 1 ? items[from] : factor_run(tree, items + from, to - from, size);
        if (!items[kept++])
            return false;
    }
    alternatives->count = kept;
    return true;
}

/* ---- assertions that all alternatives begin or end with ---- */

static const struct syntax_node *edge_of(const struct syntax_node *node, bool at_end)
{
    if (node->kind == SYNTAX_CONCAT)
        node = node->list.children[at_end ? node->list.count - 1 : 0];
    return node;
}

static bool share_assertion(const struct alternatives *alternatives, bool at_end)
{
    if (alternatives->count < 2 || alternatives->empty_too)
        return false;
    enum syntax_kind kind = edge_of(alternatives->items[0], at_end)->kind;
    for (uint32_t i = 0; i < alternatives->count; i++) {
        const struct syntax_node *edge = edge_of(alternatives->items[i], at_end);
        if (!node_is_assertion(edge) || edge->kind != kind)
            return false;
    }
    return true;
}

static struct syntax_node *factor_assertion(struct syntax_tree *tree, struct alternatives *alternatives, bool at_end)
{
    struct syntax_node *assertion = node_simple(tree, edge_of(alternatives->items[0], at_end)->kind);
    for (uint32_t i = 0; i < alternatives->count; i++) {
        struct syntax_node *item = alternatives->items[i];
        alternatives->items[i] = item->kind == SYNTAX_CONCAT
                                     ? node_concat(tree, item->list.children + !at_end, item->list.count - 1)
                                     : node_simple(tree, SYNTAX_EMPTY);
    }
    struct syntax_node *rest = node_alternate(tree, alternatives->items, alternatives->count);
    struct syntax_node *parts[2] = { at_end ? rest : assertion, at_end ? assertion : rest };
    return node_concat(tree, parts, 2);
}

struct syntax_node *node_alternate(struct syntax_tree *tree, struct syntax_node *const *parts, uint32_t count)
{
    if (count == 1)
        return parts[0];
    struct alternatives alternatives;
    if (!flatten(tree, parts, count, &alternatives))
        return NULL;
    for (int at_end = 0; at_end < 2; at_end++)
        if (share_assertion(&alternatives, at_end))
            return factor_assertion(tree, &alternatives, at_end);
    if (!merge_characters(tree, &alternatives) || !factor_beginnings(tree, &alternatives))
        return NULL;
    if (alternatives.count == 0)
        return node_simple(tree, alternatives.empty_too ? SYNTAX_EMPTY : SYNTAX_NOTHING);
    struct syntax_node *node = alternatives.items[0];
    if (alternatives.count > 1) {
        node = node_simple(tree, SYNTAX_ALTERNATE);
        if (!node)
            return NULL;
        node->list.children = alternatives.items;
        node->list.count = alternatives.count;
    }
    return alternatives.empty_too ? node_repeat(tree, node, 0, 1) : node;
}
