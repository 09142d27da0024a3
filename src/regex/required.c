/* The best literals that every matching key contains. Candidates are runs of neighbouring parts of a concatenation whose strings are few; of an
   alternation, the best of all alternatives together. A candidate is worth the bits of information that its least telling literal has, by a rough idea of
   how common bytes are in names and text, less what several literals cost to look for.
   One thread at a time per arena, no locks. */
#include "regex/literals.h"
#include "regex/nodes.h"

enum {
    REQUIRED_DEPTH_MAX = 128,
    WORTH_MAX = 60,         /* longer is not better */
    WORTH_OF_END = 3,       /* what is at the key's end is looked at in one place */
    COST_OF_DOUBLING = 5,   /* for twice as many literals */
    COST_OF_FOLDING = 4,    /* letters in both cases, and other keys than ASCII need more */
    WORTH_GOOD_ENOUGH = 20, /* better than that is not looked for with folding */
};

struct search {
    struct arena *arena;
    const struct syntax_tree *tree;
    enum literal_case letters;
};

struct candidate {
    struct literal_list list;
    int worth; /* 0: there is none */
    bool at_end;
};

static int byte_worth(uint8_t byte)
{
    if (byte >= 'a' && byte <= 'z')
        return strchr("eaiorntsl", byte) ? 4 : strchr("jqxz", byte) ? 7 : 5;
    if (byte >= '0' && byte <= '9')
        return 6;
    if (byte == '/' || byte == '.' || byte == '-')
        return 5;
    return byte == '_' || byte == ' ' ? 6 : 8;
}

static void consider(const struct search *s, const struct literal_list *list, bool at_end, struct candidate *best)
{
    int worth = WORTH_MAX;
    for (uint32_t i = 0; i < list->count; i++) {
        int bits = 0;
        for (uint32_t j = 0; j < list->items[i].size && bits < WORTH_MAX; j++)
            bits += byte_worth(list->items[i].bytes[j]);
        if (bits == 0)
            return; /* the empty string */
        worth = bits < worth ? bits : worth;
    }
    for (uint32_t count = 1; count < list->count; count *= 2)
        worth -= COST_OF_DOUBLING;
    worth += at_end ? WORTH_OF_END : 0;
    worth -= s->letters == CASE_FOLDED ? COST_OF_FOLDING : 0;
    if (list->count > 0 && worth > best->worth)
        *best = (struct candidate){ *list, worth, at_end };
}

static bool find_best(const struct search *, const struct syntax_node *, uint32_t depth, struct candidate *best);

/* ---- concatenations ---- */

/* Goes on with the run (of no strings: there is none yet), or where it gets too many strings, begins a new one. */
static bool run_extend(const struct search *s, struct literal_list *run, const struct literal_list *list,
                       struct candidate *best)
{
    bool fits = false;
    if (run->count > 0) {
        struct literal_list product;
        if (!literals_product(s->arena, run, list, REQUIRED_LITERALS_MAX, &product, &fits))
            return false;
        if (list->count < run->count)
            consider(s, list, false, best); /* fewer may be better than longer */
        if (fits) {
            if (run->count < list->count)
                consider(s, run, false, best);
            *run = product;
            return true;
        }
    }
    consider(s, run, false, best);
    *run = *list;
    return true;
}

static void run_end(const struct search *s, struct literal_list *run, struct candidate *best)
{
    consider(s, run, false, best);
    run->count = 0;
}

/* x{2,}: two of them go on with the run, and two of them begin the next. */
static bool extend_by_repeat(const struct search *s, struct literal_list *run, const struct syntax_node *node,
                             struct candidate *best, bool *known)
{
    struct syntax_node least = *node;
    least.repeat.most = least.repeat.least;
    struct literal_list list;
    *known = node->repeat.least > 0;
    if (*known && !literals_of(s->arena, s->tree, &least, s->letters, REQUIRED_LITERALS_MAX, &list, known))
        return false;
    if (!*known)
        return true;
    if (!run_extend(s, run, &list, best))
        return false;
    run_end(s, run, best);
    return run_extend(s, run, &list, best);
}

static bool extend_by_part(const struct search *s, struct literal_list *run, const struct syntax_node *part,
                           uint32_t depth, struct candidate *best)
{
    struct literal_list list;
    bool known;
    if (!literals_of(s->arena, s->tree, part, s->letters, REQUIRED_LITERALS_MAX, &list, &known))
        return false;
    if (known)
        return run_extend(s, run, &list, best);
    if (part->kind == SYNTAX_REPEAT && !extend_by_repeat(s, run, part, best, &known))
        return false;
    if (known)
        return true;
    struct candidate inner = { 0 };
    run_end(s, run, best);
    if (!find_best(s, part, depth, &inner))
        return false;
    if (inner.worth > best->worth)
        *best = inner;
    return true;
}

static bool find_best_of_concat(const struct search *s, const struct syntax_node *node, uint32_t depth,
                                struct candidate *best)
{
    struct literal_list run = { 0 };
    for (uint32_t i = 0; i < node->list.count; i++) {
        const struct syntax_node *part = node->list.children[i];
        bool last = i + 1 == node->list.count;
        if (part->kind == SYNTAX_END_TEXT && last && node == s->tree->root)
            consider(s, &run, true, best);
        else if (!node_is_assertion(part) && !extend_by_part(s, &run, part, depth, best))
            return false;
    }
    run_end(s, &run, best);
    return true;
}

/* ---- the others ---- */

static bool find_best_of_alternate(const struct search *s, const struct syntax_node *node, uint32_t depth,
                                   struct candidate *best)
{
    struct literal *items = arena_take(s->arena, REQUIRED_LITERALS_MAX * sizeof *items);
    if (!items)
        return false;
    struct literal_list all = { items, 0 };
    for (uint32_t i = 0; i < node->list.count; i++) {
        struct candidate of_one = { 0 };
        if (!find_best(s, node->list.children[i], depth, &of_one))
            return false;
        if (of_one.worth == 0 || all.count + of_one.list.count > REQUIRED_LITERALS_MAX)
            return true;
        for (uint32_t j = 0; j < of_one.list.count; j++)
            items[all.count++] = of_one.list.items[j];
    }
    consider(s, &all, false, best);
    return true;
}

static bool find_best(const struct search *s, const struct syntax_node *node, uint32_t depth, struct candidate *best)
{
    struct literal_list list;
    bool known;
    if (depth == REQUIRED_DEPTH_MAX)
        return true;
    if (!literals_of(s->arena, s->tree, node, s->letters, REQUIRED_LITERALS_MAX, &list, &known))
        return false;
    if (known) {
        consider(s, &list, false, best);
        return true;
    }
    switch (node->kind) {
    case SYNTAX_CONCAT:
        return find_best_of_concat(s, node, depth + 1, best);
    case SYNTAX_ALTERNATE:
        return find_best_of_alternate(s, node, depth + 1, best);
    case SYNTAX_REPEAT:
        return node->repeat.least == 0 || find_best(s, node->repeat.child, depth + 1, best);
    default:
        return true;
    }
}

bool literals_required(struct arena *arena, const struct syntax_tree *tree, struct literal_set *required, bool *at_end)
{
    struct search s = { arena, tree, CASE_AS_IT_IS };
    struct candidate best = { 0 };
    if (!find_best(&s, tree->root, 0, &best))
        return false;
    *required = (struct literal_set){ best.list.items, best.list.count, false };
    *at_end = best.at_end;
    if (best.worth >= WORTH_GOOD_ENOUGH)
        return true;
    int worth = best.worth;
    s.letters = CASE_FOLDED;
    if (!find_best(&s, tree->root, 0, &best))
        return false;
    if (best.worth > worth) {
        *required = (struct literal_set){ best.list.items, best.list.count, true };
        *at_end = best.at_end;
    }
    return true;
}
