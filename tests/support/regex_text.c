/* Prints syntax trees, for tests. */
#include "regex_text.h"
#include "base/utf8.h"
#include <stdlib.h>

static void must(int status)
{
    if (status != NACRE_OK)
        abort();
}

static void add(struct buffer *out, const char *text)
{
    must(buffer_append(out, text, strlen(text)));
}

static void add_character(struct buffer *out, uint32_t code, const char *special)
{
    if (code > 0x20 && code < 0x7F && !strchr(special, (int)code))
        must(buffer_append_u8(out, (uint8_t)code));
    else
        must(buffer_append_format(out, "\\x{%X}", code));
}

static void add_literal(const struct syntax_tree *tree, const struct syntax_node *node, struct buffer *out)
{
    add(out, "\"");
    for (uint32_t at = 0, size = 1; at < node->literal.size; at += size) {
        const uint8_t *bytes = node->literal.bytes + at;
        add_character(out, tree->bytes ? *bytes : utf8_decode(bytes, &size), "\"\\");
    }
    add(out, "\"");
}

static void add_class(const struct syntax_node *node, struct buffer *out)
{
    add(out, "[");
    for (uint32_t i = 0; i < node->set.count; i++) {
        const struct code_range *range = &node->set.ranges[i];
        add_character(out, range->low, "]\\-^");
        if (range->high > range->low) {
            add(out, range->high > range->low + 1 ? "-" : "");
            add_character(out, range->high, "]\\-^");
        }
    }
    add(out, "]");
}

static void add_node(const struct syntax_tree *tree, const struct syntax_node *node, struct buffer *out);

static void add_repeat(const struct syntax_tree *tree, const struct syntax_node *node, struct buffer *out)
{
    uint32_t least = node->repeat.least, most = node->repeat.most;
    add_node(tree, node->repeat.child, out);
    if (most == REGEX_UNBOUNDED && least <= 1)
        add(out, least ? "+" : "*");
    else if (least == 0 && most == 1)
        add(out, "?");
    else if (most == REGEX_UNBOUNDED)
        must(buffer_append_format(out, "{%u,}", least));
    else if (least == most)
        must(buffer_append_format(out, "{%u}", least));
    else
        must(buffer_append_format(out, "{%u,%u}", least, most));
}

static void add_node(const struct syntax_tree *tree, const struct syntax_node *node, struct buffer *out)
{
    static const char *const names[] = {
        [SYNTAX_NOTHING] = "NOTHING",   [SYNTAX_EMPTY] = "EMPTY",          [SYNTAX_BEGIN_TEXT] = "^",
        [SYNTAX_END_TEXT] = "$",        [SYNTAX_BEGIN_LINE] = "^m",        [SYNTAX_END_LINE] = "$m",
        [SYNTAX_WORD_BOUNDARY] = "\\b", [SYNTAX_NO_WORD_BOUNDARY] = "\\B",
    };
    switch (node->kind) {
    case SYNTAX_LITERAL:
        add_literal(tree, node, out);
        break;
    case SYNTAX_CLASS:
        add_class(node, out);
        break;
    case SYNTAX_CONCAT:
    case SYNTAX_ALTERNATE:
        for (uint32_t i = 0; i < node->list.count; i++) {
            add(out, i == 0 ? "(" : node->kind == SYNTAX_CONCAT ? " " : "|");
            add_node(tree, node->list.children[i], out);
        }
        add(out, ")");
        break;
    case SYNTAX_REPEAT:
        add_repeat(tree, node, out);
        break;
    default:
        add(out, names[node->kind]);
    }
}

void syntax_text(const struct syntax_tree *tree, struct buffer *out)
{
    add_node(tree, tree->root, out);
    must(buffer_append_u8(out, 0));
}
