/* Which versions a flush or merge keeps. Fed with all versions of the inputs in internal order; used by flushes and merges alike.

   A version is needed if it is the newest one at a live snapshot or at present, range deletes counted. Deletes, and expired entries
   which count as deletes, are needed only while something older may lie beneath them.

   An operand (ENTRY_MERGE) that is needed needs what is older, down to its base: the next put or delete, or where a range delete cuts it off. Such a chain
   becomes a put at the place of its newest version where the base is among the inputs, or nothing can lie beneath them; else the operands become one, where the
   operator can combine. A chain does not swallow a version that a snapshot between sees. Where the operator fails, or is not there, operands stay as they are,
   and their base with them. */
#ifndef NACRE_TREE_RETENTION_H
#define NACRE_TREE_RETENTION_H
#include "base/buffer.h"
#include "base/entry.h"
#include "base/range_set.h"
#include "merge/fold.h"

struct retention {
    /* Set by the caller, before the first entry. */
    const uint64_t *snapshots; /* ascending */
    size_t snapshot_count;
    const struct range_set *ranges; /* the range deletes of all inputs; NULL = none */
    uint64_t now_ms;
    bool (*may_be_beneath)(void *context, nacre_slice key); /* outside of the inputs, older than they are */
    /* Whether something newer than the inputs hides the version from `viewer`, the least that would see it, and so from all later ones. NULL:
       not known. */
    int (*is_hidden)(void *context, const struct entry *, uint64_t viewer, bool *hidden);
    /* Whether operands newer than the inputs may lie on the key: then its newest version is kept though it expired, as it may not have been when they were
       written. NULL: there are none. */
    bool (*may_be_above)(void *context, nacre_slice key);
    const nacre_merge_operator *merge_operator; /* NULL: operands stay as they are */
    /* The value of an ENTRY_POINTER. NULL: it cannot be got here, and operands stay on it. */
    int (*read_pointer)(void *context, const struct entry *, struct pin *, nacre_slice *value);
    /* The compaction filter, of a put that the present alone sees: may change its value and take its place of value, or *remove it. NULL: none. */
    int (*filter)(void *context, struct entry *, bool *remove);
    int (*keep)(void *context, const struct entry *, bool older); /* older: not the first kept version of its key */
    void *context;

    /* Told. */
    uint64_t folded;     /* operands that became part of a put */
    uint64_t failures;   /* chains that the operator could not fold */
    int failure;         /* what it gave for the last of them */
    bool keeps_operands; /* while `keep` is called: the version is of a chain, and no snapshot's release frees it */

    /* Private. */
    struct merge_fold fold;
    bool has_chain;      /* operands are held, or (passes) given out already, and what is beneath them is needed */
    bool passes, forced; /* forced: the version at work is given out, whoever sees it, and expired or not */
    bool newest;         /* the version at work is its key's newest in the inputs */
    uint64_t viewer;     /* the least that would see the version at work */
    bool chain_filtered; /* what comes of the chain goes through the filter */
    uint64_t floor;      /* of the chain: older versions are under a range delete */
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
