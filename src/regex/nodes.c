/* Single nodes, concatenations and repetitions of a syntax tree. Alternations are in alternate.c.
   One thread at a time per tree, no locks. */
#include "regex/nodes.h"
#include "regex/analysis.h"
#include "regex/arena.h"
#include "regex/unicode.h"
#include "base/utf8.h"

enum { EXPANDED_BYTES_MAX = 256 }; /* (abc){3} is written out up to this size */

void *syntax_alloc(struct syntax_tree *tree, size_t bytes)
{
    return arena_take(tree->arena, bytes);
}

int syntax_status(const struct syntax_tree *tree)
{
    int status = arena_status(tree->arena);
    return status != NACRE_OK ? status : NACRE_NO_MEMORY; /* of a set of characters */
}

uint32_t syntax_character_max(const struct syntax_tree *tree)
{
    return tree->bytes ? 0xFF : UNICODE_MAX;
}

static struct syntax_node *node_new(struct syntax_tree *tree, enum syntax_kind kind)
{
    struct syntax_node *node = syntax_alloc(tree, sizeof *node);
    if (node)
        *node = (struct syntax_node){ .kind = kind };
    return node;
}

struct syntax_node *node_simple(struct syntax_tree *tree, enum syntax_kind kind)
{
    return node_new(tree, kind);
}

struct syntax_node *node_literal(struct syntax_tree *tree, const uint8_t *bytes, uint32_t size)
{
    struct syntax_node *node = node_new(tree, SYNTAX_LITERAL);
    if (node) {
        node->literal.bytes = bytes;
        node->literal.size = size;
    }
    return node;
}

struct syntax_node *node_character(struct syntax_tree *tree, uint32_t code)
{
    uint8_t *bytes = syntax_alloc(tree, UTF8_BYTES_MAX);
    if (!bytes)
        return NULL;
    if (!tree->bytes)
        return node_literal(tree, bytes, utf8_encode(code, bytes));
    bytes[0] = (uint8_t)code;
    return node_literal(tree, bytes, 1);
}

struct syntax_node *node_class(struct syntax_tree *tree, struct char_set *set)
{
    char_set_finish(set, syntax_character_max(tree));
    if (set->count == 0)
        return node_simple(tree, SYNTAX_NOTHING);
    if (set->count == 1 && set->ranges[0].low == set->ranges[0].high)
        return node_character(tree, set->ranges[0].low);
    struct syntax_node *node = node_new(tree, SYNTAX_CLASS);
    struct code_range *ranges = syntax_alloc(tree, set->count * sizeof *ranges);
    if (!node || !ranges)
        return NULL;
    memcpy(ranges, set->ranges, set->count * sizeof *ranges);
    node->set.ranges = ranges;
    node->set.count = set->count;
    return node;
}

bool node_is_assertion(const struct syntax_node *node)
{
    return node->kind >= SYNTAX_BEGIN_TEXT && node->kind <= SYNTAX_NO_WORD_BOUNDARY;
}

const struct code_range *node_ranges(const struct syntax_tree *tree, const struct syntax_node *node,
                                     struct code_range *single, uint32_t *count)
{
    if (node->kind == SYNTAX_CLASS) {
        *count = node->set.count;
        return node->set.ranges;
    }
    if (node->kind != SYNTAX_LITERAL || node->literal.size > UTF8_BYTES_MAX)
        return NULL;
    uint32_t size = 1;
    uint32_t code = tree->bytes ? node->literal.bytes[0] : utf8_decode(node->literal.bytes, &size);
    if (size != node->literal.size)
        return NULL;
    *single = (struct code_range){ code, code };
    *count = 1;
    return single;
}

bool node_is_any(const struct syntax_tree *tree, const struct syntax_node *node)
{
    return node->kind == SYNTAX_CLASS && node->set.count == 1 && node->set.ranges[0].low == 0 &&
           node->set.ranges[0].high == syntax_character_max(tree);
}

bool node_is_any_but_newline(const struct syntax_tree *tree, const struct syntax_node *node)
{
    if (node_is_any(tree, node))
        return true;
    if (node->kind != SYNTAX_CLASS || node->set.count != 2)
        return false;
    const struct code_range *ranges = node->set.ranges;
    return ranges[0].low == 0 && ranges[0].high == '\n' - 1 && ranges[1].low == '\n' + 1 &&
           ranges[1].high == syntax_character_max(tree);
}

/* ---- repetitions ---- */

static struct syntax_node *repeat_literal(struct syntax_tree *tree, const struct syntax_node *child, uint32_t times)
{
    uint32_t size = child->literal.size;
    uint8_t *bytes = syntax_alloc(tree, (size_t)size * times);
    if (!bytes)
        return NULL;
    for (uint32_t i = 0; i < times; i++)
        memcpy(bytes + (size_t)i * size, child->literal.bytes, size);
    return node_literal(tree, bytes, size * times);
}

/* Matches it no character, whatever happens? */
static bool has_no_width(const struct syntax_node *node)
{
    if (node->kind != SYNTAX_CONCAT)
        return node_is_assertion(node) || node->kind == SYNTAX_EMPTY;
    for (uint32_t i = 0; i < node->list.count; i++)
        if (!node_is_assertion(node->list.children[i]))
            return false;
    return true;
}

/* Can (child{inner least, most}){least,most} be one repetition? It can when the counts leave no gap between one more round and the next. */
static bool counts_join(const struct syntax_node *inner, uint32_t least, uint32_t most)
{
    uint32_t inner_least = inner->repeat.least, inner_most = inner->repeat.most;
    if (inner_most == REGEX_UNBOUNDED)
        return least > 0 || inner_least <= 1;
    return least == most || inner_least <= (uint64_t)least * (inner_most - inner_least) + 1;
}

static uint64_t count_product(uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return 0;
    return a == REGEX_UNBOUNDED || b == REGEX_UNBOUNDED ? REGEX_UNBOUNDED : (uint64_t)a * b;
}

struct syntax_node *node_repeat(struct syntax_tree *tree, struct syntax_node *child, uint32_t least, uint32_t most)
{
    if (!child || (least == 1 && most == 1))
        return child;
    if (child->kind == SYNTAX_NOTHING && least > 0)
        return child;
    if (most == 0 || child->kind == SYNTAX_NOTHING)
        return node_simple(tree, SYNTAX_EMPTY);
    if (has_no_width(child)) /* once is as good as often, and not at all better */
        return least > 0 ? child : node_simple(tree, SYNTAX_EMPTY);
    if (child->kind == SYNTAX_LITERAL && least == most && child->literal.size <= EXPANDED_BYTES_MAX / least)
        return repeat_literal(tree, child, least);
    if (child->kind == SYNTAX_REPEAT && counts_join(child, least, most)) {
        uint64_t joined_least = count_product(child->repeat.least, least);
        uint64_t joined_most = count_product(child->repeat.most, most);
        if (joined_least <= REGEX_COUNT_MAX && (joined_most <= REGEX_COUNT_MAX || joined_most == REGEX_UNBOUNDED))
            return node_repeat(tree, child->repeat.child, (uint32_t)joined_least, (uint32_t)joined_most);
    }
    struct syntax_node *node = node_new(tree, SYNTAX_REPEAT);
    if (node) {
        node->repeat.child = child;
        node->repeat.least = least;
        node->repeat.most = most;
    }
    return node;
}

/* ---- concatenations ---- */

static bool same_character(const struct syntax_tree *tree, const struct syntax_node *a, const struct syntax_node *b)
{
    struct code_range single_a, single_b;
    uint32_t count_a, count_b;
    const struct code_range *ranges_a = node_ranges(tree, a, &single_a, &count_a);
    const struct code_range *ranges_b = ranges_a ? node_ranges(tree, b, &single_b, &count_b) : NULL;
    return ranges_b && count_a == count_b && memcmp(ranges_a, ranges_b, count_a * sizeof *ranges_a) == 0;
}

/* x{a,b}x{c,d} as one: x{a+c,b+d}, where x is one character. NULL: they are not so. *failed: there was no memory. */
static struct syntax_node *join_repeats(struct syntax_tree *tree, struct syntax_node *a, struct syntax_node *b,
                                        bool *failed)
{
    if (a->kind != SYNTAX_REPEAT && b->kind != SYNTAX_REPEAT)
        return NULL;
    bool repeat_a = a->kind == SYNTAX_REPEAT, repeat_b = b->kind == SYNTAX_REPEAT;
    struct syntax_node *unit = repeat_a ? a->repeat.child : a;
    if (!same_character(tree, unit, repeat_b ? b->repeat.child : b))
        return NULL;
    uint32_t most_a = repeat_a ? a->repeat.most : 1, most_b = repeat_b ? b->repeat.most : 1;
    uint32_t least = (repeat_a ? a->repeat.least : 1) + (repeat_b ? b->repeat.least : 1);
    uint32_t most = most_a == REGEX_UNBOUNDED || most_b == REGEX_UNBOUNDED ? REGEX_UNBOUNDED : most_a + most_b;
    if (least > REGEX_COUNT_MAX || (most > REGEX_COUNT_MAX && most != REGEX_UNBOUNDED))
        return NULL;
    struct syntax_node *joined = node_repeat(tree, unit, least, most);
    *failed = !joined;
    return joined;
}

static bool append_part(struct syntax_tree *tree, struct syntax_node **list, uint32_t *count, struct syntax_node *part)
{
    struct syntax_node *last = *count > 0 ? list[*count - 1] : NULL;
    if (last && node_is_assertion(part) && part->kind == last->kind)
        return true;
    bool failed = false;
    struct syntax_node *joined = last ? join_repeats(tree, last, part, &failed) : NULL;
    if (joined)
        list[*count - 1] = joined;
    else
        list[(*count)++] = part;
    return !failed;
}

/* Joins runs of literals; where their bytes lie behind each other already, nothing is copied. */
static struct syntax_node *join_literals(struct syntax_tree *tree, struct syntax_node *const *run, uint32_t count)
{
    size_t size = 0;
    bool contiguous = true;
    for (uint32_t i = 0; i < count; i++) {
        size += run[i]->literal.size;
        contiguous =
            contiguous && (i == 0 || run[i]->literal.bytes == run[i - 1]->literal.bytes + run[i - 1]->literal.size);
    }
    if (contiguous)
        return node_literal(tree, run[0]->literal.bytes, (uint32_t)size);
    uint8_t *bytes = syntax_alloc(tree, size), *at = bytes;
    if (!bytes)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(at, run[i]->literal.bytes, run[i]->literal.size);
        at += run[i]->literal.size;
    }
    return node_literal(tree, bytes, (uint32_t)size);
}

/* Gives the new count, or 0 when there was no memory. */
static uint32_t join_literal_runs(struct syntax_tree *tree, struct syntax_node **list, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t from = 0, to; from < count; from = to) {
        to = from + 1;
        while (list[from]->kind == SYNTAX_LITERAL && to < count && list[to]->kind == SYNTAX_LITERAL)
            to++;
        list[kept] = to - from == 1 ? list[from] : join_literals(tree, list + from, to - from);
        if (!list[kept++])
            return 0;
    }
    return kept;
}

struct syntax_node *node_concat(struct syntax_tree *tree, struct syntax_node *const *parts, uint32_t count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!parts[i] || parts[i]->kind == SYNTAX_NOTHING)
            return parts[i];
        total += parts[i]->kind == SYNTAX_CONCAT ? parts[i]->list.count : 1;
    }
    if (count == 1)
        return parts[0];
    struct syntax_node **list = syntax_alloc(tree, total * sizeof(struct syntax_node *));
    uint32_t length = 0;
    for (uint32_t i = 0; list && i < count; i++) {
        bool nested = parts[i]->kind == SYNTAX_CONCAT;
        struct syntax_node *const *from = nested ? parts[i]->list.children : &parts[i];
        for (uint32_t j = 0; j < (nested ? parts[i]->list.count : 1); j++)
            if (from[j]->kind != SYNTAX_EMPTY && !append_part(tree, list, &length, from[j]))
                return NULL;
    }
    if (!list || length == 0)
        return list ? node_simple(tree, SYNTAX_EMPTY) : NULL;
    length = join_literal_runs(tree, list, length);
    if (length <= 1)
        return length ? list[0] : NULL;
    struct syntax_node *node = node_new(tree, SYNTAX_CONCAT);
    if (node) {
        node->list.children = list;
        node->list.count = length;
    }
    return node;
}
