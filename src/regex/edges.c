/* What may be dropped at the edges of a whole expression. A match may begin and end anywhere, so a first part that can be empty says
   nothing: the match may as well begin behind it; and of a first part that is repeated only the least number of rounds matters. The same holds
   at the end. It is exact: the keys that match stay the same.

   "Trimmed at its begin" of X is a Y with ANY* X = ANY* Y, where ANY is any character. It holds for a concatenation when it holds for
   its first part, and for an alternation when it holds for each alternative.
   Behind an assertion this does not hold, but for one: `^` and then any number of any characters is no condition at all.
   One thread at a time per tree, no locks. */
#include "regex/nodes.h"
#include "regex/analysis.h"

struct trimmer {
    struct syntax_tree *tree;
    bool at_end;
};

static struct syntax_node *trim(const struct trimmer *, struct syntax_node *);

/* children[i] counted from the edge */
static struct syntax_node *nth(const struct trimmer *t, const struct syntax_node *list, uint32_t i)
{
    return list->list.children[t->at_end ? list->list.count - 1 - i : i];
}

/* `^` (or `$` at the end) and a repetition without bound of a class that passes over everything up to there. */
static bool is_reached_from_anywhere(const struct trimmer *t, const struct syntax_node *assertion,
                                     const struct syntax_node *repeat)
{
    if (repeat->kind != SYNTAX_REPEAT || repeat->repeat.most != REGEX_UNBOUNDED)
        return false;
    if (assertion->kind == (t->at_end ? SYNTAX_END_TEXT : SYNTAX_BEGIN_TEXT))
        return node_is_any(t->tree, repeat->repeat.child);
    return assertion->kind == (t->at_end ? SYNTAX_END_LINE : SYNTAX_BEGIN_LINE) &&
           node_is_any_but_newline(t->tree, repeat->repeat.child);
}

/* `part` in the place of the first `dropped` children, counted from the edge. */
static struct syntax_node *with_edge(const struct trimmer *t, const struct syntax_node *list, uint32_t dropped,
                                     struct syntax_node *part)
{
    uint32_t left = list->list.count - dropped;
    struct syntax_node **parts = syntax_alloc(t->tree, (left + 1) * sizeof(struct syntax_node *));
    if (!parts || !part)
        return NULL;
    memcpy(parts + !t->at_end, list->list.children + (t->at_end ? 0 : dropped), left * sizeof(struct syntax_node *));
    parts[t->at_end ? left : 0] = part;
    return node_concat(t->tree, parts, left + 1);
}

static struct syntax_node *trim_concat(const struct trimmer *t, struct syntax_node *node)
{
    uint32_t count = node->list.count;
    for (uint32_t i = 0; i < count; i++) {
        struct syntax_node *part = nth(t, node, i), *trimmed = trim(t, part);
        uint32_t used = 1;
        if (i + 1 < count && is_reached_from_anywhere(t, part, nth(t, node, i + 1))) {
            const struct syntax_node *repeat = nth(t, node, i + 1);
            trimmed = node_repeat(t->tree, repeat->repeat.child, repeat->repeat.least, repeat->repeat.least);
            used = 2;
        }
        if (!trimmed)
            return NULL;
        if (trimmed->kind == SYNTAX_EMPTY) {
            i += used - 1;
            continue;
        }
        return trimmed == part && i == 0 ? node : with_edge(t, node, i + used, trimmed);
    }
    return node_simple(t->tree, SYNTAX_EMPTY);
}

static struct syntax_node *trim_alternate(const struct trimmer *t, struct syntax_node *node)
{
    struct syntax_node **parts = syntax_alloc(t->tree, node->list.count * sizeof(struct syntax_node *));
    if (!parts)
        return NULL;
    bool changed = false;
    for (uint32_t i = 0; i < node->list.count; i++) {
        parts[i] = trim(t, node->list.children[i]);
        if (!parts[i] || parts[i]->kind == SYNTAX_EMPTY)
            return parts[i];
        changed = changed || parts[i] != node->list.children[i];
    }
    return changed ? node_alternate(t->tree, parts, node->list.count) : node;
}

static struct syntax_node *trim_repeat(const struct trimmer *t, struct syntax_node *node)
{
    uint32_t least = node->repeat.least;
    if (least == 0)
        return node_simple(t->tree, SYNTAX_EMPTY);
    struct syntax_node *once = trim(t, node->repeat.child);
    if (least == 1 || !once || once->kind == SYNTAX_EMPTY)
        return once;
    return node->repeat.most == least ? node : node_repeat(t->tree, node->repeat.child, least, least);
}

static struct syntax_node *trim(const struct trimmer *t, struct syntax_node *node)
{
    switch (node->kind) {
    case SYNTAX_CONCAT:
        return trim_concat(t, node);
    case SYNTAX_ALTERNATE:
        return trim_alternate(t, node);
    case SYNTAX_REPEAT:
        return trim_repeat(t, node);
    default:
        return node;
    }
}

/* Alone, each of these holds somewhere in every key. */
static bool always_holds_somewhere(const struct syntax_node *node)
{
    return node->kind >= SYNTAX_BEGIN_TEXT && node->kind <= SYNTAX_END_LINE;
}

struct syntax_node *node_trim_edges(struct syntax_tree *tree, struct syntax_node *root)
{
    for (int at_end = 0; at_end < 2; at_end++) {
        const struct trimmer t = { tree, at_end };
        root = root ? trim(&t, root) : NULL;
    }
    if (!root)
        return NULL;
    bool holds = always_holds_somewhere(root);
    for (uint32_t i = 0; root->kind == SYNTAX_ALTERNATE && i < root->list.count; i++)
        holds = holds || always_holds_somewhere(root->list.children[i]);
    return holds ? node_simple(tree, SYNTAX_EMPTY) : root;
}
