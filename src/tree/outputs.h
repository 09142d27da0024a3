/* Builds the segments that a flush or merge makes, from a cursor over its inputs. */
#ifndef NACRE_TREE_OUTPUTS_H
#define NACRE_TREE_OUTPUTS_H
#include "tree/tree_private.h"

struct output_job {
    struct tree *tree;
    struct cursor *cursor;             /* over the inputs, in internal order; the caller closes it */
    struct key_range range;            /* only these keys */
    const struct range_delete *ranges; /* the inputs' range deletes, clipped to the range */
    size_t range_count;
    const struct version *base; /* what lies beneath: its runs from `beneath` on */
    size_t beneath;
    uint32_t level; /* of the outputs */
    uint64_t run;
    uint64_t expected_bytes, expected_entries;
    bool fills; /* full segments instead of equal ones */
};
struct outputs {
    struct placed *made; /* their segments: one reference each; their keys in `keys` */
    size_t count, capacity;
    struct buffer *keys;     /* one per made segment: begin and end */
    uint64_t bytes, entries; /* bytes: side files too */
};
/* Synced, with their directory. On failure nothing is left behind. NACRE_CANCELLED when the tree stops. */
int outputs_build(const struct output_job *, struct outputs *);
void outputs_release(struct outputs *, bool remove_files);
#endif
