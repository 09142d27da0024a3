/* Groups and alternatives. That a group captures, and its name, leaves no trace.
   One thread at a time per parser, no locks. */
#include "regex/parser.h"
#include "base/memory.h"
#include "base/status.h"
#include "regex/analysis.h"
#include "regex/nodes.h"
#include "regex/unicode.h"

static int push_group(struct parser *p, const uint8_t *at, uint32_t flags_outside)
{
    if (p->group_count > REGEX_DEPTH_MAX)
        return parse_refuse(p, at, at + 1, "groups are nested deeper than 1000");
    if (p->group_count == p->group_capacity) {
        bool inside = p->groups == p->groups_inline;
        struct group *groups = memory_realloc(inside ? NULL : p->groups, 2 * p->group_capacity * sizeof *groups);
        if (!groups)
            return NACRE_NO_MEMORY;
        if (inside)
            memcpy(groups, p->groups_inline, sizeof p->groups_inline);
        p->groups = groups;
        p->group_capacity *= 2;
    }
    if (p->operand_count > 0)
        p->operands[p->operand_count - 1].open = false;
    p->groups[p->group_count++] = (struct group){ p->operand_count, p->operand_count, flags_outside, at };
    return NACRE_OK;
}

static bool in_group(const char *name, uint32_t code)
{
    const struct unicode_group *group = unicode_group_find(name, strlen(name));
    for (uint32_t i = 0; group && i < group->count; i++) {
        const struct code_range *range = &unicode_ranges[group->first + i];
        if (code <= range->high)
            return code >= range->low;
    }
    return false;
}

static bool is_name_character(uint32_t code)
{
    static const char *const groups[] = { "Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Mn", "Mc", "Nd", "Pc" };
    if (code < 0x80)
        return code == '_' || (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (in_group(groups[i], code))
            return true;
    return false;
}

/* At the first character of a name that > ends. */
static int parse_group_name(struct parser *p, const uint8_t *group_at)
{
    const uint8_t *name = p->at;
    while (p->at < p->end && *p->at != '>') {
        const uint8_t *at = p->at;
        if (!is_name_character(parse_character(p)))
            return parse_refuse(p, at, p->at, "a group's name consists of letters, digits and _");
    }
    if (p->at == p->end || p->at == name)
        return parse_refuse(p, group_at, p->at, "a group's name is missing or has no >");
    p->at++;
    return push_group(p, group_at, p->flags);
}

static uint32_t flag_of(uint8_t letter)
{
    switch (letter) {
    case 'i':
        return FLAG_IGNORE_CASE;
    case 'm':
        return FLAG_MANY_LINES;
    case 's':
        return FLAG_DOT_NEWLINE;
    case 'U':
        return FLAG_UNGREEDY;
    default:
        return 0;
    }
}

/* At the first letter of (?flags) or (?flags:...). */
static int parse_flags(struct parser *p, const uint8_t *group_at)
{
    uint32_t flags = p->flags;
    bool negative = false, letter_needed = false;
    for (; p->at < p->end; p->at++) {
        uint32_t flag = flag_of(*p->at);
        if (flag) {
            flags = negative ? flags & ~flag : flags | flag;
            letter_needed = false;
        } else if (*p->at == '-' && !negative) {
            negative = letter_needed = true;
        } else {
            break;
        }
    }
    const uint8_t *end = p->at < p->end ? p->at + 1 : p->at;
    if (p->at == p->end || letter_needed || (*p->at != ':' && *p->at != ')'))
        return parse_refuse(p, group_at, end, "this is not a kind of group");
    int status = *p->at == ':' ? push_group(p, group_at, p->flags) : NACRE_OK;
    p->at++;
    p->flags = flags;
    return status;
}

/* What other engines know and this one, whose time is linear, does not. */
static const char *unsupported_group(const struct parser *p)
{
    static const struct {
        const char *begin, *reason;
    } unsupported[] = {
        { "(?=", "look-ahead is not supported" },     { "(?!", "look-ahead is not supported" },
        { "(?<=", "look-behind is not supported" },   { "(?<!", "look-behind is not supported" },
        { "(?>", "atomic groups are not supported" }, { "(?|", "branch reset groups are not supported" },
        { "(?#", "comments are not supported" },      { "(?(", "conditions are not supported" },
        { "(?R", "recursion is not supported" },      { "(?&", "recursion is not supported" },
        { "(?P>", "recursion is not supported" },     { "(?P=", "back-references are not supported" },
    };
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (parse_looks_at(p, unsupported[i].begin))
            return unsupported[i].reason;
    return NULL;
}

int parse_group_open(struct parser *p)
{
    const uint8_t *at = p->at;
    if (!parse_looks_at(p, "(?")) {
        p->at++;
        return push_group(p, at, p->flags);
    }
    const char *reason = unsupported_group(p);
    if (reason)
        return parse_refuse(p, at, p->end, reason);
    size_t name_from = parse_looks_at(p, "(?P<") ? 4 : parse_looks_at(p, "(?<") ? 3 : 0;
    p->at += name_from ? name_from : 2;
    return name_from ? parse_group_name(p, at) : parse_flags(p, at);
}

/* Makes one operand out of those from `first` on. */
static int reduce(struct parser *p, uint32_t first,
                  struct syntax_node *make(struct syntax_tree *, struct syntax_node *const *, uint32_t))
{
    uint32_t count = p->operand_count - first, product = 1;
    if (count == 1)
        return NACRE_OK;
    struct syntax_node *nodes_inline[OPERANDS_INLINE], **nodes = nodes_inline;
    if (count > OPERANDS_INLINE)
        nodes = syntax_alloc(p->tree, count * sizeof(struct syntax_node *));
    if (!nodes)
        return syntax_status(p->tree);
    for (uint32_t i = 0; i < count; i++) {
        nodes[i] = p->operands[first + i].node;
        if (p->operands[first + i].product > product)
            product = p->operands[first + i].product;
    }
    p->operand_count = first;
    return parse_push(p, make(p->tree, nodes, count), product);
}

int parse_alternative(struct parser *p)
{
    struct group *group = &p->groups[p->group_count - 1];
    int status = p->operand_count == group->concat_operand ? parse_push(p, node_simple(p->tree, SYNTAX_EMPTY), 1)
                                                           : reduce(p, group->concat_operand, node_concat);
    group->concat_operand = p->operand_count;
    return status;
}

int parse_group_close(struct parser *p)
{
    if (p->group_count == 1)
        return parse_refuse(p, p->at, p->at + 1, "there is no ( for the )");
    p->at++;
    int status = parse_alternative(p);
    if (status != NACRE_OK)
        return status;
    const struct group *group = &p->groups[--p->group_count];
    p->flags = group->flags_outside;
    status = reduce(p, group->first_operand, node_alternate);
    if (status == NACRE_OK)
        p->operands[p->operand_count - 1].open = false;
    return status;
}
