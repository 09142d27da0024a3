/* The strings that an expression matches, where they are few.
   One thread at a time per arena, no locks. */
#include "regex/literals.h"
#include "regex/unicode.h"
#include "base/utf8.h"

enum { LITERALS_DEPTH_MAX = 128 };

struct enumeration {
    struct arena *arena;
    const struct syntax_tree *tree;
    enum literal_case letters;
    uint32_t most;
};

static bool is_letter(uint32_t code)
{
    return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
}

static bool enumerate(const struct enumeration *, const struct syntax_node *, uint32_t depth, struct literal_list *,
                      bool *found);

/* ---- one node ---- */

static bool enumerate_literal(const struct enumeration *e, const struct syntax_node *node, struct literal_list *list,
                              bool *found)
{
    const uint8_t *bytes = node->literal.bytes;
    uint32_t size = node->literal.size;
    bool ascii = true, letters = false;
    for (uint32_t i = 0; i < size; i++) {
        ascii = ascii && bytes[i] < 0x80;
        letters = letters || is_letter(bytes[i]);
    }
    *found = e->letters == CASE_AS_IT_IS ? e->tree->bytes || ascii || !memmem(bytes, size, "\xEF\xBF\xBD", 3)
                                         : ascii && !(letters && e->letters == CASE_FOLDED_EXACTLY);
    struct literal *item = *found ? arena_take(e->arena, sizeof *item) : NULL;
    if (!item)
        return !*found;
    if (letters && e->letters == CASE_FOLDED) {
        uint8_t *folded = arena_take(e->arena, size);
        if (!folded)
            return false;
        for (uint32_t i = 0; i < size; i++)
            folded[i] = is_letter(bytes[i]) ? bytes[i] | 0x20 : bytes[i];
        bytes = folded;
    }
    *item = (struct literal){ bytes, size };
    *list = (struct literal_list){ item, 1 };
    return true;
}

static bool class_has(const struct syntax_node *node, uint32_t code)
{
    for (uint32_t i = 0; i < node->set.count; i++)
        if (code <= node->set.ranges[i].high)
            return code >= node->set.ranges[i].low;
    return false;
}

/* May a character be left out because others of the class stand for it among keys of ASCII? *keep says whether it is one of the others. */
static bool fold_member(const struct enumeration *e, const struct syntax_node *node, uint32_t *code, bool *keep)
{
    *keep = true;
    if (e->letters == CASE_AS_IT_IS)
        return e->tree->bytes || *code != UNICODE_REPLACEMENT;
    if (*code >= 0x80) { /* U+017F beside s, U+212A beside k */
        uint32_t least = unicode_fold_next(*code);
        *keep = false;
        return least < 0x80 && class_has(node, least);
    }
    if (!is_letter(*code))
        return true;
    if (e->letters == CASE_FOLDED_EXACTLY && !class_has(node, *code ^ 0x20))
        return false;
    *keep = (*code & 0x20) != 0 || !class_has(node, *code | 0x20);
    *code |= 0x20;
    return true;
}

static bool enumerate_class(const struct enumeration *e, const struct syntax_node *node, struct literal_list *list,
                            bool *found)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < node->set.count; i++)
        total += node->set.ranges[i].high - node->set.ranges[i].low + 1;
    *found = total <= 3 * (uint64_t)e->most;
    if (!*found)
        return true;
    struct literal *items = arena_take(e->arena, total * sizeof *items);
    uint8_t *at = arena_take(e->arena, total * UTF8_BYTES_MAX);
    if (!items || !at)
        return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->set.count; i++) {
        for (uint32_t member = node->set.ranges[i].low; member <= node->set.ranges[i].high; member++) {
            uint32_t code = member, size = 1;
            bool keep;
            *found = fold_member(e, node, &code, &keep);
            if (!*found)
                return true;
            if (!keep)
                continue;
            if (e->tree->bytes)
                *at = (uint8_t)code;
            else
                size = utf8_encode(code, at);
            items[count++] = (struct literal){ at, size };
            at += size;
        }
    }
    *found = count > 0 && count <= e->most;
    *list = (struct literal_list){ items, count };
    return true;
}

/* ---- several ---- */

bool literals_product(struct arena *arena, const struct literal_list *a, const struct literal_list *b, uint32_t most,
                      struct literal_list *product, bool *fits)
{
    size_t count = (size_t)a->count * b->count, bytes = 0;
    for (uint32_t i = 0; i < a->count; i++)
        bytes += (size_t)a->items[i].size * b->count;
    for (uint32_t i = 0; i < b->count; i++)
        bytes += (size_t)b->items[i].size * a->count;
    *fits = count <= most && bytes <= LITERALS_BYTES_MAX;
    if (!*fits)
        return true;
    struct literal *items = arena_take(arena, count * sizeof *items);
    uint8_t *at = arena_take(arena, bytes);
    if (!items || !at)
        return false;
    for (uint32_t i = 0, k = 0; i < a->count; i++) {
        for (uint32_t j = 0; j < b->count; j++, k++) {
            items[k] = (struct literal){ at, a->items[i].size + b->items[j].size };
            memcpy(at, a->items[i].bytes, a->items[i].size);
            at += a->items[i].size;
            memcpy(at, b->items[j].bytes, b->items[j].size);
            at += b->items[j].size;
        }
    }
    *product = (struct literal_list){ items, (uint32_t)count };
    return true;
}

static bool one_empty(struct arena *arena, struct literal_list *list)
{
    struct literal *item = arena_take(arena, sizeof *item);
    if (!item)
        return false;
    *item = (struct literal){ (const uint8_t *)"", 0 };
    *list = (struct literal_list){ item, 1 };
    return true;
}

static bool enumerate_concat(const struct enumeration *e, struct syntax_node *const *parts, uint32_t count,
                             uint32_t depth, struct literal_list *list, bool *found)
{
    *found = true;
    if (count == 1)
        return enumerate(e, parts[0], depth, list, found);
    if (!one_empty(e->arena, list))
        return false;
    for (uint32_t i = 0; i < count && *found; i++) {
        struct literal_list part;
        if (!enumerate(e, parts[i], depth, &part, found) ||
            (*found && !literals_product(e->arena, list, &part, e->most, list, found)))
            return false;
    }
    return true;
}

static bool append(struct arena *arena, struct literal_list *list, const struct literal_list *more)
{
    struct literal *items = arena_take(arena, (list->count + more->count) * sizeof *items);
    if (!items)
        return false;
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof *items);
    memcpy(items + list->count, more->items, more->count * sizeof *items);
    *list = (struct literal_list){ items, list->count + more->count };
    return true;
}

static bool enumerate_alternate(const struct enumeration *e, const struct syntax_node *node, uint32_t depth,
                                struct literal_list *list, bool *found)
{
    *list = (struct literal_list){ 0 };
    *found = node->list.count <= e->most;
    for (uint32_t i = 0; i < node->list.count && *found; i++) {
        struct literal_list part;
        if (!enumerate(e, node->list.children[i], depth, &part, found))
            return false;
        if (*found && !append(e->arena, list, &part))
            return false;
        *found = *found && list->count <= e->most;
    }
    return true;
}

static bool enumerate_repeat(const struct enumeration *e, const struct syntax_node *node, uint32_t depth,
                             struct literal_list *list, bool *found)
{
    *list = (struct literal_list){ 0 };
    *found = node->repeat.most <= e->most;
    struct literal_list once, rounds;
    if (!*found)
        return true;
    if (!enumerate(e, node->repeat.child, depth, &once, found) || !one_empty(e->arena, &rounds))
        return false;
    for (uint32_t i = 0; i <= node->repeat.most && *found; i++) {
        if (i >= node->repeat.least && !append(e->arena, list, &rounds))
            return false;
        *found = list->count <= e->most;
        if (*found && i < node->repeat.most && !literals_product(e->arena, &rounds, &once, e->most, &rounds, found))
            return false;
    }
    return true;
}

static bool enumerate(const struct enumeration *e, const struct syntax_node *node, uint32_t depth,
                      struct literal_list *list, bool *found)
{
    *found = false;
    if (depth == LITERALS_DEPTH_MAX)
        return true;
    switch (node->kind) {
    case SYNTAX_EMPTY:
        *found = true;
        return one_empty(e->arena, list);
    case SYNTAX_LITERAL:
        return enumerate_literal(e, node, list, found);
    case SYNTAX_CLASS:
        return enumerate_class(e, node, list, found);
    case SYNTAX_CONCAT:
        return enumerate_concat(e, node->list.children, node->list.count, depth + 1, list, found);
    case SYNTAX_ALTERNATE:
        return enumerate_alternate(e, node, depth + 1, list, found);
    case SYNTAX_REPEAT:
        return enumerate_repeat(e, node, depth + 1, list, found);
    default: /* assertions, and what matches nothing */
        return true;
    }
}

bool literals_of(struct arena *arena, const struct syntax_tree *tree, const struct syntax_node *node,
                 enum literal_case letters, uint32_t most, struct literal_list *list, bool *found)
{
    const struct enumeration e = { arena, tree, letters, most };
    return enumerate(&e, node, 0, list, found);
}

bool literals_of_parts(struct arena *arena, const struct syntax_tree *tree, struct syntax_node *const *parts,
                       uint32_t count, enum literal_case letters, uint32_t most, struct literal_list *list, bool *found)
{
    const struct enumeration e = { arena, tree, letters, most };
    return enumerate_concat(&e, parts, count, 0, list, found);
}
