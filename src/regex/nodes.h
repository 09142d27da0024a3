/* Makes nodes of a syntax tree, in their simplest form. What comes out matches at the same places as what was asked for, and keeps the promises of
   syntax.h for its kind. Nodes are never
   changed once they are part of another, so they may be shared. All give NULL with detail when there is no memory
   (syntax_status says why), also when a part is NULL. */
#ifndef NACRE_REGEX_NODES_H
#define NACRE_REGEX_NODES_H
#include "regex/char_set.h"
#include "regex/syntax.h"

struct syntax_node *node_simple(struct syntax_tree *, enum syntax_kind); /* NOTHING, EMPTY and the assertions */
struct syntax_node *node_literal(struct syntax_tree *, const uint8_t *bytes, uint32_t size); /* does not copy */
struct syntax_node *node_character(struct syntax_tree *, uint32_t code);
struct syntax_node *node_class(struct syntax_tree *, struct char_set *); /* copies; the set is put in order by this */
struct syntax_node *node_concat(struct syntax_tree *, struct syntax_node *const *parts, uint32_t count);
struct syntax_node *node_alternate(struct syntax_tree *, struct syntax_node *const *parts, uint32_t count);
struct syntax_node *node_repeat(struct syntax_tree *, struct syntax_node *child, uint32_t least, uint32_t most);

bool node_is_assertion(const struct syntax_node *);
/* One character? Then its ranges, in *single when it is a literal. NULL: it is not. */
const struct code_range *node_ranges(const struct syntax_tree *, const struct syntax_node *, struct code_range *single,
                                     uint32_t *count);
bool node_is_any_but_newline(const struct syntax_tree *,
                             const struct syntax_node *); /* a class with all but \n, or more */
bool node_is_any(const struct syntax_tree *, const struct syntax_node *);
uint32_t syntax_character_max(const struct syntax_tree *); /* 255 over bytes */
int syntax_status(const struct syntax_tree *);             /* why something is NULL: NACRE_NO_MEMORY or NACRE_LIMIT */

/* Drops from a whole expression what a search anywhere in a key does not need (edges.c). */
struct syntax_node *node_trim_edges(struct syntax_tree *, struct syntax_node *root);
#endif
