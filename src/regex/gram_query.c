/* Gram queries: and, or, and what makes them small.
     in an AND   a leaf goes when a longer leaf holds it, an OR when a leaf or another OR implies it;
     in an OR    a leaf goes when it holds a shorter leaf, an AND when it implies a leaf; leaves of all alternatives are taken out.
   A query may always be weakened (a part of an AND dropped, ANY in the place of a large OR): it is a necessary condition.
   One thread at a time per arena, no locks. */
#include "regex/gram_query.h"
#include <stdlib.h>

const struct gram_query gram_query_any = { .operation = GRAM_ANY };
const struct gram_query gram_query_none = { .operation = GRAM_NONE };

/* Shell's sort: lists are short, nearly in order, and the comparison is inline. */
static void sort_grams(gram *grams, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (uint32_t i = gap; i < count; i++) {
            gram g = grams[i];
            uint32_t j = i;
            for (; j >= gap && grams[j - gap] > g; j -= gap)
                grams[j] = grams[j - gap];
            grams[j] = g;
        }
    }
}

uint32_t grams_order(gram *grams, uint32_t count)
{
    bool ordered = true;
    for (uint32_t i = 1; i < count && ordered; i++)
        ordered = grams[i - 1] <= grams[i];
    if (!ordered)
        sort_grams(grams, count);
    uint32_t kept = count > 0;
    for (uint32_t i = 1; i < count; i++)
        if (grams[i] != grams[kept - 1])
            grams[kept++] = grams[i];
    return kept;
}

static uint32_t leaf_count(const struct gram_query *query)
{
    uint32_t count = query->operation == GRAM_LEAF;
    for (uint32_t i = 0; i < query->count; i++)
        count += leaf_count(query->children[i]);
    return count;
}

/* The shorter grams in a gram; gives their number, at most 5. */
static unsigned shorter_grams(gram g, gram out[5])
{
    uint8_t bytes[3] = { gram_byte(g, 0), gram_byte(g, 1), gram_byte(g, 2) };
    unsigned count = 0, size = gram_size(g);
    for (unsigned n = 1; n < size; n++)
        for (unsigned from = 0; from + n <= size; from++)
            out[count++] = gram_of(bytes + from, n);
    return count;
}

/* Has the OR this leaf? */
static bool has_leaf(const struct gram_query *query, gram g)
{
    if (query->operation == GRAM_LEAF)
        return query->leaf == g;
    uint32_t low = 0, high = query->count;
    if (high == 0 || query->children[0]->operation != GRAM_LEAF || gram_size(query->children[0]->leaf) > gram_size(g))
        return false; /* the shortest ones come first */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct gram_query *child = query->children[middle];
        if (child->operation == GRAM_LEAF && child->leaf < g)
            low = middle + 1;
        else
            high = middle;
    }
    return low < query->count && query->children[low]->operation == GRAM_LEAF && query->children[low]->leaf == g;
}

static bool same_leaves(const struct gram_query *a, const struct gram_query *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; i < a->count && same; i++)
        same = a->children[i] == b->children[i] ||
               (a->children[i]->operation == GRAM_LEAF && b->children[i]->operation == GRAM_LEAF &&
                a->children[i]->leaf == b->children[i]->leaf);
    return same;
}

/* Is every key of `query` one of `other`, an OR or a leaf? False may mean that it was not seen. */
static bool implies(const struct gram_query *query, const struct gram_query *other)
{
    gram shorter[5];
    unsigned count;
    switch (query->operation) {
    case GRAM_LEAF:
        if (has_leaf(other, query->leaf))
            return true;
        count = shorter_grams(query->leaf, shorter);
        for (unsigned i = 0; i < count; i++)
            if (has_leaf(other, shorter[i]))
                return true;
        return false;
    case GRAM_AND:
        for (uint32_t i = 0; i < query->count; i++)
            if (implies(query->children[i], other))
                return true;
        return false;
    case GRAM_OR:
        if (other->operation == GRAM_OR && same_leaves(query, other))
            return true;
        for (uint32_t i = 0; i < query->count; i++)
            if (!implies(query->children[i], other))
                return false;
        return true;
    default:
        return query->operation == GRAM_NONE;
    }
}

static int compare_leaves(const void *a, const void *b)
{
    gram x = (*(const struct gram_query *const *)a)->leaf, y = (*(const struct gram_query *const *)b)->leaf;
    return x < y ? -1 : x > y;
}

/* Leaves first and in order, without repetition; then the others as they came. */
static uint32_t order_children(const struct gram_query **children, uint32_t count)
{
    bool ordered = true;
    for (uint32_t i = 1; i < count && ordered; i++)
        ordered = children[i]->operation == GRAM_LEAF && children[i - 1]->operation == GRAM_LEAF &&
                  children[i - 1]->leaf < children[i]->leaf;
    if (ordered)
        return count;
    uint32_t leaves = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (children[i]->operation == GRAM_LEAF) {
            const struct gram_query *leaf = children[i];
            memmove(children + leaves + 1, children + leaves, (i - leaves) * sizeof(struct gram_query *));
            children[leaves++] = leaf;
        }
    }
    qsort(children, leaves, sizeof(struct gram_query *), compare_leaves);
    uint32_t kept = leaves > 0;
    for (uint32_t i = 1; i < leaves; i++)
        if (children[i]->leaf != children[kept - 1]->leaf)
            children[kept++] = children[i];
    for (uint32_t i = leaves; i < count; i++)
        children[kept++] = children[i];
    return kept;
}

/* The parts and the children of those of the same operation, in a list of their own. *count becomes its length. */
static const struct gram_query **flatten(struct arena *arena, const struct gram_query *const *parts, uint32_t *count,
                                         enum gram_operation operation)
{
    size_t total = 0;
    for (uint32_t i = 0; i < *count; i++)
        total += parts[i]->operation == operation ? parts[i]->count : 1;
    const struct gram_query **list = arena_take(arena, (total + 1) * sizeof *list);
    uint32_t length = 0;
    for (uint32_t i = 0; list && i < *count; i++) {
        if (parts[i]->operation == operation) {
            memcpy(list + length, parts[i]->children, parts[i]->count * sizeof *list);
            length += parts[i]->count;
        } else {
            list[length++] = parts[i];
        }
    }
    *count = length;
    return list;
}

static const struct gram_query *finish(struct arena *arena, enum gram_operation operation,
                                       const struct gram_query **children, uint32_t count)
{
    if (count == 1)
        return children[0];
    struct gram_query *query = arena_take(arena, sizeof *query);
    if (query)
        *query = (struct gram_query){ .operation = operation, .children = children, .count = count };
    return query;
}

/* ---- and ---- */

static bool is_implied_by_another(const struct gram_query *const *children, uint32_t count, uint32_t at)
{
    if (children[at]->operation != GRAM_LEAF && children[at]->operation != GRAM_OR)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (i == at || !children[i])
            continue;
        /* a leaf is implied by longer ones only, so among leaves only those need to be looked at */
        bool longer = children[at]->operation != GRAM_LEAF || children[i]->operation != GRAM_LEAF ||
                      gram_size(children[i]->leaf) > gram_size(children[at]->leaf);
        if (longer && implies(children[i], children[at]))
            return true;
    }
    return false;
}

static uint32_t drop_implied(const struct gram_query **children, uint32_t count)
{
    for (uint32_t i = count; i-- > 0;)
        if (!(children[i]->operation == GRAM_LEAF && gram_size(children[i]->leaf) == 3) &&
            is_implied_by_another(children, count, i))
            children[i] = NULL;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (children[i])
            children[kept++] = children[i];
    return kept;
}

/* Longer grams say more, so where there are too many leaves the shortest go: they come first in the order. */
static uint32_t hold_and_limits(const struct gram_query **children, uint32_t count)
{
    uint32_t leaves = 0;
    while (leaves < count && children[leaves]->operation == GRAM_LEAF)
        leaves++;
    uint32_t dropped = leaves > QUERY_AND_LEAVES_MAX ? leaves - QUERY_AND_LEAVES_MAX : 0;
    uint32_t others = count - leaves > QUERY_AND_OTHERS_MAX ? QUERY_AND_OTHERS_MAX : count - leaves;
    memmove(children, children + dropped, (leaves - dropped + others) * sizeof(struct gram_query *));
    return leaves - dropped + others;
}

const struct gram_query *gram_query_and(struct arena *arena, const struct gram_query *const *parts, uint32_t count)
{
    const struct gram_query **children = flatten(arena, parts, &count, GRAM_AND);
    if (!children)
        return NULL;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (children[i]->operation == GRAM_NONE)
            return children[i];
        if (children[i]->operation != GRAM_ANY)
            children[kept++] = children[i];
    }
    if (kept == 0)
        return &gram_query_any;
    kept = hold_and_limits(children, order_children(children, kept));
    return finish(arena, GRAM_AND, children, drop_implied(children, kept));
}

/* ---- or ---- */

static bool holds_shorter_leaf(const struct gram_query *child, const struct gram_query *or_of_leaves)
{
    gram shorter[5];
    if (child->operation != GRAM_LEAF)
        return implies(child, or_of_leaves);
    unsigned count = shorter_grams(child->leaf, shorter);
    for (unsigned i = 0; i < count; i++)
        if (has_leaf(or_of_leaves, shorter[i]))
            return true;
    return false;
}

static bool has_all_along(const struct gram_query *query, gram g)
{
    return query->operation == GRAM_AND ? has_leaf(query, g) : query->operation == GRAM_LEAF && query->leaf == g;
}

/* An alternative without the leaves that are taken out of all. */
static const struct gram_query *without(struct arena *arena, const struct gram_query *query,
                                        const struct gram_query *shared)
{
    if (query->operation == GRAM_LEAF)
        return &gram_query_any;
    const struct gram_query **children = arena_take(arena, query->count * sizeof *children);
    uint32_t count = 0;
    for (uint32_t i = 0; children && i < query->count; i++)
        if (query->children[i]->operation != GRAM_LEAF || !has_leaf(shared, query->children[i]->leaf))
            children[count++] = query->children[i];
    if (!children || count == 0)
        return children ? &gram_query_any : NULL;
    return finish(arena, GRAM_AND, children, count);
}

/* (x & a) | (x & b) as x & (a | b). NULL in *result: no leaf is in all alternatives. */
static bool factor(struct arena *arena, const struct gram_query *const *children, uint32_t count,
                   const struct gram_query **result)
{
    const struct gram_query *first = children[count - 1];
    *result = NULL;
    if (count < 2 || children[0]->operation == GRAM_LEAF || first->operation != GRAM_AND)
        return true;
    const struct gram_query **shared = arena_take(arena, (first->count + 1) * sizeof *shared);
    if (!shared)
        return false;
    struct gram_query all = { .operation = GRAM_AND, .children = shared };
    for (uint32_t i = 0; i < first->count && first->children[i]->operation == GRAM_LEAF; i++) {
        bool in_all = true;
        for (uint32_t j = 0; j < count && in_all; j++)
            in_all = has_all_along(children[j], first->children[i]->leaf);
        if (in_all)
            shared[all.count++] = first->children[i];
    }
    if (all.count == 0)
        return true;
    const struct gram_query **rest = arena_take(arena, count * sizeof *rest);
    for (uint32_t i = 0; rest && i < count; i++)
        if (!(rest[i] = without(arena, children[i], &all)))
            return false;
    shared[all.count] = rest ? gram_query_or(arena, rest, count) : NULL;
    *result = shared[all.count] ? gram_query_and(arena, shared, all.count + 1) : NULL;
    return *result != NULL;
}

/* In order: leaves that stay come before those that they make superfluous, as shorter ones are less. Gives the new count. */
static uint32_t drop_superfluous(const struct gram_query **children, uint32_t count, uint32_t *total)
{
    uint32_t leaves = 0, length = 0;
    while (leaves < count && children[leaves]->operation == GRAM_LEAF)
        leaves++;
    *total = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct gram_query before = { .operation = GRAM_OR,
                                           .children = children,
                                           .count = length < leaves ? length : leaves };
        bool shortest = i < leaves && gram_size(children[i]->leaf) == gram_size(children[0]->leaf);
        if (shortest || !holds_shorter_leaf(children[i], &before)) {
            *total += leaf_count(children[i]);
            children[length++] = children[i];
        }
    }
    return length;
}

const struct gram_query *gram_query_or(struct arena *arena, const struct gram_query *const *parts, uint32_t count)
{
    const struct gram_query **children = flatten(arena, parts, &count, GRAM_OR), *factored;
    if (!children)
        return NULL;
    uint32_t kept = 0, total;
    for (uint32_t i = 0; i < count; i++) {
        if (children[i]->operation == GRAM_ANY)
            return children[i];
        if (children[i]->operation != GRAM_NONE)
            children[kept++] = children[i];
    }
    if (kept == 0)
        return &gram_query_none;
    kept = drop_superfluous(children, order_children(children, kept), &total);
    if (total > QUERY_LEAVES_MAX)
        return &gram_query_any;
    if (!factor(arena, children, kept, &factored))
        return NULL;
    return factored ? factored : finish(arena, GRAM_OR, children, kept);
}

/* ---- from grams ---- */

static const struct gram_query **leaves_of(struct arena *arena, gram *grams, uint32_t *count)
{
    *count = grams_order(grams, *count);
    struct gram_query *leaves = arena_take(arena, *count * sizeof *leaves);
    const struct gram_query **list = arena_take(arena, (*count + 1) * sizeof *list);
    if (!leaves || !list)
        return NULL;
    for (uint32_t i = 0; i < *count; i++) {
        leaves[i] = (struct gram_query){ .operation = gram_size(grams[i]) ? GRAM_LEAF : GRAM_ANY, .leaf = grams[i] };
        list[i] = &leaves[i];
    }
    return list;
}

const struct gram_query *gram_query_one_of(struct arena *arena, gram *grams, uint32_t count)
{
    const struct gram_query **leaves = leaves_of(arena, grams, &count);
    return leaves ? gram_query_or(arena, leaves, count) : NULL;
}

const struct gram_query *gram_query_all_of(struct arena *arena, gram *grams, uint32_t count)
{
    const struct gram_query **leaves = leaves_of(arena, grams, &count);
    return leaves ? gram_query_and(arena, leaves, count) : NULL;
}

/* ---- out ---- */

static const struct gram_query *copy(struct arena *arena, const struct gram_query *query)
{
    if (query->operation == GRAM_ANY || query->operation == GRAM_NONE)
        return query->operation == GRAM_ANY ? &gram_query_any : &gram_query_none;
    struct gram_query *result = arena_take(arena, sizeof *result);
    const struct gram_query **children = arena_take(arena, query->count * sizeof *children);
    if (!result || !children)
        return NULL;
    for (uint32_t i = 0; i < query->count; i++)
        if (!(children[i] = copy(arena, query->children[i])))
            return NULL;
    *result = *query;
    result->children = children;
    return result;
}

/* An AND may have more leaves than an OR is allowed: its largest ORs go. */
static const struct gram_query *weaken(struct arena *arena, const struct gram_query *query)
{
    uint32_t total = leaf_count(query), count = query->count;
    if (total <= QUERY_LEAVES_MAX || query->operation != GRAM_AND)
        return query;
    const struct gram_query **children = arena_take(arena, count * sizeof *children);
    if (!children)
        return NULL;
    memcpy(children, query->children, count * sizeof *children);
    while (total > QUERY_LEAVES_MAX) {
        uint32_t largest = 0;
        for (uint32_t i = 1; i < count; i++)
            if (leaf_count(children[i]) >= leaf_count(children[largest]))
                largest = i;
        total -= leaf_count(children[largest]);
        memmove(children + largest, children + largest + 1, (--count - largest) * sizeof *children);
    }
    return count ? finish(arena, GRAM_AND, children, count) : &gram_query_any;
}

const struct gram_query *gram_query_copy(struct arena *arena, const struct gram_query *query)
{
    const struct gram_query *weaker = weaken(arena, query);
    return weaker ? copy(arena, weaker) : NULL;
}

/* ---- as text ---- */

static int add_leaf_text(gram g, struct buffer *out)
{
    int status = buffer_append_u8(out, '"');
    for (unsigned i = 0; i < gram_size(g) && status == NACRE_OK; i++) {
        uint8_t byte = gram_byte(g, i);
        if (byte == GRAM_BEGIN || byte == GRAM_END)
            status = buffer_append_u8(out, byte == GRAM_BEGIN ? '^' : '$');
        else if (byte > 0x20 && byte < 0x7F && byte != '"' && byte != '\\' && byte != '^' && byte != '$')
            status = buffer_append_u8(out, byte);
        else
            status = buffer_append_format(out, "\\x%02X", byte);
    }
    return status == NACRE_OK ? buffer_append_u8(out, '"') : status;
}

int gram_query_text(const struct gram_query *query, struct buffer *out)
{
    if (query->operation == GRAM_LEAF)
        return add_leaf_text(query->leaf, out);
    if (query->operation == GRAM_ANY || query->operation == GRAM_NONE)
        return buffer_append_format(out, "%s", query->operation == GRAM_ANY ? "any" : "none");
    int status = buffer_append_u8(out, '(');
    for (uint32_t i = 0; i < query->count && status == NACRE_OK; i++) {
        if (i > 0)
            status = buffer_append_format(out, "%s", query->operation == GRAM_AND ? " & " : " | ");
        if (status == NACRE_OK)
            status = gram_query_text(query->children[i], out);
    }
    return status == NACRE_OK ? buffer_append_u8(out, ')') : status;
}
