/* Makes gram queries (analysis.h) in their simplest form, and keeps them small. Sets of grams are lists in ascending order, without repetition.
   Invariant of all queries made here, beside that of analysis.h: children that are leaves come first, in ascending order.
   All give NULL or false with detail when the arena has no memory. */
#ifndef NACRE_REGEX_GRAM_QUERY_H
#define NACRE_REGEX_GRAM_QUERY_H
#include "regex/analysis.h"
#include "regex/arena.h"

enum {
    QUERY_LEAVES_MAX = 4096,   /* an OR of more says nothing, so ANY takes its place */
    QUERY_AND_LEAVES_MAX = 64, /* an AND is true enough with so many */
    QUERY_AND_OTHERS_MAX = 24,
};

extern const struct gram_query gram_query_any, gram_query_none;

static inline unsigned gram_size(gram g)
{
    return g >> 24;
}
static inline uint8_t gram_byte(gram g, unsigned i)
{
    return (uint8_t)(g >> (16 - 8 * i));
}
/* Sorts and drops repetitions; gives the new count. */
uint32_t grams_order(gram *, uint32_t count);

const struct gram_query *gram_query_and(struct arena *, const struct gram_query *const *parts, uint32_t count);
const struct gram_query *gram_query_or(struct arena *, const struct gram_query *const *parts, uint32_t count);
/* Some of these, or all of them. The grams need no order, and are put into one. A gram of size 0 is in every key. */
const struct gram_query *gram_query_one_of(struct arena *, gram *, uint32_t count);
const struct gram_query *gram_query_all_of(struct arena *, gram *, uint32_t count);
/* A deep copy in another arena, of at most QUERY_LEAVES_MAX leaves (weaker where it had more). */
const struct gram_query *gram_query_copy(struct arena *, const struct gram_query *);
#endif
