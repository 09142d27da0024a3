/* Sets of literals that say all, or something, about an expression. They lie in an arena; functions give false with detail when it has no
   memory. U+FFFD is in none: it may stand in a key as any bad byte. */
#ifndef NACRE_REGEX_LITERALS_H
#define NACRE_REGEX_LITERALS_H
#include "regex/analysis.h"
#include "regex/arena.h"

enum { SHAPE_LITERALS_MAX = 64, REQUIRED_LITERALS_MAX = 16, LITERALS_BYTES_MAX = 4096 };

/* How letters are to be taken. */
enum literal_case {
    CASE_AS_IT_IS,
    CASE_FOLDED_EXACTLY, /* only expressions in which each ASCII letter stands for both cases; statements are about keys of ASCII */
    CASE_FOLDED, /* any; the literals, in lower case, say less than the expression */
};

struct literal_list {
    struct literal *items;
    uint32_t count;
};

/* All strings that the node matches, assertions left out of account. *found is false when they are more than `most`, or not finite. */
bool literals_of(struct arena *, const struct syntax_tree *, const struct syntax_node *, enum literal_case,
                 uint32_t most, struct literal_list *, bool *found);
bool literals_of_parts(struct arena *, const struct syntax_tree *, struct syntax_node *const *parts, uint32_t count,
                       enum literal_case, uint32_t most, struct literal_list *, bool *found);
bool literals_product(struct arena *, const struct literal_list *, const struct literal_list *, uint32_t most,
                      struct literal_list *, bool *fits);

/* The best set of which every matching key contains one (struct regex_analysis, required). */
bool literals_required(struct arena *, const struct syntax_tree *, struct literal_set *, bool *at_end);
#endif
