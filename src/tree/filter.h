/* Compaction filters in a merge: asking about an entry, and what was done. Private to src/tree. */
#ifndef NACRE_TREE_FILTER_H
#define NACRE_TREE_FILTER_H
#include "base/output.h"
#include "tree/tree_private.h"

/* What the filter did in a unit. It may be installed only while no live snapshot sees an entry that it acted on. */
struct filtered {
    uint64_t removed, changed,
        failed; /* failed: a change that could not be taken, or a value that could not be read; the entries stayed */
    uint64_t least_sequence; /* of the entries removed or changed */
};
static inline bool filtered_any(const struct filtered *f)
{
    return f->removed + f->changed > 0;
}

struct filtering {
    struct tree *tree;
    const struct version *base; /* its runs [0, above) are newer than what is merged */
    size_t above;
    uint32_t level; /* that the entries go to */
    struct nacre_output changed;
    struct filtered *done;
};
/* Asks about a put (also one by pointer) that no live snapshot sees; gives it another value, or sets *remove. A changed value lies in the filtering until
   its next call. */
int filter_entry(struct filtering *, struct entry *, bool *remove);
void filtering_free(struct filtering *);
#endif
