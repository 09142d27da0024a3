/* What is known of an expression before any key is read: its shape here, the rest in literals.c, required.c and grams.c.
   One thread at a time per tree, no locks. */
#include "regex/analysis.h"
#include "base/status.h"
#include "regex/arena.h"
#include "regex/gram_query.h"
#include "regex/grams.h"
#include "regex/literals.h"
#include "regex/nodes.h"
#include "regex/unicode.h"
#include "base/utf8.h"

struct work {
    struct syntax_tree *tree;
    struct regex_analysis *analysis;
    struct arena *scratch;
};

/* ---- simple facts ---- */

static uint64_t least_bytes_of_class(const struct syntax_tree *tree, const struct syntax_node *node)
{
    for (uint32_t i = 0; i < node->set.count; i++)
        if (node->set.ranges[i].low <= UNICODE_REPLACEMENT && node->set.ranges[i].high >= UNICODE_REPLACEMENT)
            return 1; /* a bad byte */
    return tree->bytes ? 1 : utf8_size(node->set.ranges[0].low);
}

static uint64_t least_bytes_of_literal(const struct syntax_tree *tree, const struct syntax_node *node)
{
    uint64_t bytes = 0;
    if (tree->bytes)
        return node->literal.size;
    for (uint32_t at = 0, size; at < node->literal.size; at += size)
        bytes += utf8_decode(node->literal.bytes + at, &size) == UNICODE_REPLACEMENT ? 1 : size;
    return bytes;
}

static uint64_t least_bytes_of(const struct syntax_tree *tree, const struct syntax_node *node)
{
    uint64_t bytes = 0;
    switch (node->kind) {
    case SYNTAX_LITERAL:
        return least_bytes_of_literal(tree, node);
    case SYNTAX_CLASS:
        return least_bytes_of_class(tree, node);
    case SYNTAX_CONCAT:
        for (uint32_t i = 0; i < node->list.count; i++)
            bytes += least_bytes_of(tree, node->list.children[i]);
        return bytes;
    case SYNTAX_ALTERNATE:
        bytes = UINT64_MAX;
        for (uint32_t i = 0; i < node->list.count; i++) {
            uint64_t one = least_bytes_of(tree, node->list.children[i]);
            bytes = one < bytes ? one : bytes;
        }
        return bytes;
    case SYNTAX_REPEAT:
        return node->repeat.least ? node->repeat.least * least_bytes_of(tree, node->repeat.child) : 0;
    default:
        return 0;
    }
}

static bool begins_at_begin(const struct syntax_node *node)
{
    bool all = true;
    switch (node->kind) {
    case SYNTAX_BEGIN_TEXT:
        return true;
    case SYNTAX_CONCAT:
        for (uint32_t i = 0; i < node->list.count; i++) {
            const struct syntax_node *child = node->list.children[i];
            if (begins_at_begin(child))
                return true;
            if (!node_is_assertion(child))
                return false;
        }
        return false;
    case SYNTAX_ALTERNATE:
        for (uint32_t i = 0; i < node->list.count && all; i++)
            all = begins_at_begin(node->list.children[i]);
        return all;
    case SYNTAX_REPEAT:
        return node->repeat.least > 0 && begins_at_begin(node->repeat.child);
    default:
        return false;
    }
}

/* The literal right behind the `^` that the whole expression begins with. */
static struct literal begin_literal(const struct syntax_tree *tree)
{
    const struct syntax_node *root = tree->root;
    struct literal begin = { (const uint8_t *)"", 0 };
    if (root->kind != SYNTAX_CONCAT || root->list.children[0]->kind != SYNTAX_BEGIN_TEXT)
        return begin;
    const struct syntax_node *next = root->list.children[1];
    if (next->kind == SYNTAX_REPEAT && next->repeat.least > 0)
        next = next->repeat.child;
    if (next->kind != SYNTAX_LITERAL)
        return begin;
    begin = (struct literal){ next->literal.bytes, next->literal.size };
    const uint8_t *bad = tree->bytes ? NULL : memmem(begin.bytes, begin.size, "\xEF\xBF\xBD", 3);
    if (bad)
        begin.size = (uint32_t)(bad - begin.bytes);
    return begin;
}

/* ---- the shape ---- */

static bool has_empty(const struct literal_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].size == 0)
            return true;
    return list->count == 0;
}

/* Are the strings between the anchors few? As they are, or with letters folded when that makes them fewer. */
static bool find_literals(const struct work *w, struct literal_set *literals)
{
    const struct syntax_node *root = w->tree->root;
    struct syntax_node *const *parts = &w->tree->root;
    uint32_t count = 1;
    if (root->kind == SYNTAX_CONCAT) {
        parts = root->list.children;
        count = root->list.count;
        w->analysis->at_begin = parts[0]->kind == SYNTAX_BEGIN_TEXT;
        w->analysis->at_end = parts[count - 1]->kind == SYNTAX_END_TEXT;
        parts += w->analysis->at_begin;
        count -= (uint32_t)w->analysis->at_begin + w->analysis->at_end;
    }
    struct literal_list plain, folded;
    bool is_plain, is_folded;
    if (!literals_of_parts(w->scratch, w->tree, parts, count, CASE_AS_IT_IS, SHAPE_LITERALS_MAX, &plain, &is_plain))
        return false;
    is_plain = is_plain && !has_empty(&plain);
    if (is_plain && plain.count == 1) {
        *literals = (struct literal_set){ plain.items, 1, false };
        return true;
    }
    if (!literals_of_parts(w->scratch, w->tree, parts, count, CASE_FOLDED_EXACTLY, SHAPE_LITERALS_MAX, &folded,
                           &is_folded))
        return false;
    is_folded = is_folded && !has_empty(&folded) && !(is_plain && plain.count <= folded.count);
    if (is_folded)
        *literals = (struct literal_set){ folded.items, folded.count, true };
    else if (is_plain)
        *literals = (struct literal_set){ plain.items, plain.count, false };
    return true;
}

/* Into the tree's arena, with the bytes. */
static bool keep_literals(const struct work *w, const struct literal_set *from, struct literal_set *to)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < from->count; i++)
        bytes += from->items[i].size;
    struct literal *items = syntax_alloc(w->tree, from->count * sizeof *items);
    uint8_t *at = syntax_alloc(w->tree, bytes);
    if (!items || !at)
        return false;
    for (uint32_t i = 0; i < from->count; i++) {
        memcpy(at, from->items[i].bytes, from->items[i].size);
        items[i] = (struct literal){ at, from->items[i].size };
        at += from->items[i].size;
    }
    *to = (struct literal_set){ items, from->count, from->folded };
    return true;
}

static bool find_shape(const struct work *w)
{
    struct regex_analysis *analysis = w->analysis;
    struct literal_set literals = { 0 };
    if (!find_literals(w, &literals))
        return false;
    if (literals.count == 0) {
        analysis->at_begin = analysis->at_end = false;
        return true;
    }
    analysis->shape = SHAPE_LITERALS;
    return keep_literals(w, &literals, &analysis->literals);
}

static bool find_required(const struct work *w)
{
    struct regex_analysis *analysis = w->analysis;
    if (analysis->shape == SHAPE_LITERALS && analysis->literals.count <= REQUIRED_LITERALS_MAX) {
        analysis->required = analysis->literals;
        analysis->required_at_end = analysis->at_end;
        analysis->required_is_enough = !analysis->at_begin && !analysis->at_end;
        return true;
    }
    struct literal_set required = { 0 };
    return literals_required(w->scratch, w->tree, &required, &analysis->required_at_end) &&
           keep_literals(w, &required, &analysis->required);
}

/* ^.*$, with both anchors (with one the edge is dropped). */
static bool is_any_line(const struct syntax_tree *tree)
{
    const struct syntax_node *root = tree->root;
    if (root->kind != SYNTAX_CONCAT || root->list.count != 3)
        return false;
    const struct syntax_node *first = root->list.children[0], *middle = root->list.children[1],
                             *last = root->list.children[2];
    return (first->kind == SYNTAX_BEGIN_TEXT || first->kind == SYNTAX_BEGIN_LINE) &&
           (last->kind == SYNTAX_END_TEXT || last->kind == SYNTAX_END_LINE) && middle->kind == SYNTAX_REPEAT &&
           middle->repeat.least == 0 && middle->repeat.most == REGEX_UNBOUNDED &&
           node_is_any_but_newline(tree, middle->repeat.child);
}

/* ---- the call ---- */

static bool analyze(const struct work *w)
{
    struct regex_analysis *analysis = w->analysis;
    const struct syntax_node *root = w->tree->root;
    analysis->anchored = begins_at_begin(root);
    analysis->begin = begin_literal(w->tree);
    analysis->least_bytes = least_bytes_of(w->tree, root);
    if (!find_shape(w) || !find_required(w))
        return false;
    analysis->everything_on_one_line = analysis->shape == SHAPE_GENERAL && is_any_line(w->tree);
    analysis->grams = grams_of_tree(w->tree, w->scratch);
    return analysis->grams != NULL;
}

int analysis_make(struct syntax_tree *tree, struct regex_analysis *analysis)
{
    *analysis = (struct regex_analysis){ .grams = &gram_query_any, .begin = { (const uint8_t *)"", 0 } };
    if (tree->root->kind == SYNTAX_EMPTY) {
        analysis->shape = SHAPE_EVERYTHING;
        return NACRE_OK;
    }
    if (tree->root->kind == SYNTAX_NOTHING) {
        analysis->shape = SHAPE_NOTHING;
        analysis->grams = &gram_query_none;
        return NACRE_OK;
    }
    struct work w = { tree, analysis, arena_create() };
    if (!w.scratch)
        return NACRE_NO_MEMORY;
    int status = NACRE_OK;
    if (!analyze(&w))
        status = arena_status(w.scratch) != NACRE_OK ? arena_status(w.scratch) : syntax_status(tree);
    arena_free(w.scratch);
    return status;
}
