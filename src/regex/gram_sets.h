/* Sets of strings, and of their first and last symbols, that gram queries are made of. A symbol is a byte with A-Z folded to a-z, or GRAM_BEGIN
   or GRAM_END for the edges of the key. An edge has no width: `^^` is one GRAM_BEGIN, and `a^` cannot be. The functions that join strings know.

   All lie in an arena; functions give false with detail when it has no memory. */
#ifndef NACRE_REGEX_GRAM_SETS_H
#define NACRE_REGEX_GRAM_SETS_H
#include "regex/gram_query.h"

enum {
    GRAM_SET_MAX = 256,            /* strings or edges in a set; what would be more is made shorter, or unknown */
    GRAM_STRINGS_BYTES_MAX = 4096, /* in a set of several strings */
};

struct gram_string {
    const uint8_t *bytes;
    uint32_t size;
};
struct gram_strings {
    const struct gram_string *items;
    uint32_t count;
};
/* The first, or last, up to two symbols of strings, as grams in order. Size 0: any symbols, or none. An empty set: nothing matches. */
struct gram_edges {
    const gram *items;
    uint32_t count;
};

bool gram_edges_make(struct arena *, gram *, uint32_t count, bool at_end,
                     struct gram_edges *);          /* copies; cuts them to one symbol when too many */
bool gram_edges_unknown(const struct gram_edges *); /* is size 0 in it? */
/* All a then b. *fits is false when they are too many. */
bool gram_strings_product(struct arena *, const struct gram_strings *a, const struct gram_strings *b,
                          struct gram_strings *, bool *fits);
/* The edges of the strings. Where a string has less than two symbols, those of `beside` go on, which stands before them (at_end) or behind. */
bool gram_strings_edges(struct arena *, const struct gram_strings *, bool at_end, const struct gram_edges *beside,
                        struct gram_edges *);
/* What keys must have that hold one of the strings; that hold the end of one of a and the begin of one of b side by side. */
const struct gram_query *gram_strings_query(struct arena *, const struct gram_strings *);
const struct gram_query *gram_edges_query(struct arena *, const struct gram_edges *);
const struct gram_query *gram_border_query(struct arena *, const struct gram_edges *a, const struct gram_edges *b);
/* A class as strings, when that is not too many (*fits), else by its edges. Both edges are unknown for a class of nearly everything. */
bool gram_class_strings(struct arena *, const struct syntax_tree *, const struct syntax_node *, struct gram_strings *,
                        bool *fits);
bool gram_class_edges(struct arena *, const struct syntax_tree *, const struct syntax_node *, struct gram_edges *first,
                      struct gram_edges *last);

static inline uint8_t gram_fold(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}
#endif
