/* Moving values out of value files that are to go, as a merge writes the entries that point to them. */
#ifndef NACRE_TREE_VALUE_MOVES_H
#define NACRE_TREE_VALUE_MOVES_H
#include "tree/tree_private.h"
#include "values/value_usage.h"

struct value_moves {
    struct tree *tree;
    uint64_t budget;          /* bytes of values; once they are moved, the rest keeps its pointers */
    struct value_file **from; /* draining, ascending by id; the inputs' segments hold them */
    size_t from_count, from_capacity;
    struct value_file **into; /* holds what was written, until the segments hold it */
    size_t into_count, into_capacity;
    uint64_t moved, moved_bytes, looked_bytes;
    uint8_t pointer[VALUE_POINTER_BYTES]; /* of the last one that was moved */
};

/* Whether merges copy values out of the file: it is draining, or `garbage_percent` is not 0 and it has at least so much garbage and is
   not written to. */
bool value_file_drains(struct value_file *, unsigned garbage_percent);
/* Whether values of the piece's segment are to be moved; `least`: VALUE_DRAINS or VALUE_DRAINS_NOW. */
bool piece_drains(const struct piece *, enum value_drain least);
bool piece_drains_garbage(const struct piece *, unsigned garbage_percent);

/* For the inputs of a merge: adds the files of the segment that are to be drained. */
int value_moves_from(struct value_moves *, const struct segment *, unsigned garbage_percent);
/* Moves the entry's value if it lies in one of them: then entry->value is the new pointer, good until the next call. A value that cannot be read stays
   where it is, and its file is left alone from then on. */
int value_moves_entry(struct value_moves *, struct entry *);
/* Whether so much was moved since the last time that it is time to look at the stop flag. */
bool value_moves_look_due(struct value_moves *);
void value_moves_free(struct value_moves *);

/* What is needed of each value file, as the pieces of a tree's current version change, or all of them come or go. */
void value_usage_change(const struct placed *removed, size_t removed_count, const struct placed *added,
                        size_t added_count);
void value_usage_version(const struct version *, bool comes);
#endif
