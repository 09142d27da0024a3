/* What newer segments supersede in older ones, worked out for the version that a step will make. Private to src/tree. */
#ifndef NACRE_TREE_DEAD_MARKS_H
#define NACRE_TREE_DEAD_MARKS_H
#include "tree/tree_private.h"

struct mark;
struct marks {
    struct mark *list;
    size_t count, capacity;
    int status; /* the first failure: what it was about stays unknown */
};
/* A step from the tree's version to the next: `consumed` (may be NULL) out, `added` in. */
struct marked_step {
    const struct consumed *consumed;
    const struct placed *added;
    size_t added_count;
    bool all; /* also for pieces whose dead rows were not known */
};
/* Joins new segments with old ones, outside of the lock, until nothing is missing for the tree's version of now. Returns with tree.lock held, always; what
   could not be had stays unknown. `marks` is zeroed. Kinds without find_dead: only takes the lock. */
void marks_make(struct tree *, const struct marked_step *, struct marks *);
/* What was joined with a segment whose sequence was given for the time being, `from`, counts from `to` on. */
void marks_settle(struct marks *, uint64_t from, uint64_t to);
/* lock held, as marks_make left it. Sets the dead rows of the list, which is what the next version will hold. */
void marks_apply(const struct tree *, const struct marked_step *, const struct marks *, struct placed *list,
                 size_t count);
void marks_free(struct marks *);
#endif
