/* Any bytes as a regular expression (the first byte chooses the options): it is refused with a position inside of it and a reason, or its tree
   keeps the promises of syntax.h, and what the analysis says of a key, the rest of the input, is true of it. */
#include "base/status.h"
#include "regex/analysis.h"
#include "support/regex_match.h"
#include "support/regex_text.h"
#include <stdlib.h>

enum { KEY_BYTES_MAX = 12, TREE_NODES_MAX = 200 };

static void must(bool fine)
{
    if (!fine) {
        abort();
    }
}

static void check_ranges(const struct syntax_tree *tree, const struct syntax_node *node)
{
    const struct code_range *ranges = node->set.ranges;
    must(node->set.count > 1 || (node->set.count == 1 && ranges[0].low < ranges[0].high));
    for (uint32_t i = 0; i < node->set.count; i++) {
        must(ranges[i].low <= ranges[i].high && ranges[i].high <= (tree->bytes ? 0xFF : 0x10FFFF));
        must(i == 0 || ranges[i].low > ranges[i - 1].high + 1);
    }
}

/* Gives the number of nodes. */
static uint64_t check_node(const struct syntax_tree *tree, const struct syntax_node *node, bool is_root)
{
    uint64_t nodes = 1;
    must(is_root || (node->kind != SYNTAX_EMPTY && node->kind != SYNTAX_NOTHING));
    switch (node->kind) {
    case SYNTAX_LITERAL:
        must(node->literal.size > 0);
        break;
    case SYNTAX_CLASS:
        check_ranges(tree, node);
        break;
    case SYNTAX_CONCAT:
    case SYNTAX_ALTERNATE:
        must(node->list.count >= 2);
        for (uint32_t i = 0; i < node->list.count; i++) {
            const struct syntax_node *child = node->list.children[i];
            must(child->kind != node->kind);
            must(i == 0 || node->kind == SYNTAX_ALTERNATE || child->kind != SYNTAX_LITERAL ||
                 node->list.children[i - 1]->kind != SYNTAX_LITERAL);
            nodes += check_node(tree, child, false);
        }
        break;
    case SYNTAX_REPEAT:
        must(node->repeat.least <= node->repeat.most && node->repeat.most > 0);
        must(node->repeat.least <= REGEX_COUNT_MAX && !(node->repeat.least == 1 && node->repeat.most == 1));
        nodes += check_node(tree, node->repeat.child, false);
        break;
    default:
        break;
    }
    return nodes;
}

static void check_analysis(const struct syntax_tree *tree, const struct regex_analysis *analysis, nacre_slice key)
{
    bool matches = syntax_matches(tree, key);
    must(!matches || gram_query_holds(analysis->grams, key));
    must(!matches || key.size >= analysis->least_bytes);
    must(!matches || slice_has_prefix(key, (nacre_slice){ analysis->begin.bytes, analysis->begin.size }));
    must(analysis->shape != SHAPE_EVERYTHING || matches);
    must(analysis->shape != SHAPE_NOTHING || !matches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const struct regex_options options = { .ignore_case = data[0] & 1, .bytes = data[0] & 2 };
    size_t key_size = (size_t)(data[0] >> 2) % (KEY_BYTES_MAX + 1);
    key_size = key_size < size - 1 ? key_size : size - 1;
    nacre_slice pattern = { data + 1, size - 1 - key_size }, key = { data + size - key_size, key_size };
    struct syntax_tree tree;
    size_t error_at;
    int status = syntax_parse(pattern, &options, &tree, &error_at);
    if (status != NACRE_OK) {
        must(status == NACRE_INVALID || status == NACRE_LIMIT);
        must(error_at <= pattern.size && strstr(fail_detail(), "regular expression: "));
        return 0;
    }
    uint64_t nodes = check_node(&tree, tree.root, true);
    struct regex_analysis analysis;
    status = analysis_make(&tree, &analysis);
    must(status == NACRE_OK || status == NACRE_LIMIT);
    struct buffer text = { 0 };
    if (status == NACRE_OK) {
        must(gram_query_text(analysis.grams, &text) == NACRE_OK);
        if (nodes <= TREE_NODES_MAX) {
            check_analysis(&tree, &analysis, key);
        }
    }
    buffer_free(&text);
    syntax_free(&tree);
    return 0;
}
