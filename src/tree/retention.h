/* Which versions a flush or merge keeps. Fed with all versions of the inputs in internal order; used by flushes and merges alike.

   A version is needed if it is the newest one at a live snapshot or at present, range deletes counted. Deletes, and expired entries
   which count as deletes, are needed only while something older may lie beneath them. */
#ifndef NACRE_TREE_RETENTION_H
#define NACRE_TREE_RETENTION_H
#include "base/buffer.h"
#include "base/entry.h"
#include "base/range_set.h"

struct retention {
    /* Set by the caller, before the first entry. */
    const uint64_t *snapshots; /* ascending */
    size_t snapshot_count;
    const struct range_set *ranges; /* the range deletes of all inputs; NULL = none */
    uint64_t now_ms;
    bool (*may_be_beneath)(void *context, nacre_slice key);       /* outside of the inputs, older than they are */
    int (*keep)(void *context, const struct entry *, bool older); /* older: not the first kept version of its key */
    void *context;

    /* Private. */
    struct buffer key;
    bool has_key, has_newer, has_tombstone, kept_one;
    uint64_t newer;     /* sequence of the version before */
    uint64_t tombstone; /* sequence of a needed delete that waits for something older to hide */
    bool has_fragment;
    struct range_delete fragment; /* where the last look at `ranges` holds, with its answer for the present */
};
int retention_add(struct retention *, const struct entry *);
int retention_finish(struct retention *); /* after the last entry */
void retention_free(struct retention *);

/* Whether a range delete of the inputs must be written on. `beneath`: something older than the inputs may lie in its range. */
bool retention_needs_range(const struct retention *, const struct range_delete *, bool beneath);
/* Whether no live snapshot s has from <= s < to: then what became hidden at `to` is hidden for all. */
bool retention_no_snapshot(const uint64_t *snapshots, size_t count, uint64_t from, uint64_t to);
#endif
