/* A set of characters as a small automaton over the bytes of their UTF-8 forms. */
#ifndef NACRE_REGEX_UTF8_CLASS_H
#define NACRE_REGEX_UTF8_CLASS_H
#include "regex/syntax.h"

#define UTF8_CLASS_ACCEPT UINT32_MAX

/* A node is a run of steps with disjoint, ascending bytes; all but its last have `more`. */
struct utf8_step {
    uint8_t low, high;
    bool more;
    uint32_t target; /* the first step of a node, or UTF8_CLASS_ACCEPT */
};
struct utf8_node;
struct utf8_class {
    struct utf8_step *steps; /* targets come before what leads to them */
    uint32_t count, entry;   /* entry: the node of the first byte; count 0: an empty class */
    uint32_t capacity;       /* private from here */
    struct utf8_node *nodes;
    uint32_t node_count, node_capacity;
    struct code_range *ranges;
    uint32_t range_capacity;
    uint32_t full[4];
    uint32_t buckets[64];
};

/* Makes it anew, in the memory of the one before; begin with a zeroed one. The automaton is the least for its language, but that it may also
   take byte strings that are not UTF-8: it is meant for valid UTF-8 only. NACRE_NO_MEMORY. */
int utf8_class_make(struct utf8_class *, const struct code_range *ranges, uint32_t count);
void utf8_class_free(struct utf8_class *);
#endif
