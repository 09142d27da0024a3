/* The parser: pattern to tree, in one pass and without recursion. Parts that are read wait on a stack of operands, open groups on one of groups,
   which is at most REGEX_DEPTH_MAX high. `|` and `)` make one operand out of those since the group's begin.

   Invariants:
   1. operands of the groups lie behind each other; those from concat_operand of the innermost one on are parts of one concatenation.
   2. Only the last operand is open. Its bytes end at text_at.
   One thread at a time per parser, no locks. */
#include "regex/parser.h"
#include "base/memory.h"
#include "base/status.h"
#include "regex/analysis.h"
#include "regex/arena.h"
#include "regex/nodes.h"
#include "regex/unicode.h"
#include "base/utf8.h"

enum { SHOWN_BYTES_MAX = 40, RANGES_MAX = 1 << 20 };

/* ---- errors ---- */

/* The part of a pattern that a message shows: cut between characters, with what does not print as \xNN. */
static void show_part(const struct parser *p, const uint8_t *from, const uint8_t *to, char *out)
{
    bool cut = to - from > SHOWN_BYTES_MAX;
    if (cut) {
        to = from + SHOWN_BYTES_MAX;
        while (!p->tree->bytes && to > from && (*to & 0xC0) == 0x80)
            to--;
    }
    bool prints_all =
        !p->tree->bytes && utf8_valid_size((nacre_slice){ from, (size_t)(to - from) }) == (size_t)(to - from);
    for (; from < to; from++) {
        bool prints = *from >= 0x80 ? prints_all : *from >= 0x20 && *from != 0x7F;
        if (prints) {
            *out++ = (char)*from;
        } else {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = "0123456789ABCDEF"[*from >> 4];
            *out++ = "0123456789ABCDEF"[*from & 15];
        }
    }
    memcpy(out, cut ? "..." : "", cut ? 4 : 1);
}

int parse_refuse(struct parser *p, const uint8_t *from, const uint8_t *to, const char *reason)
{
    char part[4 * SHOWN_BYTES_MAX + 4];
    show_part(p, from, to, part);
    p->error_at = from;
    return fail(NACRE_INVALID, "regular expression: %s at byte %zu: `%s`", reason, (size_t)(from - p->begin), part);
}

/* ---- operands ---- */

static int grow_operands(struct parser *p)
{
    uint32_t capacity = 2 * p->operand_capacity;
    bool inside = p->operands == p->operands_inline;
    struct operand *operands = memory_realloc(inside ? NULL : p->operands, capacity * sizeof *operands);
    if (!operands)
        return NACRE_NO_MEMORY;
    if (inside)
        memcpy(operands, p->operands_inline, sizeof p->operands_inline);
    p->operands = operands;
    p->operand_capacity = capacity;
    return NACRE_OK;
}

int parse_push(struct parser *p, struct syntax_node *node, uint32_t product)
{
    if (!node)
        return syntax_status(p->tree);
    if (p->operand_count > 0)
        p->operands[p->operand_count - 1].open = false;
    if (p->operand_count == p->operand_capacity && grow_operands(p) != NACRE_OK)
        return NACRE_NO_MEMORY;
    p->operands[p->operand_count++] = (struct operand){ node, product, false };
    return NACRE_OK;
}

int parse_push_set(struct parser *p)
{
    struct syntax_node *node = node_class(p->tree, &p->set);
    p->range_count += p->set.count;
    if (p->range_count > RANGES_MAX)
        return fail(NACRE_LIMIT, "regular expression: it is too large: its classes have more than %d ranges",
                    RANGES_MAX);
    return parse_push(p, node, 1);
}

static bool has_case(uint32_t code)
{
    if (code < 0x80)
        return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
    return unicode_fold_next(code) != code;
}

int parse_push_character(struct parser *p, uint32_t code)
{
    bool surrogate = code >= UNICODE_SURROGATE_FIRST && code <= UNICODE_SURROGATE_LAST;
    if (surrogate || (p->flags & FLAG_IGNORE_CASE && has_case(code))) {
        char_set_clear(&p->set);
        int status = char_set_add_folded(&p->set, code, code);
        return status == NACRE_OK ? parse_push_set(p) : status;
    }
    if (p->operand_count == p->groups[p->group_count - 1].concat_operand || !p->operands[p->operand_count - 1].open) {
        int status = parse_push(p, node_literal(p->tree, p->text_at, 0), 1);
        if (status != NACRE_OK)
            return status;
        p->operands[p->operand_count - 1].open = true;
    }
    uint32_t size = 1;
    if (code < 0x80 || p->tree->bytes)
        *p->text_at = (uint8_t)code;
    else
        size = utf8_encode(code, p->text_at);
    p->text_at += size;
    p->operands[p->operand_count - 1].node->literal.size += size;
    return NACRE_OK;
}

uint32_t parse_character(struct parser *p)
{
    uint32_t size = 1, code = *p->at;
    if (code >= 0x80 && !p->tree->bytes)
        code = utf8_decode(p->at, &size);
    p->at += size;
    return code;
}

/* ---- the loop ---- */

static int parse_simple(struct parser *p, enum syntax_kind kind)
{
    p->at++;
    return parse_push(p, node_simple(p->tree, kind), 1);
}

static int parse_dot(struct parser *p)
{
    p->at++;
    char_set_clear(&p->set);
    uint32_t most = syntax_character_max(p->tree);
    int status;
    if (p->flags & FLAG_DOT_NEWLINE) {
        status = char_set_add(&p->set, 0, most);
    } else {
        status = char_set_add(&p->set, 0, '\n' - 1);
        if (status == NACRE_OK)
            status = char_set_add(&p->set, '\n' + 1, most);
    }
    return status == NACRE_OK ? parse_push_set(p) : status;
}

static int parse_part(struct parser *p)
{
    bool lines = p->flags & FLAG_MANY_LINES;
    switch (*p->at) {
    case '(':
        return parse_group_open(p);
    case ')':
        return parse_group_close(p);
    case '|':
        p->at++;
        return parse_alternative(p);
    case '[':
        return parse_bracket(p);
    case '.':
        return parse_dot(p);
    case '^':
        return parse_simple(p, lines ? SYNTAX_BEGIN_LINE : SYNTAX_BEGIN_TEXT);
    case '$':
        return parse_simple(p, lines ? SYNTAX_END_LINE : SYNTAX_END_TEXT);
    case '*':
    case '+':
    case '?':
        return parse_repeat(p);
    case '{':
        return parse_count(p);
    case '\\':
        return parse_escape(p);
    default:
        return parse_push_character(p, parse_character(p));
    }
}

static int parse_pattern(struct parser *p)
{
    while (p->at < p->end) {
        const uint8_t *repeat_before = p->repeat_at;
        int status = parse_part(p);
        if (status != NACRE_OK)
            return status;
        if (p->repeat_at == repeat_before)
            p->repeat_at = NULL; /* it was no repetition */
    }
    if (p->group_count > 1) {
        const uint8_t *at = p->groups[p->group_count - 1].at;
        return parse_refuse(p, at, p->end, "a ) is missing for the group");
    }
    return parse_alternative(p);
}

/* Alternatives of the whole pattern are operands now. */
static int finish_tree(struct parser *p)
{
    struct syntax_node *nodes_inline[OPERANDS_INLINE], **nodes = nodes_inline;
    if (p->operand_count > OPERANDS_INLINE)
        nodes = syntax_alloc(p->tree, p->operand_count * sizeof(struct syntax_node *));
    for (uint32_t i = 0; nodes && i < p->operand_count; i++)
        nodes[i] = p->operands[i].node;
    struct syntax_node *root = nodes ? node_alternate(p->tree, nodes, p->operand_count) : NULL;
    p->tree->root = p->untrimmed ? root : node_trim_edges(p->tree, root);
    return p->tree->root ? NACRE_OK : syntax_status(p->tree);
}

/* ---- the call ---- */

static bool has_replacement(const uint8_t *bytes, uint32_t size)
{
    return memmem(bytes, size, "\xEF\xBF\xBD", 3) != NULL;
}

static bool may_match_invalid(const struct syntax_node *node)
{
    bool may = false;
    switch (node->kind) {
    case SYNTAX_LITERAL:
        return has_replacement(node->literal.bytes, node->literal.size);
    case SYNTAX_CLASS:
        for (uint32_t i = 0; i < node->set.count && !may; i++)
            may = node->set.ranges[i].low <= UNICODE_REPLACEMENT && node->set.ranges[i].high >= UNICODE_REPLACEMENT;
        return may;
    case SYNTAX_CONCAT:
    case SYNTAX_ALTERNATE:
        for (uint32_t i = 0; i < node->list.count && !may; i++)
            may = may_match_invalid(node->list.children[i]);
        return may;
    case SYNTAX_REPEAT:
        return may_match_invalid(node->repeat.child);
    default:
        return false;
    }
}

static int run(struct parser *p, nacre_slice pattern)
{
    size_t valid = p->tree->bytes ? pattern.size : utf8_valid_size(pattern);
    if (valid < pattern.size)
        return parse_refuse(p, p->begin + valid, p->begin + valid + 1, "this is not UTF-8");
    p->text = p->text_at = syntax_alloc(p->tree, pattern.size + 1);
    if (!p->text)
        return syntax_status(p->tree);
    int status = parse_pattern(p);
    return status == NACRE_OK ? finish_tree(p) : status;
}

static void release(struct parser *p)
{
    char_set_free(&p->set);
    char_set_free(&p->scratch);
    if (p->operands != p->operands_inline)
        memory_free(p->operands);
    if (p->groups != p->groups_inline)
        memory_free(p->groups);
}

static int parse(nacre_slice pattern, const struct regex_options *options, bool untrimmed, struct syntax_tree *tree,
                 size_t *error_at)
{
    *tree = (struct syntax_tree){ .bytes = options->bytes };
    if (error_at)
        *error_at = 0;
    if (pattern.size > REGEX_PATTERN_MAX)
        return fail(NACRE_LIMIT, "regular expression: it has %zu bytes, the most is %u", pattern.size,
                    REGEX_PATTERN_MAX);
    tree->arena = arena_create();
    if (!tree->arena)
        return NACRE_NO_MEMORY;
    const uint8_t *begin = pattern.size ? pattern.data : (const uint8_t *)"";
    struct parser p;
    memset(&p, 0, offsetof(struct parser, operands_inline));
    p.tree = tree;
    p.untrimmed = untrimmed;
    p.begin = p.at = p.error_at = begin;
    p.end = begin + pattern.size;
    p.flags = options->ignore_case ? FLAG_IGNORE_CASE : 0;
    p.operands = p.operands_inline;
    p.operand_capacity = OPERANDS_INLINE;
    p.groups = p.groups_inline;
    p.group_capacity = GROUPS_INLINE;
    p.groups[p.group_count++] = (struct group){ .at = begin };
    int status = run(&p, pattern);
    release(&p);
    if (status != NACRE_OK) {
        if (error_at)
            *error_at = (size_t)(p.error_at - begin);
        syntax_free(tree);
        return status;
    }
    tree->may_match_invalid = !tree->bytes && may_match_invalid(tree->root);
    return NACRE_OK;
}

int syntax_parse(nacre_slice pattern, const struct regex_options *options, struct syntax_tree *tree, size_t *error_at)
{
    return parse(pattern, options, false, tree, error_at);
}

int syntax_parse_untrimmed(nacre_slice pattern, const struct regex_options *options, struct syntax_tree *tree,
                           size_t *error_at)
{
    return parse(pattern, options, true, tree, error_at);
}

void syntax_free(struct syntax_tree *tree)
{
    arena_free(tree->arena);
    *tree = (struct syntax_tree){ 0 };
}
