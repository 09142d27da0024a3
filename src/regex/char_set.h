/* A set of characters that grows: what classes are built with. Zero-initialise; free with char_set_free. One thread at a time. */
#ifndef NACRE_REGEX_CHAR_SET_H
#define NACRE_REGEX_CHAR_SET_H
#include "regex/syntax.h"

struct char_set {
    struct code_range *ranges;
    uint32_t count, capacity;
    bool ordered; /* sorted, disjoint, not adjacent */
};

void char_set_free(struct char_set *);
void char_set_clear(struct char_set *); /* keeps the memory */
/* NACRE_NO_MEMORY. */
int char_set_add(struct char_set *, uint32_t low, uint32_t high);
int char_set_add_folded(struct char_set *, uint32_t low,
                        uint32_t high); /* with all that differs from it by case alone */
int char_set_add_all(struct char_set *, const struct code_range *ranges, uint32_t count, bool folded);
void char_set_order(struct char_set *);                /* sorts and joins */
int char_set_negate(struct char_set *, uint32_t most); /* all others of 0 to `most` */
/* Cuts off what is over `most`, and leaves surrogates out, which are in no key; ranges that reach over all of them stay whole. */
void char_set_finish(struct char_set *, uint32_t most);
#endif
