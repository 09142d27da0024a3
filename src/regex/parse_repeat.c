/* Repetitions: * + ? {n} {n,} {n,m}, each also followed by ?, which says which match is found, so nothing here.
   One thread at a time per parser, no locks. */
#include "regex/parser.h"
#include "regex/nodes.h"

/* Takes the last character off an open literal, so that it alone is repeated. */
static int part_last_character(struct parser *p)
{
    struct operand *last = &p->operands[p->operand_count - 1];
    if (!last->open)
        return NACRE_OK;
    last->open = false;
    const uint8_t *bytes = last->node->literal.bytes;
    uint32_t size = last->node->literal.size, from = size - 1;
    while (!p->tree->bytes && (bytes[from] & 0xC0) == 0x80)
        from--;
    if (from == 0)
        return NACRE_OK;
    last->node->literal.size = from;
    return parse_push(p, node_literal(p->tree, bytes + from, size - from), 1);
}

/* The operator [at, p->at) on the last operand; a ? behind it is skipped. */
static int apply(struct parser *p, const uint8_t *at, uint32_t least, uint32_t most)
{
    const uint8_t *before = p->repeat_at;
    if (p->at < p->end && *p->at == '?')
        p->at++;
    if (p->operand_count == p->groups[p->group_count - 1].concat_operand)
        return parse_refuse(p, at, p->at, "there is nothing to repeat before the repetition");
    if (before)
        return parse_refuse(p, before, p->at,
                            *at == '+' ? "a repetition of a repetition, or a possessive one, is not supported"
                                       : "a repetition of a repetition is not supported");
    p->repeat_at = at;
    int status = part_last_character(p);
    if (status != NACRE_OK)
        return status;
    struct operand *last = &p->operands[p->operand_count - 1];
    if (*at == '{') {
        uint32_t count = most == REGEX_UNBOUNDED ? least : most;
        uint64_t product = (uint64_t)last->product * (count > 0 ? count : 1);
        if (product > REGEX_COUNT_MAX)
            return parse_refuse(p, at, p->at, "counts of repetitions come to more than 1000 together");
        last->product = (uint32_t)product;
    }
    last->node = node_repeat(p->tree, last->node, least, most);
    return last->node ? NACRE_OK : syntax_status(p->tree);
}

int parse_repeat(struct parser *p)
{
    const uint8_t *at = p->at++;
    return apply(p, at, *at == '+', *at == '?' ? 1 : REGEX_UNBOUNDED);
}

/* Digits at *at; numbers over the limit stay just over it. False: there are none. */
static bool read_number(const struct parser *p, const uint8_t **at, uint32_t *number)
{
    const uint8_t *from = *at;
    *number = 0;
    for (; *at < p->end && **at >= '0' && **at <= '9'; ++*at)
        if (*number <= REGEX_COUNT_MAX)
            *number = *number * 10 + (uint32_t)(**at - '0');
    return *at > from;
}

int parse_count(struct parser *p)
{
    const uint8_t *at = p->at + 1;
    uint32_t least, most;
    bool fine = read_number(p, &at, &least);
    most = least;
    if (fine && at < p->end && *at == ',') {
        at++;
        if (!read_number(p, &at, &most))
            most = REGEX_UNBOUNDED;
    }
    if (!fine || at == p->end || *at != '}') /* a{,3} and a{ are what they look like */
        return parse_push_character(p, parse_character(p));
    const uint8_t *from = p->at;
    p->at = at + 1;
    if (least > REGEX_COUNT_MAX || (most > REGEX_COUNT_MAX && most != REGEX_UNBOUNDED))
        return parse_refuse(p, from, p->at, "a count of repetitions is over 1000");
    if (most < least)
        return parse_refuse(p, from, p->at, "the least count of repetitions is over the greatest");
    return apply(p, from, least, most);
}
