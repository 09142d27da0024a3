/* What begins with a backslash outside of brackets, and escaped characters everywhere.
   One thread at a time per parser, no locks. */
#include "regex/parser.h"
#include "regex/nodes.h"
#include "regex/unicode.h"

static bool is_octal(const struct parser *p, const uint8_t *at)
{
    return at < p->end && *at >= '0' && *at <= '7';
}

static int hex_digit(const struct parser *p, const uint8_t *at)
{
    if (at >= p->end)
        return -1;
    uint8_t letter = *at | 0x20;
    return *at >= '0' && *at <= '9' ? *at - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* \x7F and \x{10FFFF}; `at` stands behind the x, `escape` on the backslash. */
static int parse_hex(struct parser *p, const uint8_t *escape, uint32_t *code)
{
    bool braces = p->at < p->end && *p->at == '{';
    p->at += braces;
    *code = 0;
    uint32_t digits = 0;
    for (int digit; (braces || digits < 2) && (digit = hex_digit(p, p->at)) >= 0; p->at++, digits++)
        if (*code <= UNICODE_MAX)
            *code = *code << 4 | (uint32_t)digit;
    bool closed = braces ? digits > 0 && p->at < p->end && *p->at == '}' : digits == 2;
    if (!closed)
        return parse_refuse(p, escape, p->at, "a hexadecimal escape is two digits or {digits}");
    p->at += braces;
    if (*code > syntax_character_max(p->tree))
        return parse_refuse(p, escape, p->at, "there is no such character");
    return NACRE_OK;
}

/* Up to three octal digits from `at` on. */
static uint32_t parse_octal(struct parser *p)
{
    uint32_t code = 0;
    for (uint32_t digits = 0; digits < 3 && is_octal(p, p->at); p->at++, digits++)
        code = code * 8 + (uint32_t)(*p->at - '0');
    return code;
}

static const char *unsupported_escape(uint8_t letter)
{
    if (letter >= '1' && letter <= '9')
        return "back-references are not supported";
    switch (letter) {
    case 'k':
    case 'g':
        return "back-references are not supported";
    case 'C':
        return "\\C, a byte of a character, is not supported where keys are UTF-8";
    case 'Z':
        return "\\Z is not supported, the end of the key is \\z";
    case 'E':
        return "there is no \\Q for the \\E";
    default:
        return "this is no escape";
    }
}

int parse_escaped_character(struct parser *p, uint32_t *code)
{
    static const char names[] = "aftnrv", meanings[] = "\a\f\t\n\r\v";
    const uint8_t *escape = p->at++;
    if (p->at == p->end)
        return parse_refuse(p, escape, p->end, "nothing follows the backslash");
    uint8_t letter = *p->at;
    if (letter == '0' || (is_octal(p, p->at) && is_octal(p, p->at + 1))) {
        *code = parse_octal(p);
        return *code <= syntax_character_max(p->tree) ? NACRE_OK
                                                      : parse_refuse(p, escape, p->at, "there is no such character");
    }
    p->at++;
    if (letter == 'x')
        return parse_hex(p, escape, code);
    const char *name = letter ? memchr(names, letter, sizeof names - 1) : NULL;
    bool alphanumeric = (letter >= '0' && letter <= '9') || ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z');
    if (name)
        *code = (uint8_t)meanings[name - names];
    else if (letter < 0x80 && !alphanumeric)
        *code = letter;
    else {
        p->at--;
        parse_character(p);
        return parse_refuse(p, escape, p->at, unsupported_escape(letter));
    }
    return NACRE_OK;
}

/* \Q...\E: all between stands for itself; the \E may be missing. */
static int parse_quoted(struct parser *p)
{
    p->at += 2;
    int status = NACRE_OK;
    while (status == NACRE_OK && p->at < p->end && !parse_looks_at(p, "\\E"))
        status = parse_push_character(p, parse_character(p));
    if (p->at < p->end)
        p->at += 2;
    return status;
}

static int parse_assertion(struct parser *p, enum syntax_kind kind)
{
    p->at += 2;
    return parse_push(p, node_simple(p->tree, kind), 1);
}

static int parse_any_byte(struct parser *p)
{
    p->at += 2;
    char_set_clear(&p->set);
    int status = char_set_add(&p->set, 0, 0xFF);
    return status == NACRE_OK ? parse_push_set(p) : status;
}

int parse_escape(struct parser *p)
{
    switch (p->at + 1 < p->end ? p->at[1] : 0) {
    case 'A':
        return parse_assertion(p, SYNTAX_BEGIN_TEXT);
    case 'z':
        return parse_assertion(p, SYNTAX_END_TEXT);
    case 'b':
        return parse_assertion(p, SYNTAX_WORD_BOUNDARY);
    case 'B':
        return parse_assertion(p, SYNTAX_NO_WORD_BOUNDARY);
    case 'Q':
        return parse_quoted(p);
    case 'C':
        if (p->tree->bytes)
            return parse_any_byte(p);
        break;
    default:
        break;
    }
    bool named;
    char_set_clear(&p->set);
    int status = parse_named_class(p, &named);
    if (status != NACRE_OK || named)
        return status == NACRE_OK ? parse_push_set(p) : status;
    uint32_t code = 0;
    status = parse_escaped_character(p, &code);
    return status == NACRE_OK ? parse_push_character(p, code) : status;
}
