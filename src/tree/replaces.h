/* What the segments of a merge or flush say of those that are not to be read any more (segment/replaced.h). */
#ifndef NACRE_TREE_REPLACES_H
#define NACRE_TREE_REPLACES_H
#include "tree/tree_private.h"

/* Of an output that is made for [from, to) (empty: open) out of these segments. Takes tree.lock. */
int replaces_encode(struct tree *, nacre_slice from, nacre_slice to, const uint64_t *inputs, size_t count,
                    struct buffer *groups);
#endif
